# SPDX-License-Identifier: GPL-2.0-only
"""Directories of hierarchies: find them by a path, make, remove, rename and list them. Pure."""

from __future__ import annotations

from .state import MAX, USER, V1, V2, Cgroup, Credentials, Refused, Task, may_write

ALWAYS = ("cgroup.procs",)
OF_V1 = ("tasks", "notify_on_release")
NEWLINE = "NL"
"""The word for a name that is not allowed: the end of a line."""
SPACED = "SP"
"""The word for a name with a space in it."""
_WORDS = {SPACED: "a b"}
AGENT = "release_agent"
LISTS = ("cgroup.procs", "cgroup.threads", "tasks")
"""The files that are given to a user together with the directory."""


class Tree:
    """The directories of both hierarchies.

    :param files: the files of a v2 cgroup besides cgroup.procs, by whether the root has them as well.
    """

    def __init__(self, files: dict[str, bool]) -> None:
        self.tops = {name: Cgroup(name, "", None, 0, 0) for name in (V1, V2)}
        self._files = files
        self.writable = tuple(one for one in files if one != "cgroup.events")
        """The files of a v2 cgroup that can be written, besides cgroup.procs."""

    def find(self, task: Task, word: str) -> Cgroup:
        """Return the cgroup of a directory; :class:`Refused` if there is none."""
        place, _, rest = word.partition("/")
        at = self._base(task, place)
        for one in filter(None, rest.split("/")):
            name = name_of(one)
            if name not in at.children:
                raise Refused("ENOENT")
            at = at.children[name]
        return at

    def _base(self, task: Task, place: str) -> Cgroup:
        if place in self.tops:
            return self.tops[place]
        stack = task.mounts.places.get(place, ())
        if not stack:
            raise Refused("unmounted")
        return stack[-1].root

    def require_mounted(self, task: Task, word: str) -> None:
        """Check that a hierarchy is mounted where a directory is."""
        self._base(task, word.partition("/")[0])

    def _parent(self, task: Task, word: str) -> tuple[Cgroup, str]:
        self._base(task, word.partition("/")[0])
        folder, slash, name = word.rpartition("/")
        if not slash:
            raise Refused("root")
        return self.find(task, folder), name_of(name)

    def has_file(self, cgroup: Cgroup, name: str) -> bool:
        """Return whether a cgroup has a file of that name."""
        if not cgroup.is_alive:
            return False
        if name in ALWAYS:
            return True
        if cgroup.hierarchy == V1:
            return name in OF_V1 or (name == AGENT and cgroup.parent is None)
        return name in self._files and (cgroup.parent is not None or self._files[name])

    def require_writable(self, task: Task, cgroup: Cgroup, name: str) -> None:
        """Check that a task may open a file of a cgroup for writing."""
        if not self.has_file(cgroup, name):
            raise Refused("ENOENT")
        if not may_write(task.credentials, cgroup.uid if name in LISTS else cgroup.control_uid):
            raise Refused("EACCES")

    def make(self, task: Task, word: str) -> None:
        """Make a directory."""
        parent, name = self._parent(task, word)
        if name in parent.children:
            raise Refused("EEXIST")
        if not parent.is_alive:
            raise Refused("ENOENT")
        if not may_change(task.credentials, parent):
            raise Refused("EACCES")
        if name == NEWLINE:
            raise Refused("EINVAL")
        for level, one in enumerate(reversed(parent.lineage())):
            if sum(1 for _ in one.below()) >= one.max_descendants or level >= one.max_depth:
                raise Refused("EAGAIN")
        uid = task.credentials.uid
        parent.children[name] = Cgroup(parent.hierarchy, name, parent, uid, uid)

    def remove(self, task: Task, word: str, *, is_populated: bool) -> None:
        """Remove a directory.

        :param is_populated: whether a living task is in it.
        """
        parent, name = self._parent(task, word)
        if name not in parent.children:
            raise Refused("ENOENT")
        if not may_change(task.credentials, parent):
            raise Refused("EACCES")
        cgroup = parent.children[name]
        if cgroup.children or is_populated:
            raise Refused("EBUSY")
        cgroup.is_alive = False
        del parent.children[name]

    def rename(self, task: Task, word: str, new: str) -> None:
        """Rename a directory; only v1 can."""
        parent, name = self._parent(task, word)
        new = name_of(new)
        if name not in parent.children:
            raise Refused("ENOENT")
        if name == new:
            return
        if not may_change(task.credentials, parent):
            raise Refused("EACCES")
        if parent.hierarchy == V2:
            raise Refused("EPERM")
        if new == NEWLINE:
            raise Refused("EINVAL")
        if new in parent.children:
            raise Refused("EEXIST")
        cgroup = parent.children.pop(name)
        cgroup.name = new
        parent.children[new] = cgroup

    def give(self, task: Task, word: str) -> None:
        """Give a directory and its lists of tasks to the user."""
        cgroup = self.find(task, word)
        rights = task.credentials
        if rights.user.parent is not None:
            raise Refused("EINVAL")  # the user has no number there
        if not rights.has_all and not rights.uid == cgroup.uid == USER:
            raise Refused("EPERM")
        cgroup.uid = USER
        if not cgroup.is_alive:
            raise Refused("ENOENT")

    def names(self, task: Task, word: str) -> str:
        """Return the names of the directories in a directory."""
        return " ".join(sorted(self.find(task, word).children)) or "empty"

    def by_names(self, cgroup: Cgroup) -> Cgroup:
        """Return the cgroup that has the path of another one now."""
        at = self.tops[cgroup.hierarchy]
        for name in cgroup.names:
            if name not in at.children:
                raise Refused("ENOENT")
            at = at.children[name]
        return at


def may_change(credentials: Credentials, parent: Cgroup) -> bool:
    """Return whether a task may make and remove directories; the root of a hierarchy has the mode 0555."""
    return may_write(credentials, parent.uid if parent.parent is not None else -1)


def name_of(word: str) -> str:
    """Return the name that a word of an operation stands for."""
    return _WORDS.get(word, word)


def word_of(name: str) -> str:
    """Return the word for a name."""
    return next((word for word, one in _WORDS.items() if one == name), name)


def limit_of(value: str) -> int:
    """Return a limit as a number."""
    return MAX if value == "max" else int(value)
