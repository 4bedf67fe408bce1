# SPDX-License-Identifier: GPL-2.0-only
"""Prepare a kernel of the submitting host on another host: its own QEMU and accelerator, and a template of its own.

A template is never copied: it depends on QEMU's version and on the accelerator of the host that booted it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness import pipeline
from harness.base import paths
from harness.base.context import Context
from harness.base.store import Store
from harness.guest.acceleration import choose_acceleration
from harness.guest.emulator import Emulator, find_emulator
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration
from harness.guest.template import CloningImpossibleError, prepare_template, template_key
from harness.hosts.local_batch import LocalBatch
from harness.hosts.logs import unpack
from harness.kernel.sandbox.enclosure import enclosure_error, find_enclosure
from harness.pipeline import Prepared
from harness.suite.definition import Suite
from harness.suite.load import read_suite

_SUITES = "artifact-suite"
"""The kind of unpacked suites in the store."""


def localized(context: Context, batch: LocalBatch, *, logs: Path) -> Prepared:
    """Return the prepared kernel of a batch, with paths of this host; its template is booted if the store has none.

    :param context: the store and the deadline.
    :param batch: the batch.
    :param logs: folder for the logs of races and failed boots.
    :raises SeriesError: the kernel does not boot here.
    :raises HostError: QEMU is missing or too old, or the disk is full.
    """
    given = pipeline.load_prepared(batch.job.prepared)
    if batch.job.shares_store:
        return given
    emulator = find_emulator(context, architecture=given.kernel.architecture)
    request = _request(context, batch, given, emulator)
    verdict = choose_acceleration(
        context,
        request,
        forced=Acceleration(batch.job.accel) if batch.job.accel else None,
        qemu_version=emulator.version,
        folder=logs / "acceleration",
    )
    request = replace(request, acceleration=verdict.acceleration)
    template = None
    if given.template is not None:
        key = template_key(
            request,
            image_digest=given.kernel.image_digest,
            guest_digest=given.guest_digest,
            qemu_version=emulator.version,
        )
        try:
            template = prepare_template(context, key, request, failed_boots=logs / "failed-boots")
        except CloningImpossibleError:
            template = None
    return replace(
        given,
        request=request,
        template=template,
        acceleration=verdict,
        qemu_version=emulator.version,
        suite=_suite(context.store, batch),
        build_log=None,
    )


def _request(context: Context, batch: LocalBatch, given: Prepared, emulator: Emulator) -> BootRequest:
    """Return the boot with files of this host.

    :raises HostError: QEMU cannot run in bubblewrap here, and the host is not trusted.
    """
    assert batch.image is not None
    assert batch.initramfs is not None
    bubblewrap, complaint = find_enclosure(context)
    if bubblewrap is None and not batch.trusts:
        raise enclosure_error(complaint)
    return replace(
        given.request,
        program=emulator.program,
        image=batch.image,
        initramfs=batch.initramfs,
        disk=batch.disk,
        plugin=None,
        bubblewrap=bubblewrap,
    )


def _suite(store: Store, batch: LocalBatch) -> Suite:
    """Return the suite: this host's copy of a shipped one, or the one that was sent."""
    if batch.suite is None:
        return read_suite(paths.SUITES / batch.job.suite)
    content = batch.suite.read_bytes()

    def fill(folder: Path) -> None:
        unpack(content, folder / Path(batch.job.suite).name, what="the suite")

    return read_suite(store.make(_SUITES, batch.job.suite_archive, fill) / Path(batch.job.suite).name)
