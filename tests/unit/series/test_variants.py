# SPDX-License-Identifier: GPL-2.0-only
"""Effects in variants: data races that a series did not make, and their lines in reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.series_record import (
    NOT_JUDGED,
    Effect,
    EffectKind,
    Expectedness,
    PatchRecord,
    PatchState,
    SeriesRecord,
    VariantResult,
    dump_series,
)
from harness.report.formats.series_junit import render_series_junit
from harness.report.formats.series_mail import render_mail
from harness.report.tables.series import series_lines
from harness.results.records import load_series
from harness.series.variants import race_standing

MAIL = b"""Subject: count
@@ -1,2 +1,3 @@ int proc_cgroup_show(struct seq_file *m)
+	shown++;
"""
RACE = Effect(EffectKind.SPLAT, "f0", "", "kcsan", Expectedness.UNEXPECTED, "BUG: KCSAN: data-race in a / b")


@pytest.mark.parametrize(
    ("functions", "standing"),
    [
        ("proc_cgroup_show / proc_cgroup_show", Expectedness.UNEXPECTED),
        ("pid_update_inode / proc_cgroup_show", Expectedness.UNEXPECTED),
        ("cgroup_show / tick_sched_timer", Expectedness.ALLOWED),
        ("", Expectedness.ALLOWED),
    ],
)
def test_race_counts_in_functions_that_the_series_names(functions: str, standing: Expectedness) -> None:
    """A part of a name is not the name."""
    effect = replace(RACE, text=f"BUG: KCSAN: data-race in {functions}")

    assert race_standing(effect, [b"another patch", MAIL]) is standing


def test_other_splats_count_anywhere() -> None:
    """A lock inversion or a leak is reported whenever it happens."""
    assert race_standing(replace(RACE, after="lockdep"), [MAIL]) is Expectedness.UNEXPECTED


def record() -> SeriesRecord:
    """Return the record of a series whose second patch shows a splat with debug, and does not build without SMP."""
    splat = replace(RACE, after="lockdep", text="possible deadlock in a", variant="debug", cases=("s/a.session",))
    build = Effect(
        EffectKind.STAGE, "build", "", "does not build", Expectedness.UNEXPECTED, "patch 2 does not build", variant="up"
    )
    ok = VariantResult("debug", asked=3, slowness=14.88)
    none = VariantResult("rt", failed=NOT_JUDGED, at_fault=False, what="Linux 6.1 does not have the variant rt")
    fine = (ok, VariantResult("up", asked=3), none)
    failing = (
        replace(ok, failing=1, effects=(splat,)),
        VariantResult("up", failed="build", what="patch 2 does not build", effects=(build,)),
        none,
    )
    between = (VariantResult("debug"), VariantResult("up", is_between=True), none)
    patches = (
        PatchRecord(0, "the base", "linux", asked=3, variants=fine),
        PatchRecord(1, "a: first", "linux+x?upto=1", asked=3, variants=between),
        PatchRecord(2, "a: second", "linux+x", asked=3, effects=(splat, build), variants=failing),
    )
    return SeriesRecord("title", 1, "x", "linux", "linux at v6.1", "0" * 40, patches)


def test_reports_of_a_series_name_the_variant() -> None:
    """The table has a column for each; table, answer, JUnit and JSON say which variant has an effect."""
    table = "\n".join(line.text for line in series_lines(record(), 80))
    mail, junit = render_mail(record()), render_series_junit(record(), {})

    assert max(map(len, table.split("\n"))) <= 80
    assert "debug up   rt   state" in table
    assert [line.split()[-4:] for line in table.split("\n") if line.startswith(("1/2", "2/2"))] == [
        ["ok", "-", "-", "ok"],
        ["FAIL", "FAIL", "-", "FAIL"],
    ]
    assert "3 cases, 3 kernels; boots 14.9 times as slowly" in table
    assert "not run: Linux 6.1 does not have the variant rt" in table
    for text in (table, mail):
        assert "only with debug: splat: possible deadlock in a" in text
        assert "only with up: does not build" in text
    assert 'name="2 (debug) a: second"' in junit.replace("2/2 (", "2 (")
    assert junit.count("only with debug: splat: possible deadlock in a") >= 1
    assert load_series(dump_series(record()), source="x") == record()


def test_states_of_variants() -> None:
    """A variant that cannot be had, or whose base fails, says nothing; an effect fails the patch and the series."""
    _, first, second = record().patches

    assert [one.state for one in second.variants] == [PatchState.FAIL, PatchState.FAIL, PatchState.UNKNOWN]
    assert (first.state, second.state, record().state) == (PatchState.SUCCESS, PatchState.FAIL, PatchState.FAIL)
