"""A command in a mount namespace of its own: small and read-only file systems, files of the host hidden or replaced.

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
    """The words that run a command after these shell commands, which nobody else sees the effect of.

    :param mounts: such as ``mount -t tmpfs tmpfs /place``. :param as_nobody: as a user who is not root.
    """
    unshare = ["unshare", "--mount"] if _IS_ROOT else ["unshare", "--map-root-user", "--mount"]
    # A user namespace without a map: nobody to every program that asks, and still the owner of the test's files.
    whole = ["unshare", "--user", *command] if as_nobody else list(command)
    return [*unshare, "sh", "-ec", "; ".join([*mounts, 'exec "$@"']), "sh", *whole]


@cache
def _can_mount() -> bool:
    words = with_mounts(["mount -t tmpfs tmpfs /mnt"], ["true"], as_nobody=True)
    return run(words, deadline=Deadline.after(10), check=False).status == 0


needs_mounts = pytest.mark.skipif(not _can_mount(), reason="this user may not make namespaces")
