# SPDX-License-Identifier: GPL-2.0-only
"""Make the initramfs of a guest that is a whole system: its init, modules of the kernel, files of guest and suite.

All of it but the modules is the same for each kernel. The root file system itself is on a disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HostError, UsageError
from harness.base.json_records import dump_value, read_facts
from harness.base.process import find_program
from harness.base.scratch import scratch_folder
from harness.base.store import digest_of
from harness.guest import cpio, definition
from harness.guest.definition import GuestAdditions
from harness.guest.image import GuestImage, compile_helper
from harness.guest.system.definition import SystemDefinition, parse_system
from harness.guest.system.root_image import RootImage
from harness.kernel.config.kconfig import KernelConfig
from harness.kernel.image.module_files import ModuleFiles
from harness.kernel.image.modules import load_order

KIND = "guest-boot-archive"
"""The kind of these products in the store."""
_FORMAT = "1"
_ARCHIVE = "guest.cpio"
_FACTS = "archive.json"
_BUSYBOX_PACKAGE = "busybox-static"
_TOP = "/guest"


@dataclass(frozen=True, slots=True)
class _Facts:
    digest: str
    size_bytes: int


def find_system(name: str) -> SystemDefinition:
    """Read the definition of a guest.

    :param name: its name: a file of ``qemu/guests/``.
    :raises UsageError: there is no such guest, or its definition is broken.
    """
    path = paths.GUESTS / f"{name}.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        known = ", ".join(sorted(one.stem for one in paths.GUESTS.glob("*.toml")))
        raise UsageError(f"no guest {name}", remedy=f"name one of: {known}") from None
    return parse_system(text, name=name, path=str(path))


def missing_options(system: SystemDefinition, config: KernelConfig, modules: ModuleFiles) -> list[str]:
    """Return the options that a kernel does not have although the guest needs them, each with the reason.

    :param config: the configuration of the kernel.
    :param modules: the modules of the kernel.
    """
    missing = []
    for option in system.options:
        value = config.value(option.name) or "n"
        is_file = option.module.replace("-", "_") in modules.files
        if option.is_optional or value == "y" or (value == "m" and option.module and is_file):
            continue
        state = f"{option.name} is not set"
        if value == "m":
            state = f"{option.name} is a module (=m)"
            state += ", and its file was not found" if option.module else ", which the guest does not load"
        missing.append(f"{state}: {option.reason}")
    return missing


def require_options(
    system: SystemDefinition, config: KernelConfig | None, modules: ModuleFiles, *, kernel: str
) -> None:
    """Check that a kernel can boot the guest; a kernel of unknown configuration is tried.

    :param kernel: name of the kernel, for the error.
    :raises UsageError: options are missing.
    """
    if config is None or not (missing := missing_options(system, config, modules)):
        return
    names = ", ".join(line.partition(" ")[0] for line in missing)
    fragments = " ".join(f"--config {name}" for name in system.fragments)
    raise UsageError(
        f"the kernel {kernel} cannot boot the guest {system.name}: it needs {names}",
        evidence="\n".join([*missing, f"(read from the config {config.source.value})"]),
        remedy=f"build it with these options ({fragments}), or give a kernel of Debian: deb",
    )


def make_boot_archive(
    context: Context, system: SystemDefinition, root: RootImage, modules: ModuleFiles, additions: GuestAdditions
) -> GuestImage:
    """Return the guest for one kernel: the initramfs, and the disk with the root file system.

    :param root: the root file system.
    :param modules: the modules of the kernel.
    :param additions: helpers and files of a suite.
    :raises HostError: busybox or the compiler is missing, or a module cannot be read.
    :raises CaseError: a file of the suite is missing, or its helper does not compile.
    """
    ordered = load_order(system.modules, lambda name: modules.read(name, deadline=context.deadline))
    contents = [(name, modules.read(name, deadline=context.deadline) or b"") for name in ordered]
    entries = [*_initramfs(system), *_modules(contents)]
    entries += [_below(entry) for entry in _own_files(system, additions)]
    helpers = (paths.GUEST_HELPER, *additions.helpers)
    key = digest_of(_FORMAT, *cpio.render(entries), *helpers, paths.GUEST_HEADER)

    def fill(folder: Path) -> None:
        compiled = [_compiled(source, context.deadline) for source in helpers]
        whole, size = hashlib.sha256(), 0
        with (folder / _ARCHIVE).open("wb") as file:
            for piece in cpio.render([*entries, *map(_below, compiled)]):
                whole.update(piece)
                size += file.write(piece)
        (folder / _FACTS).write_text(dump_value(_Facts(whole.hexdigest(), size)))

    folder = context.store.make(KIND, key, fill, deadline=context.deadline)
    facts = read_facts(_Facts, (folder / _FACTS).read_bytes())
    if facts is None or (folder / _ARCHIVE).stat().st_size != facts.size_bytes:
        context.store.forget(KIND, key)
        raise HostError(
            "the initramfs of the guest in the store is damaged", evidence=str(folder), remedy="run it again"
        )
    digest = digest_of(facts.digest, root.digest)
    return GuestImage(folder / _ARCHIVE, digest, facts.size_bytes, (), root.path)


def _initramfs(system: SystemDefinition) -> list[cpio.Entry]:
    """Return what the initramfs has besides modules and files: its init, and a busybox that runs it."""
    busybox = find_program("busybox")
    if busybox is None:
        raise HostError(
            "busybox is missing on this host; it runs the init of guests",
            remedy=f"install it: apt-get install {_BUSYBOX_PACKAGE}",
            packages=[_BUSYBOX_PACKAGE],
        )
    init = (paths.GUESTS / system.init).read_bytes()
    folders = [cpio.Directory(path) for path in ("/proc", "/sys", "/dev", "/lower", "/rw", "/root", "/modules", _TOP)]
    return [
        *folders,
        cpio.File("/init", init, mode=0o755),
        cpio.File("/bin/busybox", busybox.read_bytes(), mode=0o755),
        cpio.CharDevice("/dev/console", 5, 1),
        cpio.CharDevice("/dev/null", 1, 3, mode=0o666),
    ]


def _modules(contents: Sequence[tuple[str, bytes]]) -> list[cpio.Entry]:
    return [cpio.File(f"/modules/{place:03}-{name}.ko", content) for place, (name, content) in enumerate(contents)]


def _own_files(system: SystemDefinition, additions: GuestAdditions) -> list[cpio.Entry]:
    """Return the files of the guest and of the suite, by their paths in the running system."""
    small = definition.parse(paths.GUEST_DEFINITION.read_text(), name=str(paths.GUEST_DEFINITION))
    shared = [entry for entry in small.entries if entry.path in system.shared_files]
    files: list[cpio.Entry] = [*system.entries, *shared]
    files.append(cpio.File("/usr/lib/harness/init", paths.GUEST_INIT.read_bytes(), mode=0o755))
    for one in additions.files:
        try:
            files.append(cpio.File(one.path, one.source.read_bytes(), mode=one.mode))
        except OSError as error:
            raise CaseError(
                f"the suite's file {one.source} cannot be read",
                evidence=str(error),
                remedy="create it, or correct suite.toml; 'harness suite check' checks the suite",
            ) from None
    return files


def _compiled(source: Path, deadline: Deadline) -> cpio.File:
    with scratch_folder("helper") as folder:
        made = folder / source.stem
        compile_helper(source, made, deadline=deadline)
        return cpio.File(f"/usr/bin/{source.stem}", made.read_bytes(), mode=0o755)


def _below(entry: cpio.Entry) -> cpio.Entry:
    """Return an entry with the path from which the init copies it into the running system."""
    match entry:
        case cpio.Directory():
            return cpio.Directory(_TOP + entry.path, entry.mode, entry.uid, entry.gid)
        case cpio.File():
            return cpio.File(_TOP + entry.path, entry.content, entry.mode, entry.uid, entry.gid)
        case cpio.Symlink():
            return cpio.Symlink(_TOP + entry.path, entry.target)
        case cpio.CharDevice():
            return cpio.CharDevice(_TOP + entry.path, entry.major, entry.minor, entry.mode)
