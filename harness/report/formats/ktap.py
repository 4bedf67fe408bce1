# SPDX-License-Identifier: GPL-2.0-only
"""Write KTAP, version 1, from run records: kernels contain folders of cases, which contain cases. Pure.

The format is that of the kernel's ``Documentation/dev-tools/ktap.rst``. The description of a case is its id. Outcomes
that KTAP does not have follow the hash: ``not ok 3 SUITE/a.session # mismatch: line 12: ...``. A failure that is known,
or not a regression from the baseline, is ``ok ... # XFAIL``, as kselftest.h writes it: a reader that does not know
XFAIL reads ``ok``, which is right for such a failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import FAILED, Outcome
from harness.report.text import bound_lines, one_line, plain_text

_INDENT = "  "
_DIFF_LINES = 200
_SPLAT_LINES = 100
_REASON_COLUMNS = 400


@dataclass(frozen=True, slots=True)
class _Test:
    """A test and its subtests.

    :param description: its name.
    :param is_ok: whether it passed.
    :param note: the text after the hash; empty for none.
    :param diagnosis: the lines before the result.
    :param within: its subtests.
    :param is_skipped: whether it was skipped.
    """

    description: str
    is_ok: bool
    note: str = ""
    diagnosis: Sequence[str] = ()
    within: Sequence[_Test] = field(default_factory=tuple)
    is_skipped: bool = False


def render_ktap(runs: Sequence[RunRecord], *, names: Sequence[str]) -> str:
    """Return the KTAP of some runs.

    :param runs: the records of the runs.
    :param names: the name of each run, e.g. its folder, in which the logs of a case are.
    """
    tests = [_run(run, name) for run, name in zip(runs, names, strict=True)]
    return "".join(f"{line}\n" for line in _lines(tests))


def _lines(tests: Sequence[_Test]) -> Iterator[str]:
    yield "KTAP version 1"
    yield f"1..{len(tests)}"
    for number, test in enumerate(tests, start=1):
        if test.within:
            yield from (_INDENT + line for line in _lines(test.within))
        yield from (f"# {line}".rstrip() for line in test.diagnosis)
        result = "ok" if test.is_ok else "not ok"
        note = f" # {test.note}" if test.note else ""
        yield f"{result} {number} {_description(test.description)}{note}"


def _description(text: str) -> str:
    """Return a description; it must not contain ``#``, which is written as ``%23``."""
    return one_line(text).replace("#", "%23") or "unnamed"


def _run(run: RunRecord, name: str) -> _Test:
    groups: dict[str, list[_Test]] = {}
    for case in {case.id: case for case in run.cases}.values():
        groups.setdefault(_group(case.id), []).append(_case(case))
    for one in run.not_run:
        skipped = _Test(one, is_ok=True, note="SKIP not run: the run ended before", is_skipped=True)
        groups.setdefault(_group(one), []).append(skipped)
    tests = [_parent(group, within) for group, within in groups.items()]
    if caseless := list(_caseless(run)):
        tests.append(_parent("harness", caseless))
    kernel = run.kernel
    facts = (
        ("kernel", f"{kernel.called}, {kernel.release} {kernel.architecture}"),
        ("image", kernel.image_digest),
        ("profile", run.profile),
        ("host", run.host),
        ("command", run.command),
    )
    diagnosis = [f"{fact}: {one_line(value)}" for fact, value in facts if value]
    diagnosis += [f"trait {one_line(one.trait)} = {one_line(one.shown)}" for one in run.traits if one.shown]
    return _parent(name, tests, diagnosis)


def _parent(description: str, within: Sequence[_Test], diagnosis: Sequence[str] = ()) -> _Test:
    """Return a test that fails if one of its subtests does, and is skipped if all are."""
    is_skipped = bool(within) and all(test.is_skipped for test in within)
    note = "SKIP all cases were skipped" if is_skipped else "" if within else "SKIP no case was run"
    return _Test(description, all(test.is_ok for test in within), note, diagnosis, within, is_skipped or not within)


def _group(case_id: str) -> str:
    """Return the folder of a case's file, or the file of a Python case."""
    head, mark, _ = case_id.rpartition("::" if "::" in case_id else "/")
    return head if mark else "cases"


def _case(case: CaseRecord) -> _Test:
    reason = one_line(case.reason, _REASON_COLUMNS)
    is_ok, note = False, f"{case.outcome}: {reason}" if reason else str(case.outcome)
    if case.outcome is Outcome.MATCH:
        is_ok, note = True, ""
    elif case.why_not_failed:
        is_ok, note = True, f"XFAIL {one_line(case.why_not_failed, _REASON_COLUMNS)}"
    elif case.outcome is Outcome.SKIPPED:
        is_ok, note = True, f"SKIP {reason}"
    elif case.outcome is Outcome.TIMEOUT:
        note = f"TIMEOUT {reason}"
    elif case.outcome is Outcome.ERROR:
        note = f"ERROR {reason}"
    is_skipped = case.outcome is Outcome.SKIPPED
    return _Test(case.id, is_ok, note.rstrip(), list(_diagnosis(case)), is_skipped=is_skipped)


def _diagnosis(case: CaseRecord) -> Iterator[str]:
    """Yield the diagnostic lines of a case; only the title for a match."""
    if case.title:
        yield one_line(case.title)
    if case.outcome in FAILED and case.why_not_failed:
        yield f"{case.outcome}: {one_line(case.reason)}"
    if case.tries:
        yield f"failed {case.times_failed} of {case.times_asked} times"
    if case.outcome in (Outcome.MATCH, Outcome.SKIPPED):
        return
    whole = f"{case.folder}/" if case.folder else ""
    if case.diff:
        yield from bound_lines(plain_text(case.diff), _DIFF_LINES, whole=f"{whole}diff" if whole else "").split("\n")
    for splat in case.splats:
        yield f"{one_line(splat.title)} [{one_line(splat.kind)}, fingerprint {one_line(splat.fingerprint)}]"
        yield from bound_lines(plain_text(splat.text), _SPLAT_LINES, whole=f"{whole}kernel.log").split("\n")
    if whole:
        yield f"logs: {one_line(whole)}"


def _caseless(run: RunRecord) -> Iterator[_Test]:
    """Yield a test for each problem without a case."""
    if run.is_interrupted:
        note = f"ERROR interrupted or killed; {len(run.cases)} cases had ended"
        yield _Test("harness/the run did not finish", is_ok=False, note=note)
    for number, problem in enumerate(run.problems, start=1):
        what, *more = plain_text(problem.text).strip().split("\n")
        yield _Test(f"harness/problem {number}", is_ok=False, note=f"ERROR {one_line(what)}", diagnosis=more)
