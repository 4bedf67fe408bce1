# SPDX-License-Identifier: GPL-2.0-only
"""A user's environment for bisecting a real repository of pretended kernels."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.context import Context
from harness.base.store import Store
from harness.bisect.report import BisectResult
from harness.bisect.request import BisectRequest
from harness.bisect.state_file import STATE_NAME
from harness.bisect.wanted import TraceSelection
from harness.kernel.build.elsewhere import BuildOrder
from harness.pipeline import Options
from harness.report.display.plain import PlainDisplay
from harness.run.one_kernel import HERE, Spread
from tests.unit.bisect.pretended import PretendedRunner, PretendedTree


@dataclass(frozen=True)
class Builders:
    """Hosts that build kernels, of which only the number is needed."""

    count: int

    def build(self, context: Context, order: BuildOrder) -> None:
        """Build nothing."""

    def stop(self) -> None:
        """End nothing."""


@dataclass
class Desk:
    """The environment: a tree, a results folder, and the output."""

    tree: PretendedTree
    folder: Path
    runners: list[PretendedRunner] = field(default_factory=list)
    shown: io.StringIO = field(default_factory=io.StringIO)
    interrupt_at: int = 0

    def request(self, good: str = "v9.0", bad: str = "HEAD", wanted: TraceSelection | None = None) -> BisectRequest:
        """Return the arguments of a bisection."""
        selection = wanted or TraceSelection()
        return BisectRequest(
            str(self.tree.folder), good, bad, selection, Options(), 1, self.folder / "results", "harness bisect"
        )

    def bisect(
        self,
        good: str = "v9.0",
        bad: str = "HEAD",
        wanted: TraceSelection | None = None,
        *,
        restart: bool = False,
        builders: int = 0,
    ) -> BisectResult:
        """Bisect with a store of its own; on hosts that build so many kernels at the same time, if not 0."""
        display = PlainDisplay(self.shown)
        spread = Spread(builds=Builders(builders)) if builders else HERE
        store = Store(self.folder / "store")
        return self.request(good, bad, wanted).run(display.show, store=store, restart=restart, spread=spread)

    def replay(self) -> str:
        """Return the replayed decisions as text."""
        make = self.request().replay(store=Store(self.folder / "store"))
        return "\n".join(line.text for line in make(80))

    @property
    def state(self) -> Path:
        """The state file."""
        return self.request().folder / STATE_NAME


def make_history(tree: PretendedTree) -> dict[str, str]:
    """Make thirty commits: two traits change, one of them twice; one commit does not build; the others are fillers."""
    at = {}
    for number in range(4):
        tree.change(comment=f"filler {number}")
    at["first"] = tree.change(
        outside_view="absolute", message="views: show absolute paths\n\nBecause the\nauthor said so."
    )
    for number in range(6):
        tree.document(f"page {number}")
    tree.change(comment="another", self_view="relative")
    tree.change(broken="missing semicolon")
    tree.change(broken="")
    for number in range(5):
        tree.change(comment=f"more {number}")
    at["second"] = tree.change(outside_view="hidden", mountinfo_root="unscoped")
    for number in range(8):
        tree.change(comment=f"last {number}")
    return at
