# SPDX-License-Identifier: GPL-2.0-only
"""How far a build is, by the pace of the last one."""

from __future__ import annotations

import pytest

from harness.base.events import Progress
from harness.base.json_records import to_table
from harness.kernel.build.progress import Pace, parse_step, progress_of

EVEN = Pace.measured([float(second) for second in range(100)], 100.0)


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("  CC      kernel/fork.o", "CC kernel/fork.o"),
        ("  CC [M]  fs/x.o", "CC fs/x.o"),
        ("  HOSTCC  scripts/kconfig/conf.o", "HOSTCC scripts/kconfig/conf.o"),
        ("  VDSO2C  arch/x86/entry/vdso/vdso-image-64.c", "VDSO2C arch/x86/entry/vdso/vdso-image-64.c"),
        ("kernel/x.c:1:2: warning: y", ""),
        ("    2 | CC x", ""),
        ("Kernel: arch/x86/boot/bzImage is ready  (#1)", ""),
    ],
)
def test_a_step_is_told_from_other_lines(line: str, step: str) -> None:
    """Only what make says that it makes is a step."""
    assert parse_step(line) == step


def test_without_a_last_build_only_the_steps_are_counted() -> None:
    """The first build of a config has no total and no time left."""
    assert progress_of("CC x.o", 7, seconds=3.0, pace=None) == Progress("building, step 7: CC x.o", 7)


@pytest.mark.parametrize(
    ("done", "seconds", "left"),
    [(0, 0.0, 100.0), (5, 20.0, 95.0), (50, 50.0, 50.0), (50, 100.0, 100.0), (100, 90.0, 0.0)],
)
def test_the_time_left_follows_the_pace_of_this_build(done: int, seconds: float, left: float) -> None:
    """At first the last build's time counts, then this one's own pace: twice as slow is twice as long."""
    progress = progress_of("", done, seconds=seconds, pace=EVEN)

    assert progress.total == 100
    assert progress.text.startswith(f"building, {min(99, done)}%, ")
    assert progress.seconds_left == pytest.approx(left, rel=0.05, abs=1)


def test_a_slow_end_is_known() -> None:
    """Half of the steps need not be half of the time: the last link takes as long as the hundred files before it."""
    pace = Pace.measured([*(number / 10 for number in range(100)), 10.0], 20.0)

    assert progress_of("LD vmlinux", 100, seconds=10.0, pace=pace).seconds_left == pytest.approx(10.0, rel=0.1)


def test_more_steps_than_the_last_time() -> None:
    """A build that outgrows the last one does not say that it is done."""
    assert progress_of("", 120, seconds=110.0, pace=EVEN) == Progress("building, 99%: ", 120, 120)


@pytest.mark.parametrize("begun_at", [[], [0.5], [0.1, 0.2, 0.9]])
def test_from_fact_reads_a_remembered_pace(begun_at: list[float]) -> None:
    """A fact of the store gives an equal pace; a fact without steps, or a damaged one, gives none."""
    pace = Pace.measured(begun_at, 1.0)

    assert Pace.from_fact(to_table(pace)) == (pace if begun_at else None)
    assert Pace.from_fact({"steps": "many"}) is None
    assert Pace.from_fact({**to_table(EVEN), "marks": [0.5]}) is None
    assert Pace.from_fact(None) is None
