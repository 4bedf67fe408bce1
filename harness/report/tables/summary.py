# SPDX-License-Identifier: GPL-2.0-only
"""Show a run as lines of a given width: each case, failures, slowest cases, notes, totals.

Pure: a run record in, lines out; used during a run, at its end, and for a loaded record. Both displays use these lines,
so that a terminal and a log file show the same; a display only adds color.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import PurePath

from harness.model.run_record import BuildRecord, CaseRecord, RunRecord
from harness.model.shard import ShardRecord
from harness.model.verdict import Outcome
from harness.report.lines import FACT_WIDTH, Line, Tone, fact_lines, fold_line
from harness.report.tables.conclusion import conclusion_lines, not_run_lines
from harness.report.tables.traits import trait_lines
from harness.report.text import bound_lines, elide, elide_start, fold, one_line, plain_text

SLOWEST = 5
_DIFF_LINES = 60
_SPLAT_LINES = 25
_PROBLEM_LINES = 20
_INDENT = 6
_FEW_LINES = 12
"""The lines of failed cases that fit the last screen beside everything else."""

OUTCOME_WORDS = {
    Outcome.MATCH: "ok",
    Outcome.MISMATCH: "DIFF",
    Outcome.TIMEOUT: "TIME",
    Outcome.KERNEL: "KERN",
    Outcome.LOST: "LOST",
    Outcome.SKIPPED: "skip",
    Outcome.ERROR: "ERR",
}
OUTCOME_TONES = {
    Outcome.MATCH: Tone.GOOD,
    Outcome.MISMATCH: Tone.BAD,
    Outcome.TIMEOUT: Tone.BAD,
    Outcome.KERNEL: Tone.BAD,
    Outcome.LOST: Tone.BAD,
    Outcome.SKIPPED: Tone.FAINT,
    Outcome.ERROR: Tone.WARNING,
}


def header_lines(run: RunRecord, width: int, *, total: int) -> list[Line]:
    """Return the lines before the cases: kernel, tools and settings; unknown facts are left out.
    :param run: the record before the first case.
    :param width: columns.

    :param total: the number of cases to come.
    """
    kernel = run.kernel
    accelerated = f"{run.acceleration}: {run.acceleration_evidence}" if run.acceleration_evidence else run.acceleration
    facts = (
        ("kernel", f"{kernel.release} {kernel.architecture}"),
        ("from", kernel.origin),
        ("source", _source(kernel.build)),
        ("series", _series(kernel.build)),
        ("config", kernel.config_source),
        ("parameters", " ".join(kernel.parameters)),
        ("qemu", f"{run.qemu} {run.machine_type}"),
        ("acceleration", accelerated),
        ("profile", run.profile),
        ("cases", f"{total}{_of_shard(run.shard)}{f', {run.workers} at a time' if run.workers > 1 else ''}"),
    )
    return [line for name, fact in facts for line in fact_lines(name, one_line(fact), width)]


def _of_shard(shard: ShardRecord) -> str:
    """Return the shard behind the number of cases; empty for a run of all cases."""
    return f" of {shard.cases} (shard {shard.number}/{shard.count})" if shard.count else ""


def _source(build: BuildRecord) -> str:
    """Return the tree that was built, its commit, and the number of uncommitted changes."""
    if not build.commit:
        return ""
    changes = f", with {build.uncommitted} uncommitted change{'' if build.uncommitted == 1 else 's'}"
    return f"{build.source}, commit {(build.base or build.commit)[:12]}{changes if build.uncommitted else ''}"


def _series(build: BuildRecord) -> str:
    """Return the series that was applied: title, version, number of patches."""
    if not build.series:
        return ""
    version = "" if build.posted_as in ("", "v1") else f" {build.posted_as}"
    number = len(build.patches)
    return f"{build.series}{version}, {number} patch{'' if number == 1 else 'es'}"


KNOWN_WORD = "know"
"""The mark of a failed case that does not fail the run: known to fail, or not a regression from the baseline."""

UNJUDGED_WORD = "unju"
"""The mark of a failed case that says nothing without a run of another kernel to compare with."""

FLAKY_WORD = "FLAK"
"""The mark of a case that failed in some of several tries."""


def case_word(case: CaseRecord) -> tuple[str, Tone]:
    """Return the outcome of a case in at most four letters, and its tone."""
    if case.is_unjudged:
        return UNJUDGED_WORD, Tone.WARNING
    if case.why_not_failed:
        return KNOWN_WORD, Tone.FAINT
    if case.is_flaky:
        return FLAKY_WORD, Tone.WARNING
    return OUTCOME_WORDS[case.outcome], OUTCOME_TONES[case.outcome]


def case_lines(case: CaseRecord, width: int = 0) -> list[Line]:
    """Return the line of a case that ended, and below it why it failed.
    :param case: the record of the case.

    :param width: columns; 0 cuts and folds nothing, for a file.
    """
    word, tone = case_word(case)
    detail = one_line(case.reason if case.outcome is Outcome.SKIPPED else case.why_not_failed or case.title)
    text = f"{word:<4} {case.seconds:7.2f}s  {one_line(case.id)}{'  ' if detail else ''}{detail}"
    lines = [Line(elide(text, width) if width else text, tone, lead=len(word))]
    if case.outcome not in (Outcome.MATCH, Outcome.SKIPPED) and not case.why_not_failed:
        below = _failure_lines(case)
        lines += [part for line in below for part in fold_line(line, width, indent=_INDENT)]
        if case.folder:
            # Not folded, so that the path can be copied.
            lines += [Line(""), Line(f"{'':{_INDENT}}logs: {one_line(case.folder)}/", Tone.FAINT)]
        lines.append(Line(""))
    return lines


def _failure_lines(case: CaseRecord) -> list[Line]:
    lines = [Line(text, Tone.STRONG) for text in bound_lines(plain_text(case.reason).strip(), 10).split("\n") if text]
    if case.diff:
        diff = bound_lines(plain_text(case.diff), _DIFF_LINES, whole=_file(case, "diff"))
        lines += [Line(""), *(Line(text, _diff_tone(text)) for text in diff.split("\n"))]
    for splat in case.splats[:3]:
        text = bound_lines(plain_text(splat.text), _SPLAT_LINES, whole=_file(case, "kernel.log"))
        lines += [Line(""), Line(one_line(splat.title), Tone.BAD), *map(Line, text.split("\n"))]
    if len(case.splats) > 3:
        lines.append(Line(f"[... {len(case.splats) - 3} more splats ...]"))
    return lines


def _diff_tone(text: str) -> Tone:
    if text.startswith(("--- ", "+++ ", "@@")):
        return Tone.FAINT
    return {"-": Tone.BAD, "+": Tone.GOOD}.get(text[:1], Tone.PLAIN)


def _file(case: CaseRecord, name: str) -> str:
    return f"{one_line(case.folder)}/{name}" if case.folder else ""


def summary(
    run: RunRecord, width: int, *, is_one_of_several: bool = False, shown_notes: Collection[str] = ()
) -> list[Line]:
    """Return the lines at the end of a run; the most important come last.

    If many cases failed, they are listed first: the last screen then has the conclusion.

    :param run: the record of the run.
    :param width: columns; only the id of a failed case may exceed them, so that it can be copied.
    :param is_one_of_several: whether the run has other kernels. Then one table shows the traits of all at the end
        (``kernels.py``), and this run's own table is left out.
    :param shown_notes: notes that were shown before, and are not repeated.
    """
    failed = failed_lines(run, width)
    is_long = len(failed) > _FEW_LINES
    notes = [note for note in run.notes if note not in shown_notes]
    blocks = [
        failed if is_long else [],
        [] if is_one_of_several else trait_lines(run, width),
        nearest_lines(run, width),
        slowest_lines(run, width),
        [line for text in run.kernel.build.warnings for line in fact_lines("WARNING", one_line(text), width)],
        [line for note in notes for line in fact_lines("note", one_line(note), width)],
        [line for problem in run.problems for line in _problem_lines(problem.text, width)],
        conclusion_lines(run, width) if is_long else failed,
        [*not_run_lines(run, width), *totals_lines(run, width)],
    ]
    return [line for block in blocks if block for line in (Line(""), *block)]


def nearest_lines(run: RunRecord, width: int) -> list[Line]:
    """Return the profiles nearest to the seen values with the traits that differ, folded to the width."""
    names = ("nearest", *[""] * len(run.nearest))
    return [
        line for name, text in zip(names, run.nearest, strict=False) for line in fact_lines(name, one_line(text), width)
    ]


def _problem_lines(text: str, width: int) -> list[Line]:
    """Return a problem, and below it the evidence and the hint, line by line."""
    what, *more = bound_lines(plain_text(text).strip(), _PROBLEM_LINES).split("\n")
    lines = fact_lines("PROBLEM", one_line(what), width, tone=Tone.WARNING)
    return lines + [part for line in more for part in fold_line(Line(line), width, indent=FACT_WIDTH)]


def results_lines(junit_path: PurePath | None) -> list[Line]:
    """Return the path of the results; it is not cut, so that it can be copied."""
    return [Line(f"results: {one_line(str(junit_path))}")] if junit_path else []


def slowest_lines(run: RunRecord, width: int) -> list[Line]:
    """Return the slowest cases that were not skipped; nothing if there are only a few cases."""
    ran = [case for case in run.cases if case.outcome is not Outcome.SKIPPED]
    if len(ran) <= SLOWEST:
        return []
    slowest = sorted(ran, key=lambda case: -case.seconds)[:SLOWEST]
    lines = [Line(f"{case.seconds:9.2f} s  {elide_start(one_line(case.id), max(8, width - 13))}") for case in slowest]
    return [Line("Slowest cases", Tone.STRONG), Line(""), *lines]


def failed_lines(run: RunRecord, width: int) -> list[Line]:
    """Return the failed cases again with id and reason, as their diffs have scrolled away."""
    lines = []
    for case in run.cases:
        if case.outcome in (Outcome.MATCH, Outcome.SKIPPED):
            continue
        word, tone = case_word(case)
        lines.append(Line(f"{word:<4}  {one_line(case.id)}", tone, lead=len(word)))
        if case.tries and case.times_failed and not case.is_unjudged:
            lines.append(Line(f"      failed {case.times_failed} of {case.times_asked} times"))
        if reason := case.why_not_failed or case.reason:
            lines.append(Line(f"      {elide(one_line(reason), max(8, width - 6))}"))
    return lines


def totals_lines(run: RunRecord, width: int) -> list[Line]:
    """Return the number of cases by outcome, and the duration."""
    counts = count_outcomes(run) or "none ran"
    number = len(run.cases)
    text = f"{number} case{'' if number == 1 else 's'} in {run.seconds:.1f} s: {counts}"
    lines = [Line(part, Tone.GOOD if is_clean(run) else Tone.BAD) for part in fold(text, width)]
    return (
        [*lines, Line("THE RUN DID NOT FINISH: it was interrupted or killed", Tone.WARNING)]
        if run.is_interrupted
        else lines
    )


def count_outcomes(run: RunRecord, words: Mapping[Outcome, str] | None = None) -> str:
    """Return the number of cases by outcome: ``12 match, 1 mismatch, 2 known``; empty if there are none.

    :param run: the record of the run.
    :param words: names for the outcomes; their values if left out.
    """
    counts = Counter(case.outcome for case in run.cases if not case.why_not_failed)
    unjudged = sum(case.is_unjudged for case in run.cases)
    known = len(run.cases) - counts.total() - unjudged
    parts = [f"{counts[one]} {words[one] if words else one}" for one in Outcome if counts[one]]
    parts += [f"{known} {KNOWN_WORD if words else 'known'}"] if known else []
    return ", ".join([*parts, f"{unjudged} {UNJUDGED_WORD if words else 'unjudged'}"] if unjudged else parts)


def is_clean(run: RunRecord) -> bool:
    """Return whether a run is complete without failures and problems."""
    good = all(case.outcome in (Outcome.MATCH, Outcome.SKIPPED) or case.why_not_failed for case in run.cases)
    return run.complete and not run.problems and good
