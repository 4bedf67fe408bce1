# SPDX-License-Identifier: GPL-2.0-only
"""Open the state of a service in the store: one process at a time works on it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.errors import UsageError
from harness.base.store import Store
from harness.follow.answers import Answerer
from harness.follow.job import Command, harness_command
from harness.follow.polling import Poller
from harness.follow.queue import Queue
from harness.follow.service import Service
from harness.follow.state.config import Config
from harness.follow.state.database import DATABASE_NAME, Database, open_database, read_database
from harness.follow.state.place import LOCK_NAME, PROCESS, describe_process, no_state, state_folder


@dataclass(frozen=True, slots=True)
class World:
    """What a service uses of the world around it; tests replace parts.

    :param clock: seconds since the epoch.
    :param command: returns the whole command of a test.
    :param wait: waits between retries of a request; None to wait.
    :param environment: the environment variables.
    """

    clock: Callable[[], float] = time.time
    command: Command = harness_command
    wait: Callable[[float], object] | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)


@contextlib.contextmanager
def open_service(config: Config, store: Store, world: World) -> Iterator[Service]:
    """Open the state for the one process that works on it.

    :raises UsageError: another process works on it, or it cannot be written.
    :raises HostError: it is damaged, or the disk is full.
    """
    from filelock import FileLock, Timeout

    folder = state_folder(store, config)
    with store.complaints():
        folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"another harness follow works on {config.name}",
            evidence=f"{_holder(folder)}, on {folder}",
            remedy="stop it first, or give this configuration another name; its state: harness follow CONFIG --status",
        ) from None
    try:
        with open_database(folder / DATABASE_NAME) as database:
            with database.transaction():
                database.set_fact(PROCESS, describe_process(os.getpid()))
            yield _service(config, store, world, database)
    finally:
        lock.release()


@contextlib.contextmanager
def open_queue(config: Config, store: Store, world: World) -> Iterator[tuple[Queue, Answerer]]:
    """Open the state beside the process that works on it, for one change.

    :raises UsageError: there is no state, or it cannot be written.
    :raises HostError: it is damaged, or the disk is full.
    """
    folder = state_folder(store, config)
    if not (folder / DATABASE_NAME).is_file():
        raise no_state(config, folder)
    with open_database(folder / DATABASE_NAME) as database:
        queue = Queue(database, config, world.clock)
        yield queue, Answerer(queue, folder, world.environment, world.wait)


def _service(config: Config, store: Store, world: World, database: Database) -> Service:
    folder = state_folder(store, config)
    queue = Queue(database, config, world.clock)
    answerer = Answerer(queue, folder, world.environment, world.wait)
    return Service(queue, folder, store, Poller(queue, folder, world.wait), answerer, world.command)


def _holder(folder: Path) -> str:
    """Name the process that works on a state, if it is known."""
    with read_database(folder / DATABASE_NAME) as database:
        pid = database.fact(PROCESS).partition(" ")[0] if database is not None else ""
    return f"process {pid}" if pid else "a process"
