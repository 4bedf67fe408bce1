# SPDX-License-Identifier: GPL-2.0-only
"""Define the build of a kernel on another host, whose product comes into the store of this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harness.base.context import Context
from harness.kernel.config.inputs import ConfigInputs
from harness.kernel.patches.patched_tree import PatchedTree


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """A kernel to build: everything that another host needs to know of it.

    :param tree: the files.
    :param config: the inputs of its config.
    :param is_trusted: whether make runs without the sandbox.
    :param seconds: the time limit of the build.
    """

    tree: PatchedTree
    config: ConfigInputs
    is_trusted: bool
    seconds: float


class Elsewhere(Protocol):
    """Builds kernels on other hosts."""

    @property
    def count(self) -> int:
        """Return the number of kernels that are built at the same time."""

    def build(self, context: Context, order: BuildOrder) -> None:
        """Build a kernel; its config and its files are in the store afterwards, as if it had been built here.

        :param context: the store, the deadline, and the receiver of progress.
        :param order: the kernel.
        :raises HarnessError: as the build of a kernel on this host.
        """

    def stop(self) -> None:
        """End the builds that run, each with an error."""
