# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/report/page/lanes.py``: each line appears once, in the order of time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.guest.timestamps import Moments, parse_moments
from harness.report.page.lanes import LANES, NO_TIME, LaneLine, bound_lanes, lanes_of

EVENTS = st.lists(
    st.tuples(st.sampled_from(LANES), st.text("ab\n", max_size=5).map(str.encode), st.integers(0, 9), st.booleans()),
    max_size=30,
)


def recorded(*events: tuple[str, bytes, int, bool]) -> tuple[dict[str, bytes], Moments]:
    """Return logs and moments of events: port, bytes, milliseconds later, and whether they were typed."""
    moments, logs, now = Moments(1.5e9), dict.fromkeys(LANES, b""), 0
    for port, data, later, is_typed in events:
        now += later
        logs[port] += data
        if data:
            moments.add(port, len(data), milliseconds=now, is_typed=is_typed)
    return logs, moments


def lanes(*events: tuple[str, bytes, int, bool]) -> list[LaneLine]:
    """Return the lines of recorded events."""
    logs, moments = recorded(*events)
    return lanes_of(logs, parse_moments(moments.render()))


def test_lanes_of_orders_lines_by_time() -> None:
    """A command has the time of its typing, output the time of its first byte; shell markers are left out."""
    found = lanes(
        ("admin", b"HARNESS_NONCE=a\n", 5, True),
        ("admin", b"\x1b]133;D;0;a;9;# \x07# ", 5, False),
        ("kernel", b"[1.0] one\r\n", 10, False),
        ("admin", b"echo x\n", 10, True),
        ("inside", b"later", 10, False),
        ("admin", b"\x1b]133;C;a\x07x\r\n", 10, False),
        ("inside", b" on\n", 10, False),
    )

    assert found == [
        LaneLine(20, 0, "[1.0] one"),
        LaneLine(30, 3, "# echo x"),
        LaneLine(40, 4, "later on"),
        LaneLine(50, 2, "x"),
    ]


def test_lanes_of_logs_without_times_keeps_their_order() -> None:
    """Logs of an older harness have no times; one port follows the other."""
    logs, _ = recorded(("inside", b"b\n", 0, False), ("kernel", b"a\n", 5, False))

    assert lanes_of(logs, {}) == [LaneLine(NO_TIME, 0, "a"), LaneLine(NO_TIME, 4, "b")]


def test_lanes_of_keeps_lines_after_the_last_time() -> None:
    """The logs of a killed machine may be longer than its recorded times."""
    logs, moments = recorded(("admin", b"a\n", 7, False))
    logs["admin"] += b"b\nc"
    found = lanes_of(logs, parse_moments(moments.render()))

    assert [(one.milliseconds, one.text) for one in found] == [(7, "a"), (7, "b"), (7, "c")]


@given(EVENTS)
def test_lanes_of_keeps_every_line_once(events: list[tuple[str, bytes, int, bool]]) -> None:
    """For any events, the lines of each port are those of its log, and times never decrease."""
    logs, _ = recorded(*events)
    found = lanes(*events)

    for number, port in enumerate(LANES):
        logged = [line.decode() for line in logs[port].split(b"\n") if line]
        assert [one.text for one in found if one.track // 2 == number] == logged
    assert [one.milliseconds for one in found] == sorted(one.milliseconds for one in found)


@given(st.binary(max_size=200), st.lists(st.integers(1, 40), max_size=8))
def test_lanes_of_accepts_any_bytes(log: bytes, sizes: list[int]) -> None:
    """A log may have any bytes, and the times may belong to another log."""
    moments = Moments(1.5e9)
    for at, size in enumerate(sizes):
        moments.add("admin", size, milliseconds=10 * at, is_typed=at % 2 == 0)
    found = lanes_of({"admin": log, "kernel": log[::-1]}, parse_moments(moments.render()))

    assert len(found) <= 2 * (log.count(b"\n") + 1)
    assert all("\x1b" not in one.text and "\n" not in one.text for one in found)


def test_bound_lanes_keeps_the_first_and_last_lines() -> None:
    """The first and last lines are kept, and the number of the others is returned."""
    lines = [LaneLine(at, 0, str(at)) for at in range(100)]
    kept, cut = bound_lanes(lines, 30)

    assert (len(kept), cut, kept[0].text, kept[-1].text) == (30, 70, "0", "99")
    assert bound_lanes(lines, 100) == (lines, 0)
