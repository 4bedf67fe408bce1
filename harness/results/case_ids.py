# SPDX-License-Identifier: GPL-2.0-only
"""Translate ids of cases from before suites existed into the ids of today.

``cases/suites.toml`` names the suite that holds the old cases; :mod:`harness.results.older_formats` defines how an id
changes.
"""

from __future__ import annotations

from dataclasses import replace

from harness.base.suites_file import legacy_name
from harness.model.run_record import CaseRecord, RunRecord
from harness.results.older_formats import moved_case_id


def current_case_id(old: str) -> str:
    """Return the id that a case has today (:func:`harness.results.older_formats.moved_case_id`)."""
    return moved_case_id(old, legacy_name())


def current_run(run: RunRecord) -> RunRecord:
    """Return a run record with the case ids of today; a record that names its suite is returned unchanged."""
    if run.suite or not legacy_name():
        return run
    traits = tuple(replace(one, where=_all(one.where)) for one in run.traits)
    old = run.baseline
    baseline = replace(
        old,
        regressed=_all(old.regressed),
        failures=_all(old.failures),
        flaky=_all(old.flaky),
        fixed=_all(old.fixed),
        new=_all(old.new),
        gone=_all(old.gone),
    )
    return replace(
        run,
        cases=tuple(map(_current_case, run.cases)),
        traits=traits,
        problems=tuple(replace(one, text=current_case_id(one.text)) for one in run.problems),
        baseline=baseline,
    )


def _current_case(case: CaseRecord) -> CaseRecord:
    new = current_case_id(case.id)
    if new == case.id:
        return case
    old_file, file = case.id.partition("::")[0], new.partition("::")[0]
    return replace(
        case,
        id=new,
        classname=moved_case_id(f"{case.classname}.", legacy_name(), separator=".").removesuffix("."),
        reason=case.reason.replace(old_file, file),
        diff=case.diff.replace(old_file, file),
        sightings=tuple(replace(one, where=current_case_id(one.where)) for one in case.sightings),
    )


def _all(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(current_case_id, ids))
