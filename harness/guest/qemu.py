"""QEMU's command line: the sum of one small function a feature. Pure; golden tests hold it.

A machine type is a TOML file in ``qemu/``; see ``qemu/q35.toml`` for the keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness.errors import HarnessError, UsageError
from harness.session.console_name import Console

KERNEL_LOG = "kernel"
"""Name of the first serial port; the shells follow in the order of :class:`Console`."""

PORT_NAMES = (KERNEL_LOG, *(console.value for console in Console))


class Acceleration(StrEnum):
    """Who executes the guest's instructions."""

    KVM = "kvm"
    TCG = "tcg"


class RefusedError(HarnessError):
    """QEMU answered a command with an error; ``what`` is its own sentence."""


@dataclass(frozen=True, slots=True)
class Processor:
    """How a machine type is accelerated: QEMU's ``-cpu`` word, and what follows ``-accel NAME,``."""

    model: str
    options: str


@dataclass(frozen=True, slots=True)
class MachineType:
    """A machine type, as its TOML file says.

    :param text: the file itself, for the digest of what is made from it.
    """

    name: str
    machine: str
    processors: int
    memory_mebibytes: int
    append: tuple[str, ...]
    devices: tuple[str, ...]
    accelerations: Mapping[Acceleration, Processor]
    text: str


@dataclass(frozen=True, slots=True)
class Backing:
    """The file that holds the guest's memory: shared to write a template, private (copy on write) to clone one."""

    file: Path
    is_shared: bool


def parse_machine_type(text: str, *, name: str) -> MachineType:
    """The machine type in a TOML text.

    :raises UsageError: the text is no TOML, a key is missing, unknown or of the wrong kind.
    """
    try:
        table = tomllib.loads(text)
        accelerations = {
            Acceleration(word): Processor(str(entry["processor"]), str(entry["options"]))
            for word, entry in table.pop("acceleration").items()
        }
        machine_type = MachineType(
            name=name,
            machine=str(table.pop("machine")),
            processors=int(table.pop("processors")),
            memory_mebibytes=int(table.pop("memory_mebibytes")),
            append=tuple(str(word) for word in table.pop("append")),
            devices=tuple(str(word) for word in table.pop("devices")),
            accelerations=accelerations,
            text=text,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the machine type {name} cannot be read",
            evidence=f"{type(error).__name__}: {error}",
            remedy=f"mend qemu/{name}.toml; qemu/q35.toml shows every key",
        ) from None
    if table:
        raise UsageError(
            f"the machine type {name} has unknown keys: {', '.join(sorted(table))}",
            remedy=f"mend qemu/{name}.toml; qemu/q35.toml shows every key",
        )
    return machine_type


def isolation() -> list[str]:
    """Nothing that was not asked for: no default devices, no network, no display; a panic ends QEMU.

    The seccomp filter denies QEMU new processes, new privileges and scheduling calls.
    """
    return [
        *("-no-user-config", "-nodefaults", "-display", "none", "-nic", "none", "-no-reboot"),
        *("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"),
    ]


def board(machine_type: MachineType) -> list[str]:
    """The board; what is never used is left out, so that it costs neither boot nor migration."""
    return [
        *("-machine", f"{machine_type.machine},memory-backend=ram,usb=off,vmport=off,dump-guest-core=off"),
        *("-global", "ICH9-LPC.disable_s3=1", "-global", "ICH9-LPC.disable_s4=1"),
    ]


def processor(machine_type: MachineType, acceleration: Acceleration) -> list[str]:
    """Who executes, and which processor the guest sees."""
    chosen = machine_type.accelerations[acceleration]
    accel = ",".join(filter(None, (acceleration.value, chosen.options)))
    return ["-accel", accel, "-cpu", chosen.model, "-smp", str(machine_type.processors)]


def memory(machine_type: MachineType, backing: Backing) -> list[str]:
    """Memory in a file, so that a machine can be cloned by mapping it once more."""
    size = f"{machine_type.memory_mebibytes}M"
    share = "on" if backing.is_shared else "off"
    return [
        *("-m", size),
        *("-object", f"memory-backend-file,id=ram,size={size},mem-path={backing.file},share={share},prealloc=off"),
    ]


def serial_ports(descriptors: Mapping[str, int]) -> list[str]:
    """Four serial ports on sockets that the harness already holds: no path, no race, gone with the harness."""
    words = []
    for index, name in enumerate(PORT_NAMES):
        words += ["-chardev", f"socket,id={name},fd={descriptors[name]}"]
        words += ["-device", f"isa-serial,chardev={name},index={index}"]
    return words


def monitor(descriptor: int) -> list[str]:
    """QMP, on a socket that the harness already holds."""
    return ["-chardev", f"socket,id=qmp,fd={descriptor}", "-mon", "chardev=qmp,mode=control"]


def kernel(image: Path, initramfs: Path, append: Sequence[str]) -> list[str]:
    """The kernel, its first root file system and its command line."""
    return ["-kernel", str(image), "-initrd", str(initramfs), "-append", " ".join(append)]


def devices(machine_type: MachineType) -> list[str]:
    """What the machine type adds to the board."""
    return [word for device in machine_type.devices for word in ("-device", device)]


def incoming() -> list[str]:
    """Wait for device state instead of booting; QMP says from where."""
    return ["-incoming", "defer"]
