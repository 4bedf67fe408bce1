# SPDX-License-Identifier: GPL-2.0-only
"""Take what a host has built into the store, checked, whole or not at all; or return the error of a failed build."""

from __future__ import annotations

from pathlib import Path

from harness.base.context import Context
from harness.base.errors import HarnessError, HostError
from harness.base.store import digest_of
from harness.hosts import logs
from harness.hosts.artifacts import content_digest
from harness.hosts.builds.job import BUILD_FILE, CONFIG_FILE, BuildResult, ErrorRecord, error_of
from harness.kernel.build.build import LOG_KIND
from harness.kernel.build.elsewhere import BuildOrder
from harness.kernel.build.product import KIND as BUILD_KIND
from harness.kernel.build.product import find_built, read_build_inputs, read_built
from harness.kernel.config.configure import KIND as CONFIG_KIND
from harness.kernel.config.configure import find_made_config

_MOST_BYTES = 8 << 30
"""The most that a kernel may take: with debug information, some hundred megabytes."""


def is_in_store(context: Context, order: BuildOrder) -> bool:
    """Return whether the store of this host has a kernel.

    :param context: the store.
    :param order: the kernel.
    :raises HostError: no compiler is installed, or git failed.
    """
    config = find_made_config(context, order.config)
    return config is not None and find_built(context, order.tree, config) is not None


def take_product(
    context: Context, order: BuildOrder, result: BuildResult, files: tuple[Path, ...], *, host: str
) -> None:
    """Take the config and the kernel that a host has sent into the store.

    :param context: the store and the deadline.
    :param order: the kernel.
    :param result: has the digests of the files.
    :param files: the archives of the config and of the kernel.
    :param host: the name of the host, for errors.
    :raises HostError: a file is missing or damaged.
    """
    digests = dict(result.digests)
    for end, file in zip((CONFIG_FILE, BUILD_FILE), files, strict=True):
        if not file.is_file() or content_digest(file) != digests.get(end):
            raise _damaged(host, f"{end}: {file.stat().st_size if file.is_file() else 0} bytes arrived")
    _put(context, CONFIG_KIND, order.config.key, files[0])
    config = find_made_config(context, order.config)
    if config is None:
        context.store.forget(CONFIG_KIND, order.config.key)
        raise _damaged(host, "the config cannot be read")
    key = read_build_inputs(context, order.tree, config).key
    _put(context, BUILD_KIND, key, files[1])
    built = read_built(context.store.place(BUILD_KIND, key))
    if built is None or content_digest(built.image) != built.digest:
        context.store.forget(BUILD_KIND, key)
        raise _damaged(host, "the image is not the one of its record")


def _put(context: Context, kind: str, key: str, archive: Path) -> None:
    def fill(folder: Path) -> None:
        logs.unpack(archive, folder, what="a kernel that a host has built", most_bytes=_MOST_BYTES)

    context.store.make(kind, key, fill, deadline=context.deadline)


def _damaged(host: str, evidence: str) -> HostError:
    return HostError(
        f"host {host}: the kernel that it built arrived damaged",
        evidence=evidence,
        remedy="check the connection and the disks of both hosts, then retry",
    )


def error_here(context: Context, record: ErrorRecord) -> HarnessError:
    """Return the error of a build with its log in a file of this host, as a failed build here leaves it.

    :param context: the store.
    :param record: the error.
    :raises UsageError: the record is damaged, or the store cannot be written.
    """
    log = None
    if record.log:
        with context.store.complaints():
            folder = context.store.folder / LOG_KIND
            folder.mkdir(parents=True, exist_ok=True)
            log = folder / f"{digest_of(record.what, record.log)[:24]}.log"
            log.write_text(record.log)
    return error_of(record, log)
