# SPDX-License-Identifier: GPL-2.0-only
"""Build the command line of bubblewrap, bwrap(1): the parts of the host that a build sees, and its user.

A build sees only programs and libraries, the few files of /etc that compilers read, the tree (read-only) and the output
folder. It has no HOME, no /root, /var, /run or /sys, and no network.
"""

from __future__ import annotations

import itertools
import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import psutil

from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import Surroundings, find_program, run

INSIDE_TREE = "/src"
INSIDE_OUTPUT = "/out"
INSIDE_CACHE = "/cache"
_NOBODY = 65534
# Unused user ids, far from those of a host's users: 16 builds at once for each harness.
_FIRST_USER = 1_500_000_000
_BUILDS = 16
_PROGRAM = "bwrap"
_REMEDY = (
    "install bubblewrap (apt install bubblewrap) where user namespaces are allowed; or, if you trust the authors of "
    "the tree and the patches, give --trust: their Makefiles then run as your user, with all its rights"
)
# Where programs live. With a merged /usr (Debian since 12) the last ones are links into it.
PROGRAM_FOLDERS = ("/usr", "/opt", "/nix/store", "/gnu/store", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
# ld.so(8) and alternatives(1) decide which cc runs; objtool and certs/ want openssl's defaults.
_SETTINGS = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ssl/openssl.cnf", "ccache.conf")
_PROBE_SECONDS = 30.0
_BUILD_NUMBERS = itertools.count()


def pick_user() -> int:
    """Return the user id for a build in the sandbox.

    For root an unused one: RLIMIT_NPROC does not limit root (setrlimit(2)), and builds with one user would share that
    limit, so that a fork bomb in one would end another.
    """
    own = os.geteuid()
    if own != 0:
        return own
    wanted = _FIRST_USER + os.getpid() % (1 << 22) * _BUILDS + next(_BUILD_NUMBERS) % _BUILDS
    # In a container, root may be in a user namespace that maps few other users, or none: user_namespaces(7).
    return next((user for user in (wanted, _NOBODY) if _is_mapped(user)), own)


def require_bubblewrap() -> None:
    """Require the program bubblewrap. Whether it works here shows when it runs; a probe would cost 0.04 s each time.

    :raises HostError: it is not installed.
    """
    if complaint := _find_program():
        raise bubblewrap_error(complaint)


def bubblewrap_error(evidence: str) -> HostError:
    """Return the error for a host where bubblewrap is missing or does not work."""
    return HostError(
        "kernels cannot be built safely on this host: bubblewrap does not work", evidence=evidence, remedy=_REMEDY
    )


@dataclass(frozen=True, slots=True)
class Mounts:
    """The folders of the host that a build sees.

    :param tree: the kernel's files, read-only.
    :param output: the folder that make writes to.
    :param cache: one more folder, found inside as :data:`INSIDE_CACHE`; None for none.
    :param is_cache_writable: whether the build may write there.
    :param is_in_place: whether tree and output folder have their own paths inside.
    :param read_only: further files and folders, read-only, with their own paths inside; also parts of the output.
    """

    tree: Path
    output: Path
    cache: Path | None = None
    is_cache_writable: bool = False
    is_in_place: bool = False
    read_only: tuple[Path, ...] = ()

    @property
    def inside_tree(self) -> str:
        """Return the path of the tree inside."""
        return os.fspath(self.tree) if self.is_in_place else INSIDE_TREE

    @property
    def inside_output(self) -> str:
        """Return the path of the output folder inside."""
        return os.fspath(self.output) if self.is_in_place else INSIDE_OUTPUT


def bubblewrap_arguments(mounts: Mounts, *, user: int, scratch_mebibytes: int, status_descriptor: int) -> list[str]:
    """Return the arguments that precede those of the program to run inside.

    :param user: the user id of the program; see :func:`pick_user`.
    :param scratch_mebibytes: the size of /tmp and of /dev/shm each; both are memory.
    :param status_descriptor: the descriptor to which bwrap writes, as JSON, the pid of the sandbox's init and the
        program's exit status.
    """
    words = [os.fspath(find_program(_PROGRAM) or _PROGRAM), "--json-status-fd", str(status_descriptor)]
    words += ["--die-with-parent", "--new-session", "--hostname", "build"]
    words += [f"--unshare-{name}" for name in ("net", "pid", "ipc", "uts", "cgroup-try")]
    # Root needs no user namespace, and could not change to another user in one that maps root alone.
    is_other = user != os.geteuid()
    words += (
        ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"] if is_other else ["--unshare-user"]
    )
    words += program_folders()
    # Created by --ro-bind, they would be accessible to root alone.
    words += ["--perms", "0755", "--dir", "/etc", "--perms", "0755", "--dir", "/etc/ssl"]
    for path in (Path("/etc", name) for name in _SETTINGS):
        words += ["--ro-bind-try", str(path), str(path)]
    scratch = ["--perms", "1777", "--size", str(scratch_mebibytes << 20), "--tmpfs"]
    words += ["--proc", "/proc", "--dev", "/dev", *scratch, "/dev/shm", *scratch, "/tmp"]
    words += ["--ro-bind", str(mounts.tree), mounts.inside_tree, "--bind", str(mounts.output), mounts.inside_output]
    for path in mounts.read_only:
        # Made by --ro-bind, the folders above it would be accessible to root alone.
        for parent in reversed(path.parents[:-1]):
            words += ["--perms", "0755", "--dir", str(parent)]
        words += ["--ro-bind", str(path), str(path)]
    if mounts.cache is not None:
        words += ["--bind" if mounts.is_cache_writable else "--ro-bind", str(mounts.cache), INSIDE_CACHE]
    # bwrap's own root and its /dev are memory without a limit.
    words += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", mounts.inside_output, "--"]
    if is_other:
        words += ["setpriv", "--reuid", str(user), "--regid", str(user), "--clear-groups", "--inh-caps=-all", "--"]
    return words


def _is_mapped(user: int) -> bool:
    """Return whether a user id and the equal group id are mapped in this user namespace."""
    for name in ("uid_map", "gid_map"):
        ranges = (map(int, line.split()) for line in Path("/proc/self", name).read_text().splitlines())
        if not any(first <= user < first + count for first, _, count in ranges):
            return False
    return True


def program_folders() -> list[str]:
    """Return the arguments of bubblewrap for the folders of the host's programs and libraries, read-only."""
    return [word for path in map(Path, PROGRAM_FOLDERS) for word in _part(path)]


def _part(path: Path) -> Iterator[str]:
    if path.is_symlink():
        yield from ("--symlink", str(path.readlink()), str(path))
    elif path.is_dir():
        yield from ("--ro-bind", str(path), str(path))


def _find_program() -> str:
    return "" if find_program(_PROGRAM) else f"no program {_PROGRAM} on PATH (package bubblewrap)"


@lru_cache(maxsize=1)
def find_complaint() -> str:
    """Return why bubblewrap does not work on this host; empty when it does."""
    if complaint := _find_program():
        return complaint
    words = bubblewrap_arguments(
        Mounts(Path("/usr"), Path("/tmp")), user=pick_user(), scratch_mebibytes=1, status_descriptor=1
    )
    result = run(
        [*words, "true"],
        deadline=Deadline.after(_PROBE_SECONDS),
        check=False,
        within=Surroundings(env={"PATH": os.defpath}),
    )
    return "" if result.status == 0 else f"$ {_PROGRAM} ... true\n{result.complaint}"


_MEBIBYTE = 1 << 20
# The limits of one process are twice the watched totals: then the watch acts first and names the limit.
_ABOVE = 2


def limit_arguments(*, processes: int, memory_mebibytes: int, file_mebibytes: int, user: int) -> list[str]:
    """Return the arguments that precede those of a program to limit.

    :param processes: twice as many can be started.
    :param memory_mebibytes: one process can have twice as much.
    :param file_mebibytes: the largest size of one file.
    :param user: the user id of the program.
    """
    wanted = {
        "nproc": (resource.RLIMIT_NPROC, _ABOVE * processes + _threads_of(user)),
        "fsize": (resource.RLIMIT_FSIZE, file_mebibytes * _MEBIBYTE),
        "data": (resource.RLIMIT_DATA, _ABOVE * memory_mebibytes * _MEBIBYTE),
        "core": (resource.RLIMIT_CORE, 0),
    }
    words = ["prlimit"]
    for name, (number, limit) in wanted.items():
        hard = resource.getrlimit(number)[1]
        words.append(f"--{name}={limit if hard == resource.RLIM_INFINITY else min(limit, hard)}")
    return [*words, "--"]


def _threads_of(user: int) -> int:
    """Count the threads of a user: they count for RLIMIT_NPROC, before Linux 5.14 in a user namespace too.

    See commit 21d1c5e386bc ("Reimplement RLIMIT_NPROC on top of ucounts").
    """
    found = psutil.process_iter(["uids", "num_threads"])
    return sum(one.info["num_threads"] or 0 for one in found if one.info["uids"] and one.info["uids"].real == user)
