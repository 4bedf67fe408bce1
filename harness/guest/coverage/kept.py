# SPDX-License-Identifier: GPL-2.0-only
"""Keep in the store what the cases of a suite have run on a kernel image, so that later runs can choose cases by it."""

from __future__ import annotations

from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.store import Store, digest_of
from harness.coverage import files
from harness.model.run_record import RunRecord
from harness.results.find_run import FoundRun
from harness.results.folder import RunFolder, load_run

KIND = "case-coverage"
"""The kind of these products in the store; facts of that kind name the newest product of an image."""


def keep_run(store: Store, found: FoundRun, *, deadline: Deadline) -> None:
    """Keep the coverage of a whole run; the product replaces an earlier one of the same kernel and suite.

    :raises HostError: the store cannot be written.
    """
    run = found.run
    if not run.coverage.template or not run.complete or run.is_partial or run.not_run:
        return
    folder = store.make(
        KIND, digest_of(_image_key(run), found.name), lambda made: _fill(made, found), deadline=deadline
    )
    before = store.recall(KIND, _image_key(run))
    store.remember(KIND, _image_key(run), {"product": folder.name})
    if before and before.get("product") != folder.name:
        store.forget(KIND, str(before["product"]))


def find_kept(store: Store, *, image_digest: str, suite: str) -> FoundRun | None:
    """Return the run whose coverage is kept for a kernel image; None without one.

    :param suite: the argument that names the suite.
    """
    fact = store.recall(KIND, _key(image_digest, suite))
    folder = store.find(KIND, str(fact["product"])) if fact else None
    return FoundRun(folder, load_run(folder)) if folder else None


def _image_key(run: RunRecord) -> str:
    return _key(run.kernel.image_digest, run.suite)


def _key(image_digest: str, suite: str) -> str:
    return digest_of(image_digest, suite)


def _fill(folder: Path, found: FoundRun) -> None:
    for case in found.run.cases:
        bitmap = files.load_case(found.folder / case.folder) if case.folder else None
        if bitmap is not None:
            (folder / case.folder).mkdir(parents=True, exist_ok=True)
            files.keep(bitmap, folder / case.folder)
    RunFolder.at(folder).write(found.run)
