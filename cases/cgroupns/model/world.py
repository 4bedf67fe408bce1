# SPDX-License-Identifier: GPL-2.0-only
"""The world that operations change: what each one answers by the traits of a version. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from .moves import Moves
from .namespaces import Namespaces
from .propose import Proposer
from .state import (
    V2,
    Cgroup,
    CgroupNamespace,
    ControlFile,
    Credentials,
    MountNamespace,
    NamespaceFile,
    Process,
    Refused,
    Task,
    UserNamespace,
    may_look,
)
from .tree import Tree
from .views import Views


class World:
    """A machine: both hierarchies are mounted, and p0 is a task of root in all roots.

    :param traits: the values of traits.
    """

    def __init__(self, traits: Mapping[str, str]) -> None:
        self.traits = traits
        self.tree = Tree(control_files(traits))
        self.views = Views(traits)
        self.host = UserNamespace()
        self.initial = CgroupNamespace(dict(self.tree.tops), self.host, is_initial=True)
        process = Process()
        first = Task(
            "p0",
            process,
            dict(self.tree.tops),
            self.initial,
            MountNamespace(self.host),
            Credentials(0, self.host, has_all=True),
        )
        process.leader, process.threads = first, [first]
        self.tasks = {"p0": first}
        self.moves = Moves(traits, self.tree, self.tasks)
        self.namespaces = Namespaces(traits, self)
        self._proposer = Proposer(self)

    def propose(self, random: Random) -> str:
        """Return an operation that is worth a try in this state."""
        return self._proposer.propose(random)

    def apply(self, operation: str) -> Sequence[str]:
        """Return the answers that are allowed, and change the state."""
        name, verb, *words = operation.split()
        try:
            answer = self._applied(name, verb, words)
            # Kernels are built with /proc/PID/cpuset or without.
            return (answer, "ENOENT") if verb == "cpuset" and answer.startswith("/") else (answer,)
        except Refused as error:
            return (error.answer,)

    def _applied(self, name: str, verb: str, words: list[str]) -> str:
        if name not in self.tasks:
            return "none"
        task = self.tasks[name]
        if verb == "reap":
            return self._reap(task)
        if not task.is_alive:
            return "dead"
        other = self.tasks.get(next((one for one in words if _is_task(one)), ""))
        if verb in ("fork", "into", "thread"):
            if other is not None:
                return "used"
        elif other is None and any(_is_task(one) for one in words):
            return "none"
        if verb == "same":
            assert other is not None
            return self._same(task, other)
        if task.is_frozen:
            return "frozen"
        doers: dict[str, Callable[[], str | None]] = {
            **self._of_trees(task, words),
            **self._of_tasks(task, other, words),
            **self._of_files(task, other, words),
        }
        answer = doers[verb]() or "0"
        if not task.is_alive and verb != "exit":
            return "died"
        return "frozen" if task.is_frozen else answer

    def _of_trees(self, task: Task, words: list[str]) -> dict[str, Callable[[], str | None]]:
        tree = self.tree
        return {
            "mkdir": lambda: tree.make(task, words[0]),
            "rmdir": lambda: self._rmdir(task, words[0]),
            "rename": lambda: tree.rename(task, words[0], words[1]),
            "chown": lambda: tree.give(task, words[0]),
            "ls": lambda: tree.names(task, words[0]),
            "procs": lambda: self._procs(task, words[0]),
            "events": lambda: self._events(task, words[0]),
            "foreign": lambda: self._foreign(task, words[0]),
            "mount": lambda: self.namespaces.mount(task, words[0], words[1]),
            "new": lambda: self.namespaces.new(task, words[0]),
            "umount": lambda: self.namespaces.umount(task, words[0]),
            "delegate": lambda: self.namespaces.delegate(task, is_on=words[0] == "on"),
        }

    def _of_tasks(self, task: Task, other: Task | None, words: list[str]) -> dict[str, Callable[[], str | None]]:
        spaces = self.namespaces
        return {
            "fork": lambda: spaces.fork(task, words[0], words[1] if len(words) > 1 else ""),
            "into": lambda: spaces.into(task, words[0], words[1], words[2] if len(words) > 2 else ""),
            "thread": lambda: spaces.thread(task, words[0]),
            "exit": lambda: self._exit(task),
            "unshare": lambda: spaces.unshare(task, words[0]),
            "setns": lambda: spaces.setns(task, other, words[0]),
            "setnspid": lambda: spaces.setns_pid(task, _given(other)),
            "setnsmany": lambda: spaces.setns_many(task, _given(other)),
            "user": lambda: spaces.become_user(task, is_seen=bool(words)),
            "view": lambda: self.views.of_task(task, _given(other)),
            "owner": lambda: spaces.owner(task, _given(other)),
            "cpuset": lambda: self.views.of_cpuset(task),
            "count": lambda: spaces.limit(task, words[0]),
            "mounts": lambda: self.views.of_mounts(task, _given(other)),
        }

    def _of_files(self, task: Task, other: Task | None, words: list[str]) -> dict[str, Callable[[], str | None]]:
        return {
            "move": lambda: self._move(task, _given(other), words[1], "cgroup.procs"),
            "movet": lambda: self._move(
                task, _given(other), words[1], "tasks" if words[1].startswith("1") else "cgroup.threads"
            ),
            "write": lambda: self._write(task, words[0], words[1], words[2]),
            "open": lambda: self._open(task, other, words),
            "put": lambda: self.moves.write(self._control(task, words[0]), task, _given(other)),
            "say": lambda: self.moves.say(self._control(task, words[0]), task, words[1]),
            "pass": lambda: self._pass(task, _given(other), words),
        }

    def _opened(self, task: Task, word: str, name: str) -> ControlFile:
        try:
            cgroup = self.tree.find(task, word)
            self.tree.require_writable(task, cgroup, name)
        except Refused as error:
            raise Refused(error.answer if error.answer == "unmounted" else f"open {error.answer}") from None
        return ControlFile(cgroup, name, task.credentials, task.namespace)

    def _move(self, task: Task, other: Task, word: str, name: str) -> None:
        self.moves.write(self._opened(task, word, name), task, other)

    def _write(self, task: Task, word: str, name: str, value: str) -> None:
        self.moves.say(self._opened(task, word, name), task, value)

    def _open(self, task: Task, other: Task | None, words: list[str]) -> None:
        if words[1] == "ns":
            task.process.files[words[0]] = NamespaceFile(self.namespaces.look_up(task, _given(other)))
            return
        try:
            task.process.files[words[0]] = self._opened(task, words[1], words[2])
        except Refused as error:
            raise Refused(error.answer.removeprefix("open ")) from None

    def _control(self, task: Task, name: str) -> ControlFile:
        file = task.process.files.get(name)
        if not isinstance(file, ControlFile):
            # The file of a namespace is open for reading only.
            raise Refused("EBADF")
        return file

    def _pass(self, task: Task, other: Task, words: list[str]) -> None:
        if not other.is_alive or other.is_frozen:
            raise Refused("unable")
        if words[0] not in task.process.files:
            raise Refused("EBADF")
        other.process.files[words[2]] = task.process.files[words[0]]

    def _rmdir(self, task: Task, word: str) -> None:
        try:
            cgroup = self.tree.find(task, word)
        except Refused:
            cgroup = None
        is_populated = cgroup is not None and any(
            one.is_alive and one.cgroups[cgroup.hierarchy] is cgroup for one in self.tasks.values()
        )
        self.tree.remove(task, word, is_populated=is_populated)

    def _procs(self, task: Task, word: str) -> str:
        return " ".join(sorted(self._listed(self._readable(task, word, "cgroup.procs")))) or "none"

    def _foreign(self, task: Task, word: str) -> str:
        """Return the numbers of processes as a child of the task reads them in a new pid namespace."""
        self.tree.require_mounted(task, word)
        self.namespaces.require_foreign(task)
        cgroup = self._readable(task, word, "cgroup.procs")
        # The root of the default hierarchy has the processes of the machine as well.
        has_others = cgroup.hierarchy == V2 and (cgroup.parent is None or bool(self._listed(cgroup)))
        numbers = ["0"] * (has_others and self.traits["foreign_pids"] == "zero")
        numbers += ["1"] * (task.cgroups[cgroup.hierarchy] is cgroup)
        return " ".join(numbers) or "none"

    def _listed(self, cgroup: Cgroup) -> list[str]:
        """Return the names of the processes in the list of a cgroup."""
        names = []
        for one in self.tasks.values():
            process = one.process
            if not one.is_leader or not process.living:
                continue
            # v2 lists processes by their first thread; v1 collects the processes of the threads that live.
            counted = [one] if cgroup.hierarchy == V2 else process.living
            if any(thread.cgroups[cgroup.hierarchy] is cgroup for thread in counted):
                names.append(one.name)
        return names

    def _events(self, task: Task, word: str) -> str:
        cgroup = self._readable(task, word, "cgroup.events")
        living = [one for one in self.tasks.values() if one.is_alive and one.cgroups[V2].is_in(cgroup)]
        return f"populated {int(bool(living))}"

    def _readable(self, task: Task, word: str, name: str) -> Cgroup:
        try:
            cgroup = self.tree.find(task, word)
        except Refused as error:
            raise Refused(error.answer if error.answer == "unmounted" else f"open {error.answer}") from None
        if not self.tree.has_file(cgroup, name):
            raise Refused("open ENOENT")
        return cgroup

    def _exit(self, task: Task) -> None:
        self.moves.end(task)

    def _reap(self, task: Task) -> str:
        if task.is_alive or not task.is_leader:
            return "alive"
        if len(task.process.threads) > 1:
            return "threads"
        del self.tasks[task.name]
        return "0"

    def _same(self, task: Task, other: Task) -> str:
        if not other.is_alive:
            return "ENOENT"
        return "yes" if task.namespace is other.namespace else "no"

    def may_look(self, reader: Task, target: Task) -> bool:
        """Return whether a task may look into another one."""
        return may_look(reader, target, self.host)


def control_files(traits: Mapping[str, str]) -> dict[str, bool]:
    """Return the files of a v2 cgroup besides cgroup.procs, by whether the root has them as well."""
    files = {"cgroup.events": False}
    if traits["thread_mode"] == "present":
        files |= {"cgroup.threads": True, "cgroup.max.depth": True, "cgroup.max.descendants": True}
    if traits["cgroup_freeze"] == "present":
        files["cgroup.freeze"] = False
    if traits["cgroup_kill"] == "present":
        files["cgroup.kill"] = False
    return files


def _is_task(word: str) -> bool:
    return len(word) == 2 and word[0] == "p" and word[1].isdigit()


def _given(task: Task | None) -> Task:
    assert task is not None
    return task
