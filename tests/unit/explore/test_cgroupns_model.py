# SPDX-License-Identifier: GPL-2.0-only
"""The model of cgroup namespaces: rules that hold in every state by every profile, and answers of known transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from harness.explore.load import check_profile, exploration_of, load_model
from harness.explore.model import predict
from harness.suite.load import find_suite, suite_semantics

SUITE = find_suite("cgroupns")
SEMANTICS = suite_semantics(SUITE)
MODEL = load_model(SUITE, SEMANTICS)
PROFILES: Mapping[str, Mapping[str, str]] = {
    **{name: SEMANTICS.profile(name, release=None).values for name in ("v0", "v1", "v2", "v3", "v4")},
    **{f"mainline {one}": SEMANTICS.profile("mainline", release=one).values for one in ("4.6", "6.1", "6.12", "7.3")},
}
MAINLINE = PROFILES["mainline 6.1"]


def answers(*operations: str, profile: str = "mainline 6.1") -> list[str]:
    """Return the answers to a sequence by a profile; there is one for each."""
    return [one for (one,) in predict(MODEL, PROFILES[profile], operations)]


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_known(profile: str) -> None:
    """Given a profile, the model is that version."""
    check_profile(MODEL, PROFILES[profile], profile=profile)


def test_the_manual_page() -> None:
    """cgroup_namespaces(7): what each task reads of itself, of init and of a sibling, and of a mount."""
    found = answers(
        *("p0 mkdir 1/sub", "p0 mkdir 1/sub2", "p0 fork p1", "p0 fork p2", "p0 move p1 1/sub2", "p0 move p2 1/sub"),
        *("p2 unshare cgroup,mnt", "p2 view p2", "p2 view p0", "p2 view p1", "p2 mounts p2"),
        *("p2 mount 1 m0", "p2 mounts p2", "p0 mounts p2"),
    )

    assert found[7:11] == ["/ /", "/.. /", "/../sub2 /", "1:/.. 2:/"]
    assert found[12:] == ["1:/.. 2:/ m0:/", "1:/ 2:/ m0:/sub"]


@pytest.mark.parametrize(
    ("profile", "inside"),
    [("v0", "/b /b"), ("v1", "/b -"), ("v2", "/b /../b"), ("v3", "/b /../b"), ("v4", "/../b /../b")],
)
def test_a_sibling_by_each_posting(profile: str, inside: str) -> None:
    """The cover letter of version 4 lists these changes: absolute, no line, relative, and all hierarchies."""
    made = [f"p0 mkdir {place}/{name}" for place in "12" for name in "ab"]
    moves = [f"p0 move p{number} {place}/{name}" for place in "12" for number, name in ((1, "a"), (2, "b"))]
    found = answers(*made, "p0 fork p1", "p0 fork p2", *moves, "p1 unshare cgroup", "p1 view p2", profile=profile)

    assert found[-1] == inside


def test_delegation() -> None:
    """nsdelegate: no move across the root, no control file of the root, and what the host may do."""
    found = answers(
        *("p0 mkdir 2/a", "p0 mkdir 2/b", "p0 into p1 2/a cgroup", "p0 fork p2", "p0 delegate on"),
        *("p1 move p1 2/b", "p1 move p2 2/a", "p1 write 2/a cgroup.max.depth 1", "p1 write 2/b cgroup.max.depth 1"),
        *("p0 move p1 2/b", "p0 view p1", "p1 delegate off", "p0 write 2/a cgroup.max.depth 1"),
    )

    assert found[5:] == ["ENOENT", "ENOENT", "EPERM", "0", "0", "/ /b", "0", "0"]


def test_a_dead_root_is_mounted_by_its_name() -> None:
    """L-05 and L-07: ENOENT, then the new directory of the same name."""
    found = answers(
        *("p0 mkdir 2/a", "p0 into p1 2/a cgroup,mnt", "p0 move p1 2", "p0 rmdir 2/a", "p1 mount 2 m0"),
        *("p0 mkdir 2/a", "p1 mount 2 m0", "p1 mounts p1", "p1 view p1"),
    )

    assert found[4:] == ["ENOENT", "0", "0", "1:/ 2:/.. m0:/../a", "/ /.."]


def test_limits_count_what_is_used() -> None:
    """user.max_cgroup_namespaces: a namespace counts as long as a task or a descriptor uses it."""
    found = answers(
        *("p0 count 1", "p0 fork p1 cgroup", "p0 fork p2 cgroup", "p0 open f0 ns p1", "p1 exit", "p0 fork p2 cgroup"),
        *("p0 open f0 2 cgroup.procs", "p0 fork p2 cgroup", "p2 user", "p2 count 5", "p0 fork p3 user,cgroup"),
    )

    assert found == ["0", "0", "ENOSPC", "0", "0", "ENOSPC", "0", "0", "0", "open EACCES", "ENOSPC"]


def test_rights_of_the_kernel_itself() -> None:
    """release_agent and new hierarchies need root of the host in the initial namespaces."""
    found = answers(
        *("p0 fork p1 user", "p0 fork p2 cgroup", "p0 write 1 release_agent /x", "p1 write 1 release_agent /x"),
        *("p2 write 1 release_agent /x", "p2 new name", "p2 new freezer", "p1 owner p2", "p2 owner p2"),
        *("p0 mkdir 2/NL", "p0 rename 1/a NL"),
    )

    assert found[2:] == ["0", "EPERM", "0", "EPERM", "EPERM", "open EACCES", "own", "EINVAL", "ENOENT"]


def test_numbers_in_another_pid_namespace() -> None:
    """G-13: on v2, 0 stands for a process that has no number there; v1 omits it, and so did older lists of v2."""
    sequence = (
        *("p0 mkdir 2/a", "p0 mkdir 1/a", "p0 into p1 2/a", "p0 move p1 1/a", "p0 foreign 2/a", "p0 foreign 1/a"),
        *("p1 foreign 2/a", "p1 foreign 1/a", "p1 foreign 2", "p1 user", "p1 foreign 2"),
    )

    assert answers(*sequence)[4:] == ["0", "none", "0 1", "1", "0", "0", "EPERM"]
    assert answers(*sequence, profile="mainline 4.6")[4] == "none"


def test_a_space_in_a_name() -> None:
    """The root of a mount is escaped in mountinfo; /proc/PID/cgroup has the name as it is."""
    found = answers(
        *("p0 mkdir 2/SP", "p0 mkdir 2/SP/a", "p0 into p1 2/SP cgroup,mnt", "p1 mount 2 m0", "p0 mounts p1"),
        *("p0 view p1", "p0 ls 2", "p0 rmdir 2/SP/a", "p0 rename 1/a SP"),
    )

    assert found[4:] == [r"1:/ 2:/ m0:/a\040b", "/ /a b", "a b", "0", "ENOENT"]


def test_the_option_release_agent() -> None:
    """M-15: it needs root of the host in the initial namespaces; older versions ignore it."""
    sequence = ("p0 fork p1 user,mnt,cgroup", "p0 mount 1r m0", "p1 mount 1r m0", "p1 mount 1 m0", "p1 user")

    assert answers(*sequence) == ["0", "0", "EINVAL", "0", "EINVAL"]
    assert answers(*sequence, profile="v4")[2] == "0"


def test_a_version_in_which_root_of_the_host_mounts() -> None:
    """The RFC lets no user namespace mount, so it lets none make a hierarchy either."""
    sequence = ("p0 fork p1 user,mnt,cgroup", "p1 new name")
    found = {}
    for value in ("refused", "allowed"):
        traits = {**PROFILES["v0"], "new_named_hierarchy_inside": "allowed", "userns_mount": value}
        found[value] = [one for (one,) in predict(MODEL, traits, sequence)]

    assert found == {"refused": ["0", "EPERM"], "allowed": ["0", "0"]}


def test_a_type_of_two_bits() -> None:
    """setns(2): EINVAL if the descriptor is not of that type, also without rights."""
    found = answers("p0 fork p1", "p1 setnsmany p0", "p1 user", "p1 setnsmany p0")

    assert found == ["0", "EINVAL", "0", "open EACCES"]


def test_the_owner_of_a_user_namespace_enters_from_outside() -> None:
    """cgroup_namespaces(7): the capability is needed in the user namespace of the caller as well."""
    sequence = ("p0 fork p1", "p1 {}", "p1 fork p2 user,cgroup", "p1 setns p2", "p2 fork p3", "p3 setns p2")

    assert answers(*(one.format("user seen") for one in sequence))[3:] == ["EPERM", "0", "0"]
    assert answers(*(one.format("user") for one in sequence))[3] == "open EACCES"


def test_rare_states_are_common_somewhere() -> None:
    """Among a few sequences there are deep directories, and namespaces whose root was removed."""
    deepest, is_dead = 0, False
    for seed in range(30):
        random = Random(seed)
        world: Any = MODEL.start(MAINLINE)
        for _ in range(200):
            world.apply(world.propose(random))
            living = [one for one in world.tasks.values() if one.is_alive]
            is_dead |= any(not one.namespace.roots["2"].is_alive for one in living)
            deepest = max([deepest, *(len(one.cgroups["2"].names) for one in living)])

    assert is_dead
    assert deepest > 4


def test_a_leader_that_left_protects_its_process() -> None:
    """cgroup.kill spares a process without its first thread until 6.12.117."""
    sequence = (
        *("p0 mkdir 2/a", "p0 into p1 2/a", "p1 thread p2", "p1 exit", "p0 write 2/a cgroup.kill 1"),
        *("p2 view p2", "p1 reap"),
    )

    assert answers(*sequence)[-2:] == ["/ /a", "threads"]
    assert answers(*sequence, profile="mainline 7.3")[-2:] == ["/ /a", "threads"]
    fixed = {**MAINLINE, "kill_without_leader": "killed"}
    assert [one for (one,) in predict(MODEL, fixed, sequence)][-2:] == ["none", "0"]


@given(st.integers(0, 2**32), st.sampled_from(sorted(PROFILES)), st.data())
@settings(max_examples=60, deadline=None)
def test_any_part_of_a_sequence_is_valid(seed: int, profile: str, data: Any) -> None:
    """The shrinker may remove any operation, and replace it by each of its simpler forms."""
    random, world = Random(seed), MODEL.start(PROFILES[profile])
    sequence = []
    for _ in range(60):
        sequence.append(world.propose(random))
        world.apply(sequence[-1])
    kept = [one for one in sequence if data.draw(st.booleans())]
    replaced = [next(iter(MODEL.simpler(one)), one) for one in kept]

    for one in (kept, replaced):
        assert all(allowed and all(allowed) for allowed in predict(MODEL, PROFILES[profile], one))


class Machine(RuleBasedStateMachine):
    """The model in steps, by some profile."""

    def __init__(self) -> None:
        super().__init__()
        self.world: Any = None
        self.roots: dict[int, tuple[Any, dict[str, Any]]] = {}

    @initialize(profile=st.sampled_from(sorted(PROFILES)))
    def start(self, profile: str) -> None:
        """Begin with a fresh machine."""
        self.world = MODEL.start(PROFILES[profile])

    @rule(random=st.randoms(use_true_random=False))
    def operate(self, random: Random) -> None:
        """Do what the model proposes: there is one answer, which fits into a line."""
        operation = self.world.propose(random)
        answer, *others = self.world.apply(operation)

        assert answer
        assert not others or operation.split()[1] == "cpuset"
        assert "\n" not in answer + operation
        assert ";" not in operation

    @invariant()
    def living_tasks_are_in_living_cgroups(self) -> None:
        """A populated cgroup is not removed, and its parents neither."""
        for task in self.world.tasks.values():
            assert not task.is_alive or all(
                one.is_alive for cgroup in task.cgroups.values() for one in cgroup.lineage()
            )

    @invariant()
    def first_threads_stay(self) -> None:
        """A thread that is not the first of its process is gone when it has exited."""
        assert all(task.is_alive or task.is_leader for task in self.world.tasks.values())

    @invariant()
    def roots_stay(self) -> None:
        """The roots of a namespace never change."""
        for task in self.world.tasks.values():
            first = self.roots.setdefault(id(task.namespace), (task.namespace, dict(task.namespace.roots)))
            assert task.namespace.roots == first[1]

    @invariant()
    def the_host_reads_absolute_paths(self) -> None:
        """From the initial namespace, paths begin at the root of the hierarchy."""
        p0 = self.world.tasks.get("p0")
        if p0 is None or not p0.is_alive or p0.namespace is not self.world.initial:
            return
        for task in self.world.tasks.values():
            shown = self.world.views.of_task(p0, task)
            assert not task.is_alive or shown == " ".join("/" + "/".join(task.cgroups[one].names) for one in "12")


Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=60, deadline=None)
test_rules_hold_in_every_state = Machine.TestCase


def test_the_guest_program_lists_every_verb() -> None:
    """Each operation that the model proposes is described at the top of the guest program."""
    world, random = MODEL.start(MAINLINE), Random(1)
    verbs = set()
    for _ in range(3000):
        operation = world.propose(random)
        world.apply(operation)
        verbs.add(operation.split()[1])
    (source,) = [one for one in SUITE.guest.helpers if one.stem == exploration_of(SUITE).command]
    text = source.read_text()

    assert len(verbs) > 25
    assert all(f"pA {verb}" in text for verb in verbs)


def test_text_is_no_number() -> None:
    """A descriptor may be that of another file than the one that the value is for, after operations were removed."""
    found = answers(
        *("p0 mkdir 2/a", "p0 open f0 2/a cgroup.max.depth", "p0 say f0 /x", "p0 open f0 1 release_agent"),
        *("p0 say f0 /x", "p0 open f0 2/a cgroup.procs", "p0 say f0 /x"),
    )

    assert found[2::2] == ["EINVAL", "0", "EINVAL"]
    assert not list(MODEL.simpler("p0 say f0 /x"))
