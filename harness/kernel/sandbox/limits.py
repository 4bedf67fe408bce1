"""The limits of a single process, as words of prlimit(1): they are inherited by all that it starts."""

from __future__ import annotations

import resource

import psutil

_MEBIBYTE = 1 << 20
# What is watched of all processes together must be reached first: then the watch ends them and names the bound.
_ABOVE = 2


def limit_words(*, processes: int, memory_mebibytes: int, file_mebibytes: int, user: int) -> list[str]:
    """The words before those of a program that is to be limited.

    :param processes: twice as many can be started. :param memory_mebibytes: twice as much can be had by one process.
    :param file_mebibytes: of one file. :param user: who will run it, by number.
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
    """How many threads a user has already: they count for RLIMIT_NPROC, and before Linux 5.14 in a user namespace too
    (commit 21d1c5e386bc ("Reimplement RLIMIT_NPROC on top of ucounts")).
    """
    found = psutil.process_iter(["uids", "num_threads"])
    return sum(one.info["num_threads"] or 0 for one in found if one.info["uids"] and one.info["uids"].real == user)
