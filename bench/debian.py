# SPDX-License-Identifier: GPL-2.0-only
"""Measure the Debian guest: its clones against its boot, the memory of a clone, and the making of its image.

    tox -e bench-debian                  about ten minutes; also makes the image, in a store of its own
    tox -e bench-debian -- --no-image    without the image

A clone and the boot are measured in one run, so the ratio is comparable where times are not.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import psutil

from bench.figures import Figure, arguments, report_figures
from harness import pipeline
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.guest.system.boot_archive import find_system
from harness.guest.system.root_image import make_root_image
from harness.guest.template import booted
from harness.pipeline import Options, Prepared
from harness.session.console_name import ConsoleName
from harness.suite.load import find_suite

CLONES = 7
_SECONDS = 2 * 3600.0
_RATIO, _MEBIBYTES, _MADE_SECONDS, _FOUND_SECONDS = 0.02, 120.0, 300.0, 1.0
"""Bounds of the figures."""


def boot_seconds(prepared: Prepared, folder: Path) -> float:
    """Boot the guest, and return the seconds until systemd has finished and all shells are at their prompts."""
    folder.mkdir()
    began = time.perf_counter()
    with booted(prepared.request, folder=folder, deadline=Deadline.after(_SECONDS)):
        return time.perf_counter() - began


def clone_once(prepared: Prepared, folder: Path) -> tuple[float, float]:
    """Clone the guest; return the seconds until a command has answered, and the memory that the clone adds, in MiB."""
    deadline = Deadline.after(_SECONDS)
    began = time.perf_counter()
    with pipeline.machine(prepared, folder=folder, deadline=deadline) as machine:
        machine.console(ConsoleName.ADMIN, deadline=deadline).run("echo answer", deadline=deadline)
        seconds = time.perf_counter() - began
        return seconds, psutil.Process(machine.pid).memory_full_info().uss / (1 << 20)


def clone_figures(prepared: Prepared, folder: Path) -> list[Figure]:
    """Measure clones around a boot."""
    before = [clone_once(prepared, folder / f"before-{number}") for number in range(CLONES)]
    boot = boot_seconds(prepared, folder / "boot")
    after = [clone_once(prepared, folder / f"after-{number}") for number in range(CLONES)]
    seconds, memory = (statistics.median(values) for values in zip(*before, *after, strict=True))
    detail = f"{seconds:.2f} s / {boot:.1f} s, {2 * CLONES} clones"
    return [
        Figure("clone to first answer / boot", seconds / boot, _RATIO, True, "", detail),
        Figure("memory that a clone adds", memory, _MEBIBYTES, True, "MiB", "private pages of QEMU after an answer"),
    ]


def image_figures(folder: Path) -> list[Figure]:
    """Make the image of the guest in a store of its own, and find it again."""
    context, system = Context(Store(folder / "store"), Deadline.after(_SECONDS)), find_system("debian")
    times = []
    for _ in range(2):
        began = time.perf_counter()
        image = make_root_image(context, system, ())
        times.append(time.perf_counter() - began)
    size = f"{len(image.packages)} packages, {image.path.stat().st_size / (1 << 20):.0f} MiB"
    return [
        Figure("image made", times[0], _MADE_SECONDS, True, "s", size),
        Figure("image found again", times[1], _FOUND_SECONDS, True, "s", size),
    ]


def main() -> None:
    """Measure, print the table, and write the JSON file; exit status 1 when a bound is missed."""
    parser = arguments(__doc__)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("last-debian.json"))
    parser.add_argument("--kernel", default="deb", help="the kernel")
    parser.add_argument("--no-image", action="store_true", help="do not make the image of the guest")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-debian-") as name:
        folder = Path(name)
        context = Context(Store.default(), Deadline.after(_SECONDS))
        wanted = Options(kernel=options.kernel, suite=find_suite("containers"))
        prepared = pipeline.prepare(context, wanted, logs=folder / "prepare")
        figures = clone_figures(prepared, folder)
        figures += [] if options.no_image else image_figures(folder)
    report_figures(figures, options.json, kernel=prepared.kernel.release, qemu=prepared.qemu_version)


if __name__ == "__main__":
    main()
