# SPDX-License-Identifier: GPL-2.0-only
"""A service with a clock of its own and a judge that builds nothing."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.base.store import Store
from harness.follow.opening import World, open_service
from harness.follow.service import Service
from harness.follow.state.config import Config, parse_config
from harness.follow.state.database import DATABASE_NAME, read_database
from harness.follow.state.place import state_folder
from harness.follow.status import ServiceStatus, read_status
from tests import follow_judge
from tests.unit.follow.inboxes import START, GitInbox, make_tree

CONFIG = """
name = "cgroups"
[[source]]
name = "list"
kind = "public-inbox"
path = "inbox"
since_days = 4000
[[rule]]
name = "cgroup"
base = "tree@main"
lists = ["cgroups@vger.kernel.org"]
paths = ["kernel/cgroup/"]
options = []
[keep]
free = "1"
store = "1T"
"""


@dataclasses.dataclass
class Lab:
    """A service in a folder.

    :param folder: the folder of inbox, tree, store and answers.
    :param text: the configuration.
    :param now: the time of its clock.
    """

    folder: Path
    text: str = CONFIG
    now: float = START + 100_000.0
    environment: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the inbox and the tree."""
        self.inbox = GitInbox(self.folder / "inbox")
        self.inbox.add([])
        self.tree = make_tree(self.folder / "tree")
        self.store = self.store_of(self.folder)

    @staticmethod
    def store_of(folder: Path) -> Store:
        """Return the store of a folder."""
        return Store(folder / "store")

    @property
    def config(self) -> Config:
        """Return the configuration."""
        return parse_config(self.text, path="follow.toml", folder=self.folder)

    @property
    def state(self) -> Path:
        """Return the folder of the state."""
        return state_folder(self.store, self.config)

    @contextlib.contextmanager
    def service(self) -> Iterator[Service]:
        """Open the service."""
        world = World(lambda: self.now, follow_judge.command, lambda seconds: None, self.environment)
        with open_service(self.config, self.store, world) as service:
            yield service

    def run(self) -> None:
        """Run the service until nothing is due."""
        with self.service() as service:
            service.run(is_once=True)

    def rows(self, query: str, *values: str | int) -> list[tuple[object, ...]]:
        """Return rows of the database."""
        with read_database(self.state / DATABASE_NAME) as database:
            assert database is not None
            return [tuple(row) for row in database.rows(query, *values)]

    def series(self) -> list[str]:
        """Return title, version, state and verdict of each series, in the order of their numbers."""
        rows = self.rows("SELECT title, version, state, verdict FROM series ORDER BY id")
        return [" ".join(str(one) for one in row if one) for row in rows]

    def status(self) -> ServiceStatus:
        """Return the status."""
        with read_database(self.state / DATABASE_NAME) as database:
            assert database is not None
            return read_status(database, self.config, now=self.now)

    def until(self, condition: Callable[[], bool], *, turns: int = 2000) -> Callable[[], bool]:
        """Return a function for ``Service.run`` that goes on until a condition holds."""
        left = iter(range(turns))

        def goes_on() -> bool:
            assert next(left, None) is not None, f"it never came: {self.series()}"
            return not condition()

        return goes_on
