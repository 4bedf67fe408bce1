# SPDX-License-Identifier: GPL-2.0-only
"""Describe a prepared kernel and its suite for workers, and offer its files to them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

from harness import pipeline
from harness.base.errors import UsageError
from harness.base.json_records import dump_value
from harness.hosts.cluster import Cluster
from harness.hosts.wire import Job
from harness.pipeline import Prepared
from harness.results.folder import RUN_NAME
from harness.suite.definition import Suite
from harness.suite.load import suite_argument


def job_of(cluster: Cluster, prepared: Prepared, files: Sequence[Path]) -> str:
    """Return the digest of the job of a kernel, an artifact.

    :param cluster: the hosts.
    :param prepared: the kernel.
    :param files: the case files.
    :raises UsageError: other hosts cannot run these cases.
    """
    offer, text = cluster.offer, pipeline.dump_prepared(prepared)
    if cluster.shares_store:
        return offer.add(dump_value(Job(text, shares_store=True)).encode())
    suite = prepared.suite
    outside = sorted({str(file) for file in files if not file.is_relative_to(suite.folder)})
    if outside:
        raise UsageError(
            "--hosts: case files outside of their suite cannot be run on other hosts",
            evidence="\n".join(outside),
            remedy=f"move them into the folder of a suite, or run them here: leave out --hosts; suite: {suite.folder}",
        )
    if prepared.request.plugin is not None:
        raise UsageError("--hosts: coverage is not noted on other hosts", remedy="leave out --coverage, or --hosts")
    is_shipped = suite_argument(suite) == suite.name
    accel = cluster.settings.accel
    job = Job(
        text,
        shares_store=False,
        image=offer.add(prepared.request.image),
        initramfs=offer.add(prepared.request.initramfs),
        suite=suite_argument(suite),
        suite_archive="" if is_shipped else offer.add(archive_of(suite)),
        accel=accel.value if accel is not None else "",
        disk=offer.add(prepared.request.disk) if prepared.request.disk is not None else "",
    )
    return offer.add(dump_value(job).encode())


def archive_of(suite: Suite) -> bytes:
    """Return the files of a suite as an archive; the same files make the same archive.

    :param suite: the suite.
    """
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as archive:
        for path in sorted(suite.folder.rglob("*")):
            name = path.relative_to(suite.folder)
            if path.is_file() and not _is_left_out(path, suite.folder):
                archive.add(path, name.as_posix(), recursive=False, filter=_plain)
    return held.getvalue()


def _is_left_out(path: Path, top: Path) -> bool:
    """Return whether a file is compiled Python, or in a run folder."""
    above = [one for one in path.parents if one.is_relative_to(top)]
    return any(one.name == "__pycache__" or (one / RUN_NAME).exists() for one in above)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member
