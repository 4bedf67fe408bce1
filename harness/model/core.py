# SPDX-License-Identifier: GPL-2.0-only
"""Define what is read from a core: tasks with their stacks, and the locks that they wait for. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class StackFrame:
    """A frame of a kernel stack.

    :param function: its function; empty if the address is in none.
    :param offset: bytes from the start of the function.
    :param source: file and line, if the kernel has line tables; else empty.
    """

    function: str
    offset: int = 0
    source: str = ""


@dataclass(frozen=True, slots=True)
class HeldLock:
    """A lock that a task waits for.

    :param kind: ``mutex`` or ``rw_semaphore``.
    :param name: the symbol of the lock, such as ``rtnl_mutex``, or its address.
    :param owner: pid of the task that holds it; 0 if it is not known.
    :param owner_name: the name of that task.
    :param is_shared: whether readers hold it, of which the kernel keeps no list.
    """

    kind: str
    name: str
    owner: int = 0
    owner_name: str = ""
    is_shared: bool = False


@dataclass(frozen=True, slots=True)
class CoreTask:
    """A task.

    :param state: the letter of ps(1): R, S, D, T, Z, I and so on.
    :param processor: the processor that it ran on; -1 if it did not run.
    :param frames: its kernel stack, innermost first; empty for a task that is gone.
    :param problem: why the stack ends early; empty if it does not.
    :param waits_for: the lock that it sleeps on; None without one.
    """

    pid: int
    name: str
    state: str
    processor: int = -1
    frames: tuple[StackFrame, ...] = ()
    problem: str = ""
    waits_for: HeldLock | None = None

    @property
    def is_stuck(self) -> bool:
        """Return whether no signal reaches it: it sleeps in state D, and is not idle."""
        return self.state == "D"


@dataclass(frozen=True, slots=True)
class CoreFacts:
    """What a core holds.

    :param release: the kernel's release.
    :param tasks: all tasks, by pid.
    """

    release: str
    tasks: tuple[CoreTask, ...] = field(default=())

    @property
    def stuck(self) -> tuple[CoreTask, ...]:
        """Return the tasks that no signal reaches."""
        return tuple(one for one in self.tasks if one.is_stuck)

    @property
    def running(self) -> tuple[CoreTask, ...]:
        """Return the tasks that ran when the machine was stopped; of an idle processor none."""
        return tuple(one for one in self.tasks if one.processor >= 0)

    def task(self, pid: int) -> CoreTask | None:
        """Return the task of a pid; None without one."""
        return next((one for one in self.tasks if one.pid == pid), None)

    def circle(self) -> tuple[CoreTask, ...]:
        """Return tasks of which each waits for a lock that the next one holds, and the last for one of the first."""
        by_pid = {one.pid: one for one in self.tasks}
        for start in self.tasks:
            path = [start]
            while (lock := path[-1].waits_for) is not None and (owner := by_pid.get(lock.owner)) is not None:
                if owner in path:
                    return tuple(path[path.index(owner) :])
                path.append(owner)
        return ()
