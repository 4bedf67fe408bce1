# SPDX-License-Identifier: GPL-2.0-only
"""The checks of a series in every report of ``harness series``, and in those of ``harness checks``."""

from __future__ import annotations

import json
from dataclasses import replace

from junitparser import JUnitXml

from harness.model.checks_record import ChecksRecord, PatchChecks
from harness.model.finding import CheckResult, Level, StyleFinding
from harness.model.series_record import PatchState, SeriesRecord
from harness.report.formats.b4 import patch_findings
from harness.report.formats.checks_junit import render_checks_junit
from harness.report.formats.forge import annotate, render_code_quality, render_summary
from harness.report.formats.series_junit import render_series_junit
from harness.report.formats.series_mail import render_mail
from harness.report.tables.checks import checks_lines
from harness.report.tables.series import series_lines
from tests.unit.series.sample import HOSTILE, RECORD

FOUND = CheckResult("w1", (StyleFinding(Level.WARNING, "kernel/fork.c", 7, "a sign differs"),))
MISSING = CheckResult("sparse", not_run="sparse is not installed", packages=("sparse",))
CLEAN = CheckResult("links")


def with_checks() -> SeriesRecord:
    """Return a series whose first patch has checks."""
    base, first, *rest = RECORD.patches
    return replace(RECORD, patches=(base, replace(first, checks=(FOUND, MISSING, CLEAN)), *rest))


def test_every_report_has_the_finding() -> None:
    """The table, the mail, the summary, annotations, code quality and b4 name the check."""
    record = with_checks()
    first = record.posted[0]
    texts = [
        "\n".join(line.text for line in series_lines(record, 200)),
        render_mail(record),
        render_summary(record),
        "\n".join(annotate(record)),
    ]

    assert all("a sign differs" in text for text in texts)
    assert all("w1" in text for text in texts)
    assert "not run: sparse: sparse is not installed: apt install sparse" in texts[0]
    quality = json.loads(render_code_quality(record))
    assert "w1" in {one["check_name"] for one in quality}
    found = {one.tool.rpartition("/")[2]: one for one in patch_findings(first)}
    assert found["sparse"].summary.startswith("not run")
    assert "a sign differs" in found["w1"].details


def test_a_finding_is_a_warning_and_fails_only_if_strict() -> None:
    """As one of checkpatch.pl."""
    patch = replace(with_checks().posted[0], style=(), warnings=(), effects=(), failed="")

    assert patch.state is PatchState.WARNING
    assert replace(patch, checks=(MISSING, CLEAN)).state is PatchState.SUCCESS
    for is_strict, failures in ((False, 0), (True, 1)):
        record = replace(with_checks(), is_strict=is_strict)
        suites = list(JUnitXml.fromstring(render_series_junit(record, {}).encode()))
        cases = {case.name: case for case in suites[1] if case.classname.endswith("checks")}
        assert sum(bool(case.result) for case in cases.values() if case.name.endswith("w1")) == failures
        assert len(cases) == 3


def test_the_table_of_the_checks_is_80_columns_wide() -> None:
    """Also with a hostile title and a finding of a thousand characters, which is folded."""
    long = CheckResult("w1", tuple(StyleFinding(Level.CHECK, "a.c", n, HOSTILE * 10) for n in range(20)))
    record = ChecksRecord(
        HOSTILE, "v2", HOSTILE, "0" * 40, (PatchChecks(1, HOSTILE, (long, MISSING)),), notes=(HOSTILE,)
    )
    lines = [line.text for line in checks_lines(record, 80)]

    assert max(map(len, lines)) <= 80
    assert not any("\x1b" in line for line in lines)
    assert "and 12 more of w1" in "\n".join(lines)
    assert not record.is_clean
    assert "\x1b" not in render_checks_junit(record)


def test_a_patch_that_does_not_apply() -> None:
    """No check says that it is well."""
    record = ChecksRecord("x", "v1", "b", "0" * 40, (PatchChecks(1, "y", does_not_apply="patch 1 does not apply"),))

    assert not record.is_clean
    assert any("patch 1 does not apply" in line.text for line in checks_lines(record, 80))
    (suite,) = JUnitXml.fromstring(render_checks_junit(record).encode())
    assert suite.failures == 1
