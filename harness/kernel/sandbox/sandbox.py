"""Where a stranger's Makefile runs: make inside bubblewrap, with bounds on time, memory, processes, disk and words.

Inside, the tree is always /src and the output folder /out, so what was built for one work tree is valid for another.
Trusted, it runs on the host with the real paths; the bounds hold there as far as they can be kept without a sandbox.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.base.deadline import Deadline
from harness.base.errors import SeriesError
from harness.base.process import Child, Surroundings, start
from harness.kernel.sandbox.bubblewrap import (
    INSIDE_OUTPUT,
    INSIDE_TREE,
    Mounts,
    bubblewrap_words,
    cannot_shut_in,
    limit_words,
    pick_user,
    require_bubblewrap,
)
from harness.kernel.sandbox.output_reader import Reading, follow, pidfd, wait_readable
from harness.kernel.sandbox.usage import Watch

REPRODUCIBLE: Mapping[str, str] = {
    # Documentation/kbuild/reproducible-builds.rst names these four.
    "KBUILD_BUILD_TIMESTAMP": "Sat Jan  1 00:00:00 UTC 2000",
    "KBUILD_BUILD_USER": "harness",
    "KBUILD_BUILD_HOST": "harness",
    "KBUILD_BUILD_VERSION": "1",
    "LC_ALL": "C",
    "TZ": "UTC",
    "TMPDIR": "/tmp",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
"""The whole environment of make, but for what a call adds: no HOME, nothing of the user's."""

_NICENESS = "10"
_READ_BYTES = 64 * 1024
_TELLING_LINES = 20
_INIT = re.compile(rb'"child-pid": ([0-9]+),')


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one run inside may use in all.

    :param processes: at once.
    :param disk_mebibytes: in the output folder; /tmp is memory, a quarter of ``memory_mebibytes`` at most.
    """

    seconds: float = 3 * 3600.0
    memory_mebibytes: int = 8192
    processes: int = 2048
    disk_mebibytes: int = 24576


DEFAULT = Bounds()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A place to run make in.

    :param tree: the kernel tree, never written. :param output: the only folder that can be written; it exists.
    :param trusted: run on the host, without bubblewrap.
    :param cache: one more folder, found inside as /cache, read-only unless it ``is_cache_writable``; not when trusted.
    """

    tree: Path
    output: Path
    trusted: bool = False
    bounds: Bounds = DEFAULT
    cache: Path | None = None
    is_cache_writable: bool = False

    @property
    def inside_tree(self) -> str:
        """The tree's path as programs inside see it."""
        return os.fspath(self.tree) if self.trusted else INSIDE_TREE

    @property
    def inside_output(self) -> str:
        """The output folder's path as programs inside see it; they start in it."""
        return os.fspath(self.output) if self.trusted else INSIDE_OUTPUT


@dataclass(frozen=True, slots=True)
class InsideResult:
    """How a program inside ended.

    :param status: its exit status; minus a signal's number when it was killed. :param lines: all it said.
    :param stopped: why it was ended from outside, e.g. ``used more than 8192 MiB of memory``; empty when it was not.
    """

    status: int
    lines: tuple[str, ...]
    stopped: str = ""

    @property
    def is_success(self) -> bool:
        """Whether it ended by itself and well."""
        return self.status == 0 and not self.stopped


def make_arguments(sandbox: Sandbox, *targets: str, jobs: int, assignments: Sequence[str] = ()) -> list[str]:
    """The words that run the kernel's make out of tree.

    :param assignments: more words such as ``KCFLAGS=-fno-pie``. :param jobs: of make -j.
    """
    words = ["make", "--no-print-directory", "-C", sandbox.inside_tree, f"O={sandbox.inside_output}", f"-j{jobs}"]
    return [*words, *assignments, *targets]


def run_inside(
    sandbox: Sandbox,
    argv: Sequence[str],
    *,
    deadline: Deadline,
    environment: Mapping[str, str] = {},
    on_line: Callable[[str], None] | None = None,
) -> InsideResult:
    """Run a program in the sandbox to its end; whatever it started is gone when this returns.

    :param environment: added to :data:`REPRODUCIBLE`. :param on_line: called with each line as it comes.
    :raises HostError: bubblewrap is missing or does not work here, or the host ran out of memory or disk by others.
    """
    if not sandbox.trusted:
        require_bubblewrap()
    with contextlib.ExitStack() as stack:
        output, output_for_child = _pipe(stack)
        status, status_for_child = _pipe(stack)
        user = os.geteuid() if sandbox.trusted else pick_user()
        stack.enter_context(handed_over(sandbox.output, user))
        words = _words(sandbox, argv, user=user, status_descriptor=status_for_child.fileno())
        within = Surroundings(
            cwd=sandbox.output,
            env={**REPRODUCIBLE, **environment},
            pass_fds=() if sandbox.trusted else [status_for_child.fileno()],
        )
        log_end = output_for_child.fileno()
        child = stack.enter_context(start(words, stdout=log_end, stderr=log_end, within=within))
        output_for_child.close()
        status_for_child.close()
        status_said = stack.enter_context(_ended_with_all_it_started(child, status, trusted=sandbox.trusted))
        reading = Reading(output, on_line)
        watch = Watch(
            child.pid,
            sandbox.output,
            memory_mebibytes=sandbox.bounds.memory_mebibytes,
            processes=sandbox.bounds.processes,
            disk_mebibytes=sandbox.bounds.disk_mebibytes,
        )
        stopped = follow(reading, watch, deadline=deadline.sooner(sandbox.bounds.seconds))
    lines = tuple(reading.lines)
    if stopped or sandbox.trusted:
        return InsideResult(-signal.SIGKILL if stopped else child.returncode, lines, stopped)
    if b"exit-code" not in status_said:  # bwrap tells it of a program that was started
        raise cannot_shut_in("\n".join(lines[-_TELLING_LINES:]))
    return InsideResult(child.returncode, lines)


def series_fault(result: InsideResult, what: str) -> SeriesError:
    """The error for a run that was stopped.

    :param what: what it was doing, e.g. ``building the kernel``.
    """
    return SeriesError(
        f"{what} was ended: make {result.stopped}",
        evidence="\n".join(result.lines[-_TELLING_LINES:]),
        remedy="see which Makefile or program of the tree, or of a patch, does that",
    )


@contextlib.contextmanager
def _ended_with_all_it_started(child: Child, status: IO[bytes], *, trusted: bool) -> Iterator[bytearray]:
    """At the end of the block nothing that the child started is left; what bwrap said of it is complete then.

    bwrap's status descriptor tells the pid of the sandbox's init: with that process its pid namespace dies,
    pid_namespaces(7). Trusted, the process group of the child is ended: what left it by setsid(2) is not found.
    """
    said = bytearray()
    with contextlib.ExitStack() as stack:
        init = None
        if not trusted:
            while b"\n" not in said and _hear(status, said, wait=True):
                pass
            # When bwrap ended before it wrote that, there is no init.
            if found := _INIT.search(said):
                with contextlib.suppress(ProcessLookupError):
                    init = stack.enter_context(pidfd(int(found.group(1))))
        try:
            yield said
        finally:
            if trusted:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            elif init is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(init, signal.SIGKILL)
                wait_readable(init)
            _hear(status, said)


def _hear(status: IO[bytes], said: bytearray, *, wait: bool = False) -> bool:
    """Take in what bwrap has written by now, one JSON object a line, in pieces; False when nothing came."""
    if wait:
        wait_readable(status.fileno())
    try:
        data = os.read(status.fileno(), _READ_BYTES)
    except BlockingIOError:
        return False
    said += data
    return bool(data)


def _pipe(stack: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """The two ends of a pipe, closed with the stack; reading one does not wait."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    ends = os.fdopen(read, "rb", buffering=0), os.fdopen(write, "wb", buffering=0)
    return stack.enter_context(ends[0]), stack.enter_context(ends[1])


def _words(sandbox: Sandbox, argv: Sequence[str], *, user: int, status_descriptor: int) -> list[str]:
    """The whole command line: nice, the sandbox, the limits of each process, the program."""
    words = ["nice", "-n", _NICENESS]
    if sandbox.trusted:
        words.append("setsid")  # a process group of its own
    else:
        words += bubblewrap_words(
            Mounts(sandbox.tree, sandbox.output, sandbox.cache, sandbox.is_cache_writable),
            user=user,
            scratch_mebibytes=max(1, sandbox.bounds.memory_mebibytes // 4),
            status_descriptor=status_descriptor,
        )
    bounds = sandbox.bounds
    limits = limit_words(
        processes=bounds.processes,
        memory_mebibytes=bounds.memory_mebibytes,
        file_mebibytes=bounds.disk_mebibytes,
        user=user,
    )
    return [*words, *limits, *argv]


@contextlib.contextmanager
def handed_over(folder: Path, user: int) -> Iterator[None]:
    """A folder and all in it belongs to a user for the block; afterwards to this one, and every folder can be entered.

    :param user: by number.
    """
    own = os.geteuid()
    if user != own:
        _give(folder, user)
    try:
        yield
    finally:
        _give(folder, own)


def _give(folder: Path, owner: int) -> None:
    """Make all of a folder one user's, and its folders enterable; links are not followed."""
    os.chown(folder, owner, owner if os.geteuid() == 0 else -1)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)  # noqa: PTH118 - ten thousand of them
            status = os.lstat(path)
            if status.st_uid != owner:
                os.lchown(path, owner, owner if os.geteuid() == 0 else -1)
            if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700:
                os.chmod(path, 0o755)  # noqa: PTH101
