# SPDX-License-Identifier: GPL-2.0-only
"""Show several kernels side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.run_record import CaseRecord, RunRecord, TraitRecord
from harness.model.verdict import Outcome
from harness.report.lines import Tone
from harness.report.tables.kernels import kernels_lines
from harness.report.text import columns
from tests.unit.report.golden import assert_golden
from tests.unit.report.sample import KERNEL, RUN

TRAITS = {
    "outside_view": "relative",
    "mountinfo_root": "namespace",
    "setns_needs_descendant": "no",
    "move_judged_by": "opener",
}
GOOD = (CaseRecord("cases/a", "cases", "a", Outcome.MATCH),)
NEAREST = ("mainline-6.1: none of 4 traits differs", "v4: 4 of 4 traits differ")
BAD = CaseRecord("kernel/boots", "kernel", "boots", Outcome.KERNEL, reason="patch 2/3 does not build: a.c:1: error: no")


def run(spec: str, **changed: str) -> RunRecord:
    """Return the run of a kernel with some changed traits."""
    values = {**TRAITS, **changed}
    traits = tuple(TraitRecord(name, value, TRAITS[name], True, "") for name, value in values.items())
    return replace(RUN, kernel=replace(KERNEL, spec=spec), traits=traits, cases=GOOD, problems=(), nearest=NEAREST)


RUNS = [
    run("deb-src:6.1"),
    run("series:mountinfo-unscoped", mountinfo_root="filesystem"),
    replace(run("linux@v6.6+topic.mbox"), traits=(), cases=(BAD,), nearest=()),
    run("series:move-judged-by-writer", move_judged_by="writer", setns_needs_descendant=""),
]


def test_table_of_four_kernels_matches_the_golden_file() -> None:
    """Differences are marked; a kernel that does not build has its reason and no values."""
    assert_golden("kernels.txt", "".join(f"{line.text}\n" for line in kernels_lines(RUNS, 80)))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Kernels that do not fit continue below, each with all its values."""
    texts = [line.text for line in kernels_lines(RUNS * 8, width)]

    assert max(map(columns, texts)) <= width
    assert sum(text.count("!filesystem") for text in texts) == 8


def test_equal_traits_are_counted() -> None:
    """The table has only traits that differ between kernels or from a kernel's profile."""
    texts = [line.text for line in kernels_lines(RUNS, 80)]
    alone = kernels_lines([run("a"), run("b")], 80)

    assert not any("outside_view" in text for text in texts)
    assert "2 more: same value wherever seen, as the profiles expect" in texts
    assert [line.text for line in alone][-3:] == [
        "Traits: none of 4 seen differ",
        "",
        "4 more: same value wherever seen, as the profiles expect",
    ]


def test_unexpected_value_on_all_kernels_is_shown() -> None:
    """A trait that fails on every kernel is not just counted."""
    wrong = run("a", mountinfo_root="filesystem")
    texts = [line.text.rstrip() for line in kernels_lines([wrong, wrong], 80)]

    assert "  mountinfo_root  filesystem*  filesystem*" in texts


def test_unseen_traits_are_counted_separately() -> None:
    """They are neither as expected nor not."""
    silent = run("a", outside_view="")

    assert [line.text for line in kernels_lines([silent, silent], 80)][-2:] == [
        "3 more: same value wherever seen, as the profiles expect",
        "1 not shown by any case on any kernel",
    ]


def test_trait_without_expectation_has_no_denied_mark() -> None:
    """It is shown if kernels differ, without the mark of an unexpected value."""
    known = run("a")
    other = replace(known, traits=(*known.traits[1:], replace(known.traits[0], seen="absolute", expected="")))
    texts = [line.text.rstrip() for line in kernels_lines([known, other], 80)]

    assert "! outside_view  relative !absolute" in texts


def test_result_of_a_failed_kernel_has_a_bad_tone() -> None:
    """Only the kernel that does not build has it."""
    lines = kernels_lines(RUNS, 80)

    assert [line.tone for line in lines if line.text.strip().startswith(("1 ok", "1 KERN"))] == [
        Tone.PLAIN,
        Tone.PLAIN,
        Tone.BAD,
        Tone.PLAIN,
    ]


def test_single_kernel_has_no_table() -> None:
    """The run's own summary is enough."""
    assert not kernels_lines(RUNS[:1], 80)
