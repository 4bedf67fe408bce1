"""What this host has and lacks for a run; each lack with the command that mends it."""

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
from harness.kernel.resolve import resolve_kernel
from harness.kernel.sandbox.bubblewrap import find_complaint
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
"""What a build runs, and the Debian package of each; as in ./bootstrap."""
_BUILD_HEADERS = {"/usr/include/elfutils/version.h": "libelf-dev"}


class CheckState(StrEnum):
    """What came of looking at one thing."""

    GOOD = "ok"
    LACK = "LACK"
    UNASKED = "--"
    """Not looked at, because it needs what is lacking; or lacking, and only some runs need it."""


@dataclass(frozen=True, slots=True)
class HostFinding:
    """One thing that was looked at.

    :param detail: what was found; for a lack the whole error, with what to do.
    :param packages: the Debian packages that mend a lack.
    """

    what: str
    state: CheckState
    detail: str
    packages: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """As lines for a terminal."""
        first, *more = self.detail.split("\n")
        return "\n".join([f"{self.state:<4}  {self.what}: {first}", *(f"      {line}" for line in more)])


def examine(store: Store, *, prove: bool) -> list[HostFinding]:
    """Look at all that a run needs, in the order in which a run needs it.

    :param prove: forget which acceleration works, and race again.
    """
    deadline = Deadline.after(_SECONDS)
    with tempfile.TemporaryDirectory(prefix="harness-doctor-") as folder:
        findings = [_look("store", lambda: _writable(store))]
        # A store that cannot be written must not hide what else is lacking.
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
        findings.append(_builds())
        if is_good:
            logs = Path(folder)
            findings.append(
                _look("acceleration", lambda: _acceleration(Context(store, deadline), emulator[0], logs, prove=prove))
            )
        else:
            findings.append(HostFinding("acceleration", CheckState.UNASKED, "not looked at before the rest is there"))
    return findings


def install_line(findings: Sequence[HostFinding]) -> str:
    """The one command that installs all that is lacking, for the user that runs this; empty when no package helps."""
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
            remedy="free some space ('harness clean' shows what the store holds), or point "
            f"{STORE_VARIABLE} at a larger disk",
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
    """Whether kernels can be built from source; who tests ready ones needs nothing of it."""
    missing = [package for name, package in _BUILD_PROGRAMS.items() if process.find_program(name) is None]
    missing += [package for header, package in _BUILD_HEADERS.items() if not Path(header).exists()]
    as_root = "" if os.geteuid() == 0 else "sudo "
    if missing:
        what = f"kernels cannot be built yet; for deb-src:, series: and trees: {as_root}apt-get install"
        return HostFinding("kernel builds", CheckState.UNASKED, f"{what} {' '.join(dict.fromkeys(missing))}")
    if complaint := find_complaint():
        return HostFinding(
            "kernel builds", CheckState.UNASKED, f"only with --trust: bubblewrap does not work here\n{complaint}"
        )
    return HostFinding("kernel builds", CheckState.GOOD, f"{', '.join(_BUILD_PROGRAMS)}, in a sandbox")


def _guest_programs(context: Context) -> str:
    image = pipeline.guest_image(context, default_suite())
    return f"{len(image.programs)} programs, an image of {image.mebibytes:.1f} MiB"


def _acceleration(context: Context, emulator: Emulator, logs: Path, *, prove: bool) -> str:
    kernel = resolve_kernel(context, parse_spec("deb"))
    machine_type = pipeline.read_machine_type("q35")
    initramfs = pipeline.guest_image(context, default_suite()).path
    request = BootRequest(emulator.program, kernel.image, initramfs, machine_type, Acceleration.TCG)
    if prove:
        forget_verdict(context.store, request, qemu_version=emulator.version)
    verdict = choose_acceleration(context, request, forced=None, qemu_version=emulator.version, folder=logs)
    when = f", {datetime.datetime.fromtimestamp(verdict.asked).isoformat(' ', 'seconds')}" if verdict.asked else ""
    return f"{verdict.acceleration} ({verdict.evidence}{when})\nask again with: harness doctor --prove"
