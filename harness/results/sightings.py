"""What was seen of each trait on kernels that were booted: ``seen.toml`` of a suite, learned from run records.

Pure: text or run records in, values or text out. The file is committed, so that coverage and stories need no results.
Of each kernel the newest sighting of a trait counts: what a series showed before it was mended is no longer so.
Learning the same run twice changes nothing, and the order of the runs does not count.
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
    """One kernel on which a value was seen.

    :param kernel: its name, see :func:`kernel_name`.
    :param image: the first digits of the sha256 of the kernel image.
    :param at: when the run began, UTC, as ``2026-11-22T04:31:05Z``.
    """

    kernel: str
    image: str
    at: str

    @property
    def date(self) -> str:
        """The day."""
        return self.at[:10]


@dataclass(frozen=True, slots=True)
class Seen:
    """For each trait, for each value, the kernels that showed it, sorted by name."""

    values: Mapping[str, Mapping[str, tuple[Sighting, ...]]]

    def of(self, trait: str) -> Mapping[str, tuple[Sighting, ...]]:
        """The values of one trait; empty when none was seen."""
        return self.values.get(trait, {})

    @property
    def kernels(self) -> frozenset[str]:
        """The names of all kernels."""
        return frozenset(one.kernel for values in self.values.values() for where in values.values() for one in where)


NOTHING = Seen(MappingProxyType({}))


def merge(*parts: Seen) -> Seen:
    """All sightings together: of each trait and kernel the newest."""
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
    """In one order, whatever came first."""
    return Seen(
        {
            trait: {value: tuple(sorted(where)) for value, where in sorted(found.items())}
            for trait, found in sorted(values.items())
        }
    )


def why_not(run: RunRecord) -> str:
    """Why a run teaches nothing of its kernel; empty when it does.

    A trait on which cases contradict each other is not learned, and spoils no other.
    """
    if not run.complete:
        return "it did not finish"
    if not (is_known(run.kernel.release) and is_known(run.kernel.image_digest)):
        return "its kernel did not come up"
    for problem in run.problems:
        if problem.kind is not ProblemKind.CONTRADICTION:
            return f"it has a problem: {problem.text.splitlines()[0]}"
    for case in run.cases:
        if case.outcome is Outcome.ERROR:
            return f"{case.id} is an error: {case.reason}"
    return ""


def learn(run: RunRecord) -> Seen:
    """What a run has seen; ask :func:`why_not` first."""
    at = datetime.datetime.fromtimestamp(run.started, datetime.UTC).strftime(_TIME)
    sighting = Sighting(kernel_name(run), run.kernel.image_digest[:IMAGE_DIGITS], at)
    return Seen({trait.trait: {trait.seen: (sighting,)} for trait in run.traits if trait.seen})


def kernel_name(run: RunRecord) -> str:
    """What a kernel is called: a shipped series by its name, one with another series by what was typed, else a release.

    Of a path that was typed the last part counts, as in the names of run folders.
    """
    if run.kernel.spec.startswith(_SERIES):
        return run.kernel.spec.removeprefix(_SERIES)
    return parse_spec(run.kernel.spec).slug if run.kernel.build.series else run.kernel.release


def parse_seen(text: str, *, path: str) -> Seen:
    """Read what :func:`render_seen` wrote.

    :raises CaseError: it is something else; the message names file and key.
    """
    try:
        top = Table(tomllib.loads(text), path=path, kind=CaseError)
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"{path} is not TOML", evidence=str(error), remedy="take back the last change") from error
    runs = {name: _read_sighting(table, name) for name, table in top.table("kernel").tables()}
    values: dict[str, dict[str, list[Sighting]]] = {}
    for trait, table in top.table("trait").tables():
        for value in table.names():
            names = table.texts(value)
            if strange := [name for name in names if name not in runs]:
                raise table.error(f"{value} names {strange[0]}, which is not in [kernel]", remedy="learn its run again")
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
    """The file's text: sorted, so that it depends on nothing but what was seen.

    Of the runs of one image only the newest is told.
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
    """For each kernel the image that showed the most, of equals the newest, as its newest sighting."""
    every = [one for values in seen.values.values() for where in values.values() for one in where]
    count = Counter((one.kernel, one.image) for one in every)
    newest = {(one.kernel, one.image): one for one in sorted(every, key=lambda one: one.at)}
    usual: dict[str, Sighting] = {}
    for key, one in sorted(newest.items(), key=lambda pair: (count[pair[0]], pair[1].at, pair[1].image)):
        usual[key[0]] = one
    return usual


def _section(name: str, values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A table of lists; nothing when there is none. A list that is too long for a line has a line for each item."""
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
    """A TOML basic string; a kernel names itself and its series as it likes."""
    escaped = "".join(
        character if character.isprintable() and character not in '"\\' else f"\\U{ord(character):08X}"
        for character in text
    )
    return f'"{escaped}"'


def known(semantics: Semantics, seen: Seen) -> Seen:
    """The same without the traits and values that there are no more."""
    kept = {
        trait: {value: where for value, where in values.items() if not semantics.complaint(trait, value)}
        for trait, values in seen.values.items()
    }
    return Seen({trait: values for trait, values in kept.items() if values})
