# SPDX-License-Identifier: GPL-2.0-only
"""Measure what exploration finds: explore each mutant of ``bench/data/mutants`` until its first finding.

    tox -e explore                           the mutants that were not measured yet
    tox -e explore -- --minutes M            time for each mutant; 10 when left out
    tox -e explore -- --only SUITE/NAME      one mutant; repeatable
    tox -e explore -- --for MINUTES          stop after that time, and go on later
    tox -e explore -- --again                repeat existing measurements
    tox -e explore -- --json FILE            read and write another file

No case is run: a finding is an answer that the model of the suite does not allow. The search knows nothing of earlier
findings. What was found is kept; a mutant that was not found is searched again when the model has changed. Results are
in ``bench/explored.json``. Exit status 1 when fewer mutants were found than 50 of 63.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from bench.figures import arguments
from bench.mutant import BASE, Mutant, find_mutants, unmutated
from harness.base.atomic_write import write_whole
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, HarnessError, SeriesError
from harness.base.scratch import scratch_folder
from harness.base.signals import signals_as_interrupts
from harness.base.store import Store, digest_of
from harness.explore.explore import Exploration
from harness.explore.start import ExploreOptions, start_exploration
from harness.model.host_facts import host_facts
from harness.pipeline import PREPARE_SECONDS, Options
from harness.suite.definition import Suite
from harness.suite.load import find_suite

JSON = Path(__file__).with_name("explored.json")
_SEED = 1
_SHARE = 50 / 63


@dataclass(frozen=True, slots=True)
class Explored:
    """What an exploration of a mutant found.

    :param name: name of the mutant, or of the kernel without a patch.
    :param line: the first finding; empty when nothing was found.
    :param operations: the shrunk sequence.
    :param seconds: time of the search, without build, boot and shrinking.
    :param steps: operations that were done.
    :param minutes: the time limit.
    :param model: digest of the model and its guest program.
    """

    name: str
    line: str
    operations: tuple[str, ...]
    seconds: float
    steps: int
    minutes: float
    model: str

    def show(self) -> str:
        """Format the measurement as one line."""
        fate = "found" if self.line else "nothing"
        return f"{fate:8}  {self.name:36}  {self.seconds:6.1f} s  {self.steps:6} steps  {self.line}".rstrip()


def model_digest(suite: Suite) -> str:
    """Return the digest of a suite's model and of its guest programs."""
    assert suite.exploration is not None
    model = suite.exploration.model
    files = sorted(model.rglob("*.py")) if model.is_dir() else [model]
    return digest_of(*files, *suite.guest.helpers)


def measure(name: str, kernel: str, suite: Suite, *, minutes: float, workers: int) -> Explored:
    """Explore a kernel until the first finding.

    :raises HarnessError: the kernel does not build or boot, or the model is broken.
    """
    seconds = minutes * 60
    with scratch_folder("explored") as folder:
        options = ExploreOptions(
            (Options(kernel, profile="mainline", suite=suite, coverage=None),),
            _SEED,
            seconds,
            folder / "findings",
            1,
            workers,
            keeps=False,
        )
        context = Context(Store.default(), Deadline.after(PREPARE_SECONDS + seconds + 600))
        found = start_exploration(context, options, logs=folder)
    return _explored(name, found, minutes, model_digest(suite))


def _explored(name: str, found: Exploration, minutes: float, model: str) -> Explored:
    first = found.divergences[0][0] if found.divergences else None
    line, operations = (first.line, first.operations) if first else ("", ())
    return Explored(name, line, operations, round(found.seconds, 1), found.steps, minutes, model)


def is_measured(known: Explored | None, *, minutes: float, model: str) -> bool:
    """Return whether a measurement needs no repetition."""
    if known is None:
        return False
    return bool(known.line) or (known.model == model and known.minutes >= minutes)


def dumps(results: Iterable[Explored], facts: Mapping[str, str]) -> str:
    """Format measurements and facts of the host as JSON."""
    ordered = sorted(results, key=lambda one: one.name)
    return json.dumps({**facts, "explored": [asdict(one) for one in ordered]}, indent=1) + "\n"


def loads(text: str) -> dict[str, Explored]:
    """Read the output of :func:`dumps`, by name."""
    rows = json.loads(text)["explored"]
    return {one["name"]: Explored(**{**one, "operations": tuple(one["operations"])}) for one in rows}


def summary(mutants: Iterable[Mutant], known: Mapping[str, Explored]) -> list[str]:
    """Format the number of found mutants, and those that were not found, as lines."""
    measured = [known[one.name] for one in mutants if one.name in known]
    missed = [one for one in measured if not one.line]
    lines = [f"{len(measured) - len(missed)} / {len(measured)} found"]
    return lines + [f"not found: {one.name} in {one.minutes:g} minutes" for one in missed]


def main() -> None:
    """Measure, print the results, and write the JSON file."""
    parser = arguments(__doc__)
    every = [one for one in find_mutants() if find_suite(one.suite).exploration]
    parser.add_argument("--minutes", type=float, default=10.0, help="time for each mutant")
    parser.add_argument("--for", dest="limit", type=float, default=float("inf"), metavar="MINUTES", help="time for all")
    parser.add_argument("--only", action="append", metavar="SUITE/NAME", help="that mutant only; repeatable")
    parser.add_argument("--again", action="store_true", help="repeat existing measurements")
    parser.add_argument("--json", type=Path, default=JSON, metavar="FILE", help="the file of the results")
    parser.add_argument("-n", dest="workers", type=int, default=len(os.sched_getaffinity(0)), help="number of machines")
    options = parser.parse_args()
    names = {one.name: one.kernel for one in every} | {unmutated(suite): BASE for suite in {one.suite for one in every}}
    if unknown := sorted({*(options.only or ())} - names.keys()):
        parser.error(f"no such mutant: {', '.join(unknown)}")
    known = loads(options.json.read_text()) if options.json.exists() else {}
    until = time.monotonic() + options.limit * 60
    with signals_as_interrupts():
        try:
            for name in options.only or names:
                suite = find_suite(name.partition("/")[0])
                is_known = is_measured(known.get(name), minutes=options.minutes, model=model_digest(suite))
                if (is_known and not options.again) or time.monotonic() > until:
                    continue
                try:
                    known[name] = measure(name, names[name], suite, minutes=options.minutes, workers=options.workers)
                except SeriesError as error:
                    click.echo(f"broken    {name}: {error.what}")
                    continue
                write_whole(
                    options.json, dumps(known.values(), {"host": host_facts(), "base": BASE}).encode(), mode=0o644
                )
                click.echo(known[name].show())
        except HarnessError as error:
            click.echo(f"explored: {error}")
            raise SystemExit(int(error.exit_status)) from None
        except KeyboardInterrupt:
            raise SystemExit(int(ExitStatus.INTERRUPTED)) from None
    lines = summary(every, known)
    for line in lines:
        click.echo(line)
    found = sum(bool(known[one.name].line) for one in every if one.name in known)
    if found < _SHARE * len(every):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
