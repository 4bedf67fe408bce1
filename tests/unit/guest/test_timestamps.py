# SPDX-License-Identifier: GPL-2.0-only
"""When which bytes went over which wire: what is written is read back, bounded, and damage ends it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.guest.timestamps import STRETCH_LIMIT, Course, Moments, parse_moments

EVENTS = st.lists(
    st.tuples(st.sampled_from(["kernel", "admin"]), st.integers(1, 50), st.integers(0, 20), st.booleans()), max_size=40
)


@given(EVENTS)
def test_moments_account_for_every_byte(events: list[tuple[str, int, int, bool]]) -> None:
    """However bytes are merged, each port has the right number of bytes, and times never decrease."""
    moments, now, sizes = Moments(1.5e9), 0, {"kernel": 0, "admin": 0}
    for port, size, later, is_typed in events:
        now += later
        sizes[port] += size
        moments.add(port, size, milliseconds=now, is_typed=is_typed)
    found = parse_moments(moments.render())

    assert {port: found[port].begins[-1] if port in found else 0 for port in sizes} == sizes
    assert all(list(one.moments) == sorted(one.moments) for one in found.values())
    assert all(len(one.begins) == len(one.moments) + 1 for one in found.values())


def test_moments_merge_close_bytes() -> None:
    """Bytes within a few milliseconds, on one port and in one direction, are one stretch."""
    moments = Moments(1.5e9)
    for milliseconds, is_typed in ((0, True), (1, False), (4, False), (40, False)):
        moments.add("admin", 10, milliseconds=milliseconds, is_typed=is_typed)

    assert parse_moments(moments.render()) == {"admin": Course([0, 1, 40], [0, 10, 30, 40], [(0, 0)])}


def test_moments_are_bounded() -> None:
    """Bytes after the last kept stretch have its time."""
    moments = Moments(1.5e9)
    for number in range(STRETCH_LIMIT + 100):
        moments.add("kernel", 1, milliseconds=10 * number)
    found = parse_moments(moments.render())["kernel"]

    assert len(found.moments) == STRETCH_LIMIT
    assert found.begins[-1] == STRETCH_LIMIT + 100


def test_parse_moments_reads_damaged_times() -> None:
    """Another format gives no times; a damaged line ends them."""
    good = Moments(1.5e9)
    good.add("admin", 3, milliseconds=7)

    only = {"admin": Course([7], [0, 3], [])}

    assert parse_moments("times 2 1.0\n7 admin < 3\n") == {}
    assert parse_moments("") == {}
    assert parse_moments(good.render() + "8 admin <") == only
    assert parse_moments(good.render() + "8 admin x 3\n9 admin < 3\n") == only
    assert parse_moments(good.render() + "8 admin < three\n") == only
