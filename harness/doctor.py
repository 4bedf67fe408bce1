"""What this host has and lacks for a run; each lack with the command that mends it."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from harness import pipeline, process
from harness.deadline import Deadline
from harness.errors import HarnessError, HostError
from harness.guest.accel import choose_acceleration, forget_verdict
from harness.guest.emulator import Emulator, find_emulator
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration
from harness.kernel.kernel import resolve_kernel
from harness.spec import parse_spec
from harness.store import Store

_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    :param detail: what was found; for a lack the whole error, with what to do.
    """

    what: str
    is_good: bool
    detail: str

    @property
    def text(self) -> str:
        """As lines for a terminal."""
        first, *more = self.detail.split("\n")
        head = f"{'ok  ' if self.is_good else 'LACK'}  {self.what}: {first}"
        return "\n".join([head, *(f"      {line}" for line in more)])


def examine(store: Store, *, prove: bool) -> list[Finding]:
    """Look at all that a run needs, in the order in which a run needs it.

    :param prove: forget which acceleration works, and race again.
    """
    deadline = Deadline.after(_SECONDS)
    findings = [
        _look("store", lambda: _writable(store)),
        _look("kernel packages", lambda: _programs("apt-get", "apt-cache", "dpkg-deb", package="apt dpkg")),
        _look("compiler", lambda: _programs("cc", package="gcc libc6-dev")),
        _look("guest programs", lambda: _guest_image(store, deadline)),
    ]
    emulator: list[Emulator] = []

    def find() -> str:
        emulator.append(find_emulator(store, architecture="x86_64", deadline=deadline))
        return emulator[0].version

    findings.append(_look("QEMU", find))
    if emulator and all(finding.is_good for finding in findings):
        findings.append(_look("acceleration", lambda: _acceleration(store, emulator[0], deadline, prove=prove)))
    return findings


def _look(what: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(what, is_good=True, detail=ask())
    except HarnessError as error:
        return Finding(what, is_good=False, detail=str(error))


def _writable(store: Store) -> str:
    store.remember("doctor", "written", {"pid": os.getpid()})
    free = os.statvfs(store.folder)
    return f"{store.folder}, {free.f_bavail * free.f_frsize / (1 << 30):.0f} GiB free"


def _programs(*names: str, package: str) -> str:
    missing = [name for name in names if process.find_program(name) is None]
    if missing:
        raise HostError(f"{', '.join(missing)} not found", remedy=f"apt-get install {package}")
    return ", ".join(names)


def _guest_image(store: Store, deadline: Deadline) -> str:
    image = pipeline.guest_image(store, deadline=deadline)
    return f"{len(image.programs)} programs, an image of {image.mebibytes:.1f} MiB"


def _acceleration(store: Store, emulator: Emulator, deadline: Deadline, *, prove: bool) -> str:
    kernel = resolve_kernel(store, parse_spec("deb"), deadline=deadline)
    machine_type = pipeline.read_machine_type("q35")
    request = BootRequest(emulator.program, kernel.image, Path(), machine_type, Acceleration.TCG)
    if prove:
        forget_verdict(store, request, qemu_version=emulator.version)
    guest = pipeline.guest_image(store, deadline=deadline)
    with tempfile.TemporaryDirectory(prefix="harness-doctor-") as logs:
        verdict = choose_acceleration(
            store,
            replace(request, initramfs=guest.path),
            forced=None,
            qemu_version=emulator.version,
            folder=Path(logs),
            deadline=deadline,
        )
    when = f", {datetime.datetime.fromtimestamp(verdict.asked).isoformat(' ', 'seconds')}" if verdict.asked else ""
    return f"{verdict.acceleration} ({verdict.evidence}{when})\nask again with: harness doctor --prove"
