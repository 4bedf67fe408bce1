"""Where a stranger's Makefile runs: make inside bubblewrap, with bounds on time, memory, processes, disk and words.

Inside, the tree is always /src and the output folder /out, so what was built for one work tree is valid for another.
Trusted, it runs on the host with the real paths; the bounds hold there as far as they can be kept without a sandbox.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import selectors
import signal
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import psutil

from harness.deadline import Deadline
from harness.errors import SeriesError
from harness.kernel.bubblewrap import (
    INSIDE_OUTPUT,
    INSIDE_TREE,
    NOBODY,
    bubblewrap_words,
    cannot_shut_in,
    is_root,
    require_bubblewrap,
)
from harness.kernel.watch import Watch
from harness.process import Child, start

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

_MEBIBYTE = 1 << 20
_NICENESS = "10"
# Limits of a single process stand above what is watched, so that the watch ends the build and names the bound.
_HARD = 2
_OUTPUT_BYTES = 64 * _MEBIBYTE
_LINES = 500_000
_LINE_BYTES = 16 * 1024
_READ_BYTES = 64 * 1024
_LONGEST_TICK_SECONDS = 1.0
_TELLING_LINES = 20
_GONE_SECONDS = 10.0
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
    :param readable: more folders, found inside by the paths they have outside. :param writable: the same, and writable.
    """

    tree: Path
    output: Path
    trusted: bool = False
    bounds: Bounds = DEFAULT
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()

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


def make_words(sandbox: Sandbox, *targets: str, jobs: int, assignments: Sequence[str] = ()) -> list[str]:
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
        stack.enter_context(_handed_over(sandbox))
        words = _words(sandbox, argv, status_for_child.fileno())
        child = stack.enter_context(
            start(
                words,
                stdout=output_for_child.fileno(),
                stderr=output_for_child.fileno(),
                cwd=sandbox.output,
                env={**REPRODUCIBLE, **environment},
                pass_fds=[status_for_child.fileno()],
            )
        )
        output_for_child.close()
        status_for_child.close()
        status_said = stack.enter_context(_ended_with_all_it_started(child, status, trusted=sandbox.trusted))
        reading = _Reading(output, on_line)
        stopped = _follow(child, reading, sandbox, deadline=deadline)
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


@dataclass(slots=True)
class _Reading:
    """What a program says, cut into lines as it comes."""

    pipe: IO[bytes]
    on_line: Callable[[str], None] | None
    lines: list[str] = field(default_factory=list)
    size: int = 0
    _rest: bytes = b""

    @property
    def is_too_much(self) -> bool:
        """Whether it said more than a build does: the log is kept."""
        return self.size > _OUTPUT_BYTES or len(self.lines) > _LINES

    def take(self) -> bool:
        """Read what is there; False when nothing more comes."""
        try:
            data = os.read(self.pipe.fileno(), _READ_BYTES)
        except BlockingIOError:
            return False
        self.size += len(data)
        *whole, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (not data or len(self._rest) > _LINE_BYTES):
            whole, self._rest = [*whole, self._rest], b""
        for line in whole:
            text = line.decode(errors="replace").rstrip("\r")
            self.lines.append(text)
            if self.on_line is not None:
                self.on_line(text)
        return bool(data)

    def take_rest(self) -> None:
        """Read what the pipe still holds; processes that outlive the program may hold its other end."""
        while not self.is_too_much and self.take():
            pass
        if self._rest:
            self.lines.append(self._rest.decode(errors="replace"))


def _follow(child: Child, reading: _Reading, sandbox: Sandbox, *, deadline: Deadline) -> str:
    """Read until the program ends; why it must not go on, or nothing."""
    bounds = sandbox.bounds
    watch = Watch(
        child.pid,
        sandbox.output,
        memory_mebibytes=bounds.memory_mebibytes,
        processes=bounds.processes,
        disk_mebibytes=bounds.disk_mebibytes,
    )
    began = looked = time.monotonic()
    end = deadline.sooner(bounds.seconds)
    seconds = end.seconds_left
    with selectors.DefaultSelector() as selector, _pidfd(child.pid) as ended:
        selector.register(reading.pipe, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        while True:
            now = time.monotonic()
            # What goes wrong at once is seen at once; a look at a long build costs 1% of the time at most.
            tick = min(_LONGEST_TICK_SECONDS, 0.05 + (now - began) / 20)
            ready = [key.fd for key, _ in selector.select(min(tick, end.seconds_left))]
            if ended in ready:
                reading.take_rest()
                return ""
            if reading.pipe.fileno() in ready and not reading.take():
                selector.unregister(reading.pipe)
            if reading.is_too_much:
                return f"printed more than {_LINES} lines or {_OUTPUT_BYTES // _MEBIBYTE} MiB"
            if end.is_past:
                return f"ran longer than {seconds:.1f} s"
            if now - looked >= tick:
                looked = now
                if excess := watch.excess():
                    return excess


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
                    init = stack.enter_context(_pidfd(int(found.group(1))))
        try:
            yield said
        finally:
            if trusted:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
            elif init is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(init, signal.SIGKILL)
                _wait_readable(init)
            _hear(status, said)


def _hear(status: IO[bytes], said: bytearray, *, wait: bool = False) -> bool:
    """Take in what bwrap has written by now, one JSON object a line, in pieces; False when nothing came."""
    if wait:
        _wait_readable(status.fileno())
    try:
        data = os.read(status.fileno(), _READ_BYTES)
    except BlockingIOError:
        return False
    said += data
    return bool(data)


def _wait_readable(descriptor: int) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        selector.select(_GONE_SECONDS)


@contextlib.contextmanager
def _pidfd(pid: int) -> Iterator[int]:
    descriptor = os.pidfd_open(pid)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _pipe(stack: contextlib.ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """The two ends of a pipe, closed with the stack; reading one does not wait."""
    read, write = os.pipe()
    os.set_blocking(read, False)
    ends = os.fdopen(read, "rb", buffering=0), os.fdopen(write, "wb", buffering=0)
    return stack.enter_context(ends[0]), stack.enter_context(ends[1])


def _words(sandbox: Sandbox, argv: Sequence[str], status_descriptor: int) -> list[str]:
    """The whole command line: nice, the sandbox, the limits of each process, the program."""
    words = ["nice", "-n", _NICENESS]
    if sandbox.trusted:
        words.append("setsid")  # a process group of its own
    else:
        words += bubblewrap_words(
            tree=sandbox.tree,
            output=sandbox.output,
            scratch_mebibytes=max(1, sandbox.bounds.memory_mebibytes // 4),
            status_descriptor=status_descriptor,
            readable=sandbox.readable,
            writable=sandbox.writable,
        )
    return [*words, *_limit_words(sandbox), *argv]


def _limit_words(sandbox: Sandbox) -> list[str]:
    bounds = sandbox.bounds
    wanted = {
        "nproc": (resource.RLIMIT_NPROC, _HARD * bounds.processes + _threads_of_user(sandbox)),
        "fsize": (resource.RLIMIT_FSIZE, bounds.disk_mebibytes * _MEBIBYTE),
        "data": (resource.RLIMIT_DATA, _HARD * bounds.memory_mebibytes * _MEBIBYTE),
        "core": (resource.RLIMIT_CORE, 0),
    }
    words = ["prlimit"]
    for name, (number, limit) in wanted.items():
        hard = resource.getrlimit(number)[1]
        words.append(f"--{name}={limit if hard == resource.RLIM_INFINITY else min(limit, hard)}")
    return [*words, "--"]


def _threads_of_user(sandbox: Sandbox) -> int:
    """How many threads the build's user has already: they count for RLIMIT_NPROC, before Linux 5.14 in a user
    namespace too (commit 21d1c5e386bc ("Reimplement RLIMIT_NPROC on top of ucounts")).
    """
    user = NOBODY if is_root() and not sandbox.trusted else os.geteuid()
    found = psutil.process_iter(["uids", "num_threads"])
    return sum(one.info["num_threads"] or 0 for one in found if one.info["uids"] and one.info["uids"].real == user)


@contextlib.contextmanager
def _handed_over(sandbox: Sandbox) -> Iterator[None]:
    """The output folder belongs to the build's user for the block, and to this one again afterwards."""
    if sandbox.trusted:
        yield
        return
    if is_root():
        _give(sandbox.output, NOBODY)
    try:
        yield
    finally:
        _give(sandbox.output, os.geteuid())


def _give(folder: Path, owner: int) -> None:
    """Make all of a folder one user's, and its folders enterable; links are not followed."""
    os.chown(folder, owner, owner if is_root() else -1)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = os.path.join(parent, name)  # noqa: PTH118 - ten thousand of them
            status = os.lstat(path)
            if status.st_uid != owner:
                os.lchown(path, owner, owner if is_root() else -1)
            if stat.S_ISDIR(status.st_mode) and status.st_mode & 0o700 != 0o700:
                os.chmod(path, 0o755)  # noqa: PTH101
