# SPDX-License-Identifier: GPL-2.0-only
"""Hosts are compared with each other: who disagrees, or is at fault again and again, is taken out and named."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.hosts.batches import Work
from harness.hosts.checks import LEAST_CASES, MOST_FAULTS, ONE_IN, REFERENCES, HostChecks
from harness.model.verdict import Outcome

HOSTS = ("a", "b", "c")
NAMES = [f"case{number:03}" for number in range(300)]
SECONDS = {name: 1.0 + at for at, name in enumerate(NAMES)}


def begun(hosts: tuple[str, ...] = HOSTS, cases: int = len(NAMES)) -> HostChecks:
    """Return the checks of a round of cases."""
    checks = HostChecks()
    checks.begin(NAMES[:cases], SECONDS, hosts)
    return checks


def test_each_host_first_runs_the_same_cases() -> None:
    """The quickest ones, once in a run; in a short round they would cost too much."""
    checks = begun()

    assert [checks.extra(host) for host in HOSTS] == [tuple(NAMES[:REFERENCES])] * 3
    assert checks.extra("a") == ()
    assert begun(cases=LEAST_CASES * 3 - 1).extra("a") == ()
    assert begun(hosts=("a",)).extra("a") == ()


def test_one_case_in_a_hundred_runs_on_two_hosts() -> None:
    """On another host than the first, and on no third one."""
    checks = begun()
    for host in HOSTS:
        checks.extra(host)
    checks.give("a", NAMES)
    given_to_b, given_to_c = checks.extra("b"), checks.extra("c")

    assert checks.extra("a") == ()
    assert len(given_to_b) == len(NAMES) // ONE_IN
    assert given_to_c == ()
    assert not set(given_to_b) & set(NAMES[:REFERENCES])


def test_other_rounds_double_other_cases() -> None:
    """The choice follows from the number of the round, so that a rerun of a run compares the same ones."""
    checks = HostChecks()
    chosen: list[tuple[str, ...]] = []
    for _ in range(2):
        checks.begin(NAMES, SECONDS, HOSTS)
        assert bool(checks.extra("b")) == (not chosen), "the references are for the first round"
        checks.give("a", NAMES)
        chosen.append(checks.extra("b"))
    again = begun()
    again.extra("b")
    again.give("a", NAMES)

    assert chosen[0] != chosen[1]
    assert again.extra("b") == chosen[0]


def test_a_case_that_two_hosts_disagree_on_runs_on_a_third() -> None:
    """One such case may be flaky; the second one takes the host out, which is named with the evidence."""
    checks = begun()
    for at, case in enumerate(NAMES[100:102]):
        checks.give("a", [case])
        checks.give("b", [case])
        checks.end_case("a", case, Outcome.MATCH)
        checks.end_case("b", case, Outcome.MISMATCH)
        assert checks.take_notes() == [f"hosts disagree on {case}: match on a, mismatch on b; the first verdict stands"]
        assert case in checks.extra("c")
        checks.end_case("c", case, Outcome.MATCH)
        assert ("b" in checks.out) == (at == 1)

    (note,) = checks.take_notes()
    assert note.startswith(f"host b is taken out: it disagrees with the other hosts, last on {NAMES[101]}: match on a")


def test_two_hosts_that_disagree_are_both_kept() -> None:
    """Nobody knows which one is right: the note names both."""
    checks = begun(hosts=("a", "b"))
    for case in NAMES[100:110]:
        for host, outcome in (("a", Outcome.MATCH), ("b", Outcome.MISMATCH)):
            checks.give(host, [case])
            checks.end_case(host, case, outcome)

    assert checks.out == {}
    assert len(checks.take_notes()) == 10


def test_a_machine_that_is_lost_on_one_host_alone_takes_it_out() -> None:
    """The case runs again elsewhere; if the machine is lost there too, the kernel is at fault."""
    checks = begun()
    checks.extra("b")
    checks.give("a", [NAMES[100]])
    checks.end_case("a", NAMES[100], Outcome.LOST)
    assert NAMES[100] in checks.extra("b")
    checks.end_case("b", NAMES[100], Outcome.LOST)
    assert checks.take_notes() == []

    checks.give("a", [NAMES[101]])
    checks.end_case("a", NAMES[101], Outcome.LOST)
    assert NAMES[101] in checks.extra("b")
    checks.end_case("b", NAMES[101], Outcome.MATCH)
    assert NAMES[101] in checks.extra("c")
    checks.end_case("c", NAMES[101], Outcome.MATCH)
    assert list(checks.out) == ["a"]


def test_a_host_that_is_at_fault_again_and_again_is_taken_out() -> None:
    """The reason is that of its last fault; the last host stays, since nobody else could go on."""
    checks = begun(hosts=("a", "b"))
    for _ in range(MOST_FAULTS):
        checks.blame("a", "the disk is full")
    for _ in range(2 * MOST_FAULTS):
        checks.blame("b", "the disk is full")

    assert checks.take_notes() == ["host a is taken out: it was at fault 3 times, last: the disk is full"]
    assert list(checks.out) == ["a"]
    assert checks.others("b") == ()


@given(
    outcomes=st.lists(st.tuples(st.sampled_from(HOSTS), st.sampled_from(NAMES[:20]), st.sampled_from(Outcome))),
    faults=st.lists(st.sampled_from(HOSTS)),
)
def test_a_host_is_always_left(outcomes: list[tuple[str, str, Outcome]], faults: list[str]) -> None:
    """Whatever the hosts report, one can go on, and no case waits for ever."""
    checks = begun(cases=100)
    for host, case, outcome in outcomes:
        checks.give(host, [case])
        checks.end_case(host, case, outcome)
    for host in faults:
        checks.blame(host, "reason")
    for _ in range(3):
        for host in HOSTS:
            for case in checks.extra(host):
                checks.end_case(host, case, Outcome.MATCH)

    assert set(checks.out) < set(HOSTS)
    assert checks.is_done


def test_cases_to_compare_are_run_and_their_first_verdict_stands() -> None:
    """They are the first of a batch, and a batch of their own when nothing else is left."""
    work = Work(NAMES[:4], SECONDS)
    first = work.take("a", hosts=HOSTS, workers=1, extra=NAMES[3:4])
    assert first is not None
    assert first.ids[0] == NAMES[3]
    assert len(set(first.ids)) == len(first.ids) > 1
    while work.take("c", hosts=HOSTS, workers=1) is not None:
        pass
    second = work.take("b", hosts=HOSTS, workers=1, extra=NAMES[3:4])
    assert second is not None
    assert second.ids == (NAMES[3],)
    assert work.is_awaited(second.number, NAMES[3])
    assert work.end_batch(second.number) == (), "the other host still runs it"
    work.end_case(NAMES[3])

    assert not work.is_awaited(first.number, NAMES[3])
    assert work.lose_batch(first.number, "a").again == first.ids[1:]
