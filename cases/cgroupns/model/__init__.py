# SPDX-License-Identifier: GPL-2.0-only
"""A reference model of cgroup namespaces: the answer of each operation of cgtasks.c, by a version's traits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .propose import TASKS
from .world import World

KNOWS = {
    "newcgroup_flag": ("accepted", "refused"),
    "unprivileged_create": ("refused", "allowed"),
    "userns_create": ("allowed", "refused"),
    "thread_scope": ("thread", "process"),
    "multithreaded_create": ("allowed", "refused"),
    "clone3_into_cgroup": ("present", "absent"),
    "clone3_after_kill": ("starts", "killed"),
    "namespace_limit": ("enospc", "none"),
    "cpuset_view": ("relative", "absolute"),
    "scope": ("all", "default"),
    "self_view": ("root", "absolute"),
    "descendant_view": ("relative", "absolute"),
    "ancestor_view": ("relative", "absolute", "hidden"),
    "outside_view": ("relative", "absolute", "hidden"),
    "view_owner": ("reader", "target"),
    "zombie_view": ("kept", "root"),
    "mount_root": ("namespace", "hierarchy"),
    "mount_moved_member": ("namespace", "current"),
    "legacy_mount_inside": ("namespace", "hierarchy", "refused"),
    "userns_mount": ("allowed", "refused"),
    "mountinfo_root": ("namespace", "filesystem"),
    "mount_capability": ("owner", "mounter"),
    "second_mount_options": ("lost", "kept"),
    "default_remount": ("accepted", "refused"),
    "dead_root_mount": ("refused", "invalid", "allowed"),
    "recreated_root_mount": ("byname", "refused", "invalid", "dead"),
    "new_named_hierarchy_inside": ("refused", "allowed", "invalid"),
    "new_controller_hierarchy_inside": ("refused", "privileged", "invalid"),
    "release_agent_from_userns": ("refused", "allowed"),
    "release_agent_option": ("refused", "ignored"),
    "foreign_pids": ("zero", "omitted"),
    "ns_ioctls": ("nstype", "userns", "absent"),
    "pinned_against_admin": ("no", "yes"),
    "move_credentials": ("opener", "writer"),
    "move_judged_by": ("opener", "writer"),
    "common_ancestor_rule": ("needed", "none"),
    "thread_mode": ("present", "absent"),
    "setns": ("supported", "refused"),
    "setns_pidfd": ("present", "absent"),
    "setns_capability": ("owner", "own"),
    "setns_own": ("noop", "checked"),
    "setns_needs_descendant": ("no", "yes"),
    "setns_only_narrows": ("no", "yes"),
    "setns_dead_root": ("allowed", "refused"),
    "setns_moves_task": ("no", "yes"),
    "cgroup_freeze": ("present", "absent"),
    "cgroup_kill": ("present", "absent"),
    "kill_without_leader": ("survives", "killed"),
    "kill_after_move": ("spared", "killed"),
    "nsdelegate": ("enforced", "absent"),
}
"""The values that the model knows, by trait; the first one is used where a version says nothing."""


def start(traits: Mapping[str, str]) -> World:
    """Return the world of a fresh machine.

    :param traits: the values of traits.
    """
    return World({trait: traits.get(trait, values[0]) for trait, values in KNOWS.items()})


def simpler(operation: str) -> Iterator[str]:
    """Return simpler forms of an operation: p0 instead of p5, fewer flags, a directory nearer to the root."""
    name, verb, *words = operation.split()
    if name != "p0":
        yield " ".join(("p0", verb, *words))
    for at, word in enumerate(words):
        others = []
        if word in TASKS and verb not in ("fork", "into", "thread"):
            others += [one for one in ("p0", name) if one != word]
        if "," in word:
            flags = word.split(",")
            others += [",".join(flags[:one] + flags[one + 1 :]) for one in range(len(flags))]
        if "/" in word[1:]:
            place, *names = word.split("/")
            others += ["/".join((place, *names[:one], *names[one + 1 :])) for one in range(len(names))]
        for other in others:
            yield " ".join((name, verb, *words[:at], other, *words[at + 1 :]))
    if verb == "user" and words:
        yield f"{name} user"
    if verb in ("fork", "into") and len(words) > 1 + (verb == "into"):
        yield " ".join((name, verb, *words[:-1]))
    if verb == "into":
        yield f"{name} fork {words[0]}"
