# SPDX-License-Identifier: GPL-2.0-only
"""Check this host for everything that a run needs, with the command that installs what is missing."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness import pipeline
from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError
from harness.base.store import STORE_VARIABLE, Store
from harness.guest.acceleration import choose_acceleration, forget_verdict
from harness.guest.emulator import Emulator, find_emulator
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration
from harness.guest.system import root_image
from harness.kernel.resolve import resolve_kernel
from harness.kernel.sandbox.bubblewrap import find_complaint
from harness.kernel.sandbox.enclosure import find_enclosure
from harness.model.kernel_spec import parse_spec
from harness.suite.load import default_suite

_SECONDS = 600.0
_LEAST_GIBIBYTES = 0.5
_BUILD_PROGRAMS = {
    "git": "git",
    "make": "make",
    "gcc": "gcc",
    "flex": "flex",
    "bison": "bison",
    "bc": "bc",
    "perl": "perl",
    "xz": "xz-utils",
    "bwrap": "bubblewrap",
}
"""Programs of a build and the Debian package of each; the same list is in ./bootstrap."""
_BUILD_HEADERS = {"/usr/include/elfutils/version.h": "libelf-dev"}


class CheckState(StrEnum):
    """The result of one check."""

    GOOD = "ok"
    LACK = "LACK"
    UNASKED = "--"
    """Not checked, because its requirements are missing; or missing, but needed by some runs only."""


@dataclass(frozen=True, slots=True)
class HostFinding:
    """The finding of one check.

    :param what: the subject of the check.
    :param state: the result.
    :param detail: a description; for a failed check the whole error with its hint.
    :param packages: the Debian packages that provide what is missing.
    """

    what: str
    state: CheckState
    detail: str
    packages: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Return the finding as lines for a terminal."""
        first, *more = self.detail.split("\n")
        return "\n".join([f"{self.state:<4}  {self.what}: {first}", *(f"      {line}" for line in more)])


def examine(store: Store, *, prove: bool) -> list[HostFinding]:
    """Check everything that a run needs, in the order of its use.

    :param store: the store of the runs.
    :param prove: whether to repeat the race that chooses the accelerator.
    """
    deadline = Deadline.after(_SECONDS)
    with tempfile.TemporaryDirectory(prefix="harness-doctor-") as folder:
        findings = [_look("store", lambda: _writable(store))]
        # A store that cannot be written must not hide other missing requirements.
        usable = store if findings[0].state is CheckState.GOOD else Store(Path(folder) / "store")
        emulator: list[Emulator] = []

        def find() -> str:
            emulator.append(find_emulator(Context(usable, deadline), architecture="x86_64"))
            return emulator[0].version

        findings += [
            _look("kernel packages", lambda: _programs("apt-get", "apt-cache", "dpkg-deb", package="apt dpkg")),
            _look("compiler", lambda: _programs("cc", package="gcc libc6-dev")),
            _look("guest programs", lambda: _guest_programs(Context(usable, deadline))),
            _look("QEMU", find),
        ]
        is_good = all(finding.state is CheckState.GOOD for finding in findings)
        findings += [_builds(), _guests()]
        if is_good:
            logs = Path(folder)
            findings.append(
                _look("acceleration", lambda: _acceleration(Context(store, deadline), emulator[0], logs, prove=prove))
            )
        else:
            findings.append(
                HostFinding("acceleration", CheckState.UNASKED, "not checked, because other requirements are missing")
            )
    return findings


def install_line(findings: Sequence[HostFinding]) -> str:
    """Return the command that installs all missing packages, for the current user; empty if no package helps."""
    packages = sorted({package for finding in findings for package in finding.packages})
    as_root = "" if os.geteuid() == 0 else "sudo "
    return f"{as_root}apt-get install {' '.join(packages)}" if packages else ""


def _look(what: str, ask: Callable[[], str]) -> HostFinding:
    try:
        return HostFinding(what, CheckState.GOOD, ask())
    except HarnessError as error:
        return HostFinding(what, CheckState.LACK, str(error), error.packages)


def _writable(store: Store) -> str:
    store.remember("doctor", "written", {"pid": os.getpid()})
    state = os.statvfs(store.folder)
    free = state.f_bavail * state.f_frsize / (1 << 30)
    if free < _LEAST_GIBIBYTES:
        raise HostError(
            f"the disk of the store {store.folder} is nearly full",
            evidence=f"{free:.2f} GiB free; kernel, guest image and booted guest take up to {_LEAST_GIBIBYTES} GiB",
            remedy="free some space ('harness clean' lists the content of the store), or set "
            f"{STORE_VARIABLE} to a folder on a larger disk",
        )
    return f"{store.folder}, {free:.0f} GiB free"


def _programs(*names: str, package: str) -> str:
    missing = [name for name in names if process.find_program(name) is None]
    if missing:
        raise HostError(
            f"{', '.join(missing)} not found", remedy=f"apt-get install {package}", packages=package.split()
        )
    return ", ".join(names)


def _builds() -> HostFinding:
    """Check whether kernels can be built from source; tests of existing images need none of it."""
    missing = [package for name, package in _BUILD_PROGRAMS.items() if process.find_program(name) is None]
    missing += [package for header, package in _BUILD_HEADERS.items() if not Path(header).exists()]
    as_root = "" if os.geteuid() == 0 else "sudo "
    if missing:
        what = f"not available; needed for deb-src:, series: and trees: {as_root}apt-get install"
        return HostFinding("kernel builds", CheckState.UNASKED, f"{what} {' '.join(dict.fromkeys(missing))}")
    if complaint := find_complaint():
        return HostFinding(
            "kernel builds",
            CheckState.UNASKED,
            f"only with --trust: bubblewrap does not work here\n{complaint}",
        )
    return HostFinding("kernel builds", CheckState.GOOD, f"{', '.join(_BUILD_PROGRAMS)}, in a sandbox")


def _guests() -> HostFinding:
    """Check whether guests that are whole systems can be made; the small guest needs none of it."""
    missing = [package for name, package in root_image.PROGRAMS.items() if process.find_program(name) is None]
    as_root = "" if os.geteuid() == 0 else "sudo "
    if missing:
        what = f'not available; needed for suites with guests = ["debian"]: {as_root}apt-get install'
        return HostFinding("Debian guest", CheckState.UNASKED, f"{what} {' '.join(missing)}")
    return HostFinding("Debian guest", CheckState.GOOD, ", ".join(root_image.PROGRAMS))


def _guest_programs(context: Context) -> str:
    image = pipeline.guest_image(context, default_suite())
    return f"{len(image.programs)} programs, an image of {image.mebibytes:.1f} MiB"


def _acceleration(context: Context, emulator: Emulator, logs: Path, *, prove: bool) -> str:
    kernel = resolve_kernel(context, parse_spec("deb"))
    machine_type = pipeline.read_machine_type("q35")
    initramfs = pipeline.guest_image(context, default_suite()).path
    bubblewrap, _ = find_enclosure(context)
    request = BootRequest(
        emulator.program, kernel.image, initramfs, machine_type, Acceleration.TCG, bubblewrap=bubblewrap
    )
    if prove:
        forget_verdict(context.store, request, qemu_version=emulator.version)
    verdict = choose_acceleration(context, request, forced=None, qemu_version=emulator.version, folder=logs)
    when = f", {datetime.datetime.fromtimestamp(verdict.asked).isoformat(' ', 'seconds')}" if verdict.asked else ""
    return f"{verdict.acceleration} ({verdict.evidence}{when})\nto repeat the race: harness doctor --prove"
