# SPDX-License-Identifier: GPL-2.0-only
"""Commands in a new mount namespace: small and read-only file systems, hidden or replaced files of the host.

Needs root, or a kernel that lets users make user namespaces.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

import pytest

from harness.base.deadline import Deadline
from harness.base.process import run

_IS_ROOT = os.geteuid() == 0


def with_mounts(mounts: Sequence[str], command: Sequence[str], *, as_nobody: bool = False) -> list[str]:
    """Return a command that runs ``command`` after shell commands, in a new mount namespace.

    :param mounts: shell commands such as ``mount -t tmpfs tmpfs /folder``.
    :param command: the command and its arguments.
    :param as_nobody: whether to run the command as a user without root.
    """
    unshare = ["unshare", "--mount"] if _IS_ROOT else ["unshare", "--map-root-user", "--mount"]
    # In a user namespace without a map the user is nobody for every program, and still owns the test's files.
    whole = ["unshare", "--user", *command] if as_nobody else list(command)
    return [*unshare, "sh", "-ec", "; ".join([*mounts, 'exec "$@"']), "sh", *whole]


@cache
def _can_mount() -> bool:
    command = with_mounts(["mount -t tmpfs tmpfs /mnt"], ["true"], as_nobody=True)
    return run(command, deadline=Deadline.after(10), check=False).status == 0


needs_mounts = pytest.mark.skipif(not _can_mount(), reason="this user may not make namespaces")
