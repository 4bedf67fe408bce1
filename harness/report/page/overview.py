# SPDX-License-Identifier: GPL-2.0-only
"""Make the overview of the page: columns of kernels, rows of traits, cases and splats. Pure.

It is a small JSON table, as the page reads all of it before it shows anything. Texts that cells share are in ``texts``
once and are referred to by index. The page itself compares kernels, as its reader may choose another baseline; so
records of a case that differ by noise at most share a number (``like``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.model.run_record import CaseRecord, RunRecord, TraitRecord, is_known
from harness.model.variant_splats import places_of, variant_splats
from harness.model.verdict import FAILED, Outcome, SplatReport
from harness.report.tables.summary import OUTCOME_WORDS, case_word, count_outcomes, is_clean
from harness.report.text import one_line, plain_text
from harness.results.compare import conditions, is_alike, is_of_a_part
from harness.results.kernel_differences import config_options, kernel_facts
from harness.results.kernel_line import kernel_letters, kernel_line
from harness.semantics.traits import Semantics
from harness.session.noise import NOISE, Noise

Value = dict[str, object]

KNOWN, EXCUSED, FLAKY = 1, 2, 4
"""Flags of a cell: the failure is known; not a regression from the run's own baseline; failed sometimes."""
_REASON_COLUMNS = 300


class Column(NamedTuple):
    """One kernel of the page.

    :param name: the name of its run.
    :param run: the record of its run.
    :param config: the text of its configuration; empty if unknown.
    """

    name: str
    run: RunRecord
    config: str


class Texts:
    """A growing list of distinct texts."""

    def __init__(self) -> None:
        self._indexes = {"": 0}

    @property
    def list(self) -> list[str]:
        """Return all texts, in the order of their indexes."""
        return list(self._indexes)

    def add(self, text: str) -> int:
        """Return the index of a text; it is added if missing."""
        return self._indexes.setdefault(text, len(self._indexes))


@dataclass(frozen=True, slots=True)
class Overview:
    """The overview as a JSON table, and the data for the details.

    :param value: the JSON table.
    :param ids: the ids of the cases in the order of the page.
    :param likes: one record for each number of each case.
    """

    value: Value
    ids: tuple[str, ...]
    likes: Mapping[str, Sequence[CaseRecord]]


def make_overview(
    columns: Sequence[Column],
    *,
    semantics: Semantics | None,
    made: str,
    version: str,
    noise: Noise = NOISE,
    needed: Collection[str] = (),
) -> Overview:
    """Return the overview of some kernels.

    :param columns: the kernels.
    :param semantics: the suite's traits with their themes; None if unknown.
    :param made: the time when the page was made, for people.
    :param version: the version of the harness.
    :param noise: the output of the suite that differs from run to run.
    :param needed: options of the configuration that cases name: they are listed first.
    """
    texts = Texts()
    runs = [one.run for one in columns]
    records = [{case.id: case for case in run.cases} for run in runs]
    ids = tuple(sorted({case: None for by_id in records for case in by_id}, key=_sorting))
    likes: dict[str, Sequence[CaseRecord]] = {}
    cases = []
    for case_id in ids:
        row, likes[case_id] = _case_row(case_id, [by_id.get(case_id) for by_id in records], texts, noise)
        cases.append(row)
    options = _options([one.config for one in columns], needed)
    value: Value = {
        "made": made,
        "version": version,
        "outcomes": [
            {"name": str(one), "word": OUTCOME_WORDS[one], "failed": one in FAILED, "asked": _has_verdict(one)}
            for one in Outcome
        ],
        "kernels": _kernels(columns),
        "traits": _traits(runs, semantics, texts),
        "cases": cases,
        "splats": _splats(runs, {case_id: at for at, case_id in enumerate(ids)}),
        "options": options,
        "needed": [name for name in options if name in needed],
        "texts": texts.list,
    }
    return Overview(value, ids, likes)


def _sorting(case_id: str) -> tuple[str, str]:
    group, _, name = case_id.rpartition("/")
    return group, name


def _has_verdict(outcome: Outcome) -> bool:
    return outcome not in (Outcome.SKIPPED, Outcome.ERROR)


def _kernels(columns: Sequence[Column]) -> list[Value]:
    same: dict[tuple[str, ...], int] = {}
    kernels: list[Value] = []
    for letter, one in zip(kernel_letters(len(columns)), columns, strict=True):
        run = one.run
        has_digest = is_known(run.kernel.image_digest)
        kernels.append(
            {
                "letter": letter,
                "name": one_line(one.name),
                "spec": one_line(run.kernel.called),
                "release": one_line(run.kernel.release),
                "line": one_line(kernel_line(run.kernel)),
                "profile": one_line(run.profile),
                # Equal numbers: the same kernel under the same test. -1: unknown.
                "same": same.setdefault(conditions(run), len(same)) if has_digest else -1,
                "counts": count_outcomes(run) or "no case was run",
                "clean": is_clean(run),
                "complete": run.complete,
                "part": is_of_a_part(run),
                "started": run.started,
                "facts": [[fact, one_line(text)] for fact, text in kernel_facts(run)],
                "patches": [one_line(subject) for subject in run.kernel.build.patches],
                "warnings": [one_line(warning) for warning in run.kernel.build.warnings],
                "command": one_line(run.command),
                "nearest": [one_line(near) for near in run.nearest],
                "notes": [one_line(note) for note in run.notes],
                "problems": [plain_text(problem.text).strip() for problem in run.problems],
            }
        )
    return kernels


def _case_row(
    case_id: str, records: Sequence[CaseRecord | None], texts: Texts, noise: Noise
) -> tuple[Value, Sequence[CaseRecord]]:
    """Return a row of the table, and one record for each of its ``like`` numbers."""
    likes: list[CaseRecord] = []
    digests: dict[str, int] = {"": 0}
    cells: list[list[int] | None] = []
    for case in records:
        if case is None:
            cells.append(None)
            continue
        like = next((at for at, other in enumerate(likes) if is_alike(other, case, noise)), len(likes))
        if like == len(likes):
            likes.append(case)
        flags = KNOWN * bool(case.known) + EXCUSED * bool(case.excused or case.unjudged) + FLAKY * case.is_flaky
        reason = "" if case.outcome is Outcome.MATCH else one_line(case.reason, _REASON_COLUMNS)
        cells.append(
            [
                list(Outcome).index(case.outcome),
                like,
                flags,
                digests.setdefault(case.digest, len(digests)),
                texts.add(reason),
                texts.add(case_word(case)[0]),
            ]
        )
    title = next((one_line(case.title) for case in records if case and case.title), "")
    return {"id": one_line(case_id), "title": title, "cells": cells}, likes


def _traits(runs: Sequence[RunRecord], semantics: Semantics | None, texts: Texts) -> list[Value]:
    records = [{trait.trait: trait for trait in run.traits} for run in runs]
    names = list(dict.fromkeys(name for by_name in records for name in by_name))
    rows: list[Value] = []
    for name in names:
        found = [by_name.get(name) for by_name in records]
        if not any(one is not None and (one.shown or one.expected) for one in found):
            continue
        known = semantics.traits.get(name) if semantics else None
        rows.append(
            {
                "name": one_line(name),
                "theme": known.theme if known else "",
                "meaning": next((one_line(one.meaning) for one in found if one and one.meaning), ""),
                "cells": [_trait_cell(one, texts) for one in found],
            }
        )
    return rows


def _trait_cell(trait: TraitRecord | None, texts: Texts) -> list[int] | None:
    """Return seen value, expected value, whether it is confirmed, the known failure, and where it was seen."""
    if trait is None:
        return None
    where = "; ".join(trait.where[:3]) + (f" and {len(trait.where) - 3} more" if len(trait.where) > 3 else "")
    where = one_line("; ".join(map(str, trait.mixed)) or where)
    return [
        texts.add(one_line(trait.shown)),
        texts.add(one_line(trait.expected)),
        int(trait.confirmed),
        texts.add(one_line(trait.known)),
        texts.add(where),
    ]


def _splats(runs: Sequence[RunRecord], indexes: Mapping[str, int]) -> list[Value]:
    """Return each splat by its fingerprint, with the cases that met it on each kernel."""
    found: dict[str, tuple[SplatReport, list[dict[int, None]]]] = {}
    places = places_of(variant_splats(runs))
    for at, run in enumerate(runs):
        for case in run.cases:
            for splat in case.splats:
                _, met = found.setdefault(splat.fingerprint, (splat, [{} for _ in runs]))
                met[at][indexes[case.id]] = None
    return [
        {
            "fingerprint": one_line(fingerprint),
            "kind": one_line(splat.kind),
            "title": one_line(splat.title) + (f" ({places[fingerprint]})" if fingerprint in places else ""),
            "function": one_line(splat.function),
            "cells": [list(cases) for cases in met],
        }
        for fingerprint, (splat, met) in found.items()
    ]


def _options(configs: Sequence[str], needed: Collection[str]) -> dict[str, list[str | None]]:
    """Return the options of the configuration that differ, needed ones first.

    A value is None for a kernel with an unknown configuration.
    """
    # Common lines are skipped: a configuration has thousands of lines.
    lines = [set(text.splitlines()) for text in configs if text]
    common = set.intersection(*lines) if lines else set()
    known = [config_options("\n".join(set(text.splitlines()) - common)) if text else None for text in configs]
    found = {name for options in known if options for name in options}
    names = sorted(found, key=lambda name: (name not in needed, name))
    table = {name: [options.get(name, "n") if options else None for options in known] for name in names}
    return {name: values for name, values in table.items() if len({one for one in values if one is not None}) > 1}
