# SPDX-License-Identifier: GPL-2.0-only
"""``harness watch``: rebuild a kernel tree and rerun the cases after each edit."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from harness.base.deadline import Deadline
from harness.commands import options
from harness.commands.test import judging_options
from harness.commands.typed_options import typed_options
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.kernel.git.user_repository import find_user_repository, resolve
from harness.kernel.source.locate import not_a_tree
from harness.kernel.source.tree import is_tree
from harness.model.command_option import option_words
from harness.results.find_run import FoundRun, complete_runs, find_run
from harness.suite.definition import Suite
from harness.suite.load import suite_argument
from harness.watch.keyboard import Keyboard, single_keys
from harness.watch.screen import Screen
from harness.watch.session import Result, Session
from harness.watch.watch import WatchRequest
from harness.watch.watch import watch as run_watch

_OWN = ("--base",)
_NOT_OF_SHELL = (*_OWN, "--cases", "-k", "-n", "-x", "--fail-fast", "--maxfail", "--profile", "--results", "--known")
_SEARCHED_RUNS = 50


@click.command()
@click.argument("tree", type=click.Path(path_type=Path))
@options.suite
@options.cases
@options.expression
@options.workers
@options.fail_fast
@options.maxfail
@click.option(
    "--base", metavar="RUN", default="", help="Compare each result with RUN.  [default: the run of HEAD, or the first]"
)
@options.profile
@options.accel
@options.machine
@options.append
@options.boot_seconds
@options.in_place
@options.building
@judging_options.known_option
@options.results
def watch(
    tree: Path,
    suite: str,
    cases: tuple[str, ...],
    expression: str,
    workers: str,
    failures: int | None,
    base: str,
    profile: str,
    accel: Acceleration | None,
    machine: str,
    append: tuple[str, ...],
    boot_seconds: float,
    building: BuildOptions,
    known: Path | None,
    results: Path,
) -> int:
    """Rebuild TREE and rerun the cases after each edit.

    A new edit cancels what runs. The lines of a result show what changed since the
    result before and since the base: traits, cases, splats, compiler warnings.

    \b
    Keys:
      enter  rerun             d  diff with the result before
      f      failed only       s  shell at the failing step
      a      all cases         q  quit
    """
    chosen, _ = options.choose_cases(suite, cases, [str(tree)])
    folder = tree.resolve()
    if not is_tree(folder):
        raise not_a_tree(str(tree), folder)
    typed = [one for one in typed_options(click.get_current_context()) if one.name not in _OWN]
    session = Session(chosen.noise, base=_base(base, folder, chosen, results))
    screen = Screen(sys.stdout, os.environ, footer=session.headline)
    has_keys = screen.is_live and sys.stdin.isatty()
    request = WatchRequest(
        folder,
        (str(folder), *option_words(typed)),
        (str(folder), *option_words(one for one in typed if one.name not in _NOT_OF_SHELL)),
        Path.cwd(),
    )
    keys: contextlib.AbstractContextManager[Keyboard | None] = single_keys() if has_keys else contextlib.nullcontext()
    return int(run_watch(request, session, screen, keys=keys))


def _base(word: str, tree: Path, suite: Suite, results: Path) -> Result | None:
    """Return the named base, or the newest complete run of the tree's HEAD; None without one.

    :raises UsageError: there is no such run.
    """
    if word:
        found = find_run(word, results=results)
        return Result(found.name, found.run)
    deadline = Deadline.after(10)
    theirs = find_user_repository(tree, deadline=deadline)
    head = resolve(theirs, "HEAD", deadline=deadline) if theirs else ""
    of_head = next(_runs_of(head, suite_argument(suite), results), None) if head else None
    return Result(f"HEAD, {of_head.name}", of_head.run) if of_head else None


def _runs_of(commit: str, suite: str, results: Path) -> Iterator[FoundRun]:
    """Yield the complete runs of all cases on a commit without changes, newest first."""
    for _, found in zip(range(_SEARCHED_RUNS), complete_runs(results), strict=False):
        run = found.run
        build = run.kernel.build
        is_plain = build.commit == commit and not build.uncommitted and not build.patches
        if is_plain and run.suite == suite and not run.is_partial and not run.not_run:
            yield found
