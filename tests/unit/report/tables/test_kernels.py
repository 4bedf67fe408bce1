# SPDX-License-Identifier: GPL-2.0-only
"""Several kernels beside each other."""

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
    """The run of a kernel whose traits are as above but for these."""
    values = {**TRAITS, **changed}
    traits = tuple(TraitRecord(name, value, TRAITS[name], True, "") for name, value in values.items())
    return replace(RUN, kernel=replace(KERNEL, spec=spec), traits=traits, cases=GOOD, problems=(), nearest=NEAREST)


RUNS = [
    run("deb-src:6.1"),
    run("series:mountinfo-unscoped", mountinfo_root="filesystem"),
    replace(run("linux@v6.6+topic.mbox"), traits=(), cases=(BAD,), nearest=()),
    run("series:move-judged-by-writer", move_judged_by="writer", setns_needs_descendant=""),
]


def test_the_table_of_four_kernels() -> None:
    """Kernels across, traits down, differences marked; one that does not build has its reason and no values."""
    assert_golden("kernels.txt", "".join(f"{line.text}\n" for line in kernels_lines(RUNS, 80)))


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Kernels that do not fit beside the others stand below, each with all its values."""
    texts = [line.text for line in kernels_lines(RUNS * 8, width)]

    assert max(map(columns, texts)) <= width
    assert sum(text.count("!filesystem") for text in texts) == 8


def test_what_is_alike_everywhere_is_counted() -> None:
    """The table has the traits on which kernels differ from each other or from their own profile, and no others."""
    texts = [line.text for line in kernels_lines(RUNS, 80)]
    alone = kernels_lines([run("a"), run("b")], 80)

    assert not any("outside_view" in text for text in texts)
    assert "2 more: same value wherever seen, as the profiles expect" in texts
    assert [line.text for line in alone][-3:] == [
        "Traits: none of 4 seen differ",
        "",
        "4 more: same value wherever seen, as the profiles expect",
    ]


def test_a_value_that_the_profile_denies_is_shown_even_where_all_kernels_agree() -> None:
    """What fails on every kernel must not be counted away."""
    wrong = run("a", mountinfo_root="filesystem")
    texts = [line.text.rstrip() for line in kernels_lines([wrong, wrong], 80)]

    assert "  mountinfo_root  filesystem*  filesystem*" in texts


def test_a_trait_that_no_kernel_shows_is_counted_apart() -> None:
    """It is not as the profiles say; nobody knows."""
    silent = run("a", outside_view="")

    assert [line.text for line in kernels_lines([silent, silent], 80)][-2:] == [
        "3 more: same value wherever seen, as the profiles expect",
        "1 not shown by any case on any kernel",
    ]


def test_a_trait_of_which_the_profile_says_nothing_is_denied_by_nobody() -> None:
    """It is shown where kernels differ, without the mark of what is not as expected."""
    known = run("a")
    other = replace(known, traits=(*known.traits[1:], replace(known.traits[0], seen="absolute", expected="")))
    texts = [line.text.rstrip() for line in kernels_lines([known, other], 80)]

    assert "! outside_view  relative !absolute" in texts


def test_what_a_kernel_came_to_stands_out_when_it_is_not_as_expected() -> None:
    """The line below a kernel's name is bad for the one that does not build, and for no other."""
    lines = kernels_lines(RUNS, 80)

    assert [line.tone for line in lines if line.text.strip().startswith(("1 ok", "1 KERN"))] == [
        Tone.PLAIN,
        Tone.PLAIN,
        Tone.BAD,
        Tone.PLAIN,
    ]


def test_one_kernel_has_nothing_beside_it() -> None:
    """The run's own summary has said all."""
    assert not kernels_lines(RUNS[:1], 80)
