# SPDX-License-Identifier: GPL-2.0-only
"""A worker of a host: a Dask worker with one thread, which runs one batch at a time.

    python -m harness.hosts.worker FOLDER NUMBER

It ends when its standard input ends, which its agent holds.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

import dask
from distributed import Worker

from harness.base.json_records import from_table, parse_json
from harness.hosts.hub import SETTINGS, security_of
from harness.hosts.task import abort, trust
from harness.hosts.wire import ABORT, AgentSettings

AUTHORITY, CERTIFICATE, KEY, DESCRIPTION = "authority.pem", "host.pem", "host.key", "settings.json"
"""Names of the files that the agent writes into its folder."""


def _obey() -> None:
    """Read the lines of the agent; end the process with the last one."""
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == ABORT and number.isdigit():
            abort(int(number))
    # The threads of Dask do not end by themselves; the batch and its machines end with this process.
    os._exit(0)


async def _serve(folder: Path, number: int) -> None:
    text = (folder / DESCRIPTION).read_text()
    settings = from_table(AgentSettings, parse_json(text, "the settings"), name="settings", source="the settings")
    if settings.trusts:
        trust()
    async with Worker(
        settings.scheduler,
        nthreads=1,
        name=f"{settings.host}/{number}",
        host="127.0.0.1",
        protocol="tls",
        contact_address=settings.contacts[number],
        local_directory=str(folder),
        memory_limit=0,
        dashboard=False,
        death_timeout=settings.silence_seconds,
        security=security_of(*(str(folder / name) for name in (AUTHORITY, CERTIFICATE, KEY))),
    ) as worker:
        await worker.finished()


def main() -> None:
    """Serve until the agent, or the connection to the scheduler, is gone."""
    dask.config.set({**SETTINGS, "temporary-directory": sys.argv[1]})
    threading.Thread(target=_obey, name="agent", daemon=True).start()
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
