# SPDX-License-Identifier: GPL-2.0-only
"""Write ``junit.xml`` for a series: a suite for each patch, with its stages and the cases that ran. Pure.

A case fails only in the suite of the patch that made it fail. A case that failed before, or was declared to change, is
skipped with the reason, as GitLab and GitHub compute new failures themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from harness.base.errors import Stage
from harness.model.run_record import CaseRecord, RunRecord, no_kernel
from harness.model.series_record import (
    ChangedLines,
    Expectedness,
    PatchRecord,
    PatchState,
    SeriesRecord,
    StyleFinding,
    VariantResult,
    called,
)
from harness.model.verdict import Fault, Outcome
from harness.report.formats.checks_junit import check_case
from harness.report.formats.junit import render_junit
from harness.report.tables.series import result_of, title_of

_CLASS = "series"
_STAGES = (
    (Stage.APPLY, "applies"),
    (Stage.CONFIGURE, "configuration is applied"),
    (Stage.BUILD, "builds"),
    (Stage.BOOT, "boots"),
)


def render_series_junit(
    record: SeriesRecord,
    runs: Mapping[int, RunRecord],
    variant_runs: Mapping[tuple[int, str], RunRecord] = MappingProxyType({}),
) -> str:
    """Return the JUnit XML of a series; to be written as UTF-8.

    :param record: the record of the series.
    :param runs: the record of each booted kernel, by patch.
    :param variant_runs: the record of each booted variant, by patch and name.
    """
    suites, labels, properties = [], [], []
    for patch in record.patches:
        suites.append(_suite(record, patch, runs.get(patch.number)))
        number = f"{patch.number}/{len(record.posted)}" if patch.number else "base"
        labels.append(f"{number} {patch.subject}")
        properties.append(_line_properties(patch.lines))
        for one in patch.variants:
            suites.append(_variant_suite(record, patch, one, variant_runs.get((patch.number, one.variant))))
            labels.append(f"{number} ({one.variant}) {patch.subject}")
            properties.append({"kernel.variant": one.variant, "variant.slowness": f"{one.slowness:.1f}"})
    suites.append(_made_up(record, "series", list(_whole(record))))
    properties.append(_line_properties(record.lines))
    return render_junit(suites, labels=[*labels, "the whole series"], properties=properties)


def _variant_suite(record: SeriesRecord, patch: PatchRecord, one: VariantResult, run: RunRecord | None) -> RunRecord:
    """Return the suite of a variant of a patch: whether it boots, its undeclared changes, and its cases."""
    name = f"variant {one.variant}"
    if one.is_between:
        own = _case(name, "the variant of the last patch shows nothing new", outcome=Outcome.SKIPPED)
    elif one.failed:
        outcome = Outcome.KERNEL if one.at_fault else Outcome.SKIPPED
        own = _case(name, one.what, outcome=outcome, diff=one.evidence)
    elif one.state is PatchState.FAIL:
        unexpected = [effect for effect in one.effects if effect.standing is Expectedness.UNEXPECTED]
        text = "".join(f"{effect.render()}\n" for effect in unexpected)
        own = _case(name, unexpected[0].render(), outcome=Outcome.MISMATCH, diff=text)
    else:
        own = _case(name, "")
    if run is None or one.same_as >= 0:
        return _made_up(record, f"{patch.kernel} ({one.variant})", [own])
    new = {case for effect in one.effects for case in effect.cases} if patch.number else set()
    cases = [_excused(case, new, {}, is_base=not patch.number) for case in run.cases]
    return replace(run, cases=(own, *cases), problems=())


def _line_properties(lines: ChangedLines | None) -> dict[str, str]:
    """Return which changed lines were run, as properties of a suite; empty if that is not known."""
    if lines is None:
        return {}
    return {
        "lines.changed": str(lines.changed),
        "lines.code": str(lines.code),
        "lines.run": str(lines.run),
        "lines.not_run": ", ".join(map(str, lines.not_run)),
        "lines.boot_only": ", ".join(map(str, lines.boot_only)),
        "lines.one_way": ", ".join(map(str, lines.one_way)),
    }


def _made_up(record: SeriesRecord, kernel: str, cases: Sequence[CaseRecord]) -> RunRecord:
    """Return a run of pseudo-cases without a kernel."""
    return RunRecord(
        no_kernel(kernel),
        record.started,
        complete=True,
        command=record.command,
        harness_version=record.harness_version,
        cases=tuple(cases),
    )


def _suite(record: SeriesRecord, patch: PatchRecord, run: RunRecord | None) -> RunRecord:
    own = list(_own_cases(record, patch))
    if run is None:
        return _made_up(record, patch.kernel, own)
    if patch.same_as >= 0:
        text = f"the image is that of {called(patch.same_as)}: no case was run, its results hold here as well\n"
        return replace(run, cases=(*own, _case("cases", "", text=text)), problems=())
    new = {case for one in patch.unexpected if not one.variant for case in one.cases} if patch.number else set()
    meant = {case: one.render() for one in patch.effects if one.standing is Expectedness.INTENDED for case in one.cases}
    cases = [_excused(case, new, meant, is_base=not patch.number) for case in run.cases]
    return replace(run, cases=(*own, *cases), problems=())


def _excused(case: CaseRecord, new: set[str], meant: Mapping[str, str], *, is_base: bool) -> CaseRecord:
    """Excuse a case that failed before this patch, or was declared to change."""
    if not case.is_failure or case.id in new:
        return case
    if case.id in meant:
        return replace(case, excused=f"intended: {meant[case.id]}")
    return replace(case, excused="fails on the base" if is_base else "failed before this patch as well")


def _own_cases(record: SeriesRecord, patch: PatchRecord) -> Iterator[CaseRecord]:
    """Yield pseudo-cases for the stages of a patch, its findings, and its undeclared changes."""
    for stage, name in _STAGES if patch.number else ():
        if patch.failed == stage:
            outcome = Outcome.KERNEL if patch.at_fault else Outcome.ERROR
            yield _case(name, patch.what, outcome=outcome, diff=patch.full_evidence)
            break
        if patch.failed not in {one.value for one, _ in _STAGES} and patch.failed:
            yield _case("tested", patch.what, outcome=Outcome.SKIPPED)
            break
        yield _case(name, "")
    if not patch.number:
        return
    if patch.style_note:
        yield _case("checkpatch", patch.style_note, outcome=Outcome.SKIPPED)
    else:
        yield _findings("checkpatch", patch.style, is_strict=record.is_strict)
    yield from map(partial(check_case, is_strict=record.is_strict), patch.checks)
    if patch.failed:
        return
    yield _findings("compiler warnings", patch.warnings, is_strict=record.is_strict)
    if patch.unexpected:
        text = "\n".join(f"{one.render()}\n    {one.text}" if one.text else one.render() for one in patch.unexpected)
        yield _case("no undeclared change", str(patch), outcome=Outcome.MISMATCH, diff=text)
    else:
        text = "".join(f"{one.standing}: {one.render()}\n" for one in patch.effects)
        yield _case("no undeclared change", "", text=text)


def _findings(name: str, findings: Sequence[StyleFinding], *, is_strict: bool) -> CaseRecord:
    text = "".join(f"{one.render()}\n" for one in findings)
    if is_strict and findings:
        return _case(name, findings[0].render(), outcome=Outcome.MISMATCH, diff=text)
    return _case(name, "", text=text)


def _whole(record: SeriesRecord) -> Iterator[CaseRecord]:
    for broken in record.broken:
        yield _case(f"every patch works alone: {broken.what}", broken.render(), outcome=Outcome.MISMATCH)
    for missing in record.missing:
        yield _case(f"declared change is there: {missing.name}", missing.text, outcome=Outcome.MISMATCH)
    if record.state is PatchState.UNKNOWN:
        yield _case("is tested completely", result_of(record), outcome=Outcome.ERROR)
    yield _case("summary", "", text=f"{title_of(record)}\n{result_of(record)}\n")


def _case(name: str, reason: str, *, outcome: Outcome = Outcome.MATCH, diff: str = "", text: str = "") -> CaseRecord:
    fault = Fault.HOST if outcome is Outcome.ERROR else Fault.NONE
    return CaseRecord(f"{_CLASS}/{name}", _CLASS, name, outcome, reason=reason, diff=diff, transcript=text, fault=fault)
