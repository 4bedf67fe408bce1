# SPDX-License-Identifier: GPL-2.0-only
"""Choose operations that are worth a try: mostly by tasks that live, on directories that are there. Pure."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from .state import V1, V2, ControlFile, NamespaceFile
from .tree import AGENT, NEWLINE

if TYPE_CHECKING:
    from .world import World

TASKS = tuple(f"p{number}" for number in range(8))
FILES = ("f0", "f1", "f2")
PLACES = ("m0", "m1")
_NAMES = ("a", "b", "c")
_MOST_LEVELS = 11
_SPACES = ("cgroup", "cgroup", "cgroup", "user,cgroup", "user,mnt,cgroup", "mnt,cgroup", "mnt", "user", "user,mnt")
_DEEPER = 0.25
"""The share of directories that are made below the deepest one."""
_ROOTS = 0.3
"""The share of roots among the directories that are given to the user."""
_STRAY = 0.06
"""The share of operations of tasks and directories that need not exist."""


class Proposer:
    """Proposes operations in the state of a world.

    :param world: the world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        has = world.traits
        weights: dict[Callable[[Random, str], str], int] = {
            self._fork: 7,
            self._thread: 2,
            self._exit: 2,
            self._reap: 2,
            self._mkdir: 8,
            self._rmdir: 5,
            self._rename: 1,
            self._move: 14,
            self._move_thread: 4,
            self._unshare: 10,
            self._setns: 6,
            self._view: 14,
            self._same: 2,
            self._list: 3,
            self._mount: 4,
            self._mounts: 3,
            self._open: 4,
            self._use: 5,
            self._user: 5,
            self._chown: 4,
            self._new_hierarchy: 1,
            self._count: 2,
            self._cpuset: 1,
        }
        if has["clone3_into_cgroup"] == "present":
            weights[self._into] = 5
        if has["ns_ioctls"] != "absent":
            weights[self._owner] = 2
        if has["nsdelegate"] == "enforced":
            weights[self._delegate] = 2
        if has["thread_mode"] == "present":
            weights[self._limit] = 3
        if has["cgroup_freeze"] == "present":
            weights[self._freeze] = 1
        if has["cgroup_kill"] == "present":
            weights[self._kill] = 2
        self._kinds, self._weights = list(weights), list(weights.values())

    def propose(self, random: Random) -> str:
        """Return an operation."""
        kind = random.choices(self._kinds, self._weights)[0]
        actor = self._actor(random)
        return f"{actor} {kind(random, actor)}"

    def _actor(self, random: Random) -> str:
        able = [one.name for one in self._world.tasks.values() if one.is_alive and not one.is_frozen]
        return random.choice(able) if able and random.random() > _STRAY / 3 else random.choice(TASKS)

    def _some(self, random: Random) -> str:
        known = list(self._world.tasks)
        return random.choice(known) if known and random.random() > _STRAY / 3 else random.choice(TASKS)

    def _new(self, random: Random) -> str:
        free = [one for one in TASKS if one not in self._world.tasks]
        return random.choice(free or TASKS)

    def _place(self, random: Random, actor: str) -> str:
        """Return a mount that the actor sees: mostly one of those that were there before."""
        task = self._world.tasks.get(actor)
        own = [place for place, stack in task.mounts.places.items() if stack] if task else []
        if own and random.random() < 0.3:
            return random.choice(own)
        return random.choice((V2, V2, V1)) if random.random() > _STRAY / 3 else random.choice(PLACES)

    def _dir(self, random: Random, actor: str) -> str:
        """Return a directory that is there, mostly."""
        place = self._place(random, actor)
        task = self._world.tasks.get(actor)
        if place in self._world.tree.tops:
            at = self._world.tree.tops[place]
        elif task is not None and task.mounts.places.get(place):
            at = task.mounts.places[place][-1].root
        else:
            return place
        word = place
        while at.children and random.random() < 0.7:
            at = random.choice(list(at.children.values()))
            word += f"/{at.name}"
        return f"{word}/{random.choice(_NAMES)}" if random.random() < _STRAY else word

    def _below(self, random: Random, actor: str) -> str:
        """Return a directory that is no root of a mount."""
        word = self._dir(random, actor)
        return word if "/" in word else f"{word}/{random.choice(_NAMES)}"

    def _fork(self, random: Random, actor: str) -> str:
        flags = f" {random.choice(_SPACES)}" if random.random() < 0.3 else ""
        return f"fork {self._new(random)}{flags}"

    def _into(self, random: Random, actor: str) -> str:
        flags = f" {random.choice(_SPACES)}" if random.random() < 0.4 else ""
        return f"into {self._new(random)} {self._dir(random, actor)}{flags}"

    def _thread(self, random: Random, actor: str) -> str:
        return f"thread {self._new(random)}"

    def _exit(self, random: Random, actor: str) -> str:
        # p0 is the one task of root in the initial namespaces that is sure to be there.
        return "exit" if actor != "p0" or random.random() < 0.05 else f"view {self._some(random)}"

    def _reap(self, random: Random, actor: str) -> str:
        dead = [one.name for one in self._world.tasks.values() if not one.is_alive]
        return f"view {random.choice(dead)}" if dead and random.random() < 0.5 else "reap"

    def _mkdir(self, random: Random, actor: str) -> str:
        word = self._dir(random, actor)
        if random.random() < _DEEPER:
            deepest = max(
                self._world.tree.tops[random.choice((V1, V2))].below(), key=lambda one: len(one.names), default=None
            )
            word = "/".join((deepest.hierarchy, *deepest.names)) if deepest else word
        if word.count("/") >= _MOST_LEVELS:
            return f"view {self._some(random)}"
        return f"mkdir {word}/{self._name(random)}"

    def _name(self, random: Random) -> str:
        return random.choice(_NAMES) if random.random() > _STRAY / 3 else NEWLINE

    def _rmdir(self, random: Random, actor: str) -> str:
        return f"rmdir {self._below(random, actor)}"

    def _rename(self, random: Random, actor: str) -> str:
        return f"rename {self._below(random, actor)} {self._name(random)}"

    def _move(self, random: Random, actor: str) -> str:
        return f"move {self._some(random)} {self._dir(random, actor)}"

    def _move_thread(self, random: Random, actor: str) -> str:
        return f"movet {self._some(random)} {self._dir(random, actor)}"

    def _unshare(self, random: Random, actor: str) -> str:
        # Root of the host is needed for more than one step.
        if actor == "p0" and random.random() < 0.9:
            return self._fork(random, actor)
        return f"unshare {random.choice(_SPACES)}"

    def _setns(self, random: Random, actor: str) -> str:
        task = self._world.tasks.get(actor)
        spaces = [name for name, file in task.process.files.items() if isinstance(file, NamespaceFile)] if task else []
        if spaces and random.random() < 0.5:
            return f"setns {random.choice(spaces)}"
        if self._world.traits["setns_pidfd"] == "present" and random.random() < 0.3:
            return f"setnspid {self._some(random)}"
        return f"setns {self._some(random)}"

    def _view(self, random: Random, actor: str) -> str:
        return f"view {self._some(random)}"

    def _same(self, random: Random, actor: str) -> str:
        return f"same {self._some(random)}"

    def _list(self, random: Random, actor: str) -> str:
        verb = random.choice(("ls", "procs", "events"))
        return f"{verb} {self._dir(random, actor)}"

    def _mount(self, random: Random, actor: str) -> str:
        place = random.choice(PLACES)
        return f"umount {place}" if random.random() < 0.3 else f"mount {random.choice((V1, V2, V2))} {place}"

    def _mounts(self, random: Random, actor: str) -> str:
        return f"mounts {self._some(random)}"

    def _open(self, random: Random, actor: str) -> str:
        if random.random() < 0.3:
            return f"open {random.choice(FILES)} ns {self._some(random)}"
        word = self._dir(random, actor)
        return f"open {random.choice(FILES)} {word} {self._file(random, word)}"

    def _file(self, random: Random, word: str) -> str:
        if word == V1 and random.random() < 0.3:
            return AGENT
        if word.startswith(V1):
            return random.choice(("cgroup.procs", "tasks"))
        names = ["cgroup.procs"] * 3 + [one for one in self._world.tree.writable if one != "cgroup.kill"]
        return random.choice(names)

    def _use(self, random: Random, actor: str) -> str:
        task = self._world.tasks.get(actor)
        known = sorted(task.process.files) if task else []
        name = random.choice(known or FILES)
        if random.random() < 0.3:
            return f"pass {name} {self._some(random)} {random.choice(FILES)}"
        file = task.process.files.get(name) if task else None
        if isinstance(file, ControlFile) and file.name == AGENT:
            return f"say {name} /x"
        return f"put {name} {self._some(random)}"

    def _user(self, random: Random, actor: str) -> str:
        return "user" if actor != "p0" else self._fork(random, actor)

    def _chown(self, random: Random, actor: str) -> str:
        # Rights on a common ancestor matter without those on what is below it.
        return f"chown {V2 if random.random() < _ROOTS else self._dir(random, actor)}"

    def _new_hierarchy(self, random: Random, actor: str) -> str:
        # One that is made is gone only some time after its last mount.
        task = self._world.tasks.get(actor)
        is_made = task is None or task.namespace.is_initial
        return f"write {V1} {AGENT} /x" if is_made else f"new {random.choice(('name', 'freezer'))}"

    def _count(self, random: Random, actor: str) -> str:
        return f"count {random.choice(('0', '1', '2', '3', '10000', '10000'))}"

    def _cpuset(self, random: Random, actor: str) -> str:
        return f"cpuset {self._some(random)}"

    def _owner(self, random: Random, actor: str) -> str:
        return f"owner {self._some(random)}"

    def _delegate(self, random: Random, actor: str) -> str:
        return f"delegate {random.choice(('on', 'on', 'off'))}"

    def _limit(self, random: Random, actor: str) -> str:
        name = random.choice(("cgroup.max.depth", "cgroup.max.descendants"))
        return f"write {self._dir_of_v2(random, actor)} {name} {random.choice(('0', '1', '2', 'max', 'max'))}"

    def _freeze(self, random: Random, actor: str) -> str:
        frozen = [one for one in self._world.tree.tops[V2].below() if one.is_freezing]
        if frozen and random.random() < 0.7:
            return f"write {'/'.join((V2, *random.choice(frozen).names))} cgroup.freeze 0"
        return f"write {self._dir_of_v2(random, actor)} cgroup.freeze {random.choice('01')}"

    def _kill(self, random: Random, actor: str) -> str:
        return f"write {self._dir_of_v2(random, actor)} cgroup.kill 1"

    def _dir_of_v2(self, random: Random, actor: str) -> str:
        word = self._dir(random, actor)
        return word if not word.startswith(V1) else V2
