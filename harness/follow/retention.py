# SPDX-License-Identifier: GPL-2.0-only
"""Keep the disk bounded: results, logs, mails, and the products of the store; pause while it is full."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from harness.base.errors import HarnessError
from harness.base.store import Store, bytes_on_disk
from harness.base.store_usage import CHEAP_FIRST, fit_store
from harness.follow.job import ANSWERS_NAME, LOG_NAME, RESULTS_NAME
from harness.follow.queue import Queue
from harness.follow.state.config import DAY, Keep
from harness.follow.state.rows import SeriesState

_LOG = logging.getLogger(__name__)
_ENDED = (SeriesState.ANSWERED, SeriesState.FAILED, SeriesState.ENDED)
_LOGS = ("*.log", "cases")
"""What is a log in a run folder: the build's, the console's, and the folders of the cases."""
SERIES_FOLDER = "series"


def tidy(queue: Queue, folder: Path, store: Store) -> None:
    """Apply the rules of ``[keep]``.

    :param folder: the folder of the state.
    """
    keep = queue.config.keep
    _remove_old(queue, folder, keep)
    _fit_results(queue, folder, keep.results)
    _remove_mails(queue, keep)
    try:
        for line in fit_store(store, keep.store, cheap_first=CHEAP_FIRST):
            _LOG.info("%s", line)
    except HarnessError as error:
        _LOG.warning("%s", error)


def missing_space(folder: Path, keep: Keep) -> str:
    """Return why no test may begin: there is too little free space; empty when there is enough."""
    free = shutil.disk_usage(folder).free
    if free >= keep.free:
        return ""
    return (
        f"{free / (1 << 30):.1f} GiB are free at {folder}, less than the {keep.free / (1 << 30):.1f} GiB of [keep] free"
    )


def _folders(queue: Queue, folder: Path) -> Iterator[tuple[int, float, Path]]:
    """Yield number, end and folder of the tests that ended, oldest first."""
    marks = ",".join("?" * len(_ENDED))
    query = f"SELECT id, ended, folder FROM series WHERE state IN ({marks}) AND folder <> '' ORDER BY ended"
    for number, ended, name in queue.database.rows(query, *_ENDED):
        yield int(number or 0), float(ended or 0), folder / str(name)


def _remove_old(queue: Queue, folder: Path, keep: Keep) -> None:
    now = queue.clock()
    for number, ended, path in _folders(queue, folder):
        if now - ended > keep.results_days * DAY:
            _remove(queue, number, path)
        elif now - ended > keep.logs_days * DAY:
            results = path / RESULTS_NAME
            for run in results.iterdir() if results.is_dir() else ():
                for pattern in _LOGS:
                    for one in run.glob(pattern):
                        shutil.rmtree(one, ignore_errors=True) if one.is_dir() else one.unlink(missing_ok=True)
            (path / LOG_NAME).unlink(missing_ok=True)


def _fit_results(queue: Queue, folder: Path, limit: int) -> None:
    held = list(_folders(queue, folder))
    sizes = {number: bytes_on_disk(path) for number, _, path in held}
    total = sum(sizes.values())
    for number, _, path in held:
        if total <= limit:
            return
        _remove(queue, number, path)
        total -= sizes[number]


def _remove(queue: Queue, number: int, path: Path) -> None:
    """Remove the results of a series; the verdict stays."""
    for name in (ANSWERS_NAME, RESULTS_NAME):
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(path / name)
    shutil.rmtree(path.parent, ignore_errors=True)
    with queue.database.transaction():
        queue.database.change(
            "UPDATE series SET folder = '', changed = (SELECT max(changed) + 1 FROM series) WHERE id = ?", number
        )


def _remove_mails(queue: Queue, keep: Keep) -> None:
    """Forget the content of old mails that no series in the queue needs; their names stay, so that none comes twice."""
    states = (SeriesState.WAITING, SeriesState.RUNNING, SeriesState.ENDING)
    before = queue.clock() - keep.mails_days * DAY
    with queue.database.transaction():
        queue.database.change(
            "UPDATE mail SET raw = NULL WHERE raw IS NOT NULL AND arrived < ? AND topic NOT IN "
            "(SELECT topic FROM series WHERE state IN (?, ?, ?))",
            *(before, *states),
        )
