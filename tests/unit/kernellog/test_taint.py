# SPDX-License-Identifier: GPL-2.0-only
"""Taint flags of a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.kernellog.taint import TAINTS, Taint, decode_taint

LOGS = Path(__file__).parents[2] / "data" / "kernellog"


def letters(taints: tuple[Taint, ...]) -> str:
    return "".join(taint.letter for taint in taints)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, ""), (1, "P"), (512, "W"), (12416, "DOE"), (12800, "WOE"), (4609, "PWO"), (1 << 19, "J")],
)
def test_number_is_decoded(number: int, expected: str) -> None:
    """The number of /proc/sys/kernel/tainted is decoded into its flags."""
    assert letters(decode_taint(number)) == expected


def test_unknown_and_impossible_numbers() -> None:
    """A bit without a meaning is shown and matters; a negative number is refused."""
    unknown = decode_taint(1 << 40 | 1 << 9)

    assert letters(unknown) == "W?"
    assert unknown[-1].bit == 40
    assert unknown[-1].matters
    with pytest.raises(ValueError, match="-1"):
        decode_taint(-1)


def test_what_matters() -> None:
    """What the kernel did wrong matters; what was loaded into it does not."""
    assert "".join(taint.letter for taint in TAINTS if taint.matters) == "MBDWL"
    assert [taint.bit for taint in TAINTS] == list(range(len(TAINTS)))
    assert len({taint.letter for taint in TAINTS}) == len(TAINTS)
