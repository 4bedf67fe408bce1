# SPDX-License-Identifier: GPL-2.0-only
"""Two processors print at the same time; the caller of each line tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.kernellog.reader import KernelLog, Splat, SplatKind, scan
from tests.unit.kernellog.made_up import MAKERS, Lines, oops, warning

Prefix = Callable[[int, str], str]

PREFIXES: dict[str, Prefix] = {
    "console": lambda number, caller: f"[{number:5d}.000001][{caller:>6}] ",
    "dmesg": lambda number, caller: f"[{number:5d}.000001] [{caller:>6}] ",
    "dmesg -T": lambda number, caller: f"[Mon Nov 30 12:00:{number % 60:02d} 2026] [{caller:>6}] ",
    "/dev/kmsg": lambda number, caller: f"4,{number},{number}000001,-,caller={caller};",
    "netconsole": lambda number, caller: f"6.12.1,4,{number},{number}000001,-,caller={caller};",
}
_NAMES = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=8).map("demo_{}".format)
# A list of numbers takes a draw for each of them, which was half of the time of these tests.
_ORDERS = st.binary(max_size=90).map(lambda drawn: [byte & 1 for byte in drawn])


@st.composite
def made_up(draw: st.DrawFn) -> tuple[SplatKind, Lines]:
    kind, maker = draw(st.sampled_from(MAKERS))
    functions = draw(st.lists(_NAMES, min_size=3, max_size=6, unique=True))
    return kind, maker(functions, draw(st.integers(2, 4_000_000)))


def interleaved(lines: Sequence[tuple[str, Lines]], order: Sequence[int], prefix: Prefix) -> str:
    """Return the lines of two callers, one at a time in the given order, then the rest of each."""
    left = [[(caller, line) for line in text] for caller, text in lines]
    turns = [*order, *[0] * len(left[0]), *[1] * len(left[1])]
    taken = [left[turn].pop(0) for turn in turns if left[turn]]
    return "".join(f"{prefix(number, caller)}{line}\n" for number, (caller, line) in enumerate(taken, 1))


def alone(lines: Lines) -> Splat:
    (splat,) = scan("".join(f"[{number:5d}.000001] {line}\n" for number, line in enumerate(lines, 1)))
    return splat


def check(prefix: Prefix, splats: Sequence[tuple[SplatKind, Lines]], order: Sequence[int]) -> None:
    texts = [lines for _, lines in splats]
    text = interleaved([("T71", texts[0]), ("C1", texts[1])], order or [0, 1] * 45, prefix)
    expected = [(kind, alone(lines)) for kind, lines in splats]
    found = scan(text)

    assert len(found) == 2
    assert {(splat.kind, splat.title, splat.fingerprint) for splat in found} == {
        (kind, splat.title, splat.fingerprint) for kind, splat in expected
    }


@settings(max_examples=300, deadline=None)
@given(first=made_up(), second=made_up(), order=_ORDERS)
def test_two_splats_line_by_line(
    first: tuple[SplatKind, Lines], second: tuple[SplatKind, Lines], order: list[int]
) -> None:
    """Of two splats that are interleaved in any way, both kinds, titles and fingerprints are found."""
    check(PREFIXES["console"], [first, second], order)


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
@settings(max_examples=30, deadline=None)
@given(first=made_up(), second=made_up(), order=_ORDERS)
def test_two_splats_in_every_form(
    prefix: Prefix, first: tuple[SplatKind, Lines], second: tuple[SplatKind, Lines], order: list[int]
) -> None:
    """The caller is read in every form of a log that has it."""
    check(prefix, [first, second], order)


def test_line_without_caller_between() -> None:
    """Output of a program between the lines of a caller's splat is not a part of it."""
    lines = [f"[    3.000001][   T71] {line}" for line in oops(("demo_a", "demo_b", "demo_c"), 71)]
    (splat,) = scan("\n".join([*lines[:9], "a program's output", *lines[9:]]))

    assert "program" not in splat.text
    assert splat.text.count("\n") == len(lines) - 1


def test_backtrace_of_another_processor_belongs_to_the_stall() -> None:
    """What another processor prints in answer to an NMI is a part of the splat that asked for it."""
    text = (
        "[    9.1][   C0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n"
        "[    9.1][   C0] rcu: \t1-...!: (1 GPs behind) idle=0a34/1/0x4000000000000000 softirq=7/8 fqs=0\n"
        "[    9.1][   C0] Sending NMI from CPU 0 to CPUs 1:\n"
        "[    9.1][   C1] NMI backtrace for cpu 1\n"
        "[    9.1][   C1] CPU: 1 UID: 0 PID: 71 Comm: demo Not tainted 6.12.1 #1\n"
        "[    9.1][   C1] RIP: 0010:demo_spin+0x12/0x40\n"
        "[    9.1][   C1] Call Trace:\n"
        "[    9.1][   C1]  demo_work+0x12/0x40\n"
    )

    assert [splat.title for splat in scan(text)] == ["INFO: RCU stall in demo_spin"]


def test_silent_caller_is_ended() -> None:
    """The splat of a caller that prints no more ends while others print, and is not kept until the log ends."""
    log = KernelLog()
    head = "".join(f"[    3.1][   T71] {line}\n" for line in warning(("demo_a", "demo_b", "demo_c"), 71))
    splats = log.feed(head.encode())
    splats += log.feed(b"".join(b"[    4.%06d][   T72] ordinary\n" % number for number in range(300)))

    assert [splat.kind for splat in splats] == [SplatKind.WARNING]
    assert not log.pending


def test_panic_of_another_caller_belongs_to_its_cause() -> None:
    """A panic that follows an oops of another caller is a part of it."""
    text = "".join(f"[    3.1][   T71] {line}\n" for line in oops(("demo_a", "demo_b", "demo_c"), 71))
    (splat,) = scan(text + "[    3.2][    C1] Kernel panic - not syncing: Fatal exception in interrupt\n")

    assert splat.fatal
    assert splat.kind is SplatKind.OOPS
