# SPDX-License-Identifier: GPL-2.0-only
"""Choose directories: those that matter for a task, such as the root of its namespace, and any other one. Pure."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from .state import MAX, V1, V2, Cgroup, Task
from .tree import word_of

if TYPE_CHECKING:
    from .world import World

_ABSENT = ("m0", "m1")
_STRAY = 0.02
_BY_MOUNT = 0.2
_OF_NOTE = 0.5
"""The share of directories that are the root of a namespace, the cgroup of a task, or the deepest one."""
_FROM_TOP, _DOWN = 0.85, 0.6
"""The share of walks that go one level down: from the root of a hierarchy, where few things happen, and elsewhere."""


class Places:
    """Chooses directories in the state of a world.

    :param world: the world.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def word(self, cgroup: Cgroup) -> str:
        """Return the argument that names a living cgroup."""
        return "/".join((cgroup.hierarchy, *(word_of(one) for one in cgroup.names)))

    def choose(self, random: Random, task: Task | None, hierarchy: str = "") -> str:
        """Return a directory.

        :param task: the task that is to use it.
        :param hierarchy: the hierarchy, or any.
        """
        if random.random() < _STRAY:
            return random.choice(_ABSENT)
        wanted = hierarchy or random.choice((V2, V2, V1))
        if task is not None and random.random() < _BY_MOUNT:
            mounted = [(place, stack[-1].root) for place, stack in task.mounts.places.items() if stack]
            mounted = [one for one in mounted if hierarchy in ("", one[1].hierarchy)]
            if mounted:
                return self._down(random, *random.choice(mounted))
        if random.random() < _OF_NOTE and (found := self._of_note(random, task, wanted)):
            return self.word(found)
        return self._down(random, wanted, self._world.tree.tops[wanted])

    def deepest(self, hierarchy: str) -> str:
        """Return the deepest directory of a hierarchy; an empty text if there is none."""
        found = max(self._world.tree.tops[hierarchy].below(), key=lambda one: len(one.names), default=None)
        return self.word(found) if found else ""

    def empty(self) -> list[str]:
        """Return the directories without a directory and without a living task."""
        return [self.word(one) for one in self._empty()]

    def abandoned(self) -> list[str]:
        """Return those empty directories that are in roots of namespaces where no task is any more."""
        tasks = [one for one in self._world.tasks.values() if one.is_alive]
        used = {id(one) for task in tasks for cgroup in task.cgroups.values() for one in cgroup.lineage()}
        roots = {id(one) for task in tasks for one in task.namespace.roots.values()} - used
        return [self.word(one) for one in self._empty() if any(id(above) in roots for above in one.lineage())]

    def _empty(self) -> list[Cgroup]:
        used = {id(one) for task in self._world.tasks.values() if task.is_alive for one in task.cgroups.values()}
        below = [one for top in self._world.tree.tops.values() for one in top.below()]
        return [one for one in below if not one.children and id(one) not in used]

    def limited(self) -> list[str]:
        """Return the files that limit what is made below their directories."""
        top = self._world.tree.tops[V2]
        found = []
        for one in (top, *top.below()):
            found += [f"{self.word(one)} cgroup.max.depth"] * (one.max_depth < MAX)
            found += [f"{self.word(one)} cgroup.max.descendants"] * (one.max_descendants < MAX)
        return found

    def in_roots(self) -> list[str]:
        """Return the tasks in the roots of namespaces that can be removed."""
        tasks = [one for one in self._world.tasks.values() if one.is_alive]
        roots = {id(one.namespace.roots[V2]) for one in tasks}
        return [one.name for one in tasks if one.cgroups[V2].parent is not None and id(one.cgroups[V2]) in roots]

    def below_top(self, random: Random) -> str:
        """Return a living task below the root of the default hierarchy; an empty text if there is none."""
        tasks = [one for one in self._world.tasks.values() if one.is_alive and not one.is_frozen]
        found = [one.name for one in tasks if one.cgroups[V2].parent is not None]
        return random.choice(found) if found else ""

    def _of_note(self, random: Random, task: Task | None, hierarchy: str) -> Cgroup | None:
        tasks = list(self._world.tasks.values())
        if not tasks:
            return None
        other, kind = random.choice(tasks), random.randrange(5)
        if kind == 0:
            below = self._world.tree.tops[hierarchy].below()
            return max(below, key=lambda one: len(one.names), default=None)
        own = task if task is not None and kind < 3 else other
        cgroup = own.cgroups[hierarchy] if kind == 4 else own.namespace.roots[hierarchy]
        return cgroup if cgroup.is_alive and cgroup.parent is not None else None

    def _down(self, random: Random, word: str, at: Cgroup) -> str:
        while at.children and random.random() < (_DOWN if at.parent else _FROM_TOP):
            at = random.choice(list(at.children.values()))
            word += f"/{word_of(at.name)}"
        return word
