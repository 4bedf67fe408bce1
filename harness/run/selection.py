# SPDX-License-Identifier: GPL-2.0-only
"""Select the cases of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError
from harness.model.shard import Shard
from harness.run.rounds import ONCE, Rounds
from harness.suite.definition import Suite
from harness.suite.load import locate


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases of a run, and the number of machines.

    :param paths: case files or folders; empty for the whole suite.
    :param expression: the expression of pytest's ``-k``.
    :param workers: number of machines side by side.
    :param max_failures: number of failed cases that ends the run; 0 for no limit.
    :param rounds: number and order of the rounds.
    :param only: ids of the cases to run among those that the other fields select; empty for all of them.
    :param shard: the shard of these cases to run; None for all of them.
    :param done: ids of cases that an earlier run has run, which are not run again.
    :raises UsageError: pytest cannot parse the expression.
    """

    paths: tuple[Path, ...] = ()
    expression: str = ""
    workers: int = 1
    max_failures: int = 0
    rounds: Rounds = ONCE
    only: tuple[str, ...] = ()
    shard: Shard | None = None
    done: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the expression with pytest's own parser before any kernel is prepared."""
        if not self.expression:
            return
        # Imported here: most command lines have no expression, and pytest takes longer to import than all else.
        from _pytest.mark.expression import Expression

        try:
            Expression.compile(self.expression)
        except SyntaxError as error:
            raise UsageError(
                f"-k {self.expression}: the expression is invalid",
                evidence=f"{error.text}: column {error.offset}: {error.msg}",
                remedy="combine parts of names: -k 'setns and not pidfd'",
            ) from None

    @property
    def stop_option(self) -> str:
        """Return the option that ends the run at a failure: ``-x``, which is ``--maxfail=1``, or ``--maxfail=N``."""
        return "-x" if self.max_failures == 1 else f"--maxfail={self.max_failures}"

    @property
    def is_whole(self) -> bool:
        """Return whether all cases of the suite are selected."""
        return self.is_of_whole_suite and self.shard is None

    @property
    def is_of_whole_suite(self) -> bool:
        """Return whether the shards together are all cases of the suite."""
        return not self.paths and not self.expression and not self.only


_FILES_PER_WORKER = 4
"""Fewest files for each worker: starting a worker takes as long as one or two cases."""


def worth_starting(workers: int, paths: Sequence[Path]) -> int:
    """Return the number of workers that run enough cases to make up for the time of their start.

    :param workers: number of workers that are wanted.
    :param paths: case files or folders; a folder may hold any number of cases; empty for all cases.
    """
    if not paths or not all(path.is_file() for path in paths):
        return workers
    return max(1, min(workers, len(paths) // _FILES_PER_WORKER))


def files_of(ids: Iterable[str], suite: Suite) -> tuple[Path, ...]:
    """Return the files of some cases."""
    names = sorted({case.partition("::")[0] for case in ids})
    return tuple(locate(name, suite) or locate(f"/{name}", suite) or Path(name) for name in names)
