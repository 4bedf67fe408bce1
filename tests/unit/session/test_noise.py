# SPDX-License-Identifier: GPL-2.0-only
"""What differs from run to run is left out of a comparison, and nothing else is."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.suite.load import default_suite

NAMES = ("before", "after")
NOISE = default_suite().noise
"""What is noise in every suite, and what one adds."""
PID = st.integers(min_value=40, max_value=4999)
# What a line says besides its noise; no digits, so that no rule can take part of it for noise.
WORDS = st.text("abcxyz /.:_-=", min_size=1, max_size=12).map(str.strip).filter(bool)


def stamp(numbers: random.Random) -> str:
    """A time stamp of printk."""
    return f"{numbers.randrange(9999):5}.{numbers.randrange(10**6):06}"


TEMPLATES = (
    "[{stamp}] cgroup: fork rejected",
    "[{stamp}][  T{pid}] cgroup: fork rejected",
    "    [1] {pid}",
    "    {pid} {pid2} 0:{small} /../sub2 /mnt rw - cgroup2 cgroup2 rw",
    "    cgroup:[{inode}]",
    "    7:freezer:/node_{pid}",
    "    {small}:memory:/a",
    "    # cat /proc/{pid}/cgroup",
    "    real 0m{small}.{small}s",
    "    RIP: {address} cr2: 0x{address}",
    "    pid {pid} left",
    "    took {small}.{small} s",
    "    12:{small}:{small} up",
)
"""Return a line with noise that differs for each run."""


def fill(template: str, numbers: random.Random) -> str:
    """A line as one run prints it."""
    return template.format(
        stamp=stamp(numbers),
        pid=numbers.randrange(40, 4999),
        pid2=numbers.randrange(40, 4999),
        small=numbers.randrange(10, 60),
        inode=4026530000 + numbers.randrange(9999),
        address=f"ffff{numbers.getrandbits(48):012x}",
    )


LINES = st.lists(st.one_of(st.sampled_from(TEMPLATES), WORDS.map("    {}".format)), min_size=1, max_size=12)


@given(LINES, st.integers(), st.integers())
def test_noise_is_ignored(lines: list[str], first: int, second: int) -> None:
    """A session with other pids, times and addresses is equal."""
    before, after = (
        "\n".join(fill(line, random.Random(f"{seed}{at}")) for at, line in enumerate(lines)) for seed in (first, second)
    )

    assert NOISE.quieten(before) == NOISE.quieten(after)
    assert not NOISE.differ(before, after)
    assert NOISE.diff(before, after, names=NAMES) == ""


@given(LINES, st.integers(), st.integers(), st.data())
def test_other_lines_count(lines: list[str], first: int, second: int, data: st.DataObject) -> None:
    """One other line between noise is found, and shown unchanged."""
    at = data.draw(st.integers(0, len(lines)))
    before = [fill(line, random.Random(first + place)) for place, line in enumerate(lines)]
    after = [fill(line, random.Random(second + place)) for place, line in enumerate(lines)]
    after.insert(at, "    Operation not permitted")
    patch = NOISE.diff("\n".join(before), "\n".join(after), names=NAMES)

    assert NOISE.differ("\n".join(before), "\n".join(after))
    assert "+    Operation not permitted" in patch.split("\n")
    assert patch.count("\n+") - patch.count("\n-") == 2  # the line, and the "+++" above


@given(st.lists(PID, min_size=2, max_size=2, unique=True))
def test_known_pids_are_noise(pids: list[int]) -> None:
    """A job's notice and the output of ``echo $$`` show pids, which are noise everywhere after."""
    before, after = (f"    # sleep 9 &\n    [1] {pid}\n    # cat x\n    {pid} (sleep)\n" for pid in pids)
    asked, answered = (f"    # echo $$\n    {pid}\n    # cat cgroup.procs\n    1\n    {pid}\n" for pid in pids)

    assert not NOISE.differ(before, after)
    assert not NOISE.differ(asked, answered)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    # echo $?\n    0", "    # echo $?\n    1"),
        ("varies: 77\n\n    # echo $?\n    0", "varies: 77\n\n    # echo $?\n    1"),
        ("    # cat pids.max\n    10", "    # cat pids.max\n    20"),
        ("    0::/../b", "    0::/b"),
        ("    7:freezer:/", "    7:freezer:/../../sub2"),
        ("    0::/a", "    1:name=systemd:/a"),
        ("    # cat /proc/1/cgroup", "    # cat /proc/self/cgroup"),
        ("    write error: Operation not permitted", "    write error: No such file or directory"),
        ("    [1] 412\n    412", "    [1] 412\n    413"),
    ],
)
def test_output_of_the_kernel_counts(before: str, after: str) -> None:
    """Exit statuses, limits, paths, errors and process views count."""
    assert NOISE.differ(before, after)


def test_number_with_the_shape_of_a_varying_one_is_noise() -> None:
    """Nothing is learned from an output that does not fit; the header names the numbers that differ from run to run."""
    before = "varies: 77 0:32\n\n    # cat x\n    98 0:31 /a\n"
    after = "varies: 77 0:32\n\n    # cat x\n    102 0:105 /a\n"

    assert not NOISE.differ(before, after)
    assert NOISE.differ(before.partition("\n\n")[2], after.partition("\n\n")[2])


def test_diff_shows_original_lines() -> None:
    """Noise beside a change is shown but makes no line of the diff; line numbers are those of the texts."""
    before = "    # a &\n    [1] 412\n    # cat /proc/412/cgroup\n    0::/a\n"
    after = "    # a &\n    [1] 398\n    # cat /proc/398/cgroup\n    0::/../a\n"

    assert NOISE.diff(before, after, names=NAMES) == (
        "--- before\n+++ after\n@@ -1,5 +1,5 @@\n     # a &\n     [1] 398\n     # cat /proc/398/cgroup\n"
        "-    0::/a\n+    0::/../a\n \n"
    )


def test_reason_ignores_noise() -> None:
    """The differing line may have a pid or an address."""
    assert NOISE.line("BUG at pid 412, 0xffff888012345678") == NOISE.line("BUG at pid 77, 0xffff888087654321")
