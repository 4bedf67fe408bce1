# SPDX-License-Identifier: GPL-2.0-only
"""Splats that only some variants of a kernel have."""

from __future__ import annotations

import json
from dataclasses import replace

from harness.model.run_record import NO_KERNEL_ID, CaseRecord, RunRecord, no_kernel
from harness.model.variant_splats import places_of, render_variants, variant_splats
from harness.model.verdict import Outcome, SplatReport
from harness.report.formats.junit import render_junit
from harness.report.tables.kernels import kernels_lines
from harness.results.kernel_line import kernel_line


def run_of(variant: str, *fingerprints: str, spec: str = "deb-src:6.1") -> RunRecord:
    """Return a run of one case that met some splats."""
    splats = tuple(SplatReport("lockdep", f"title {one}", one, "text") for one in fingerprints)
    outcome = Outcome.KERNEL if splats else Outcome.MATCH
    case = CaseRecord("s/a.session", "s", "a.session", outcome, splats=splats)
    return RunRecord(no_kernel(spec, variant), 0.0, complete=True, cases=(case,))


def test_variant_splats_names_the_variants_that_have_a_splat() -> None:
    """A splat that all variants have is not among them."""
    runs = (run_of("", "all"), run_of("debug", "all", "one", "two"), run_of("kcsan", "all", "two"))
    found = {one.fingerprint: one for one in variant_splats(runs)}

    assert set(found) == {"one", "two"}
    assert found["one"].where == "only with debug"
    assert found["one"].others == ("plain", "kcsan")
    assert found["two"].where == "only with debug and kcsan"
    assert found["two"].cases == ("s/a.session",)
    assert places_of(found.values())["one"] == "only with debug"


def test_variant_splats_compares_one_kernel_with_itself_only() -> None:
    """Two kernels of a command are no variants of each other, and a kernel that was not booted has no splats."""
    other = replace(run_of(""), cases=(CaseRecord(NO_KERNEL_ID, "kernel", "boots", Outcome.KERNEL),))

    assert variant_splats((run_of(""), run_of("", "x", spec="deb-src:6.12"))) == ()
    assert variant_splats((other, run_of("debug", "x"))) == ()


def test_reports_name_the_variant_of_a_splat() -> None:
    """The table of kernels, JUnit and JSON say which variant has it."""
    runs = (run_of(""), run_of("debug", "one"))
    text = "\n".join(line.text for line in kernels_lines(runs, 80))
    junit = render_junit(runs)

    assert "deb-src:6.1 (debug)" in text
    assert "only with debug: title one" in text
    assert 'name="deb-src:6.1 (debug)"' in junit
    assert 'value="only with debug: lockdep: title one"' in junit
    assert junit.count("only with debug") == 1
    assert json.loads(render_variants(variant_splats(runs), runs))["splats"][0]["variants"] == ["debug"]
    assert "Splats of some variants" not in "\n".join(line.text for line in kernels_lines((runs[0], runs[0]), 80))


def test_a_variant_is_a_line_of_its_own() -> None:
    """Its runs are not compared with those of the plain kernel in the history."""
    assert kernel_line(no_kernel("deb-src:6.1", "debug")) == "deb-src:6.1 as debug"
