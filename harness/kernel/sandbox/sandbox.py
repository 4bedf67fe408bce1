# SPDX-License-Identifier: GPL-2.0-only
"""Run make on untrusted trees inside bubblewrap, with limits on time, memory, processes, disk and output.

Inside, the tree is always /src and the output folder /out, so objects of one work tree are valid for another. In
trusted mode make runs on the host with the real paths; the limits hold there as far as possible without a sandbox.
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
    bubblewrap_arguments,
    bubblewrap_error,
    limit_arguments,
    pick_user,
    require_bubblewrap,
)
from harness.kernel.sandbox.output_reader import OUTPUT_MEBIBYTES, Reading, follow, pidfd, wait_readable
from harness.kernel.sandbox.starvation import Starvation
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
"""The whole environment of make, except for additions of a call: no HOME, no variables of the user."""

_NICENESS = "10"
_READ_BYTES = 64 * 1024
_SHOWN_LINES = 20
_INIT = re.compile(rb'"child-pid": ([0-9]+),')


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of one run in the sandbox.

    :param seconds: wall time.
    :param memory_mebibytes: of all processes together.
    :param processes: at one time.
    :param disk_mebibytes: in the output folder; /tmp is memory, a quarter of ``memory_mebibytes`` at most.
    :param output_mebibytes: printed by all processes.
    """

    seconds: float = 3 * 3600.0
    memory_mebibytes: int = 8192
    processes: int = 2048
    disk_mebibytes: int = 24576
    output_mebibytes: int = OUTPUT_MEBIBYTES


DEFAULT = Bounds()


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The folders and limits of a run of make.

    :param tree: the kernel tree, read-only.
    :param output: the only writable folder; it exists.
    :param trusted: run on the host, without bubblewrap.
    :param bounds: the limits.
    :param cache: one more folder, mounted as /cache; not in trusted mode.
    :param is_cache_writable: whether the build may write to the cache.
    :param is_in_place: whether the folders are the user's own: they keep their paths inside and their owner.
    :param read_only: further files and folders, read-only, with their own paths inside; also parts of the output.
    """

    tree: Path
    output: Path
    trusted: bool = False
    bounds: Bounds = DEFAULT
    cache: Path | None = None
    is_cache_writable: bool = False
    is_in_place: bool = False
    read_only: tuple[Path, ...] = ()

    @property
    def inside_tree(self) -> str:
        """Return the path of the tree inside."""
        return os.fspath(self.tree) if self.trusted or self.is_in_place else INSIDE_TREE

    @property
    def inside_output(self) -> str:
        """Return the path of the output folder inside, which is the working directory."""
        return os.fspath(self.output) if self.trusted or self.is_in_place else INSIDE_OUTPUT


@dataclass(frozen=True, slots=True)
class InsideResult:
    """The result of a program in the sandbox.

    :param status: its exit status; minus the number of the signal that killed it.
    :param lines: its output.
    :param stopped: why the harness stopped it, e.g. ``used more than 8192 MiB of memory``; empty if it was not.
    """

    status: int
    lines: tuple[str, ...]
    stopped: str = ""

    @property
    def is_success(self) -> bool:
        """Return whether it ended by itself with status 0."""
        return self.status == 0 and not self.stopped


def make_arguments(sandbox: Sandbox, *targets: str, jobs: int, assignments: Sequence[str] = ()) -> list[str]:
    """Return the command line of the kernel's make, out of tree.

    :param jobs: the number for make -j.
    :param assignments: variables such as ``KCFLAGS=-fno-pie``.
    """
    words = ["make", "--no-print-directory", "-C", sandbox.inside_tree, f"-j{jobs}"]
    # Within the tree itself there is no O=: the command lines of objects would have it.
    if sandbox.inside_tree != sandbox.inside_output:
        words.insert(-1, f"O={sandbox.inside_output}")
    return [*words, *assignments, *targets]


def run_inside(
    sandbox: Sandbox,
    argv: Sequence[str],
    *,
    deadline: Deadline,
    environment: Mapping[str, str] = {},
    on_line: Callable[[str], None] | None = None,
    on_busy: Callable[[bool], None] | None = None,
) -> InsideResult:
    """Run a program in the sandbox to its end; all processes that it started have ended when this returns.

    :param environment: variables in addition to :data:`REPRODUCIBLE`.
    :param on_line: called with each line of output as it arrives.
    :param on_busy: called with whether the program mostly waits for a processor, when that changes.
    :raises HostError: bubblewrap is missing or does not work, or other programs used up the host's memory or disk.
    """
    if not sandbox.trusted:
        require_bubblewrap()
    with contextlib.ExitStack() as stack:
        output, output_for_child = _pipe(stack)
        status, status_for_child = _pipe(stack)
        user = os.geteuid() if sandbox.trusted or sandbox.is_in_place else pick_user()
        if not sandbox.is_in_place:
            stack.enter_context(owned_by(sandbox.output, user))
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
        status_text = stack.enter_context(_ended_with_all_it_started(child, status, trusted=sandbox.trusted))
        reading = Reading(output, on_line, most_mebibytes=sandbox.bounds.output_mebibytes)
        stopped = _follow(sandbox, child, reading, on_busy, deadline)
    lines = tuple(reading.lines)
    if stopped or sandbox.trusted:
        return InsideResult(-signal.SIGKILL if stopped else child.returncode, lines, stopped)
    if b"exit-code" not in status_text:  # bwrap reports it for every program that it started
        raise bubblewrap_error("\n".join(lines[-_SHOWN_LINES:]))
    return InsideResult(child.returncode, lines)


def _follow(
    sandbox: Sandbox, child: Child, reading: Reading, on_busy: Callable[[bool], None] | None, deadline: Deadline
) -> str:
    """Read the output to its end, with a watch over the limits; return the limit that was exceeded."""
    bounds, starvation = sandbox.bounds, Starvation(on_busy)
    watch = Watch(
        child.pid,
        sandbox.output,
        memory_mebibytes=bounds.memory_mebibytes,
        processes=bounds.processes,
        disk_mebibytes=bounds.disk_mebibytes,
    )
    try:
        # On the clock of the deadline: that of a command leaves out the time in which the build cannot run.
        return follow(reading, watch, starvation, deadline=deadline.sooner(bounds.seconds))
    finally:
        starvation.end()


def series_fault(result: InsideResult, what: str) -> SeriesError:
    """Return the error for a run that the harness stopped.

    :param what: the activity, e.g. ``building the kernel``.
    """
    return SeriesError(
        f"{what} was stopped: make {result.stopped}",
        evidence="\n".join(result.lines[-_SHOWN_LINES:]),
        remedy="check which Makefile or program of the tree or of a patch causes it",
    )


@contextlib.contextmanager
def _ended_with_all_it_started(child: Child, status: IO[bytes], *, trusted: bool) -> Iterator[bytearray]:
    """Kill all that the child started at the end of the block; yield the status text of bwrap, complete after it.

    bwrap's status descriptor has the pid of the sandbox's init: its pid namespace ends with that process,
    pid_namespaces(7). In trusted mode the process group of the child is killed: a process that left it by setsid(2)
    stays.
    """
    text = bytearray()
    with contextlib.ExitStack() as stack:
        init = None
        if not trusted:
            while b"\n" not in text and _read_status(status, text, wait=True):
                pass
            # There is no init when bwrap ended before it wrote its pid.
            if found := _INIT.search(text):
                with contextlib.suppress(ProcessLookupError):
                    init = stack.enter_context(pidfd(int(found.group(1))))
        try:
            yield text
        finally:
            if trusted:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            elif init is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(init, signal.SIGKILL)
                wait_readable(init)
            _read_status(status, text)


def _read_status(status: IO[bytes], text: bytearray, *, wait: bool = False) -> bool:
    """Append the available status output of bwrap, one JSON object a line; return False when there is none."""
    if wait:
        wait_readable(status.fileno())
    try:
        data = os.read(status.fileno(), _READ_BYTES)
    except BlockingIOError:
        return False
    text += data
    return bool(data)


def _pipe(stack: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """Open a pipe that is closed with the stack; its read end does not block."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    ends = os.fdopen(read, "rb", buffering=0), os.fdopen(write, "wb", buffering=0)
    return stack.enter_context(ends[0]), stack.enter_context(ends[1])


def _words(sandbox: Sandbox, argv: Sequence[str], *, user: int, status_descriptor: int) -> list[str]:
    """Return the whole command line: nice, the sandbox, the limits of each process, the program."""
    words = ["nice", "-n", _NICENESS]
    if sandbox.trusted:
        words.append("setsid")  # a process group of its own
    else:
        words += bubblewrap_arguments(
            Mounts(
                sandbox.tree,
                sandbox.output,
                sandbox.cache,
                sandbox.is_cache_writable,
                sandbox.is_in_place,
                sandbox.read_only,
            ),
            user=user,
            scratch_mebibytes=max(1, sandbox.bounds.memory_mebibytes // 4),
            status_descriptor=status_descriptor,
        )
    bounds = sandbox.bounds
    limits = limit_arguments(
        processes=bounds.processes,
        memory_mebibytes=bounds.memory_mebibytes,
        file_mebibytes=bounds.disk_mebibytes,
        user=user,
    )
    return [*words, *limits, *argv]


@contextlib.contextmanager
def owned_by(folder: Path, user: int) -> Iterator[None]:
    """Let another user own a folder and its content for the block; afterwards this user owns them and can enter each.

    :param user: the user id.
    """
    own = os.geteuid()
    if user != own:
        _give(folder, user)
    try:
        yield
    finally:
        _give(folder, own)


def _give(folder: Path, owner: int) -> None:
    """Change the owner of a folder and its content, and make its folders accessible; links are not followed."""
    os.chown(folder, owner, owner if os.geteuid() == 0 else -1)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)  # noqa: PTH118 - ten thousand of them
            status = os.lstat(path)
            if status.st_uid != owner:
                os.lchown(path, owner, owner if os.geteuid() == 0 else -1)
            if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700:
                os.chmod(path, 0o755)  # noqa: PTH101
