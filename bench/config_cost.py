"""What an option of the kernel's config costs: in the image, in what is compiled, and until the shells are there.

    python -m bench.config_cost TREE OBJECTS [VARIANT...]

TREE is an unpacked kernel tree, OBJECTS a folder that a build of it with the default fragments left (made at /src and
/out, as the harness does; may be empty). Both are only read. Each variant of :data:`VARIANTS` is built from a copy of
the objects and booted some times, all in turn; the smallest counts. It prints the table of ``kconfigs/README.md``.

Seconds are those that QEMU computed, by the host's clock of the process: what else the host does adds little to them.
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
"""What is added to the default fragments; an option that they have is replaced."""


@dataclass(frozen=True, slots=True)
class Built:
    """A variant. :param objects: how many files were compiled for it. :param size: of the image, in bytes."""

    name: str
    image: Path
    objects: int
    size: int


def requests_of(lines: Iterable[str]) -> tuple[OptionRequest, ...]:
    """The requests of the default fragments and of a variant."""
    names = [*DEFAULT, *(line.split()[1] for line in lines if line.startswith("fragment "))]
    texts = {name: (paths.KCONFIGS / f"{name}.config").read_text() for name in names}
    asked = {one.option: one for one in merge(parse_fragment(text, name=name) for name, text in texts.items())}
    for option, value in (line.split("=", 1) for line in lines if "=" in line):
        asked[f"CONFIG_{option}"] = OptionRequest(f"CONFIG_{option}", value, "", "")
    return tuple(asked.values())


def build(name: str, tree: Path, objects: Path, *, folder: Path) -> Built:
    """Build one variant in the sandbox."""
    folder.mkdir()
    output = folder / "output"
    shutil.copytree(objects, output, symlinks=True)
    sandbox = Sandbox(tree, output)
    prepare(output, start="", requests=render_requests(requests_of(VARIANTS[name])))
    make_config(sandbox, has_start=False, assignments=(), deadline=Deadline.never())
    words = make_arguments(sandbox, "bzImage", jobs=os.cpu_count() or 1)
    result = run_inside(sandbox, words, deadline=Deadline.never())
    if not result.is_success:
        raise SystemExit("\n".join(result.lines[-20:]))
    image = folder / "bzImage"
    shutil.copy(output / "arch/x86/boot/bzImage", image)
    kinds = ("tools", "scripts")
    compiled = [path for path in output.rglob("*.o") if path.relative_to(output).parts[0] not in kinds]
    shutil.rmtree(output)
    return Built(name, image, len(compiled), image.stat().st_size)


def boot_request(store: Store) -> BootRequest:
    """How the default machine boots the guest; the image is that of no kernel."""
    guest = pipeline.guest_image(Context(store, Deadline.never()), default_suite())
    emulator = find_emulator(Context(store, Deadline.never()), architecture="x86_64")
    machine_type = pipeline.read_machine_type("q35")
    return BootRequest(emulator.program, Path(), guest.path, machine_type, Acceleration.TCG, 600.0)


def boot(request: BootRequest) -> float:
    """Seconds that QEMU computes until three shells are at their prompts."""
    with (
        tempfile.TemporaryDirectory() as folder,
        booted(request, folder=Path(folder), deadline=Deadline.after(600)),
    ):
        children = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
        return sum(times.user + times.system for times in children)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("objects", type=Path)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"of: {', '.join(VARIANTS)}")
    words = parser.parse_args()
    names = [BASE, *(name for name in words.variants or VARIANTS if name != BASE)]
    request = boot_request(Store.default())
    with tempfile.TemporaryDirectory() as place:
        built = []
        for number, name in enumerate(names):
            built.append(build(name, words.tree, words.objects, folder=Path(place) / str(number)))
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
