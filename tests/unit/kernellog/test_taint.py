"""Taint flags of a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.kernellog.taint import TAINTS, Taint, decode_taint, taints_in

LOGS = Path(__file__).parents[2] / "data" / "kernellog"


def letters(taints: tuple[Taint, ...]) -> str:
    return "".join(taint.letter for taint in taints)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, ""), (1, "P"), (512, "W"), (12416, "DOE"), (12800, "WOE"), (4609, "PWO"), (1 << 19, "J")],
)
def test_number_is_decoded(number: int, expected: str) -> None:
    """The number of /proc/sys/kernel/tainted is told apart into its flags."""
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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CPU: 0 PID: 1 Comm: a Not tainted 6.1.0 #1", ""),
        ("CPU: 0 PID: 1 Comm: a Tainted: G           OE      6.1.0-56-cloud-amd64 #1", "OE"),
        ("CPU: 0 PID: 1 Comm: a Tainted: P        W      3.18.0+ #4", "PW"),
        ("CPU: 0 PID: 1 Comm: a Tainted: G             L     6.1.0", "L"),
        ("BUG kmalloc-64 (Tainted: G    B  ): Redzone overwritten", "B"),
        ("      Tainted: G        W          6.12.0 #1\nTainted: [W]=WARN, [O]=OOT_MODULE", "WO"),
        ("6.1.0-lockdep #2 Tainted: G        W         ", "W"),
        ("Tainted: words of a program", ""),
        ("Tainted: Words", ""),
        ("[W]=WARN", ""),
        ("", ""),
    ],
)
def test_words_of_a_splat(text: str, expected: str) -> None:
    """The flags are read from a splat's words, in the forms of v3.18 to v6.12."""
    assert letters(taints_in(text)) == expected


def test_recorded_splat_agrees_with_its_number() -> None:
    """A recorded log shows the flags that the kernel's own number, printed after it, decodes to; D comes last."""
    log = (LOGS / "real-6.1-refcount.log").read_text()

    assert "12800" in log
    assert taints_in(log) == decode_taint(12800)
