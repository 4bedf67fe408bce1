# SPDX-License-Identifier: GPL-2.0-only
"""Choose operations that are worth a try: mostly by tasks that live, on directories that are there. Pure.

Each sequence has a style of its own: what it does often, what rarely, and how deep its directories are. What is rare in
the sum, such as ten levels of directories, is then common in some sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from .places import Places
from .state import USER, V1, V2, ControlFile, NamespaceFile, Task
from .tree import AGENT, LISTS, NEWLINE, SPACED

if TYPE_CHECKING:
    from .world import World

TASKS = tuple(f"p{number}" for number in range(8))
FILES = ("f0", "f1", "f2")
PLACES = ("m0", "m1")
_NAMES = ("a", "b", "c")
_MOST_LEVELS = 11
_SPACES = ("cgroup", "cgroup", "cgroup", "user,cgroup", "user,mnt,cgroup", "mnt,cgroup", "mnt", "user", "user,mnt")
_STYLES = (0.2, 1.0, 1.0, 3.0)
"""What the weight of a kind of operation is multiplied by, in one sequence or the other."""
_DEPTHS = (0.1, 0.3, 0.9)
"""The share of directories that are made below the deepest one, in one sequence or the other."""
_ROOTS = 0.3
"""The share of roots among the directories that are given to the user."""
_LEAVING = 0.07
"""The share of operations that move a task from the root of a namespace, which can be removed then."""
_FINISHED = 0.15
"""The share of operations that remove what is left of a root that all tasks have left, if there is one."""
_SPACED = 0.15
"""The share of names with a space."""
_STRAY = 0.06
"""The share of operations of tasks and directories that need not exist."""
_BELOW = 0.6
"""The share of new namespaces that are made below the root of the default hierarchy, if a task is there."""
_BY_ROOT = 0.5
"""The share of operations that need rights of the host and are left to p0, which has them."""


class Proposer:
    """Proposes operations in the state of a world.

    :param world: the world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._places = Places(world)
        self._style: list[float] = []
        self._deeper = _DEPTHS[0]
        has = world.traits
        self._starts: set[Callable[[Random, str], str]] = {self._fork, self._thread, self._into}
        self._for_root = {self._mkdir, self._rmdir, self._move, self._chown, self._delegate, self._limit}
        weights: dict[Callable[[Random, str], str], int] = {
            self._fork: 7,
            self._thread: 2,
            self._exit: 2,
            self._reap: 2,
            self._mkdir: 10,
            self._rmdir: 4,
            self._rename: 1,
            self._move: 14,
            self._move_thread: 4,
            self._unshare: 9,
            self._setns: 6,
            self._view: 14,
            self._same: 2,
            self._list: 4,
            self._mount: 5,
            self._mounts: 3,
            self._open: 4,
            self._use: 8,
            self._user: 4,
            self._chown: 3,
            self._agent: 2,
            self._new_hierarchy: 1,
            self._count: 3,
            self._cpuset: 1,
        }
        if has["clone3_into_cgroup"] == "present":
            weights[self._into] = 6
        if has["ns_ioctls"] != "absent":
            weights[self._owner] = 2
        if has["nsdelegate"] == "enforced":
            weights[self._delegate] = 2
        if has["thread_mode"] == "present":
            weights[self._limit] = 2
        if has["cgroup_freeze"] == "present":
            weights[self._freeze] = 1
        if has["cgroup_kill"] == "present":
            weights[self._kill] = 2
        self._kinds, self._weights = list(weights), list(weights.values())

    def propose(self, random: Random) -> str:
        """Return an operation."""
        if not self._style:
            self._style = [one * random.choice(_STYLES) for one in self._weights]
            self._deeper = random.choice(_DEPTHS)
            if self._deeper == max(_DEPTHS):
                self._style[self._kinds.index(self._mkdir)] *= 2
                self._style[self._kinds.index(self._rmdir)] *= 0.3
        if random.random() < _FINISHED and (abandoned := self._places.abandoned()):
            return f"p0 rmdir {random.choice(abandoned)}"
        if random.random() < _LEAVING and (inside := self._places.in_roots()):
            return f"p0 move {random.choice(inside)} {self._dir(random, 'p0', V2)}"
        kind = random.choices(self._kinds, self._style)[0]
        if kind in self._starts and len(self._world.tasks) >= len(TASKS):
            return self._room(random)
        actor = self._actor(random)
        if kind in self._for_root and random.random() < _BY_ROOT:
            actor = "p0"
        elif kind == self._unshare and random.random() < _BELOW:
            actor = self._places.below_top(random) or actor
        return f"{actor} {kind(random, actor)}"

    def _room(self, random: Random) -> str:
        """Return an operation that makes room for a new task."""
        dead = [one.name for one in self._world.tasks.values() if not one.is_alive and len(one.process.threads) == 1]
        return f"{random.choice(dead)} reap" if dead else f"{random.choice(TASKS[1:])} exit"

    def _actor(self, random: Random) -> str:
        able = [one.name for one in self._world.tasks.values() if one.is_alive and not one.is_frozen]
        return random.choice(able) if able and random.random() > _STRAY / 3 else random.choice(TASKS)

    def _some(self, random: Random) -> str:
        known = list(self._world.tasks)
        return random.choice(known) if known and random.random() > _STRAY / 3 else random.choice(TASKS)

    def _new(self, random: Random) -> str:
        free = [one for one in TASKS if one not in self._world.tasks]
        return random.choice(free or TASKS)

    def _task(self, actor: str) -> Task | None:
        return self._world.tasks.get(actor)

    def _dir(self, random: Random, actor: str, hierarchy: str = "") -> str:
        """Return a directory that is there, mostly.

        :param hierarchy: the hierarchy, or any.
        """
        word = self._places.choose(random, self._task(actor), hierarchy)
        return f"{word}/{random.choice(_NAMES)}" if random.random() < _STRAY else word

    def _below(self, random: Random, actor: str) -> str:
        """Return a directory that is no root of a mount."""
        word = self._dir(random, actor)
        return word if "/" in word else f"{word}/{random.choice(_NAMES)}"

    def _fork(self, random: Random, actor: str) -> str:
        flags = f" {random.choice(_SPACES)}" if random.random() < 0.3 else ""
        return f"fork {self._new(random)}{flags}"

    def _into(self, random: Random, actor: str) -> str:
        flags = f" {random.choice(_SPACES)}" if random.random() < 0.5 else ""
        return f"into {self._new(random)} {self._dir(random, actor, V2)}{flags}"

    def _thread(self, random: Random, actor: str) -> str:
        return f"thread {self._new(random)}"

    def _exit(self, random: Random, actor: str) -> str:
        # p0 is the one task of root in the initial namespaces that is sure to be there.
        return "exit" if actor != "p0" or random.random() < 0.05 else f"view {self._some(random)}"

    def _reap(self, random: Random, actor: str) -> str:
        dead = [one.name for one in self._world.tasks.values() if not one.is_alive]
        return f"view {random.choice(dead)}" if dead and random.random() < 0.8 else "reap"

    def _mkdir(self, random: Random, actor: str) -> str:
        word = self._dir(random, actor)
        if random.random() < self._deeper:
            word = self._places.deepest(random.choice((V1, V2))) or word
        if word.count("/") >= _MOST_LEVELS:
            return f"view {self._some(random)}"
        return f"mkdir {word}/{self._name(random)}"

    def _name(self, random: Random) -> str:
        if random.random() < _SPACED:
            return SPACED
        return random.choice(_NAMES) if random.random() > _STRAY / 3 else NEWLINE

    def _rmdir(self, random: Random, actor: str) -> str:
        empty = self._places.empty()
        return f"rmdir {random.choice(empty) if empty and random.random() < 0.8 else self._below(random, actor)}"

    def _rename(self, random: Random, actor: str) -> str:
        return f"rename {self._below(random, actor)} {self._name(random)}"

    def _move(self, random: Random, actor: str) -> str:
        return f"move {self._some(random)} {self._dir(random, actor)}"

    def _move_thread(self, random: Random, actor: str) -> str:
        return f"movet {self._some(random)} {self._dir(random, actor)}"

    def _unshare(self, random: Random, actor: str) -> str:
        # Root of the host is needed for more than one step.
        if actor == "p0" and random.random() < 0.9:
            return f"view {self._some(random)}"
        return f"unshare {random.choice(_SPACES)}"

    def _setns(self, random: Random, actor: str) -> str:
        task = self._task(actor)
        spaces = [name for name, file in task.process.files.items() if isinstance(file, NamespaceFile)] if task else []
        if spaces and random.random() < 0.5:
            return f"setns {random.choice(spaces)}"
        if self._world.traits["setns_pidfd"] == "present" and random.random() < 0.3:
            return f"setnspid {self._some(random)}"
        return f"{'setns' if random.random() < 0.9 else 'setnsmany'} {self._some(random)}"

    def _view(self, random: Random, actor: str) -> str:
        return f"view {self._some(random)}"

    def _same(self, random: Random, actor: str) -> str:
        return f"same {self._some(random)}"

    def _list(self, random: Random, actor: str) -> str:
        verb = random.choice(("ls", "procs", "procs", "events", "foreign"))
        return f"{verb} {self._dir(random, actor, V2 if verb == 'events' else '')}"

    def _mount(self, random: Random, actor: str) -> str:
        task = self._task(actor)
        used = [place for place in PLACES if task is not None and task.mounts.places.get(place)]
        if used and random.random() < 0.3:
            return f"umount {random.choice(used)}"
        return f"mount {random.choice((V1, V2, V2, f'{V1}r'))} {random.choice(PLACES)}"

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
        task = self._task(actor)
        files = task.process.files if task else {}
        if not files and random.random() > _STRAY:
            return self._open(random, actor)
        name = random.choice(sorted(files) or FILES)
        file = files.get(name)
        if random.random() < 0.4 or isinstance(file, NamespaceFile):
            return f"pass {name} {self._some(random)} {random.choice(FILES)}"
        if isinstance(file, ControlFile) and file.name == AGENT:
            return f"say {name} /x"
        if isinstance(file, ControlFile) and file.name not in (*LISTS, "cgroup.freeze", "cgroup.kill"):
            return f"say {name} {random.choice(('1', '2', 'max'))}"
        return f"put {name} {self._some(random)}"

    def _user(self, random: Random, actor: str) -> str:
        task = self._task(actor)
        if actor == "p0" or (task is not None and task.credentials.uid == USER):
            return f"view {self._some(random)}"
        return random.choice(("user", "user seen"))

    def _chown(self, random: Random, actor: str) -> str:
        # Rights on a common ancestor matter without those on what is below it.
        return f"chown {V2 if random.random() < _ROOTS else self._dir(random, actor)}"

    def _agent(self, random: Random, actor: str) -> str:
        return f"write {V1} {AGENT} /x" if random.random() < 0.5 else f"open {random.choice(FILES)} {V1} {AGENT}"

    def _new_hierarchy(self, random: Random, actor: str) -> str:
        # One that is made is gone only some time after its last mount.
        task = self._task(actor)
        is_made = task is None or task.namespace.is_initial
        return self._agent(random, actor) if is_made else f"new {random.choice(('name', 'freezer'))}"

    def _count(self, random: Random, actor: str) -> str:
        return f"count {random.choice(('0', '1', '1', '2', '3', '10000', '10000'))}"

    def _cpuset(self, random: Random, actor: str) -> str:
        return f"cpuset {self._some(random)}"

    def _owner(self, random: Random, actor: str) -> str:
        return f"owner {self._some(random)}"

    def _delegate(self, random: Random, actor: str) -> str:
        return f"delegate {random.choice(('on', 'on', 'on', 'off'))}"

    def _limit(self, random: Random, actor: str) -> str:
        name = random.choice(("cgroup.max.depth", "cgroup.max.descendants"))
        limited = self._places.limited()
        if limited and random.random() < 0.8:
            return f"write {random.choice(limited)} max"
        return f"write {self._dir(random, actor, V2)} {name} {random.choice(('0', '1', '2', 'max'))}"

    def _freeze(self, random: Random, actor: str) -> str:
        frozen = [one for one in self._world.tree.tops[V2].below() if one.is_freezing]
        if frozen and random.random() < 0.7:
            return f"write {self._places.word(random.choice(frozen))} cgroup.freeze 0"
        return f"write {self._dir(random, actor, V2)} cgroup.freeze {random.choice('01')}"

    def _kill(self, random: Random, actor: str) -> str:
        return f"write {self._dir(random, actor, V2)} cgroup.kill 1"
