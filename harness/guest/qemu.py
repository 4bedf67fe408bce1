# SPDX-License-Identifier: GPL-2.0-only
"""Build QEMU's command line from one small function for each feature. Pure. Golden files hold the result.

A machine type is a TOML file in ``qemu/``; see ``qemu/q35.toml`` for the keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from harness.base.errors import HarnessError, UsageError
from harness.coverage import bitmap
from harness.guest.disks.disk import Disk, FileSystem
from harness.session.console_name import ConsoleName

_Kind = TypeVar("_Kind")

KERNEL_LOG = "kernel"
"""Name of the first serial port; the shells follow in the order of :class:`ConsoleName`."""

BOOT_SECONDS = 60.0
"""Debian's kernel takes 5 s under emulation on a slow core; one with KASAN or lockdep several times that."""

_MOST_BYTES = 2047
"""arch/x86/include/asm/setup.h: COMMAND_LINE_SIZE is 2048 with the terminating zero."""

PORT_NAMES = (KERNEL_LOG, *(console.value for console in ConsoleName))


class Acceleration(StrEnum):
    """The accelerator that executes the guest's instructions."""

    KVM = "kvm"
    TCG = "tcg"


class RefusedError(HarnessError):
    """QEMU answered a command with an error; ``what`` is its message."""


@dataclass(frozen=True, slots=True)
class Processor:
    """The processor of a machine type: the value of ``-cpu``, and the options after ``-accel NAME,``."""

    model: str
    options: str


@dataclass(frozen=True, slots=True)
class MachineType:
    """A machine type, read from its TOML file.

    :param machine: the value of ``-machine``.
    :param processors: number of processors.
    :param append: the kernel's command line.
    :param more: parameters of the user, after those of the machine type.
    :param devices: values of ``-device``.
    :param accelerations: the processor for each accelerator.
    :param text: the text of the file, for digests.
    :param disks: its disks, from the first virtio disk on.
    :param modules: modules that a guest may need for its devices, by name.
    """

    name: str
    machine: str
    processors: int
    memory_mebibytes: int
    append: tuple[str, ...]
    devices: tuple[str, ...]
    accelerations: Mapping[Acceleration, Processor]
    text: str
    more: tuple[str, ...] = ()
    disks: tuple[Disk, ...] = ()
    modules: tuple[str, ...] = ()

    @property
    def command_line(self) -> str:
        """Return the whole command line of the kernel."""
        return " ".join((*self.append, *self.more))

    def with_parameters(self, more: Sequence[str]) -> MachineType:
        """Return this machine type with parameters of the user.

        :raises UsageError: a parameter is empty or unprintable, or the command line is too long.
        """
        for one in more:
            if not one.strip() or not one.isprintable():
                raise UsageError(
                    f"--append {one!r} is not a kernel parameter",
                    remedy="write for example --append lockdown=integrity",
                )
        machine_type = replace(self, more=tuple(more))
        length = len(machine_type.command_line.encode())
        if length > _MOST_BYTES:
            raise UsageError(
                f"the kernel's command line is too long: {length} bytes",
                evidence=f"x86 kernels read {_MOST_BYTES} bytes (COMMAND_LINE_SIZE)",
                remedy="give fewer parameters with --append",
            )
        return machine_type


@dataclass(frozen=True, slots=True)
class Backing:
    """The file that holds the guest's memory: shared to write a template, private (copy on write) to clone one."""

    file: Path
    is_shared: bool


def parse_machine_type(text: str, *, name: str) -> MachineType:
    """Parse the TOML text of a machine type.

    :param name: name of the machine type, for errors.
    :raises UsageError: the text is not TOML, or a key is missing, unknown or of the wrong type.
    """
    try:
        table = tomllib.loads(text)
        machine_type = MachineType(
            name=name,
            machine=_take(table, "machine", str),
            processors=_take_count(table, "processors"),
            memory_mebibytes=_take_count(table, "memory_mebibytes"),
            append=_take_texts(table, "append"),
            devices=_take_texts(table, "devices"),
            accelerations=_take_accelerations(table),
            text=text,
            disks=_take_disks(table),
            modules=_take_texts(table, "modules") if "modules" in table else (),
        )
        _refuse_rest(table)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            f"the machine type {name} cannot be read",
            evidence=reason,
            remedy=f"fix {name if '/' in name else f'qemu/{name}.toml'}; qemu/q35.toml shows every key",
        ) from None
    return machine_type


def _take(table: dict[str, object], key: str, kind: type[_Kind]) -> _Kind:
    value = table.pop(key)
    if type(value) is not kind:
        raise TypeError(f"{key} = {value!r}: expected {kind.__name__}")
    return value


def _take_count(table: dict[str, object], key: str) -> int:
    count = _take(table, key, int)
    if count < 1:
        raise ValueError(f"{key} = {count}: expected 1 or more")
    return count


def _take_texts(table: dict[str, object], key: str) -> tuple[str, ...]:
    texts = _take(table, key, list)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{key} = {texts!r}: expected strings")
    return tuple(texts)


def _take_disks(table: dict[str, object]) -> tuple[Disk, ...]:
    disks: list[Disk] = []
    for entry in _take(table, "disk", list) if "disk" in table else []:
        if not isinstance(entry, dict):
            raise TypeError(f"disk = {entry!r}: expected [[disk]]")
        disk = Disk(_take(entry, "name", str), FileSystem(_take(entry, "holds", str)), _take_count(entry, "mebibytes"))
        if not disk.name.isalnum() or disk.name in {one.name for one in disks}:
            raise ValueError(f"disk.name = {disk.name!r}: expected letters and digits, and no name twice")
        _refuse_rest(entry)
        disks.append(disk)
    return tuple(disks)


def _take_accelerations(table: dict[str, object]) -> dict[Acceleration, Processor]:
    accelerations = {}
    for name, entry in _take(table, "acceleration", dict).items():
        if not isinstance(entry, dict):
            raise TypeError(f"acceleration.{name} = {entry!r}: expected a table")
        accelerations[Acceleration(name)] = Processor(_take(entry, "processor", str), _take(entry, "options", str))
        _refuse_rest(entry)
    for one in Acceleration:
        if one not in accelerations:
            raise KeyError(f"acceleration.{one}")
    return accelerations


def _refuse_rest(table: dict[str, object]) -> None:
    if table:
        raise ValueError(f"unknown keys: {', '.join(sorted(table))}")


def isolation() -> list[str]:
    """Return the options that isolate QEMU: no default devices, no network, no display; a panic ends QEMU.

    The seccomp filter denies QEMU new processes, new privileges and scheduling calls.
    """
    return [
        *("-no-user-config", "-nodefaults", "-display", "none", "-nic", "none", "-no-reboot"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    ]


def board(machine_type: MachineType) -> list[str]:
    """Return the options of the board; unused devices are left out, so that they cost no time at boot and migration."""
    return [
        *("-machine", f"{machine_type.machine},memory-backend=ram,usb=off,vmport=off,dump-guest-core=off"),
        *("-global", "ICH9-LPC.disable_s3=1", "-global", "ICH9-LPC.disable_s4=1"),
    ]


def processor(machine_type: MachineType, acceleration: Acceleration) -> list[str]:
    """Return the options of the accelerator and of the processor that the guest sees."""
    chosen = machine_type.accelerations[acceleration]
    accel = ",".join(filter(None, (acceleration.value, chosen.options)))
    return ["-accel", accel, "-cpu", chosen.model, "-smp", str(machine_type.processors)]


def memory(machine_type: MachineType, backing: Backing) -> list[str]:
    """Return the options of the memory, a file: a machine is cloned by mapping it again."""
    size = f"{machine_type.memory_mebibytes}M"
    share = "on" if backing.is_shared else "off"
    path = str(backing.file).replace(",", ",,")  # QEMU splits options at single commas
    return [
        *("-m", size),
        *("-object", f"memory-backend-file,id=ram,size={size},mem-path={path},share={share},prealloc=off"),
    ]


def plain_memory(machine_type: MachineType) -> list[str]:
    """Return the options of memory that is no file, for a machine that is not cloned."""
    size = f"{machine_type.memory_mebibytes}M"
    return ["-m", size, "-object", f"memory-backend-ram,id=ram,size={size}"]


def serial_ports(descriptors: Mapping[str, int]) -> list[str]:
    """Return the options of the serial ports, on open sockets: they have no path and are gone with the harness."""
    options = []
    for index, name in enumerate(PORT_NAMES):
        options += ["-chardev", f"socket,id={name},fd={descriptors[name]}"]
        options += ["-device", f"isa-serial,chardev={name},index={index}"]
    return options


def monitor(descriptor: int) -> list[str]:
    """Return the options of QMP, on an open socket."""
    return ["-chardev", f"socket,id=qmp,fd={descriptor}", "-mon", "chardev=qmp,mode=control"]


def kernel(image: Path, initramfs: Path, command_line: str) -> list[str]:
    """Return the options of the kernel, its initramfs and its command line."""
    return ["-kernel", str(image), "-initrd", str(initramfs), "-append", command_line]


def devices(machine_type: MachineType) -> list[str]:
    """Return the options of the devices that the machine type adds."""
    return [option for device in machine_type.devices for option in ("-device", device)]


def root_disk(image: Path) -> list[str]:
    """Return the options of a read-only disk, which all machines share."""
    path = str(image).replace(",", ",,")  # QEMU splits options at single commas
    return [
        *("-blockdev", f"driver=file,node-name=root,read-only=on,filename={path}"),
        *("-device", "virtio-blk-pci,drive=root"),
    ]


def disks(machine_type: MachineType, descriptors: Mapping[str, int]) -> list[str]:
    """Return the options of the disks, whose images are open files: QEMU needs no path to them.

    :param descriptors: file descriptor of each image, by the name of the disk.
    """
    options = []
    for number, disk in enumerate(machine_type.disks, start=1):
        options += ["-add-fd", f"fd={descriptors[disk.name]},set={number}"]
        image = f"file.driver=file,file.locking=off,file.filename=/dev/fdset/{number}"
        options += ["-blockdev", f"driver=raw,node-name={disk.name},read-only=off,{image}"]
        options += ["-device", f"virtio-blk-pci,drive={disk.name},serial={disk.name}"]
    return options


def coverage(plugin: Path, descriptor: int) -> list[str]:
    """Return the options of the coverage plugin.

    :param plugin: the library.
    :param descriptor: file descriptor of the file for its bitmap.
    """
    path = str(plugin).replace(",", ",,")  # QEMU splits options at single commas
    return ["-plugin", f"file={path},fd={descriptor},base={bitmap.BASE:#x},size={bitmap.SIZE:#x}"]


def incoming() -> list[str]:
    """Return the options to wait for device state, whose source QMP sets, instead of booting."""
    return ["-incoming", "defer"]
