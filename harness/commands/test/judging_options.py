# SPDX-License-Identifier: GPL-2.0-only
"""Define the options of ``harness run`` that determine how often cases run, and how a run is judged."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.base.errors import ExitStatus, UsageError
from harness.commands.exit_status import BISECT_STATUS
from harness.model.run_record import RunRecord
from harness.model.shard import Shard, parse_shard, read_durations
from harness.results.baseline import find_baseline
from harness.results.case_ids import current_case_id
from harness.results.compare import has_verdict
from harness.results.find_run import FoundRun, find_run, is_without_kernel
from harness.results.known_failures import load_known
from harness.run.rounds import Rounds
from harness.suite.definition import Suite
from harness.suite.load import shown_path, suite_semantics

if TYPE_CHECKING:
    from harness.run.coverage.touching import Touching
    from harness.run.one_kernel import Judging

baseline_option = click.option(
    "--baseline",
    metavar="RUN",
    default="",
    help="Judge by comparison with RUN; last is the newest of the same kernel line.",
)
known_option = click.option(
    "--known",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Known failures, as TOML.  [default: known.toml of the suite]",
)


_repeat = click.option("--repeat", metavar="N", type=click.IntRange(1), help="Run each case N times, in random order.")
_until_fail = click.option(
    "--until-fail", is_flag=True, help="Repeat all cases until one fails, at most --repeat times."
)
_CHANGES = "changes"
"""The value of ``--touching`` without a name; see ``harness/run/coverage/touching.py``."""

_seed = click.option("--seed", metavar="N", type=click.IntRange(0), help="Seed of the random order.")


def rounds_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add ``--repeat``, ``--until-fail`` and ``--seed`` to a command, which receives them as ``rounds``."""

    @wraps(command)
    def gathered(*, repeat: int | None, until_fail: bool, seed: int | None, **rest: object) -> int:
        return command(rounds=_read_rounds(repeat, until_fail=until_fail, seed=seed), **rest)

    return _repeat(_until_fail(_seed(gathered)))


_touching = click.option(
    "--touching",
    metavar="[RUN|SERIES]",
    is_flag=False,
    flag_value=_CHANGES,
    default="",
    help="Run those cases first that reach what has changed since RUN with --coverage, what SERIES changes, or without "
    "a name the patches of KERNEL or the uncommitted files of its tree.",
)
_only = click.option("--only", "is_only", is_flag=True, help="With --touching: only those, if no others may matter.")
_share = click.option(
    "--share",
    metavar="PERCENT",
    type=click.IntRange(1, 100),
    default=100,
    help="With --only: at most that share of the suite, the most different cases first.",
)


def touching_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add ``--touching``, ``--only`` and ``--share`` to a command, which receives them as ``touching``."""

    @wraps(command)
    def gathered(*, touching: str, is_only: bool, share: int, **rest: object) -> int:
        if is_only and not touching:
            raise click.UsageError("--only is for --touching")
        if share < 100 and not is_only:
            raise click.UsageError("--share is for --only")
        return command(touching=(touching, is_only, share), **rest)

    return _touching(_only(_share(gathered)))


def read_touching(touching: tuple[str, bool, int], results: Path) -> Touching | None:
    """Find the change that ``--touching`` names; None without that option.

    :raises UsageError: there is no such run or series.
    """
    word, is_only, share = touching
    if not word:
        return None
    # Imported here: other runs must not wait for it.
    from harness.run.coverage.touching import Touching

    if word == _CHANGES:
        return Touching(is_only=is_only, share=share)
    try:
        return Touching(word, find_run(word, results=results), is_only, share)
    except UsageError as error:
        if not Path(word.partition("?")[0]).exists() and ".." not in word:
            error.remedy = f"{error.remedy}; or a file or folder of patches, or a range"
            raise
    return Touching(word, is_only=is_only, share=share)


_shard = click.option("--shard", metavar="N/M", default="", help="Run one of M shards of the cases.")
_durations = click.option(
    "--durations",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Durations that balance the shards.  [default: durations.json of the suite]",
)


_resume = click.option(
    "--resume",
    metavar="RUN",
    default="",
    help="Go on with a run that was ended early: take over its results, and run the cases that it has not run.",
)


def shard_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add ``--shard``, ``--durations`` and ``--resume`` to a command, which receives them as ``shard``."""

    @wraps(command)
    def gathered(*, shard: str, durations: Path | None, resume: str, **rest: object) -> int:
        if durations is not None and not shard:
            raise click.UsageError("--durations is for --shard N/M")
        return command(shard=(shard, durations, resume), **rest)

    return _shard(_durations(_resume(gathered)))


def read_shard(shard: tuple[str, Path | None, str], suite: Suite) -> Shard | None:
    """Return the shard that the options name; None for all cases.

    :raises UsageError: it is not a shard, or the durations cannot be read.
    """
    word, named, _ = shard
    if not word:
        return None
    parse_shard(word, {})
    file = named or suite.durations_file
    try:
        text = file.read_text(encoding="utf-8") if named is not None or file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"write it: harness report RUN --format durations --output {file}"
        raise UsageError(f"the durations file {file} cannot be read", evidence=str(error), remedy=remedy) from None
    return parse_shard(word, read_durations(text, path=str(file)) if text else {})


def read_resumed(word: str, kernels: tuple[str, ...], results: Path) -> tuple[tuple[str, ...], FoundRun | None]:
    """Return the kernels, that of the earlier run if none is named, and the run that ``--resume`` names, if any.

    :param word: the value of the option.
    :param kernels: the KERNEL arguments.
    :param results: the folder of run folders.
    :raises UsageError: there is no such run.
    """
    if not word:
        return kernels, None
    found = find_run(word, results=results)
    return kernels or (found.run.kernel.spec,), found


bisect_status_option = click.option(
    BISECT_STATUS, is_flag=True, help="Exit with 0, 1, 125 or 128, as 'git bisect run' expects."
)


def bisect_status(status: ExitStatus, records: Sequence[RunRecord]) -> ExitStatus:
    """Return the exit status of a run for ``git bisect run``: git-bisect(1), "Bisect run".

    :param status: the exit status of the run.
    :param records: the records of the run; empty if the kernel could not be prepared.
    """

    if status not in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS):
        return ExitStatus.INTERRUPTED if status is ExitStatus.INTERRUPTED else ExitStatus.STOP
    is_judged = any(has_verdict(case) for record in records if not is_without_kernel(record) for case in record.cases)
    return status if is_judged else ExitStatus.CANNOT_BE_JUDGED


def _read_rounds(repeat: int | None, *, until_fail: bool, seed: int | None) -> Rounds:
    """Return how often cases run, from the options; with a seed if the order is random."""

    times = repeat or (0 if until_fail else 1)
    if seed is None and (times != 1 or until_fail):
        seed = random.SystemRandom().randrange(10**9)
    return Rounds(times, until_fail, seed)


def read_judging(baseline: str, known: Path | None, *, suite: Suite, results: Path) -> Judging:
    """Return how a run is judged, from the options.

    :param baseline: the argument of ``--baseline``; empty for none.
    :param known: the file of known failures; None for the default one.
    :param suite: the suite of the cases.
    :param results: the folder of run folders.
    :raises UsageError: no such run or file.
    :raises CaseError: the file of known failures is broken.
    """
    from harness.run.one_kernel import Judging

    file = known or suite.known_file
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        text = file.read_text(encoding="utf-8") if known is not None or file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--known {file} cannot be read", evidence=str(error), remedy="name a TOML file") from None
    failures = load_known(text, path=shown_path(file.absolute()), today=today, semantics=suite_semantics(suite))
    entries = tuple(replace(one, case=current_case_id(one.case)) for one in failures.entries)
    failures = replace(failures, entries=entries)
    found = find_baseline(baseline, results=results) if baseline else None
    return Judging(failures, found, repeats_failures=suite.is_compared)
