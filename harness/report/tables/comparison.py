# SPDX-License-Identifier: GPL-2.0-only
"""Show a comparison of two runs as lines and as JSON: traits, cases, splats, and possible explanations.

Pure: a comparison and a width in, lines out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.model.inventory import ABSENT, InventoryChange
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.lines import Line, Tone, fact_lines, fold_line
from harness.report.text import bound_lines, elide, fold, one_line, plain_text
from harness.results.compare import CaseChange, ChangeKind, Comparison, SplatChange, TraitChange

JSON_VERSION = 1
_DIFF_LINES = 40
_LISTED = 20
_INDENT = 6
_FACT_WIDTH = 21

_TONES = {
    ChangeKind.REGRESSED: Tone.BAD,
    ChangeKind.FLAKY: Tone.WARNING,
    ChangeKind.OTHERWISE: Tone.WARNING,
    ChangeKind.KNOWN: Tone.FAINT,
    ChangeKind.FIXED: Tone.GOOD,
    ChangeKind.GONE: Tone.WARNING,
    ChangeKind.NOT_RUN: Tone.FAINT,
}
_WITH_DIFF = {ChangeKind.REGRESSED, ChangeKind.FLAKY, ChangeKind.OTHERWISE, ChangeKind.CHANGED}


def comparison_lines(
    comparison: Comparison, width: int, *, names: tuple[str, str], rates: Mapping[str, str] | None = None
) -> list[Line]:
    """Return the lines of a comparison; the regressions come last.

    :param comparison: the comparison.
    :param width: columns.
    :param names: the names of the two runs, e.g. their folders.
    :param rates: by case id, how often a flaky case failed, as a sentence.
    """
    blocks = (
        [
            *_run_lines("before", comparison.before, names[0], width),
            *_run_lines("after", comparison.after, names[1], width),
        ],
        _trait_lines(comparison.traits, width),
        _case_lines(comparison.cases, width, rates or {}),
        _splat_lines(comparison.splats, width),
        _inventory_lines(comparison.inventory, width),
        _difference_lines(comparison, width),
        verdict_lines(comparison, width),
    )
    return [line for block in blocks if block for line in (Line(""), *block)][1:]


def verdict_lines(comparison: Comparison, width: int) -> list[Line]:
    """Return the counts of cases by change, and the regressions."""
    counts = Counter(one.change for one in comparison.cases)
    summary = ", ".join(f"{counts[change]} {change}" for change in ChangeKind if counts[change]) or "none"
    lines = [Line(part) for part in fold(f"{len(comparison.cases)} cases compared: {summary}", width)]
    if not comparison.regressions:
        text = "nothing regressed"
        if comparison.failures:
            text += f"; {len(comparison.failures)} of the cases that ran only in the second run failed"
        return [*lines, Line(text, Tone.WARNING if comparison.failures else Tone.GOOD)]
    named = [one_line(name) for name in comparison.regressions]
    return [*lines, Line(f"REGRESSED: {len(named)}", Tone.BAD), *(Line(f"  {name}", Tone.BAD) for name in named)]


def _run_lines(role: str, run: RunRecord, name: str, width: int) -> list[Line]:
    kernel = run.kernel
    unfinished = "" if run.complete else " (THE RUN DID NOT FINISH)"
    text = (
        f"{one_line(name)}: {one_line(kernel.called)}, {one_line(kernel.release)}, {len(run.cases)} cases{unfinished}"
    )
    return fact_lines(role, text, width)


def _trait_lines(traits: Sequence[TraitChange], width: int) -> list[Line]:
    if not traits:
        return []
    changed = sorted(
        (one for one in traits if one.change not in (ChangeKind.SAME, ChangeKind.NOT_RUN)),
        key=lambda one: list(ChangeKind).index(one.change),
    )
    lines = [
        Line(f"Traits: {len(changed) or 'none'} of {len(traits)} differ{'s' if len(changed) == 1 else ''}", Tone.STRONG)
    ]
    for one in changed:
        value = f"{one_line(one.before) or '-'} -> {one_line(one.after) or '-'}"
        expected = f" (expected: {one_line(one.expected)})" if one.expected not in ("", one.after) and one.after else ""
        text = f"  {one.change:<10} {one_line(one.trait)}: {value}{expected}"
        lines.append(Line(text, _TONES.get(one.change, Tone.PLAIN), lead=2 + len(one.change)))
        if one.change is ChangeKind.REGRESSED:
            below = (one_line(one.meaning), f"seen at {one_line(one.where)}" if one.where else "")
            lines += [part for text in below if text for part in fold_line(Line(text), width, indent=_INDENT)]
    if not_run := sum(one.change is ChangeKind.NOT_RUN for one in traits):
        lines.append(Line(f"  {not_run} not shown: their cases were not run", Tone.FAINT))
    return lines


def _case_lines(cases: Sequence[CaseChange], width: int, rates: Mapping[str, str]) -> list[Line]:
    lines: list[Line] = [Line("Cases", Tone.STRONG)]
    for change in ChangeKind:
        group = [one for one in cases if one.change is change]
        if not group:
            continue
        tone = _TONES.get(change, Tone.PLAIN)
        lines.append(Line(f"  {change}: {len(group)}", tone))
        if change in (ChangeKind.SAME, ChangeKind.NOT_RUN):
            continue
        # A list of new or gone cases may be cut; every regression is listed.
        shown = group if change in _WITH_DIFF else group[:_LISTED]
        for at, one in enumerate(shown):
            lines += _one_case(one, width, rates.get(one.id, ""), with_diff=change in _WITH_DIFF and at < _LISTED)
        if len(shown) < len(group):
            lines.append(Line(f"    and {len(group) - len(shown)} more"))
    return lines


def _one_case(one: CaseChange, width: int, rate: str, *, with_diff: bool) -> list[Line]:
    outcomes = " -> ".join(case.outcome if case else "-" for case in (one.before, one.after))
    edited = "; the case file was changed" if one.is_edited else ""
    lines = [Line(f"    {one_line(one.id)}  {outcomes}{edited}")]
    reason = one_line(_reason(one))
    if not rate and one.after is not None and one.after.is_flaky:
        rate = f"failed {one.after.times_failed} of {one.after.times_asked} times in one run"
    lines += [Line(elide(f"      {text}", max(20, width))) for text in (rate, reason) if text]
    patch = one.diff or (one.after.diff if one.after and one.change is ChangeKind.REGRESSED else "")
    if with_diff and patch:
        whole = f"{one.after.folder}/" if one.after and one.after.folder else ""
        lines += [Line("")]
        for text in bound_lines(plain_text(patch), _DIFF_LINES, whole=whole).split("\n"):
            lines += fold_line(Line(text, _diff_tone(text)), 0, indent=_INDENT)
        lines += [Line("")]
    return lines


def _reason(one: CaseChange) -> str:
    """Return the reason of the later outcome; for a case as expected in both runs, the values that changed."""
    if one.change is ChangeKind.CHANGED and one.before is not None and one.after is not None:
        was = {seen.trait: seen.value for seen in one.before.sightings}
        now = {seen.trait: seen.value for seen in one.after.sightings}
        pairs = ((name, was.get(name, "-"), now.get(name, "-")) for name in {**was, **now})
        return ", ".join(f"{name}: {old} -> {new}" for name, old, new in pairs if old != new)
    if one.after is not None and one.after.known:
        return one.after.known
    return (one.after.reason if one.after else "") or (
        one.before.reason if one.before and one.change is ChangeKind.FIXED else ""
    )


def _diff_tone(text: str) -> Tone:
    if text.startswith(("--- ", "+++ ", "@@")):
        return Tone.FAINT
    return {"-": Tone.BAD, "+": Tone.GOOD}.get(text[:1], Tone.PLAIN)


def _splat_lines(splats: Sequence[SplatChange], width: int) -> list[Line]:
    if not splats:
        return []
    lines = [Line("Splats of the kernel log", Tone.STRONG)]
    for one in sorted(splats, key=lambda splat: list(ChangeKind).index(splat.change)):
        text = f"  {one.change:<10} {one_line(one.fingerprint)}  {one_line(one.kind)}: {one_line(one.title)}"
        lines.append(Line(elide(text, max(40, width)), _TONES.get(one.change, Tone.PLAIN), lead=2 + len(one.change)))
        more = f" and {len(one.cases) - 1} more" if len(one.cases) > 1 else ""
        lines += fold_line(Line(f"in {one_line(one.cases[0])}{more}"), width, indent=_INDENT)
    return lines


def _inventory_lines(changes: Sequence[InventoryChange], width: int) -> list[Line]:
    if not changes:
        return []
    lines = [Line("Inventory: what user space finds", Tone.STRONG)]
    for one in changes:
        was, now = (one_line(facts) for facts in one.differing)
        sign = "~" if one.before and one.after else "+" if one.after else "-"
        lines.append(
            Line(elide(f"  {sign} {one_line(one.key)}", max(40, width)), Tone.BAD if one.before else Tone.PLAIN)
        )
        lines += fold_line(Line(f"{was or ABSENT} -> {now or ABSENT}"), width, indent=_INDENT)
    return lines


def _difference_lines(comparison: Comparison, width: int) -> list[Line]:
    if not comparison.differences:
        return [Line("No difference between the kernels, their builds and the hosts.", Tone.FAINT)]
    lines = [Line("Other differences that may explain the changes", Tone.STRONG)]
    for one in comparison.differences[: 2 * _LISTED]:
        name = f"  {one_line(one.fact):<{_FACT_WIDTH - 4}}  "
        was, now = one_line(one.before) or "-", one_line(one.after) or "-"
        needed = " (cases name it)" if one.is_needed else ""
        lines += [
            Line(name + text if at == 0 else " " * len(name) + text)
            for at, text in enumerate(fold(f"{was} -> {now}{needed}", max(20, width - len(name))))
        ]
    if (left := len(comparison.differences) - 2 * _LISTED) > 0:
        lines.append(Line(f"  and {left} more (--json has all)"))
    return lines


def comparison_json(
    comparison: Comparison, *, names: tuple[str, str], rates: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Return the comparison as a JSON table; unchanged traits and cases are only counted.

    :param comparison: the comparison.
    :param names: the names of the two runs.
    :param rates: by case id, how often a flaky case failed, as a sentence.
    """
    rates = rates or {}
    return {
        "format_version": JSON_VERSION,
        "before": _run_json(comparison.before, names[0]),
        "after": _run_json(comparison.after, names[1]),
        "regressed": bool(comparison.regressions),
        "regressions": list(comparison.regressions),
        "counts": {str(change): number for change, number in _counts(comparison.cases).items()},
        "traits": [
            {
                "trait": one.trait,
                "change": str(one.change),
                "before": one.before,
                "after": one.after,
                "expected": one.expected,
                "where": one.where,
            }
            for one in comparison.traits
            if one.change is not ChangeKind.SAME
        ],
        "cases": [
            _case_change_json(one, rates.get(one.id, ""))
            for one in comparison.cases
            if one.change is not ChangeKind.SAME
        ],
        "splats": [
            {
                "fingerprint": one.fingerprint,
                "change": str(one.change),
                "kind": one.kind,
                "title": one.title,
                "cases": list(one.cases),
            }
            for one in comparison.splats
        ],
        "inventory": [{"key": one.key, "before": one.before, "after": one.after} for one in comparison.inventory],
        "differences": [
            {"fact": one.fact, "before": one.before, "after": one.after, "needed": one.is_needed}
            for one in comparison.differences
        ],
    }


def _case_change_json(one: CaseChange, rate: str) -> dict[str, object]:
    return {
        "case": one.id,
        "change": str(one.change),
        "before": _case_json(one.before),
        "after": _case_json(one.after),
        "case_file_changed": one.is_edited,
        "rate": rate,
        "diff": one.diff,
    }


def _run_json(run: RunRecord, name: str) -> dict[str, object]:
    return {
        "run": name,
        "kernel": run.kernel.spec,
        "release": run.kernel.release,
        "image_digest": run.kernel.image_digest,
        "started": run.started,
        "complete": run.complete,
        "profile": run.profile,
    }


def _case_json(case: CaseRecord | None) -> dict[str, object] | None:
    if case is None:
        return None
    return {"outcome": str(case.outcome), "reason": case.reason, "known": case.known, "folder": case.folder}


def _counts(cases: Iterable[CaseChange]) -> dict[ChangeKind, int]:
    counts = Counter(one.change for one in cases)
    return {change: counts[change] for change in ChangeKind}
