"""What the page knows from the start: kernels across; traits, cases and splats down. Pure.

Plain values, to be written as JSON: small, as all of it is read before anything is shown. Texts that many cells share
are told once, in ``texts``, and named by their place there. A comparison is made by the page itself, as its reader may
choose another baseline; so of each case the records that differ by noise at most have one number (``like``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.model.run_record import CaseRecord, RunRecord, TraitRecord, is_known
from harness.model.verdict import FAILED, Outcome, SplatReport
from harness.report.tables.summary import OUTCOME_WORDS, case_word, count_outcomes, is_clean
from harness.report.text import one_line, plain_text
from harness.results.compare import conditions, is_alike
from harness.results.kernel_differences import config_options, kernel_facts
from harness.results.kernel_line import kernel_letters, kernel_line
from harness.semantics.traits import Semantics
from harness.session.noise import NOISE, Noise

Value = dict[str, object]

KNOWN, EXCUSED, FLAKY = 1, 2, 4
"""Flags of a cell: the failure is known; no regression from the run's own baseline; failed sometimes."""
_REASON_COLUMNS = 300


class Column(NamedTuple):
    """One kernel of the page: what to call its run, the record, and the text of its configuration, if that is known."""

    name: str
    run: RunRecord
    config: str


class Texts:
    """Texts, each once; grows."""

    def __init__(self) -> None:
        self._places = {"": 0}

    @property
    def list(self) -> list[str]:
        """All of them, by their places."""
        return list(self._places)

    def place(self, text: str) -> int:
        """The place of a text, which is put there if need be."""
        return self._places.setdefault(text, len(self._places))


@dataclass(frozen=True, slots=True)
class Overview:
    """The value, and what else was found on the way.

    :param ids: the cases in the order of the page.
    :param likes: for each of them one record a number.
    """

    value: Value
    ids: tuple[str, ...]
    likes: Mapping[str, Sequence[CaseRecord]]


def make_overview(
    columns: Sequence[Column], *, semantics: Semantics | None, made: str, version: str, noise: Noise = NOISE
) -> Overview:
    """The overview of these kernels.

    :param semantics: for the themes of traits; None where they are not known.
    :param made: when the page was made, for people.
    :param version: of the harness.
    :param noise: what differs from run to run in the output of the suite.
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
    value: Value = {
        "made": made,
        "version": version,
        "outcomes": [
            {"name": str(one), "word": OUTCOME_WORDS[one], "failed": one in FAILED, "asked": _is_asked(one)}
            for one in Outcome
        ],
        "kernels": _kernels(columns),
        "traits": _traits(runs, semantics, texts),
        "cases": cases,
        "splats": _splats(runs, {case_id: at for at, case_id in enumerate(ids)}),
        "options": _options([one.config for one in columns]),
        "texts": texts.list,
    }
    return Overview(value, ids, likes)


def _sorting(case_id: str) -> tuple[str, str]:
    group, _, name = case_id.rpartition("/")
    return group, name


def _is_asked(outcome: Outcome) -> bool:
    return outcome not in (Outcome.SKIPPED, Outcome.ERROR)


def _kernels(columns: Sequence[Column]) -> list[Value]:
    same: dict[tuple[str, ...], int] = {}
    kernels: list[Value] = []
    for letter, one in zip(kernel_letters(len(columns)), columns, strict=True):
        run = one.run
        is_told = is_known(run.kernel.image_digest)
        kernels.append(
            {
                "letter": letter,
                "name": one_line(one.name),
                "spec": one_line(run.kernel.spec),
                "release": one_line(run.kernel.release),
                "line": one_line(kernel_line(run.kernel)),
                "profile": one_line(run.profile),
                # The same number: the same question to the same kernel. -1: nobody can tell.
                "same": same.setdefault(conditions(run), len(same)) if is_told else -1,
                "counts": count_outcomes(run) or "no case was asked",
                "clean": is_clean(run),
                "complete": run.complete,
                "started": run.started,
                "facts": [[fact, one_line(said)] for fact, said in kernel_facts(run)],
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
    """A row of the table, and one record for each of its numbers of likeness."""
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
        flags = KNOWN * bool(case.known) + EXCUSED * bool(case.excused) + FLAKY * case.is_flaky
        reason = "" if case.outcome is Outcome.MATCH else one_line(case.reason, _REASON_COLUMNS)
        cells.append(
            [
                list(Outcome).index(case.outcome),
                like,
                flags,
                digests.setdefault(case.digest, len(digests)),
                texts.place(reason),
                texts.place(case_word(case)[0]),
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
        if not any(one is not None and (one.seen or one.expected) for one in found):
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
    """Value seen, value expected, whether that is confirmed, whether the difference is known, where it was seen."""
    if trait is None:
        return None
    where = one_line("; ".join(trait.where[:3]) + (f" and {len(trait.where) - 3} more" if len(trait.where) > 3 else ""))
    return [
        texts.place(one_line(trait.seen)),
        texts.place(one_line(trait.expected)),
        int(trait.confirmed),
        texts.place(one_line(trait.known)),
        texts.place(where),
    ]


def _splats(runs: Sequence[RunRecord], places: Mapping[str, int]) -> list[Value]:
    """Each splat by its fingerprint, with the cases that met it on each kernel."""
    found: dict[str, tuple[SplatReport, list[dict[int, None]]]] = {}
    for at, run in enumerate(runs):
        for case in run.cases:
            for splat in case.splats:
                _, met = found.setdefault(splat.fingerprint, (splat, [{} for _ in runs]))
                met[at][places[case.id]] = None
    return [
        {
            "fingerprint": one_line(fingerprint),
            "kind": one_line(splat.kind),
            "title": one_line(splat.title),
            "cells": [list(cases) for cases in met],
        }
        for fingerprint, (splat, met) in found.items()
    ]


def _options(configs: Sequence[str]) -> dict[str, list[str | None]]:
    """The options of the configuration on which the kernels do not agree, None where the configuration is not known."""
    # What all of them say alike need not be looked at: a configuration has thousands of lines.
    lines = [set(text.splitlines()) for text in configs if text]
    common = set.intersection(*lines) if lines else set()
    known = [config_options("\n".join(set(text.splitlines()) - common)) if text else None for text in configs]
    names = sorted({name for options in known if options for name in options})
    table = {name: [options.get(name, "n") if options else None for options in known] for name in names}
    return {name: values for name, values in table.items() if len({one for one in values if one is not None}) > 1}
