# SPDX-License-Identifier: GPL-2.0-only
"""Writes to the files of cgroups: moves of tasks, limits, cgroup.freeze and cgroup.kill. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .state import (
    MAX,
    ROOT_UID,
    V1,
    V2,
    Cgroup,
    CgroupNamespace,
    ControlFile,
    Credentials,
    Process,
    Refused,
    Task,
    may_write,
)
from .tree import AGENT, LISTS, Tree, limit_of


class Moves:
    """Writes by the traits of a version.

    :param traits: the values of traits.
    :param tree: the directories.
    :param tasks: the tasks by name; ended threads are removed.
    """

    def __init__(self, traits: Mapping[str, str], tree: Tree, tasks: dict[str, Task]) -> None:
        self.is_delegating = False
        """Whether the default hierarchy is mounted with nsdelegate."""
        self._traits = traits
        self._tree = tree
        self._tasks = tasks

    def write(self, file: ControlFile, writer: Task, target: Task) -> None:
        """Write the number of a task to a file."""
        if file.name not in LISTS:
            self.say(file, writer, "number")
            return
        self._require_alive(file)
        moved = target if file.name in ("tasks", "cgroup.threads") else _leader(target.process)
        if file.cgroup.hierarchy == V1:
            self._check_v1(file, writer, moved)
        else:
            self.check_move(
                moved.cgroups[V2],
                file.cgroup,
                self._rights(file, writer),
                self._judging(file, writer),
                is_thread=file.name == "cgroup.threads",
            )
            self._check_pinned(file, target.process.threads if file.name == "cgroup.procs" else [target])
        together = target.process.living if file.name == "cgroup.procs" else [moved]
        for one in together:
            if one.is_alive:
                one.cgroups[file.cgroup.hierarchy] = file.cgroup

    def _rights(self, file: ControlFile, writer: Task) -> Credentials:
        return file.credentials if self._traits["move_credentials"] == "opener" else writer.credentials

    def _judging(self, file: ControlFile, writer: Task) -> CgroupNamespace:
        return file.namespace if self._traits["move_judged_by"] == "opener" else writer.namespace

    def _check_v1(self, file: ControlFile, writer: Task, moved: Task) -> None:
        if self._rights(file, writer).uid not in (ROOT_UID, moved.credentials.uid):
            raise Refused("EACCES")

    def check_move(
        self,
        source: Cgroup,
        target: Cgroup,
        rights: Credentials,
        judging: CgroupNamespace,
        *,
        is_thread: bool = False,
    ) -> None:
        """Check a move within the default hierarchy.

        :param rights: whose permissions count.
        :param judging: whose namespace counts under nsdelegate.
        :param is_thread: whether a thread is moved alone.
        """
        common = [one for one, other in zip(source.lineage(), target.lineage(), strict=False) if one is other][-1]
        if self._traits["common_ancestor_rule"] == "needed" and not may_write(rights, common.uid):
            raise Refused("EACCES")
        if self.is_delegating:
            root = judging.roots[V2]
            if not source.is_in(root) or not target.is_in(root):
                raise Refused("ENOENT")
        if is_thread and source is not target:
            raise Refused("EOPNOTSUPP")

    def _check_pinned(self, file: ControlFile, targets: list[Task]) -> None:
        if self._traits["pinned_against_admin"] == "no":
            return
        if any(one.is_alive and not file.cgroup.is_in(one.namespace.roots[V2]) for one in targets):
            raise Refused("EPERM")

    def say(self, file: ControlFile, writer: Task, value: str) -> None:
        """Write a value to a file; "number" is one above all limits of interest."""
        self._require_alive(file)
        judging = self._judging(file, writer)
        cgroup = file.cgroup
        is_kept = cgroup.hierarchy == V2 and file.name not in LISTS
        if is_kept and self.is_delegating and not judging.is_initial and judging.roots[V2] is cgroup:
            raise Refused("EPERM")
        if file.name == AGENT:
            self._check_agent(file)
        elif value.startswith("/"):
            raise Refused("EINVAL")  # the value of release_agent is no number
        elif file.name == "cgroup.max.depth":
            cgroup.max_depth = MAX if value == "number" else limit_of(value)
        elif file.name == "cgroup.max.descendants":
            cgroup.max_descendants = MAX if value == "number" else limit_of(value)
        elif file.name in ("cgroup.freeze", "cgroup.kill") and value not in ("0", "1"):
            raise Refused("ERANGE")
        elif file.name == "cgroup.freeze":
            cgroup.is_freezing = value == "1"
        elif file.name == "cgroup.kill":
            if value == "0":
                raise Refused("ERANGE")
            self._kill(cgroup)

    def _check_agent(self, file: ControlFile) -> None:
        """Check that release_agent may be written: it is run by the kernel, as root of the host."""
        if self._traits["release_agent_from_userns"] == "allowed":
            return
        is_host = file.namespace.owner.parent is None and file.credentials.user.parent is None
        if not is_host or not file.credentials.has_all:
            raise Refused("EPERM")

    def _require_alive(self, file: ControlFile) -> None:
        if not file.cgroup.is_alive:
            raise Refused("ENODEV")

    def _kill(self, cgroup: Cgroup) -> None:
        for one in (cgroup, *cgroup.below()):
            one.kills += 1
        for process in {id(one.process): one.process for one in self._tasks.values()}.values():
            leader = _leader(process)
            if not leader.cgroups[V2].is_in(cgroup):
                continue
            is_there = any(one.cgroups[V2].is_in(cgroup) for one in process.living)
            by_zombie = self._traits["kill_without_leader"] == "killed" and (
                is_there or self._traits["kill_after_move"] == "killed"
            )
            if leader.is_alive or by_zombie:
                self.end_process(process)

    def kill_started(self, child: Task, source: Cgroup) -> None:
        """Kill a child that was started in another cgroup than that of its parent, if this version does so."""
        if self._traits["clone3_after_kill"] == "killed" and child.cgroups[V2].kills != source.kills:
            self.end_process(child.process)

    def end_process(self, process: Process) -> None:
        """End all threads of a process; its first one is a zombie then."""
        for one in process.living:
            self.end(one)

    def end(self, task: Task) -> None:
        """End a thread; the first one of a process is a zombie then, and any other one is gone."""
        task.is_alive = False
        if not task.is_leader:
            task.process.threads.remove(task)
            del self._tasks[task.name]


def _leader(process: Process) -> Task:
    assert process.leader is not None
    return process.leader
