# SPDX-License-Identifier: GPL-2.0-only
"""Install a seccomp(2) filter that forbids a program to set the times of files.

git sets the time of an existing object instead of writing it again, also in a user's repository whose objects it only
borrows. When that fails, git treats the object as missing and writes its own copy.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Callable

# The architecture in linux/audit.h, and its numbers of utimensat, utime, utimes, futimesat, where it has them.
_CALLS = {
    "x86_64": (0xC000003E, (280, 132, 235, 261)),
    "aarch64": (0xC00000B7, (88,)),
}
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # linux/bpf_common.h
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # struct seccomp_data
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class _Program(ctypes.Structure):
    """struct sock_fprog of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def refuse_setting_times() -> Callable[[], None]:
    """Return a function for a child between fork and exec: setting times then fails with EPERM.

    The filter is inherited by the child's own children. A kernel or machine type without seccomp sets no filter.
    """
    architecture, numbers = _CALLS.get(platform.machine(), (0, ()))
    code = _filter(architecture, numbers)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)

    def refuse() -> None:
        if numbers and libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
            libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)

    return refuse


def _filter(architecture: int, numbers: tuple[int, ...]) -> bytes:
    """Encode the filter as BPF instructions: 16 bits of code, two jumps of 8, a constant of 32."""
    after = len(numbers)
    steps = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_JUMP_IF_EQUAL, 0, after + 1, architecture), (_LOAD, 0, 0, _NUMBER_AT)]
    # Each number jumps over the later ones, and over "allow", to "refuse".
    steps += [(_JUMP_IF_EQUAL, after - at, 0, number) for at, number in enumerate(numbers)]
    steps += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)
