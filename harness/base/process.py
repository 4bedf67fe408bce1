# SPDX-License-Identifier: GPL-2.0-only
"""Start host processes; each ends with its ``with`` block and with the harness, even under kill -9.

The kernel itself ends them: every child asks for SIGKILL at its parent's death (prctl(2), PR_SET_PDEATHSIG) before it
runs its program. Processes are never looked up by name: only children are ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base import quick_start
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.seccomp import refuse_setting_times

Child = subprocess.Popen[bytes]
"""A running program."""
PIPE = subprocess.PIPE
Expired = subprocess.TimeoutExpired
"""A running program did not end in the time given."""

_LOG = logging.getLogger(__name__)
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def die_with_parent(expected_parent: int) -> None:
    """Ask the kernel to kill this process when its parent dies; die at once if the parent is gone already."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != expected_parent:
        os._exit(128 + signal.SIGKILL)


def outlive_parent() -> None:
    """Take back the request of :func:`start`: this process notices the end of its parent itself, and tidies up."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Completed:
    """The result of a program: its exit status (for a signal, minus its number) and its output."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Return standard output as text; invalid UTF-8 shows as the replacement character."""
        return self.stdout.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """Return the last twenty lines of standard error, or of standard output when that is empty."""
        output = self.stderr or self.stdout
        return "\n".join(output.decode(errors="replace").strip().splitlines()[-20:])


def find_program(name: str) -> Path | None:
    """Find a program on PATH, also in the sbin folders that a user's PATH often omits; None if absent."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = shutil.which(name, path=path)
    return Path(found) if found else None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The surroundings in which a program starts.

    :param cwd: the working folder; None for the current one.
    :param env: the whole environment; None for this process's own.
    :param pass_fds: descriptors that the program inherits under the same numbers.
    :param may_set_times: whether utimensat(2) is allowed; see ``harness/base/seccomp.py``.
    :param leads_group: whether it leads a process group, which is killed with it if it does not end by itself.
    """

    cwd: Path | None = None
    env: Mapping[str, str] | None = None
    pass_fds: Sequence[int] = ()
    may_set_times: bool = True
    leads_group: bool = False


INHERITED = Surroundings()
"""The surroundings of this process."""


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    deadline: Deadline,
    check: bool = True,
    stdin: bytes = b"",
    within: Surroundings = INHERITED,
    remedy: str = "",
) -> Completed:
    """Run a program to its end and return its output.

    :param check: raise when the exit status is not 0.
    :param within: the surroundings in which the program starts.
    :param remedy: the hint of the error if the program fails.
    :raises HostError: the program is missing, failed (with ``check``), or did not end before the deadline.
    """
    arguments = tuple(os.fspath(argument) for argument in argv)
    with _short_program(arguments, within) as child:
        seconds, began = deadline.seconds_left, time.monotonic()
        try:
            stdout, stderr = child.communicate(stdin, timeout=None if seconds == float("inf") else seconds)
        except subprocess.TimeoutExpired as error:
            output = ((error.stdout or b"") + (error.stderr or b"")).decode(errors="replace")
            raise HostError(
                f"{arguments[0]} did not end within its {error.timeout:.0f} s",
                evidence=f"{_shown(arguments)}\n{output[-2000:]}",
                remedy=remedy or "check whether the host is overloaded, then retry",
            ) from None
    done = Completed(arguments, child.returncode, stdout, stderr)
    _LOG.debug("process %d ended with status %d after %.3f s", child.pid, done.status, time.monotonic() - began)
    if check and done.status != 0:
        raise HostError(
            f"{Path(arguments[0]).name} failed with status {done.status}",
            evidence=f"{_shown(arguments)}\n{done.complaint}",
            remedy=remedy,
        )
    return done


@contextlib.contextmanager
def _short_program(arguments: tuple[str, ...], within: Surroundings) -> Iterator[Child]:
    """Start a program that ends by itself, with pipes; kill and reap it at the block's end.

    :raises HostError: the program is missing or cannot be executed.
    """
    pipe = subprocess.PIPE
    if within.leads_group or not quick_start.can_start(arguments[0], cwd=within.cwd, env=within.env):
        with start(arguments, stdin=pipe, stdout=pipe, stderr=pipe, within=within) as child:
            yield child
        return
    options = {"cwd": within.cwd, "env": within.env, "pass_fds": tuple(within.pass_fds)}
    begun = quick_start.QuickStart(arguments, options | dict.fromkeys(("stdin", "stdout", "stderr"), pipe), end)
    try:
        quick_start.begin(begun, may_set_times=within.may_set_times)
        try:
            child = begun.wait()
        except OSError as error:
            raise _not_started(arguments, error) from None
        _log_start(child, arguments, within)
        yield child
    finally:
        begun.abandon()


@contextlib.contextmanager
def start(
    argv: Sequence[str | os.PathLike[str]],
    *,
    stdin: int | None = subprocess.DEVNULL,
    stdout: int | None = subprocess.DEVNULL,
    stderr: int | None = subprocess.DEVNULL,
    within: Surroundings = INHERITED,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program for the length of a ``with`` block; it is killed and reaped at the block's end.

    The death of the *thread* that starts it counts as the parent's death (prctl(2)): keep the block in one thread.

    :param within: the surroundings in which the program starts.
    :raises HostError: the program is missing or cannot be executed.
    """
    arguments = [os.fspath(argument) for argument in argv]
    child: subprocess.Popen[bytes] | None = None
    # Python drops exceptions that are raised during a fork (os.register_at_fork): Ctrl-C is blocked until then.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    try:
        try:
            child = subprocess.Popen(
                arguments,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                cwd=within.cwd,
                env=within.env,
                pass_fds=tuple(within.pass_fds),
                process_group=0 if within.leads_group else None,
                preexec_fn=_prepare(os.getpid(), mask, None if within.may_set_times else refuse_setting_times()),
            )
        except OSError as error:
            raise _not_started(arguments, error) from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _log_start(child, arguments, within)
        yield child
    finally:
        if child is not None:
            if within.leads_group and child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            end(child)


def _not_started(arguments: Sequence[str], error: OSError) -> HostError:
    """Return the error of a program that is missing, not executable, built for another machine, or without memory."""
    return HostError(
        f"the program {arguments[0]} cannot be started",
        evidence=str(error),
        remedy="run 'harness doctor', which names the package to install",
    )


def _log_start(child: Child, arguments: Sequence[str], within: Surroundings) -> None:
    """Log the program that was started."""
    if _LOG.isEnabledFor(logging.DEBUG):
        folder = f" in {within.cwd}" if within.cwd else ""
        _LOG.debug("started process %d%s: %s", child.pid, folder, shlex.join(arguments))


def end(child: subprocess.Popen[bytes]) -> None:
    """Kill a child that still runs, close its pipes, and reap it."""
    if child.poll() is None:
        child.kill()
    for pipe in (child.stdin, child.stdout, child.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    child.wait()


class WaitMeter:
    """Measures how long a process could have run and did not, since others ran or a disk was busy.

    The source is /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst): the time that a thread ran,
    and the time that it waited. Between two looks the thread that waited longest counts. The kernel adds a wait when it
    ends, so the wait of a runnable thread that goes on is added here: from the first look at which both times were what
    they still are. A thread in uninterruptible sleep (state D, proc(5)) waits for the host's disk or for another
    program that keeps it busy; from one look to the next, that is added too.

    :param pid: the process.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._waits: dict[str, float] = {}
        self._blocked: dict[str, float] = {}
        self._looked = 0.0
        self._total = 0.0
        self.look()
        self._total = 0.0

    def look(self) -> float:
        """Return the seconds that the process has waited since the meter was made, as far as they are known."""
        waits, now = {}, time.monotonic()
        for task in self._tasks():
            with contextlib.suppress(OSError, ValueError, IndexError):
                statistics = (task / "schedstat").read_bytes()
                before, since = self._seen.get(task.name, (b"", now))
                since = since if statistics == before else now
                self._seen[task.name] = statistics, since
                # The state follows the name in parentheses, see proc(5).
                state = (task / "stat").read_bytes().rpartition(b") ")[2][:1]
                if state == b"D" and since < now:
                    self._blocked[task.name] = self._blocked.get(task.name, 0.0) + now - max(since, self._looked)
                unfinished = now - since if state == b"R" else 0.0
                waits[task.name] = int(statistics.split()[1]) / 1e9 + self._blocked.get(task.name, 0.0) + unfinished
        more = [wait - self._waits.get(name, 0.0) for name, wait in waits.items()]
        self._total += max(0.0, *more) if more else 0.0
        self._waits |= {name: max(wait, self._waits.get(name, 0.0)) for name, wait in waits.items()}
        self._looked = now
        return self._total

    def _tasks(self) -> list[Path]:
        """Return the folders of the threads; none once the process is gone."""
        try:
            return list(Path(f"/proc/{self._pid}/task").glob("*"))
        except OSError:
            return []


class PatientClock:
    """The monotonic clock without the time in which a build of this process could have run and did not.

    Deadlines of commands are on it, so that a build at a low priority is slow, and not ended, while others use the
    host. See ``harness/kernel/sandbox/starvation.py``, which also bounds what is left out.
    """

    def __init__(self) -> None:
        self._left_out = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return time.monotonic() - self._left_out

    def leave_out(self, seconds: float) -> None:
        """Leave out some of the time that has just passed."""
        self._left_out += seconds


PATIENT_CLOCK = PatientClock()
"""The clock of this process."""


def patient_deadline(seconds: float) -> Deadline:
    """Return a deadline on :data:`PATIENT_CLOCK`, for a command that may build a kernel."""
    return Deadline.after(seconds, clock=PATIENT_CLOCK)


def end_children() -> None:
    """Kill every running child of this process; :func:`start` reaps it."""
    import psutil  # here, because it is needed at the end of a run only

    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def kill(pids: Iterable[int]) -> None:
    """Kill children of this process; who started them reaps them.

    :param pids: their process ids; one that has ended is passed over.
    """
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def python(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module with this Python."""
    return [sys.executable, "-m", module, *arguments]


def _prepare(parent: int, mask: Collection[int], confine: Callable[[], None] | None) -> Callable[[], None]:
    """Return the function that a child calls before it runs its program."""

    def prepare() -> None:
        die_with_parent(parent)
        if confine is not None:
            confine()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    return prepare


def _shown(arguments: Sequence[str]) -> str:
    return "$ " + " ".join(arguments)
