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
from harness.follow.config import Config, parse_config
from harness.follow.database import DATABASE_NAME, Database, open_database, read_database
from harness.follow.job import Command, harness_command
from harness.follow.polling import Poller
from harness.follow.queue import Queue
from harness.follow.service import Service

KIND = "follow"
LOCK_NAME = "follow.lock"
PROCESS = "process"
"""The name of the fact with the process that works on the state."""
_CONFIG_BYTES = 1 << 20


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


def read_config(path: Path) -> Config:
    """Read the configuration of a service.

    :raises UsageError: the file cannot be read, or is not valid.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_CONFIG_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        remedy = "copy examples/follow/follow.toml and edit it"
        raise UsageError(f"{path} cannot be read", evidence=str(error), remedy=remedy) from None
    return parse_config(text, path=str(path), folder=path.absolute().parent)


def state_folder(store: Store, config: Config) -> Path:
    """Return the folder of the state of a service, which may not exist."""
    return store.folder / KIND / config.name


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


def no_state(config: Config, folder: Path) -> UsageError:
    """Return the error for a service that was never started."""
    remedy = "start it: harness follow CONFIG"
    return UsageError(f"there is no state of {config.name} in {folder}: it was never started", remedy=remedy)


def describe_process(pid: int) -> str:
    """Return a process id with the time of its start, which together are unique; empty when it does not run."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The name of the program, in parentheses, may contain blanks; starttime is the 22nd field (proc(5)).
    return f"{pid} {text.rpartition(')')[2].split()[19]}"


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
