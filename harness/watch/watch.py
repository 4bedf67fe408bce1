# SPDX-License-Identifier: GPL-2.0-only
"""Rebuild a kernel tree and rerun the cases after each edit, until the user quits."""

from __future__ import annotations

import contextlib
import os
import selectors
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, UsageError
from harness.kernel.git.command import GitFiles, git
from harness.report.display.events import RunFinished
from harness.report.lines import Line, Tone
from harness.report.tables.comparison import comparison_lines
from harness.report.text import one_line, plain_text
from harness.results.compare import compare
from harness.results.folder import BUILD_LOG_NAME
from harness.watch.keyboard import KEYS_LINE, Key, Keyboard
from harness.watch.notify import Changes, received_changes
from harness.watch.round import Round, started_round
from harness.watch.screen import Screen
from harness.watch.session import Session
from harness.watch.tree_files import is_edit
from harness.watch.wire import Request

LOOK_SECONDS = 0.5
"""How often the tree is looked for, and a lock of git."""
CANCELED_IN_A_ROW = 3
"""After so many rounds that an edit canceled, the next one runs to its end: else there would be no result at all."""
_LOCK_SECONDS = 30.0
"""A lock of git that is older was left by a git that was killed."""
_IGNORED_SECONDS = 30.0
_NAMED = 3


@dataclass(frozen=True, slots=True)
class WatchRequest:
    """What to watch and to run.

    :param tree: the kernel tree.
    :param arguments: the arguments of ``harness run`` for each round.
    :param shell_arguments: those of ``harness shell``, without the case.
    :param folder: the folder to start both in.
    """

    tree: Path
    arguments: tuple[str, ...]
    shell_arguments: tuple[str, ...]
    folder: Path


@dataclass(slots=True)
class _Watch:
    """The state of a watch."""

    request: WatchRequest
    session: Session
    screen: Screen
    keyboard: Keyboard | None
    changes: Changes
    selector: selectors.BaseSelector
    is_failed_only: bool = False
    _ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _round: Round | None = None
    _next: Round | None = None
    """The process of the next round, which waits for its request."""
    _next_ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _canceled: int = 0
    _is_due: bool = False
    """Whether another round follows: as soon as git's lock is gone, or at the end of this one."""
    _finished: RunFinished | None = None
    _has_quit: bool = False

    def run(self) -> None:
        """Run rounds until the user quits.

        :raises UsageError: the tree is gone.
        """
        identity = _identity(self.request.tree)
        self.selector.register(self.changes, selectors.EVENT_READ, self._take_changes)
        if self.keyboard is not None:
            self.selector.register(self.keyboard, selectors.EVENT_READ, self._take_keys)
        try:
            self._is_due = True
            while not self._has_quit:
                if _identity(self.request.tree) != identity:
                    raise UsageError(
                        f"{self.request.tree} is gone",
                        evidence="it was removed, renamed or replaced while it was watched",
                        remedy="start again with the path of a kernel tree: harness watch TREE",
                    )
                if self._is_due and self._round is None and not _is_locked(self.request.tree):
                    self._begin()
                for key, _ in self.selector.select(LOOK_SECONDS):
                    if key.fd in self.selector.get_map():  # a handler before may have ended the round
                        key.data()
        finally:
            self._cancel()
            self._next_ends.close()
            self.screen.close()

    def _take_changes(self) -> None:
        names = [name for name in sorted(self.changes.take()) if is_edit(name)]
        if not names or not self.request.tree.is_dir():
            return
        if not (edited := _not_ignored(self.request.tree, names)):
            return
        self._is_due = True
        shown = ", ".join(map(one_line, edited[:_NAMED])) + (", ..." if edited[_NAMED:] else "")
        if self._round is None:
            self._say(f"changed: {shown}")
        elif self._canceled < CANCELED_IN_A_ROW:
            self._canceled += 1
            self._cancel()
            self._say(f"changed: {shown}; the round was canceled")
        else:
            self._say(f"changed: {shown}; this round runs to its end: {self._canceled} before it were canceled")

    def _take_keys(self) -> None:
        assert self.keyboard is not None
        for key in self.keyboard.take():
            match key:
                case Key.QUIT:
                    self._has_quit = True
                case Key.RERUN:
                    self._rerun()
                case Key.ALL | Key.FAILED:
                    self.is_failed_only = key is Key.FAILED
                    self._rerun()
                case Key.DIFF:
                    self._show_diff()
                case Key.SHELL:
                    self._open_shell()

    def _rerun(self) -> None:
        self._cancel()
        self._is_due = True

    def _begin(self) -> None:
        """Begin a round, and start the process of the one after it when this one is over."""
        self._is_due = False
        only = self.session.failed if self.is_failed_only else ()
        if self.is_failed_only and not only:
            self.is_failed_only = False
            self._say("no case has failed: all cases run")
        if self._next is None:
            self._prepare_next()
        assert self._next is not None
        self._round, self._next = self._next, None
        self._ends, self._next_ends = self._next_ends, contextlib.ExitStack()
        for pipe in self._round.pipes:
            self.selector.register(pipe, selectors.EVENT_READ, self._take_events)
        self._round.begin(Request(only))

    def _prepare_next(self) -> None:
        self._next = self._next_ends.enter_context(
            started_round(self.request.arguments, width=self.screen.width, folder=self.request.folder)
        )

    def _take_events(self) -> None:
        assert self._round is not None
        before = self._round.pipes
        for event in self._round.read():
            self._finished = event if isinstance(event, RunFinished) else self._finished
            self.screen.show(event)
        for pipe in before - self._round.pipes:
            self.selector.unregister(pipe)
        if not self._round.pipes:
            self._end_round()

    def _end_round(self) -> None:
        """Take the result of the round that is over."""
        assert self._round is not None
        status, complaint, finished = self._round.status(), self._round.complaint, self._finished
        self._forget_round()
        self._canceled = 0
        if finished is not None:
            folder = finished.junit_path.parent if finished.junit_path else Path()
            self.session.take(finished.run, folder.name, _text(folder / BUILD_LOG_NAME))
            self.screen.write(self.session.lines)
        if complaint or finished is None:
            text = complaint or f"the round ended with status {status}"
            self.screen.write(lambda width: [Line(""), *(Line(row, Tone.BAD) for row in plain_text(text).split("\n"))])
        self._prepare_next()
        if not self._is_due:
            self._say_idle()

    def _say_idle(self) -> None:
        if not self.screen.is_live:
            self._say(f"watching {self.request.tree}")
        self.screen.idle()

    def _cancel(self) -> None:
        """End the round that runs, if there is one."""
        if self._round is not None:
            for pipe in self._round.pipes:
                self.selector.unregister(pipe)
            self._round.cancel()
            self._forget_round()
            self.screen.close()

    def _forget_round(self) -> None:
        self._ends.close()
        self._round = self._finished = None

    def _say(self, text: str) -> None:
        stamp = time.strftime("%H:%M:%S")
        self.screen.write(lambda width: [Line(f"{stamp}  {text}", Tone.FAINT)])

    def _show_diff(self) -> None:
        """Show the comparison of the last result with the one before, or with the base."""
        last, newest = self.session.last, self.session.newest
        before = self.session.before or self.session.base
        if last is None or newest is None or before is None or before.run is last.run:
            self._say("there are no two results to compare yet")
        else:
            comparison = compare(before.run, newest, noise=self.session.noise)
            names = (before.name, last.name)
            self.screen.write(lambda width: [Line(""), *comparison_lines(comparison, width, names=names)])
        if self._round is None:
            self.screen.idle()

    def _open_shell(self) -> None:
        """Open a shell at the failing step of the first case that failed; a round that runs is canceled."""
        case = self.session.first_failed
        if case is None or "::" in case.id:
            self._say("no session file has failed: there is no step to open a shell at")
            return
        assert self.keyboard is not None
        self._is_due = self._is_due or self._round is not None
        self._cancel()
        self.screen.close()
        words = [*process.python("harness"), "shell", *self.request.shell_arguments, failing_step(case.id, case.reason)]
        with (
            self.keyboard.paused(),
            process.start(
                words, stdin=None, stdout=None, stderr=None, within=process.Surroundings(cwd=self.request.folder)
            ) as shell,
        ):
            shell.wait()
        if not self._is_due:
            self.screen.idle()


def failing_step(case_id: str, reason: str) -> str:
    """Return the argument CASE:LINE of ``harness shell`` for a case that failed; without a line if none is known.

    :param reason: the reason of the failure, which begins with file and line of the step.
    """
    rest = reason.removeprefix(f"{case_id}:")
    line = rest.partition(":")[0]
    return f"{case_id}:{line}" if rest != reason and line.isdecimal() else case_id


def watch(
    request: WatchRequest, session: Session, screen: Screen, *, keys: contextlib.AbstractContextManager[Keyboard | None]
) -> ExitStatus:
    """Run the cases now and after each edit, until the user quits.

    :param keys: gives the keyboard; None without a terminal.
    :raises UsageError: the tree is gone.
    :raises HostError: the tree cannot be watched.
    """
    with (
        received_changes(request.tree) as changes,
        keys as keyboard,
        selectors.DefaultSelector() as selector,
    ):
        if keyboard is not None:
            screen.write(lambda width: [Line(f"watching {request.tree}: {KEYS_LINE}", Tone.FAINT)])
        _Watch(request, session, screen, keyboard, changes, selector).run()
    return ExitStatus.AS_EXPECTED


def _identity(tree: Path) -> tuple[int, int] | None:
    try:
        status = tree.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _is_locked(tree: Path) -> bool:
    """Return whether git is changing the files of a tree: it holds the lock of its index meanwhile."""
    git_dir = tree / ".git"
    with contextlib.suppress(OSError):
        if git_dir.is_file():
            git_dir = tree / git_dir.read_text().removeprefix("gitdir: ").strip()
        return time.time() - (git_dir / "index.lock").stat().st_mtime < _LOCK_SECONDS
    return False


def _not_ignored(tree: Path, names: Sequence[str]) -> list[str]:
    """Return the files that git does not ignore: what it tracks, and new sources; all without git."""
    try:
        ignored = git(
            None,
            *("check-ignore", "-z", "--stdin"),
            deadline=Deadline.after(_IGNORED_SECONDS),
            check=False,
            stdin=b"".join(os.fsencode(name) + b"\0" for name in names),
            files=GitFiles(cwd=tree),
        )
    except HarnessError:
        return list(names)
    left_out = set(map(os.fsdecode, ignored.stdout.split(b"\0")))
    return [name for name in names if name not in left_out]


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""
