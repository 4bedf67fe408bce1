# SPDX-License-Identifier: GPL-2.0-only
"""New tasks, namespaces and mounts: fork, clone3, threads, unshare, setns, mount and remount. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from .state import (
    ROOT_UID,
    USER,
    V1,
    V2,
    Cgroup,
    CgroupNamespace,
    Credentials,
    Mount,
    MountNamespace,
    NamespaceFile,
    Process,
    Refused,
    Task,
    UserNamespace,
    capable,
    may_write,
)

if TYPE_CHECKING:
    from .world import World


class Namespaces:
    """Calls that make and change namespaces, by the traits of a version.

    :param traits: the values of traits.
    :param world: the tasks and directories.
    """

    def __init__(self, traits: Mapping[str, str], world: World) -> None:
        self._traits = traits
        self._world = world

    def unshare(self, task: Task, words: str) -> None:
        """Give a thread new namespaces."""
        flags = words.split(",")
        if "user" in flags and len(task.process.threads) > 1:
            raise Refused("EINVAL")
        if self._traits["newcgroup_flag"] == "refused" and "cgroup" in flags:
            raise Refused("EINVAL")
        is_alone = len(task.process.threads) == 1
        if "cgroup" in flags and not is_alone and self._traits["multithreaded_create"] == "refused":
            raise Refused("EINVAL")
        rights, namespace, mounts = self._made(task, flags, dict(task.cgroups))
        whole = self._traits["thread_scope"] == "process"
        for one in task.process.living if whole else [task]:
            one.namespace = namespace
        task.credentials, task.mounts = rights, mounts

    def _made(
        self, task: Task, flags: list[str], cgroups: dict[str, Cgroup]
    ) -> tuple[Credentials, CgroupNamespace, MountNamespace]:
        """Return the namespaces of a call with these flags.

        :param cgroups: the cgroups of the task that gets them.
        """
        rights = task.credentials
        if "user" in flags:
            if rights.user.parent is not None:
                raise Refused("EPERM")  # its user ID has no number there
            rights = Credentials(rights.uid, UserNamespace(rights.user, rights.uid), has_all=True)
        others = [one for one in flags if one in ("cgroup", "mnt")]
        if others and not capable(rights, rights.user):
            is_free = others == ["cgroup"] and self._traits["unprivileged_create"] == "allowed"
            if not is_free:
                raise Refused("EPERM")
        mounts = _copied(task.mounts, rights.user) if "mnt" in flags else task.mounts
        if "cgroup" not in flags:
            return rights, task.namespace, mounts
        if "user" in flags and task.credentials.uid != ROOT_UID and self._traits["userns_create"] == "refused":
            raise Refused("EPERM")
        roots = dict(cgroups)
        if not self._world.views.covers(V1):
            roots[V1] = self._world.tree.tops[V1]
        made = CgroupNamespace(roots, rights.user, rights.uid)
        self._require_room(made)
        return rights, made, mounts

    def _require_room(self, made: CgroupNamespace) -> None:
        """Check the limits on a new namespace, in the user namespace that owns it and in those above."""
        if self._traits["namespace_limit"] == "none":
            return
        counted = [place for one in self._used() for place in one.counted()]
        if any(counted.count(place) >= place[0].limit for place in made.counted()):
            raise Refused("ENOSPC")

    def _used(self) -> set[CgroupNamespace]:
        """Return the namespaces that a task or a descriptor uses."""
        living = [one for one in self._world.tasks.values() if one.is_alive]
        files = [file for one in living for file in one.process.files.values()]
        return {one.namespace for one in [*living, *files] if not one.namespace.is_initial}

    def limit(self, task: Task, value: str) -> None:
        """Limit the number of cgroup namespaces in the task's user namespace."""
        if self._traits["namespace_limit"] == "none":
            raise Refused("open ENOENT")
        if not task.credentials.has_all:
            raise Refused("open EACCES")
        task.credentials.user.limit = int(value)

    def fork(self, task: Task, name: str, words: str) -> None:
        """Start a process."""
        self._start(task, name, words, dict(task.cgroups))

    def _start(self, task: Task, name: str, words: str, cgroups: dict[str, Cgroup]) -> Task:
        flags = [one for one in words.split(",") if one]
        rights, namespace, mounts = self._made(task, flags, cgroups)
        process = Process(files=dict(task.process.files), is_dumpable=task.process.is_dumpable)
        child = Task(name, process, cgroups, namespace, mounts, rights)
        process.leader, process.threads = child, [child]
        self._world.tasks[name] = child
        return child

    def into(self, task: Task, name: str, word: str, words: str) -> None:
        """Start a process in another cgroup of the default hierarchy."""
        try:
            target = self._world.tree.find(task, word)
        except Refused as error:
            raise Refused(error.answer if error.answer == "unmounted" else f"open {error.answer}") from None
        # Namespaces are made before the cgroup is looked at, and dropped again when that fails.
        self._made(task, [one for one in words.split(",") if one], dict(task.cgroups))
        if target.hierarchy == V1:
            raise Refused("EBADF")
        if not target.is_alive:
            raise Refused("ENODEV")
        if not may_write(task.credentials, target.uid):
            raise Refused("EACCES")
        source = task.cgroups[V2]
        self._world.moves.check_move(source, target, task.credentials, task.namespace)
        child = self._start(task, name, words, {**task.cgroups, V2: target})
        self._world.moves.kill_started(child, source)

    def thread(self, task: Task, name: str) -> None:
        """Start a thread."""
        thread = Task(name, task.process, dict(task.cgroups), task.namespace, task.mounts, task.credentials)
        task.process.threads.append(thread)
        self._world.tasks[name] = thread

    def become_user(self, task: Task, *, is_seen: bool) -> None:
        """Change the user IDs of a thread.

        :param is_seen: whether tasks of that user may look into its process all the same.
        """
        rights = task.credentials
        if rights.user.parent is not None:
            raise Refused("EINVAL")
        if is_seen:
            task.process.is_dumpable = True
        elif rights.uid != USER:
            task.process.is_dumpable = False
        task.credentials = Credentials(USER, rights.user, has_all=False)

    def look_up(self, task: Task, other: Task) -> CgroupNamespace:
        """Return the namespace of a task, by its file in /proc."""
        if not self._world.may_look(task, other):
            raise Refused("EACCES")
        if not other.is_alive:
            raise Refused("ENOENT")
        return other.namespace

    def setns(self, task: Task, other: Task | None, word: str) -> None:
        """Enter the namespace of a task or of a descriptor."""
        if other is not None:
            try:
                target = self.look_up(task, other)
            except Refused as error:
                raise Refused(f"open {error.answer}") from None
        else:
            file = task.process.files.get(word)
            if not isinstance(file, NamespaceFile):
                raise Refused("EINVAL" if file else "EBADF")
            target = file.namespace
        self._enter(task, target)

    def setns_pid(self, task: Task, other: Task) -> None:
        """Enter the namespace of the first thread of a process, by a pidfd."""
        leader = other.process.leader
        assert leader is not None
        if not self._world.may_look(task, leader):
            raise Refused("EPERM")
        if not leader.is_alive:
            raise Refused("ESRCH")
        self._enter(task, leader.namespace)

    def setns_many(self, task: Task, other: Task) -> None:
        """Enter a namespace with a type that is not that of its file alone."""
        try:
            self.look_up(task, other)
        except Refused as error:
            raise Refused(f"open {error.answer}") from None
        raise Refused("EINVAL")

    def require_foreign(self, task: Task) -> None:
        """Check that a task may start a process in a new pid namespace."""
        if not capable(task.credentials, task.credentials.user):
            raise Refused("EPERM")

    def _enter(self, task: Task, target: CgroupNamespace) -> None:
        if self._traits["setns"] == "refused":
            raise Refused("EINVAL")
        rights = task.credentials
        owner = rights.user if self._traits["setns_capability"] == "own" else target.owner
        if not capable(rights, rights.user) or not capable(rights, owner):
            raise Refused("EPERM")
        if target is task.namespace and self._traits["setns_own"] == "noop":
            return
        root = target.roots[V2]
        if self._traits["setns_needs_descendant"] == "yes" and not task.cgroups[V2].is_in(root):
            raise Refused("EPERM")
        if self._traits["setns_only_narrows"] == "yes" and not root.is_in(task.namespace.roots[V2]):
            raise Refused("EPERM")
        if self._traits["setns_dead_root"] == "refused" and not root.is_alive:
            raise Refused("EPERM")
        task.namespace = target
        if self._traits["setns_moves_task"] == "yes":
            task.cgroups[V2] = root

    def mount(self, task: Task, word: str, place: str) -> None:
        """Mount a hierarchy at a place of the task's mount namespace."""
        hierarchy, has_agent = word[0], word.endswith("r")
        rights, namespace = task.credentials, task.namespace
        if not capable(rights, task.mounts.owner):
            raise Refused("EPERM")
        if has_agent and self._traits["release_agent_option"] == "refused":
            host = self._world.host
            if namespace.owner is not host or not capable(rights, host):
                raise Refused("EINVAL")
        owner = rights.user if self._traits["mount_capability"] == "mounter" else namespace.owner
        if not capable(rights, owner):
            raise Refused("EPERM")
        self._require_host_to_mount(task)
        root = self._root_of_mount(task, hierarchy)
        is_delegating = self._world.moves.is_delegating
        if hierarchy == V2 and namespace.is_initial and self._traits["second_mount_options"] == "lost":
            is_delegating = False
        self._world.moves.is_delegating = is_delegating
        stack = task.mounts.places.get(place, ())
        if stack and stack[-1].hierarchy == hierarchy:
            raise Refused("EBUSY")
        task.mounts.places[place] = (*stack, Mount(hierarchy, root))

    def _require_host_to_mount(self, task: Task) -> None:
        if self._traits["userns_mount"] == "refused" and not capable(task.credentials, self._world.host):
            raise Refused("EPERM")

    def _root_of_mount(self, task: Task, hierarchy: str) -> Cgroup:
        tree = self._world.tree
        rule = self._traits["legacy_mount_inside" if hierarchy == V1 else "mount_root"]
        if task.namespace.is_initial or rule == "hierarchy":
            return tree.tops[hierarchy]
        if rule == "refused":
            raise Refused("EINVAL")
        is_current = self._traits["mount_moved_member"] == "current"
        root = task.cgroups[hierarchy] if is_current else task.namespace.roots[hierarchy]
        found = None if root.is_alive else self._dead_root(root)
        return found or root

    def _dead_root(self, root: Cgroup) -> Cgroup | None:
        """Return what a mount shows whose root was removed; None for the removed directory."""
        try:
            other = self._world.tree.by_names(root)
        except Refused:
            answer = {"refused": "ENOENT", "invalid": "EINVAL", "allowed": ""}[self._traits["dead_root_mount"]]
            if answer:
                raise Refused(answer) from None
            return None
        rule = self._traits["recreated_root_mount"]
        if rule in ("refused", "invalid"):
            raise Refused("ENOENT" if rule == "refused" else "EINVAL")
        return other if rule == "byname" else None

    def new(self, task: Task, word: str) -> None:
        """Create a hierarchy."""
        if not capable(task.credentials, task.mounts.owner) or not capable(task.credentials, task.namespace.owner):
            raise Refused("EPERM")
        self._require_host_to_mount(task)
        trait = "new_named_hierarchy_inside" if word == "name" else "new_controller_hierarchy_inside"
        rule = self._traits[trait]
        if rule == "invalid" and not task.namespace.is_initial:
            raise Refused("EINVAL")
        is_host = capable(task.credentials, self._world.host)
        is_allowed = task.namespace.is_initial or rule == "allowed" or (rule == "privileged" and is_host)
        if not is_allowed or (word != "name" and not is_host):
            raise Refused("EPERM")

    def owner(self, task: Task, other: Task) -> str:
        """Return whether the user namespace of a task owns the cgroup namespace of another one."""
        try:
            owner = self.look_up(task, other).owner
        except Refused as error:
            raise Refused(f"open {error.answer}") from None
        own, at = task.credentials.user, owner
        while at is not own:
            if at.parent is None:
                raise Refused("EPERM")
            at = at.parent
        return "own" if owner is own else "other"

    def umount(self, task: Task, place: str) -> None:
        """Remove the uppermost mount of a place."""
        if not capable(task.credentials, task.mounts.owner):
            raise Refused("EPERM")
        stack = task.mounts.places.get(place, ())
        if not stack or stack[-1].is_locked:
            raise Refused("EINVAL")
        task.mounts.places[place] = stack[:-1]

    def delegate(self, task: Task, *, is_on: bool) -> None:
        """Remount the default hierarchy with nsdelegate, or without."""
        if not capable(task.credentials, task.mounts.owner):
            raise Refused("EPERM")
        if not capable(task.credentials, self._world.host):
            raise Refused("EPERM")
        if self._traits["default_remount"] == "refused":
            raise Refused("EINVAL")
        if task.namespace.is_initial:
            self._world.moves.is_delegating = is_on


def _copied(mounts: MountNamespace, owner: UserNamespace) -> MountNamespace:
    """Return a copy of a mount namespace; one with fewer privileges cannot take the mounts away."""
    is_locked = owner is not mounts.owner
    places = {
        place: tuple(replace(one, is_locked=one.is_locked or is_locked) for one in stack)
        for place, stack in mounts.places.items()
    }
    return MountNamespace(owner, places)
