# SPDX-License-Identifier: GPL-2.0-only
"""Define the options for the bases of a series, and test a series on several of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import click

from harness.base.errors import ExitStatus, UsageError
from harness.commands.files import write_named
from harness.commands.test.series_output import STDOUT, SeriesOutputs, write_answers
from harness.report.display.events import Lines, RunReport
from harness.report.lines import Line
from harness.series.many_bases import expand_bases, walk_bases
from harness.series.request import SeriesWords


@dataclass(frozen=True, slots=True)
class Bases:
    """The bases of a series.

    :param words: the argument of each, a revision alone completed with its tree.
    :param is_many: whether a table of them is asked for.
    :param tester: the name of the Tested-by line; empty for none.
    """

    words: tuple[str, ...]
    is_many: bool
    tester: str

    @property
    def first(self) -> str:
        """Return the first base."""
        return self.words[0]

    def beside(self, series: str) -> list[str]:
        """Return the first base and the place of the series, each of which may name a suite."""
        return [self.first, series.partition("?")[0]]


_base = click.option(
    "--base",
    "bases",
    metavar="TREE@REV",
    required=True,
    multiple=True,
    help="Base of the series; also deb-src:VERSION. Repeated for a table of patches and bases; a revision alone is of "
    "the first tree.",
)
_tags = click.option(
    "--each-tag",
    "tags",
    metavar="PATTERN",
    multiple=True,
    help="Also the newest tags of the tree that match: 'v6.1.*'.",
)
_newest = click.option(
    "--newest", metavar="N", type=click.IntRange(min=1), default=5, show_default=True, help="With --each-tag: how many."
)
_tester = click.option(
    "--tested-by", metavar="NAME", default="", help="With several bases: end the text with a Tested-by line."
)


def bases_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add the options for bases to a command, which receives them as ``bases``."""

    @wraps(command)
    def gathered(*, bases: tuple[str, ...], tags: tuple[str, ...], newest: int, tested_by: str, **rest: object) -> int:
        words = expand_bases(bases, tags, newest)
        return command(bases=Bases(words, len(words) > 1 or bool(tags), tested_by), **rest)

    return _base(_tags(_newest(_tester(gathered))))


def judge_bases(
    words: SeriesWords, bases: Bases, report: RunReport, outputs: SeriesOutputs, copies: Path | None
) -> ExitStatus:
    """Test a series on each base, show the table, and write the outputs of each.

    :param copies: a folder for the outputs on each base; None for none.
    :raises UsageError: checks are to be posted, or a file cannot be written.
    """
    from harness.report.tables.bases import bases_lines, bases_text

    if outputs.server:
        raise UsageError(
            "--patchwork takes one base, because a patch has one check of a name",
            remedy="name one --base, or leave out --patchwork",
        )
    found = walk_bases(words, bases.words, report)
    for at, judged in found.outcomes.items():
        own = copies / str(at + 1) if copies is not None else None
        variants = judged.variant_runs
        write_answers(judged.record, judged.runs, judged.folder, variant_runs=variants, mail="", copies=own)
    report(Lines(lambda width: [Line(""), *bases_lines(found.results, width)]))
    folders = [judged.folder.path for judged in found.outcomes.values()]
    report(Lines(lambda width: [Line(f"results: {folder}") for folder in folders]))
    text = bases_text(found.results, bases.tester)
    if outputs.mail == STDOUT:
        click.echo(text, nl=False)
    elif outputs.mail:
        write_named("--mail", Path(outputs.mail), text.encode())
    return found.status
