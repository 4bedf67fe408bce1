# SPDX-License-Identifier: GPL-2.0-only
"""The state of a machine with cgroups, tasks and namespaces, as far as operations can see or change it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

V1, V2 = "1", "2"
"""The hierarchies: one of version 1 without controllers, and the default hierarchy."""
ROOT_UID, USER = 0, 9000
MAX = 1 << 30


class Refused(Exception):  # noqa: N818  the answer of an operation, not an error of the model
    """An operation fails.

    :param answer: its answer, such as the name of the error number.
    """

    def __init__(self, answer: str) -> None:
        super().__init__(answer)
        self.answer = answer


@dataclass(eq=False)
class Cgroup:
    """A cgroup, also one whose directory was removed.

    :param hierarchy: its hierarchy.
    :param name: its name; that of the root is empty.
    :param uid: the owner of the directory and its lists of tasks.
    :param control_uid: the owner of its other files.
    """

    hierarchy: str
    name: str
    parent: Cgroup | None
    uid: int
    control_uid: int
    is_alive: bool = True
    is_freezing: bool = False
    max_depth: int = MAX
    max_descendants: int = MAX
    kills: int = 0
    children: dict[str, Cgroup] = field(default_factory=dict)

    def lineage(self) -> list[Cgroup]:
        """Return the cgroups from the root to this one."""
        above = self.parent.lineage() if self.parent else []
        return [*above, self]

    def is_in(self, other: Cgroup) -> bool:
        """Return whether it is another cgroup, or below it."""
        return other in self.lineage()

    def below(self) -> Iterator[Cgroup]:
        """Return the living cgroups below it."""
        for child in self.children.values():
            yield child
            yield from child.below()

    @property
    def is_frozen(self) -> bool:
        """Return whether its tasks are frozen, by itself or a cgroup above."""
        return any(one.is_freezing for one in self.lineage())

    @property
    def names(self) -> list[str]:
        """Return the names of its path."""
        return [one.name for one in self.lineage()[1:]]


@dataclass(eq=False)
class UserNamespace:
    """A user namespace without a map of user IDs.

    :param owner: the user that made it.
    :param limit: how many cgroup namespaces each user may have in it.
    """

    parent: UserNamespace | None = None
    owner: int = ROOT_UID
    limit: int = MAX

    @property
    def level(self) -> int:
        """Return the number of namespaces above it."""
        return self.parent.level + 1 if self.parent else 0


@dataclass(eq=False)
class CgroupNamespace:
    """A cgroup namespace, with a root in each hierarchy.

    :param owner: the user namespace that owns it.
    :param maker: the user that made it.
    """

    roots: dict[str, Cgroup]
    owner: UserNamespace
    maker: int = ROOT_UID
    is_initial: bool = False

    def counted(self) -> Iterator[tuple[UserNamespace, int]]:
        """Return the user namespaces that count it, each with the user it is counted for."""
        at, user = self.owner, self.maker
        while True:
            yield at, user
            if at.parent is None:
                return
            at, user = at.parent, at.owner


@dataclass(frozen=True, eq=False)
class Mount:
    """A mount of a hierarchy.

    :param is_locked: whether it came from a mount namespace with more privileges.
    """

    hierarchy: str
    root: Cgroup
    is_locked: bool = False


@dataclass(eq=False)
class MountNamespace:
    """A mount namespace.

    :param places: the mounts at each place, the lowest one first.
    """

    owner: UserNamespace
    places: dict[str, tuple[Mount, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Credentials:
    """The credentials of a task.

    :param uid: its user ID in the initial user namespace.
    :param has_all: whether it has all capabilities in its user namespace, or none.
    """

    uid: int
    user: UserNamespace
    has_all: bool


@dataclass(frozen=True, eq=False)
class NamespaceFile:
    """A descriptor of a cgroup namespace."""

    namespace: CgroupNamespace


@dataclass(frozen=True, eq=False)
class ControlFile:
    """A descriptor of a file of a cgroup, for writing.

    :param credentials: those of the task that opened it.
    :param namespace: the cgroup namespace of that task then.
    """

    cgroup: Cgroup
    name: str
    credentials: Credentials
    namespace: CgroupNamespace


@dataclass(eq=False)
class Process:
    """What the threads of a process share.

    :param leader: its first thread.
    :param is_dumpable: whether a task of the same user may look into it.
    """

    leader: Task | None = None
    threads: list[Task] = field(default_factory=list)
    files: dict[str, NamespaceFile | ControlFile] = field(default_factory=dict)
    is_dumpable: bool = True

    @property
    def living(self) -> list[Task]:
        """Return the threads that have not exited."""
        return [one for one in self.threads if one.is_alive]


@dataclass(eq=False)
class Task:
    """A thread.

    :param cgroups: its cgroup in each hierarchy; that of a zombie is its last one.
    :param is_alive: whether it has not exited; the first thread of a process is then a zombie.
    """

    name: str
    process: Process
    cgroups: dict[str, Cgroup]
    namespace: CgroupNamespace
    mounts: MountNamespace
    credentials: Credentials
    is_alive: bool = True

    @property
    def is_leader(self) -> bool:
        """Return whether it is the first thread of its process."""
        return self.process.leader is self

    @property
    def is_frozen(self) -> bool:
        """Return whether a cgroup freezes it."""
        return self.is_alive and self.cgroups[V2].is_frozen


def capable(credentials: Credentials, wanted: UserNamespace) -> bool:
    """Return whether a task has all capabilities in a user namespace; user_namespaces(7)."""
    own, at = credentials.user, wanted
    while at is not own:
        if at.parent is None or at.level <= own.level:
            return False
        if at.parent is own and at.owner == credentials.uid:
            return True
        at = at.parent
    return credentials.has_all


def may_write(credentials: Credentials, uid: int) -> bool:
    """Return whether a task may write a file of mode 0644, or change a directory of mode 0755, of that owner."""
    is_host_root = credentials.user.parent is None and credentials.has_all
    return is_host_root or credentials.uid == uid


def may_look(reader: Task, target: Task, host: UserNamespace) -> bool:
    """Return whether a task may look into another one: ptrace(2), access mode checking, PTRACE_MODE_READ."""
    if reader.process is target.process:
        return True
    rights = reader.credentials
    over = capable(rights, target.credentials.user)
    if rights.uid != target.credentials.uid and not over:
        return False
    # An exited task keeps whether it was dumpable since 2026, in 6.1.192 and 6.12.117 as well (user_dumpable).
    if not target.process.is_dumpable and not capable(rights, host):
        return False
    has_less = target.credentials.user is rights.user and (rights.has_all or not target.credentials.has_all)
    return over or has_less
