# SPDX-License-Identifier: GPL-2.0-only
"""Measure the cost of kernel options: image size, number of object files, and boot time until the shells are ready.

    python -m bench.config_cost TREE OBJECTS [VARIANT...]

TREE is an unpacked kernel tree. OBJECTS is the output folder of a build with the default fragments (built at /src and
/out, as the harness does; may be empty). Both are only read. Each variant of :data:`VARIANTS` is built from a copy of
the objects, and all variants are booted several times in turn; the smallest time counts. The output is the table of
``kconfigs/README.md``.

Times are CPU seconds of QEMU, so other load on the host adds little to them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from harness import pipeline
from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.guest.emulator import find_emulator
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration
from harness.guest.template import booted
from harness.kernel.config.configure import DEFAULT
from harness.kernel.config.fragment import OptionRequest, merge, parse_fragment, render_requests
from harness.kernel.config.tools import make_config, prepare
from harness.kernel.sandbox.sandbox import Sandbox, make_arguments, run_inside
from harness.suite.load import default_suite

ROUNDS = 4
BASE = "the default"
VARIANTS: dict[str, Sequence[str]] = {
    BASE: (),
    "no ACPI": ("ACPI=n",),
    "lz4": ("KERNEL_LZ4=y", "KERNEL_GZIP=n"),
    "zstd": ("KERNEL_ZSTD=y", "KERNEL_GZIP=n"),
    "no IKCONFIG": ("IKCONFIG=n", "IKCONFIG_PROC=n"),
    "no KALLSYMS": ("KALLSYMS=n",),
    "KALLSYMS_ALL": ("KALLSYMS_ALL=y",),
    "PCI": ("PCI=y",),
    "INET": ("INET=y",),
    "BLOCK, BLK_CGROUP": ("BLOCK=y", "BLK_CGROUP=y"),
    "BPF_SYSCALL": ("BPF_SYSCALL=y",),
    "CGROUP_RDMA, CGROUP_MISC": ("CGROUP_RDMA=y", "CGROUP_MISC=y"),
    "DETECT_HUNG_TASK, SOFTLOCKUP_DETECTOR": ("DETECT_HUNG_TASK=y", "SOFTLOCKUP_DETECTOR=y"),
    "HZ_100": ("HZ_100=y", "HZ_250=n"),
    "SPARSEMEM_VMEMMAP": ("SPARSEMEM_VMEMMAP=y",),
    "CC_OPTIMIZE_FOR_SIZE": ("CC_OPTIMIZE_FOR_SIZE=y",),
    "JUMP_LABEL": ("JUMP_LABEL=y",),
    "lockdep": ("fragment lockdep",),
    "kasan": ("fragment kasan",),
    "kmemleak": ("fragment kmemleak",),
    "faultinjection": ("fragment faultinjection",),
}
"""Options that each variant adds to the default fragments; existing options are replaced."""


@dataclass(frozen=True, slots=True)
class Built:
    """A built variant.

    :param name: name of the variant.
    :param image: path of its image.
    :param objects: number of object files.
    :param size: size of the image, in bytes.
    """

    name: str
    image: Path
    objects: int
    size: int


def requests_of(lines: Iterable[str]) -> tuple[OptionRequest, ...]:
    """Return the requests of the default fragments and of a variant."""
    names = [*DEFAULT, *(line.split()[1] for line in lines if line.startswith("fragment "))]
    texts = {name: (paths.KCONFIGS / f"{name}.config").read_text() for name in names}
    requests = {one.option: one for one in merge(parse_fragment(text, name=name) for name, text in texts.items())}
    for option, value in (line.split("=", 1) for line in lines if "=" in line):
        requests[f"CONFIG_{option}"] = OptionRequest(f"CONFIG_{option}", value, "", "")
    return tuple(requests.values())


def build(name: str, tree: Path, objects: Path, *, folder: Path) -> Built:
    """Build one variant in the sandbox."""
    folder.mkdir()
    output = folder / "output"
    shutil.copytree(objects, output, symlinks=True)
    sandbox = Sandbox(tree, output)
    prepare(output, start="", requests=render_requests(requests_of(VARIANTS[name])))
    make_config(sandbox, has_start=False, assignments=(), deadline=Deadline.never())
    arguments = make_arguments(sandbox, "bzImage", jobs=os.cpu_count() or 1)
    result = run_inside(sandbox, arguments, deadline=Deadline.never())
    if not result.is_success:
        raise SystemExit("\n".join(result.lines[-20:]))
    image = folder / "bzImage"
    shutil.copy(output / "arch/x86/boot/bzImage", image)
    kinds = ("tools", "scripts")
    compiled = [path for path in output.rglob("*.o") if path.relative_to(output).parts[0] not in kinds]
    shutil.rmtree(output)
    return Built(name, image, len(compiled), image.stat().st_size)


def boot_request(store: Store) -> BootRequest:
    """Return the boot request of the default machine type, without a kernel image."""
    guest = pipeline.guest_image(Context(store, Deadline.never()), default_suite())
    emulator = find_emulator(Context(store, Deadline.never()), architecture="x86_64")
    machine_type = pipeline.read_machine_type("q35")
    return BootRequest(emulator.program, Path(), guest.path, machine_type, Acceleration.TCG, 600.0)


def boot(request: BootRequest) -> float:
    """Boot and return the CPU seconds of QEMU until three shells are at their prompts."""
    with (
        tempfile.TemporaryDirectory() as folder,
        booted(request, folder=Path(folder), deadline=Deadline.after(600)),
    ):
        children = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
        return sum(times.user + times.system for times in children)


def main() -> None:
    """Measure all variants and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("objects", type=Path)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"one of {', '.join(VARIANTS)}; default: all")
    options = parser.parse_args()
    names = [BASE, *(name for name in options.variants or VARIANTS if name != BASE)]
    request = boot_request(Store.default())
    with tempfile.TemporaryDirectory() as folder:
        built = []
        for number, name in enumerate(names):
            built.append(build(name, options.tree, options.objects, folder=Path(folder) / str(number)))
            sys.stderr.write(f"{built[-1]}\n")
        seconds: dict[str, list[float]] = {one.name: [] for one in built}
        for _ in range(ROUNDS):
            for one in built:
                seconds[one.name].append(boot(replace(request, image=one.image)))
    rows = ["| variant | until the prompts, s | image, kB | objects |", "|---|---|---|---|"]
    rows += [f"| {one.name} | {min(seconds[one.name]):.2f} | {one.size // 1000} | {one.objects} |" for one in built]
    sys.stdout.write("\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
