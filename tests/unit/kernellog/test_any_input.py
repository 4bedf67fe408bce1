# SPDX-License-Identifier: GPL-2.0-only
"""No input raises, makes a pattern run away, or gives a splat without bound."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.kernellog.growing import SPLAT_LIMIT_BYTES
from harness.kernellog.reader import CALLERS_LIMIT, KernelLog, Splat, scan
from tests.unit.kernellog.made_up import MAKERS

LOGS = Path(__file__).parents[2] / "data" / "kernellog"
RECORDED = [path.read_bytes() for path in sorted(LOGS.glob("*.log"))]
_PIECES = [
    *(
        b"[ ",
        b"] ",
        b"   1.000001",
        b"[    1.000001] ",
        b"[   T71] ",
        b"<4>",
        b"4,1,2,-;",
        b"BUG: ",
        b"WARNING: ",
        b"\n",
    ),
    *(b"+0x1/0x2", b"Call Trace:\n", b" f+0x1/0x2\n", b"=====\n", b"---[ end trace ", b"INFO: task ", b"\x1b[31m"),
    *(b"------------[ cut here ]------------\n", b"** 7 printk messages dropped ** ", b" at: ", b"\xff"),
    b"Kernel panic - not syncing: ",
]


def fed(data: bytes, size: int = 65536) -> list[Splat]:
    log = KernelLog()
    splats = [splat for at in range(0, len(data), size) for splat in log.feed(data[at : at + size])]
    return splats + log.close()


@settings(deadline=None)
@given(st.binary(max_size=4000))
def test_any_bytes(data: bytes) -> None:
    """No bytes raise."""
    fed(data)


@settings(deadline=None)
@given(st.lists(st.sampled_from(_PIECES), max_size=200))
def test_any_pieces(pieces: list[bytes]) -> None:
    """No order of the words that matter raises, and no splat is empty."""
    for splat in fed(b"".join(pieces)):
        assert splat.title
        assert splat.text
        assert "cut here" not in splat.title


@settings(deadline=None)
@given(st.data())
def test_any_truncation(data: st.DataObject) -> None:
    """A log that is cut anywhere, at its beginning and its end, is read."""
    whole = data.draw(st.sampled_from(RECORDED))
    begin = data.draw(st.integers(0, len(whole)))
    fed(whole[begin : data.draw(st.integers(begin, len(whole)))])


@settings(deadline=None)
@given(st.sampled_from(RECORDED), st.randoms(use_true_random=False))
def test_any_order_of_lines(whole: bytes, numbers: random.Random) -> None:
    """A log whose lines are shuffled is read."""
    lines = whole.split(b"\n")
    numbers.shuffle(lines)
    fed(b"\n".join(lines))


@settings(deadline=None)
@given(st.sampled_from(MAKERS), st.integers(0, 60))
def test_truncated_splat_keeps_its_kind(made: tuple[object, Callable[..., tuple[str, ...]]], kept: int) -> None:
    """A splat whose end is missing is still found, by the lines that there are."""
    kind, maker = made
    lines = maker(("demo_first", "demo_second", "demo_third"), 71)[: kept + 4]
    splats = scan("".join(f"[    7.000001] {line}\n" for line in lines))

    assert [splat.kind for splat in splats] == [kind]


def test_many_callers_are_bounded() -> None:
    """A log in which each line has a caller of its own keeps a bounded number of splats."""
    data = b"".join(b"[    7.000001][%6s] BUG: odd %d\n" % (b"T%d" % number, number) for number in range(2000))
    log = KernelLog()
    found = log.feed(data)

    assert len(found) >= 2000 - CALLERS_LIMIT
    assert len(found) + len(log.close()) == 2000


_SIZE = 1 << 17
ADVERSARIES = {
    "garbage": random.Random(7).randbytes(_SIZE),
    "stamps": b"[    7.000001] " * (_SIZE // 15),
    "brackets": b"[ 1." * (_SIZE // 4),
    "heads": b"[    7.000001] BUG: odd\n" * (_SIZE // 24),
    "candidates": b"[    7.000001] demo: BUG INFO: WARNING: \n" * (_SIZE // 41),
    "glued": b"[    7.000001] " + b"WARNING: CPU: 1 PID: " * 700 + b"\n",
    "spaces": (b" " * 16000 + b"\n") * 64,
    "clocks": b"12:00:00 " * (_SIZE // 9),
    "dates": b"2026-11-30 12:00:00 " * 800 + b"\n",
    "hosts": (b"Nov 30 12:00:00 " + b"h" * 15000 + b"\n") * 64,
    "frames": b"[    7.000001] BUG: odd\n" + b"[    7.000001]  f+0x1/0x2\n" * (_SIZE // 27),
    "locks": b"[    7.000001] WARNING: suspicious RCU usage\n" + b"{.+" * 5000 + b"\n" + b" at: " * 3000 + b"\n",
    "callers": b"".join(b"[    7.000001][ T%d] BUG: odd\n" % number for number in range(_SIZE // 32)),
    "dropped": b"** 7 printk messages dropped **\n[    7.000001] Call Trace:\n" * (_SIZE // 59),
    "tags": b"11-30 12:00:00.123     0     0 W " + b"a" * 16000 + b"\n",
    "kmsg": b"4,1,2," + b"-," * 8000 + b"\n",
    "escapes": b"\x1b[" * (_SIZE // 2),
    "names": b"[    7.000001] BUG: odd\n[    7.000001]  " + b"kmem_cache_" * 1400 + b"+0x1/0x2\n",
    "underscores": b"[    7.000001] BUG: odd\n[    7.000001]  " + b"_" * 16000 + b"x+0x1/0x2\n",
}


@pytest.mark.parametrize("data", ADVERSARIES.values(), ids=ADVERSARIES)
def test_no_log_is_dear(data: bytes) -> None:
    """No log makes a pattern run away, and every splat is bounded: all are read to their end."""
    assert all(len(splat.text) < 2 * SPLAT_LIMIT_BYTES for splat in fed(data))
