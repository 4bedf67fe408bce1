"""What is to be built and with what; it names the product, which may be there already.

Apart from :mod:`harness.kernel.build.build`, so that an answer that is there needs nothing of what building takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.base.deadline import Deadline
from harness.base.store import Store, digest_of
from harness.kernel.build.product import KIND, BuiltKernel, read_built
from harness.kernel.config.configure import Config
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.sandbox.sandbox import REPRODUCIBLE
from harness.kernel.toolchain.compilers import Adjustments, Toolchain
from harness.kernel.toolchain.toolchain import find_adjustments, find_toolchain

# Grows when the same input would give another product.
_RECIPE = "1"


@dataclass(frozen=True, slots=True)
class BuildInputs:
    """What is to be built, and with what.

    :param tree_hash: git's hash of the files, the same for two commits that do not differ in them.
    """

    store: Store
    tree: PatchedTree
    tree_hash: str
    config: Config
    toolchain: Toolchain
    adjustments: Adjustments

    @property
    def key(self) -> str:
        """The name of the product."""
        return digest_of(_RECIPE, self.tree_hash, self.config.digest, self.tools)

    @property
    def tools(self) -> str:
        """Digest of what else decides what an object file holds."""
        return digest_of(
            self.toolchain.render(),
            "\0".join(self.adjustments.assignments),
            repr(sorted(REPRODUCIBLE.items())),
            *(repr(header) for header in self.adjustments.headers),
        )


def order_build(store: Store, tree: PatchedTree, config: Config, *, deadline: Deadline) -> BuildInputs:
    """Settle what building a tree with a configuration takes on this host.

    :raises HostError: there is no compiler, git failed.
    """
    toolchain = find_toolchain(deadline=deadline)
    adjustments = find_adjustments(tree.repository, tree.commit, toolchain, deadline=deadline)
    tree_hash = tree.repository.git("rev-parse", f"{tree.commit}^{{tree}}", deadline=deadline).text.strip()
    return BuildInputs(store, tree, tree_hash, config, toolchain, adjustments)


def find_built(store: Store, tree: PatchedTree, config: Config, *, deadline: Deadline) -> BuiltKernel | None:
    """What :func:`build_kernel` would return, if it is there already; no work tree is needed.

    :raises HostError: there is no compiler, git failed.
    """
    order = order_build(store, tree, config, deadline=deadline)
    folder = store.find(KIND, order.key)
    return read_built(folder) if folder else None
