# SPDX-License-Identifier: GPL-2.0-only
"""Building the fake tree, as tests ask for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.events import HostBusy, Progress, StageEvent
from harness.base.store import Store
from harness.kernel.build.build import build_kernel
from harness.kernel.build.product import BuiltKernel
from harness.kernel.config.configure import Config
from harness.kernel.git.worktree import checked_out
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.patches.series import Patch, Series
from harness.kernel.sandbox.sandbox import Bounds
from harness.kernel.source.tree import Source, source_tree
from harness.model.origin import Origin, OriginKind
from tests.unit.kernel.fake_tree import CONFIG, FILES, FakeRepository

CONFIGURED = Config(CONFIG, hashlib.sha256(CONFIG.encode()).hexdigest(), ("base",))
NEW_FORK = FILES["kernel/fork.c"].replace("return of", "return 7 + of")


@dataclass
class Workshop:
    """A repository with the fake tree, a store, and what was built last.

    :param steps: what make said that it makes, in the last build.
    :param said: what the last build reported of what it starts from.
    """

    repository: FakeRepository
    store: Store
    steps: list[Progress] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def tree(self, *subjects: str) -> PatchedTree:
        """The tree as it was at first, with the last commits as the patches of a series."""
        commits = tuple(self.repository.commits[-len(subjects) :]) if subjects else ()
        base = self.repository.git("rev-parse", f"{commits[0]}^") if commits else self.repository.commits[-1]
        source = source_tree(Context(self.store, Deadline.after(60)), self.repository.path, revision=base)
        patches = tuple(
            Patch(number, len(subjects), subject, "A <a@b>", "", (), b"") for number, subject in enumerate(subjects, 1)
        )
        series = Series("a topic", 1, patches) if patches else None
        return PatchedTree(Source(source.repository, base, Origin(OriginKind.TREE, "the tree")), series, base, commits)

    def build(
        self, *subjects: str, trusted: bool = False, config: Config = CONFIGURED, bounds: Bounds | None = None
    ) -> BuiltKernel:
        """The tree with the last commits as a series, built."""
        tree, deadline = self.tree(*subjects), Deadline.after(60)
        if subjects:  # fetched with the base alone; a series would have been applied there
            self.repository.git(
                "push", "--quiet", "--force", str(tree.repository.git_dir), f"{tree.commit}:refs/heads/topic"
            )
        self.steps.clear()
        self.said.clear()
        context = Context(self.store, deadline, self._take)
        return build_kernel(
            context,
            tree,
            checked_out(context, tree.repository, tree.commit),
            config,
            trusted=trusted,
            bounds=bounds or Bounds(seconds=30, memory_mebibytes=512, processes=100, disk_mebibytes=100),
        )

    def _take(self, event: StageEvent) -> None:
        if isinstance(event, Progress):
            self.steps.append(event)
        elif not isinstance(event, HostBusy):
            self.said.append(event.text)

    @property
    def compiled(self) -> set[str]:
        """The objects that the last build made."""
        made = [step.text.rpartition(": ")[2] for step in self.steps]
        return {step.removeprefix("CC ") for step in made if step.startswith("CC ")}
