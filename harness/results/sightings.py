# SPDX-License-Identifier: GPL-2.0-only
"""Keep the values that booted kernels showed of each trait: ``seen.toml`` of a suite, learned from run records.

Pure: text or run records in, values or text out. The file is committed, so that coverage and stories need no run
folders. The newest sighting of a trait counts for each kernel: an older one may be from before a series was fixed.
Learning a run twice changes nothing, and the order of the runs does not matter.
"""

from __future__ import annotations

import datetime
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from harness.base.errors import CaseError
from harness.base.toml_table import Table
from harness.model.kernel_spec import parse_spec
from harness.model.run_record import ProblemKind, RunRecord, is_known
from harness.model.verdict import Outcome
from harness.semantics.traits import Semantics

IMAGE_DIGITS = 12
_SERIES = "series:"
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_HEAD = """\
# Which value of each trait was seen on which kernel that was booted. Do not edit: `harness semantics --learn RUN...`
# writes it, from folders of results/. Of each kernel the newest sighting of a trait counts.
#
# [kernel]          NAME = { image, at }: a release or a shipped series; its image's sha256, begun; its last run, UTC
# [trait.TRAIT]     VALUE = [NAME, ...]: seen on that image
# [older.TRAIT]     VALUE = [{ kernel, image, at }, ...]: seen on another image of that kernel, and not since
"""
_LINE_LENGTH = 120


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """A kernel that showed a value.

    :param kernel: its name, see :func:`kernel_name`.
    :param image: the first digits of the sha256 of the kernel image.
    :param at: the start of the run, UTC, as ``2026-11-22T04:31:05Z``.
    """

    kernel: str
    image: str
    at: str

    @property
    def date(self) -> str:
        """Return the day of the run, UTC."""
        return self.at[:10]


@dataclass(frozen=True, slots=True)
class Seen:
    """The kernels that showed each value of each trait, sorted by name."""

    values: Mapping[str, Mapping[str, tuple[Sighting, ...]]]

    def of(self, trait: str) -> Mapping[str, tuple[Sighting, ...]]:
        """Return the sightings of one trait by value; empty if none was seen."""
        return self.values.get(trait, {})

    @property
    def kernels(self) -> frozenset[str]:
        """Return the names of all kernels."""
        return frozenset(one.kernel for values in self.values.values() for where in values.values() for one in where)


NOTHING = Seen(MappingProxyType({}))


def merge(*parts: Seen) -> Seen:
    """Merge sightings; the newest of each trait and kernel counts."""
    newest: dict[tuple[str, str], tuple[str, str, str]] = {}
    for part in parts:
        for trait, values in part.values.items():
            for value, where in values.items():
                for one in where:
                    key, found = (trait, one.kernel), (one.at, one.image, value)
                    newest[key] = max(found, newest.get(key, found))
    gathered: dict[str, dict[str, list[Sighting]]] = {}
    for (trait, kernel), (at, image, value) in sorted(newest.items()):
        gathered.setdefault(trait, {}).setdefault(value, []).append(Sighting(kernel, image, at))
    return _sorted(gathered)


def _sorted(values: Mapping[str, Mapping[str, Sequence[Sighting]]]) -> Seen:
    """Return the sightings in an order that depends on nothing else."""
    return Seen(
        {
            trait: {value: tuple(sorted(where)) for value, where in sorted(found.items())}
            for trait, found in sorted(values.items())
        }
    )


def why_not(run: RunRecord) -> str:
    """Return why sightings of a run cannot be trusted; empty if they can.

    A mixed trait is not learned, but does not keep other traits from being learned; older harnesses recorded a problem.
    """
    if not run.complete:
        return "it did not finish"
    if not (is_known(run.kernel.release) and is_known(run.kernel.image_digest)):
        return "its kernel did not boot"
    for problem in run.problems:
        if problem.kind is not ProblemKind.CONTRADICTION:
            return f"it has a problem: {problem.text.splitlines()[0]}"
    for case in run.cases:
        if case.outcome is Outcome.ERROR:
            return f"{case.id} ended with an error: {case.reason}"
    return ""


def learn(run: RunRecord) -> Seen:
    """Return the sightings of a run; check :func:`why_not` first."""
    at = datetime.datetime.fromtimestamp(run.started, datetime.UTC).strftime(_TIME)
    sighting = Sighting(kernel_name(run), run.kernel.image_digest[:IMAGE_DIGITS], at)
    return Seen({trait.trait: {trait.seen: (sighting,)} for trait in run.traits if trait.seen})


def kernel_name(run: RunRecord) -> str:
    """Return the name of a kernel: a shipped series' name, the argument for any other series, else the release.

    A path is shortened to its last part, as in the names of run folders.
    """
    if run.kernel.spec.startswith(_SERIES):
        return run.kernel.spec.removeprefix(_SERIES)
    return parse_spec(run.kernel.spec).slug if run.kernel.build.series else run.kernel.release


def parse_seen(text: str, *, path: str) -> Seen:
    """Read the text that :func:`render_seen` wrote.

    :param path: the name of the file in errors.
    :raises CaseError: the text is damaged; the message names file and key.
    """
    try:
        top = Table(tomllib.loads(text), path=path, kind=CaseError)
    except tomllib.TOMLDecodeError as error:
        raise CaseError(
            f"{path} is not TOML", evidence=str(error), remedy=f"undo the last edit: git checkout {path}"
        ) from error
    runs = {name: _read_sighting(table, name) for name, table in top.table("kernel").tables()}
    values: dict[str, dict[str, list[Sighting]]] = {}
    for trait, table in top.table("trait").tables():
        for value in table.names():
            names = table.texts(value)
            if unknown := [name for name in names if name not in runs]:
                what = f"{value} names {unknown[0]}, which is not in [kernel]"
                raise table.error(what, remedy="learn its run again: harness semantics --learn RUN")
            values.setdefault(trait, {})[value] = [runs[name] for name in names]
    for trait, table in top.table("older").tables():
        for value in table.names():
            more = [_read_sighting(one, one.text("kernel")) for one in table.table_list(value)]
            values.setdefault(trait, {}).setdefault(value, []).extend(more)
    top.close()
    return _sorted(values)


def _read_sighting(table: Table, kernel: str) -> Sighting:
    sighting = Sighting(kernel, table.text("image"), table.text("at"))
    table.close()
    return sighting


def render_seen(seen: Seen) -> str:
    """Return the text of the file; it is sorted, so equal sightings give equal texts.

    Only the newest run of an image is listed.
    """
    usual = _usual_images(seen)
    kernels = [f"{_quoted(name)} = {_run(one)}\n" for name, one in sorted(usual.items())]
    parts, older = [_HEAD, "\n[kernel]\n", *kernels, "\n[trait]\n"], ["\n[older]\n"]
    for trait, values in sorted(seen.values.items()):
        names: dict[str, list[str]] = {}
        others: dict[str, list[str]] = {}
        for value, where in values.items():
            for one in sorted(where):
                if one.image == usual[one.kernel].image:
                    names.setdefault(value, []).append(_quoted(one.kernel))
                else:
                    others.setdefault(value, []).append(_run(one, named=True))
        parts += _section(f"trait.{trait}", names)
        older += _section(f"older.{trait}", others)
    return "".join([*parts, *older])


def _usual_images(seen: Seen) -> dict[str, Sighting]:
    """Return the newest sighting of each kernel's main image: the one with most sightings, then the newest."""
    every = [one for values in seen.values.values() for where in values.values() for one in where]
    count = Counter((one.kernel, one.image) for one in every)
    newest = {(one.kernel, one.image): one for one in sorted(every, key=lambda one: one.at)}
    usual: dict[str, Sighting] = {}
    for key, one in sorted(newest.items(), key=lambda pair: (count[pair[0]], pair[1].at, pair[1].image)):
        usual[key[0]] = one
    return usual


def _section(name: str, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a table of lists, if any; a list that does not fit a line has a line for each item."""
    if values:
        yield f"\n[{name}]\n"
    for value, items in sorted(values.items()):
        line = f"{value} = [{', '.join(items)}]\n"
        if len(line) > _LINE_LENGTH:
            line = f"{value} = [\n{''.join(f'    {item},{chr(10)}' for item in items)}]\n"
        yield line


def _run(one: Sighting, *, named: bool = False) -> str:
    kernel = f"kernel = {_quoted(one.kernel)}, " if named else ""
    return f"{{ {kernel}image = {_quoted(one.image)}, at = {_quoted(one.at)} }}"


def _quoted(text: str) -> str:
    """Return a TOML basic string; the release of a kernel and the name of a series may have any characters."""
    escaped = "".join(
        character if character.isprintable() and character not in '"\\' else f"\\U{ord(character):08X}"
        for character in text
    )
    return f'"{escaped}"'


def known(semantics: Semantics, seen: Seen) -> Seen:
    """Return the sightings without traits and values that the semantics no longer have."""
    kept = {
        trait: {value: where for value, where in values.items() if not semantics.complaint(trait, value)}
        for trait, values in seen.values.items()
    }
    return Seen({trait: values for trait, values in kept.items() if values})
