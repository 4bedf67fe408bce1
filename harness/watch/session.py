# SPDX-License-Identifier: GPL-2.0-only
"""Keep the results of the rounds, and show what changed against the result before and against the base. Pure."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from harness.kernel.build.diagnostics import Diagnostic, Severity, parse_diagnostics, still_valid
from harness.kernel.build.progress import parse_step
from harness.model.run_record import UNKNOWN, CaseRecord, RunRecord
from harness.model.verdict import Outcome
from harness.report.lines import Line, Tone, fold_line
from harness.report.tables.summary import OUTCOME_WORDS, count_outcomes
from harness.report.text import elide, one_line
from harness.results.compare import ChangeKind, Comparison, compare
from harness.session.noise import NOISE, Noise

_LISTED = 8
_UNSHOWN = (ChangeKind.SAME, ChangeKind.NOT_RUN)
_TONES = {
    ChangeKind.REGRESSED: Tone.BAD,
    ChangeKind.NEW: Tone.PLAIN,
    ChangeKind.FIXED: Tone.GOOD,
    ChangeKind.FLAKY: Tone.WARNING,
    ChangeKind.OTHERWISE: Tone.WARNING,
}


@dataclass(frozen=True, slots=True)
class Result:
    """The results that a comparison is made with.

    :param name: how it is called, for people.
    :param run: the record, with the last result of each case.
    :param warnings: the warnings of the compiler; None where they are not known.
    """

    name: str
    run: RunRecord
    warnings: tuple[Diagnostic, ...] | None = None


@dataclass(slots=True)
class Session:
    """The results of a watch.

    :param noise: the output of the suite that differs from run to run.
    :param base: the result that all are compared with; None for the first one of this watch.
    """

    noise: Noise = NOISE
    base: Result | None = None
    last: Result | None = None
    before: Result | None = None
    """The result before the last one."""

    newest: RunRecord | None = field(default=None)
    """The record of the last round alone, which may be of a part of the cases."""

    @property
    def failed(self) -> tuple[str, ...]:
        """Return the ids of the cases whose last result is a failure or an error."""
        return tuple(case.id for case in self.last.run.cases if is_failed(case)) if self.last else ()

    @property
    def first_failed(self) -> CaseRecord | None:
        """Return the first case that failed; None without one."""
        return next((case for case in self.last.run.cases if is_failed(case)), None) if self.last else None

    def take(self, run: RunRecord, name: str, build_log: str) -> None:
        """Take the record of a round that ended.

        :param run: the record.
        :param name: the name of its run folder.
        :param build_log: the output of make; empty if it is not known.
        """
        known = self.last.warnings if self.last else None
        result = Result(name, joined(self.last.run if self.last else None, run), warnings_after(known, build_log))
        self.before, self.last, self.newest = self.last, result, run
        if self.base is None:
            self.base = replace(result, name=f"the first result, {name}")
        elif self.base.warnings is None:
            self.base = replace(self.base, warnings=result.warnings)

    def lines(self, width: int) -> list[Line]:
        """Return the lines of the last round: its result, and what changed."""
        if self.last is None or self.newest is None or self.base is None:
            return []
        lines = [Line(""), _headline(self.newest, self.last.run)]
        if self.before is not None:
            lines += _change_lines("since the result before", self.before, self.last, self.newest, self.noise)
        if self.base.run is not self.last.run and (self.before is None or self.base.run is not self.before.run):
            lines += _change_lines(f"since the base ({self.base.name})", self.base, self.last, self.newest, self.noise)
        return [part for line in lines for part in _fit(line, width)]

    def headline(self) -> list[Line]:
        """Return one line about the last result; none before the first one."""
        return [_headline(self.newest, self.last.run)] if self.newest and self.last else []


def is_failed(case: CaseRecord) -> bool:
    """Return whether a case failed, not as a known failure, or could not be run."""
    return case.is_failure or case.outcome is Outcome.ERROR


def joined(before: RunRecord | None, run: RunRecord) -> RunRecord:
    """Return a record with the last result of each case: those of a round of a part replace those of before."""
    if before is None or {case.id for case in before.cases} <= {case.id for case in run.cases}:
        return run
    cases = {case.id: case for case in (*before.cases, *run.cases)}
    traits = {trait.trait: trait for trait in (*before.traits, *run.traits)}
    # The results are of several images: a difference to a later run is not a flake.
    kernel = replace(run.kernel, image_digest=UNKNOWN)
    return replace(run, kernel=kernel, cases=tuple(cases.values()), traits=tuple(traits.values()), not_run=())


def warnings_after(known: Sequence[Diagnostic] | None, build_log: str) -> tuple[Diagnostic, ...]:
    """Return the warnings after a build.

    :param known: the warnings before it; None if they are not known.
    :param build_log: the output of make, which has those of the files that it compiled.
    """
    rows = build_log.splitlines()
    made = {step.split()[-1] for step in map(parse_step, rows) if step}
    new = [one for one in parse_diagnostics(rows) if one.severity is Severity.WARNING]
    changed = {one.file for one in new}
    return (*still_valid(known or (), changed=changed, made=made), *new)


def _headline(run: RunRecord, joined_run: RunRecord) -> Line:
    """Return one line about a round.

    :param joined_run: the last result of each case.
    """
    clock = datetime.datetime.fromtimestamp(run.started + run.seconds).strftime("%H:%M:%S")
    failed = sum(is_failed(case) for case in run.cases)
    part = f" of {len(joined_run.cases)} cases" if len(run.cases) < len(joined_run.cases) else ""
    counts = count_outcomes(run, OUTCOME_WORDS) or "no cases"
    text = f"{clock}  {counts}{part}, {run.seconds:.0f} s"
    return Line(text, Tone.BAD if failed or run.problems else Tone.GOOD)


def _change_lines(title: str, before: Result, after: Result, newest: RunRecord, noise: Noise) -> Iterator[Line]:
    """Yield the lines about what changed between two results.

    :param newest: the last round alone: what it did not run has not changed.
    """
    comparison = compare(before.run, newest, noise=noise)
    groups = [*_trait_changes(comparison), *_case_changes(comparison), *_splat_changes(comparison)]
    if before.warnings is not None and after.warnings is not None:
        groups += _warning_changes(before.warnings, after.warnings)
    if not groups:
        yield Line(f"{title}: nothing changed", Tone.FAINT)
        return
    yield Line(f"{title}:", Tone.STRONG)
    yield from groups[: 3 * _LISTED]
    if len(groups) > 3 * _LISTED:
        yield Line(f"  and {len(groups) - 3 * _LISTED} more (key d shows all)")


def _trait_changes(comparison: Comparison) -> Iterator[Line]:
    for one in comparison.traits:
        if one.change not in _UNSHOWN:
            values = f"{one_line(one.before) or '-'} -> {one_line(one.after) or '-'}"
            expected = f" (expected: {one_line(one.expected)})" if one.expected not in ("", one.after) else ""
            yield _line("trait", one.change, f"{one_line(one.trait)}: {values}{expected}")


def _case_changes(comparison: Comparison) -> Iterator[Line]:
    for one in comparison.cases:
        if one.change not in _UNSHOWN:
            reason = one_line(one.after.reason) if one.after and is_failed(one.after) else ""
            yield _line("case", one.change, reason or one_line(one.id))


def _splat_changes(comparison: Comparison) -> Iterator[Line]:
    for one in comparison.splats:
        if one.change not in _UNSHOWN:
            yield _line("splat", one.change, f"{one_line(one.kind)}: {one_line(one.title)}")


def _warning_changes(before: Iterable[Diagnostic], after: Iterable[Diagnostic]) -> Iterator[Line]:
    """Yield new and fixed warnings; one whose line moved is neither."""
    olds, news = ({_identity(one): one for one in warnings} for warnings in (before, after))
    for identity, one in news.items():
        if identity not in olds:
            yield _line("warning", ChangeKind.NEW, one_line(one.render()), Tone.WARNING)
    for identity, one in olds.items():
        if identity not in news:
            yield _line("warning", ChangeKind.FIXED, one_line(one.render()))


def _identity(one: Diagnostic) -> tuple[str, str]:
    return one.file, re.sub(r"\d+", "", one.text)


def _line(kind: str, change: ChangeKind, text: str, tone: Tone | None = None) -> Line:
    lead = f"  {change:<10}"
    return Line(f"{lead} {kind}: {text}", tone or _TONES.get(change, Tone.PLAIN), lead=len(lead))


def _fit(line: Line, width: int) -> list[Line]:
    """Return a line that fits: the lines of changes are cut, others folded."""
    return [Line(elide(line.text, width), line.tone, line.lead)] if line.lead else fold_line(line, width)
