"""QEMU's command line: the sum of one small function a feature. Pure. Golden files hold it.

A machine type is a TOML file in ``qemu/``; see ``qemu/q35.toml`` for the keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from harness.base.errors import HarnessError, UsageError
from harness.session.console_name import ConsoleName

_Kind = TypeVar("_Kind")

KERNEL_LOG = "kernel"
"""Name of the first serial port; the shells follow in the order of :class:`ConsoleName`."""

BOOT_SECONDS = 60.0
"""Debian's kernel takes 5 s under emulation on a slow core; one with KASAN or lockdep several times that."""

PORT_NAMES = (KERNEL_LOG, *(console.value for console in ConsoleName))


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
        machine_type = MachineType(
            name=name,
            machine=_take(table, "machine", str),
            processors=_take_count(table, "processors"),
            memory_mebibytes=_take_count(table, "memory_mebibytes"),
            append=_take_words(table, "append"),
            devices=_take_words(table, "devices"),
            accelerations=_take_accelerations(table),
            text=text,
        )
        _refuse_rest(table)
    except (KeyError, TypeError, ValueError) as error:
        said = f"the key {error} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageError(
            f"the machine type {name} cannot be read",
            evidence=said,
            remedy=f"mend qemu/{name}.toml; qemu/q35.toml shows every key",
        ) from None
    return machine_type


def _take(table: dict[str, object], key: str, kind: type[_Kind]) -> _Kind:
    value = table.pop(key)
    if type(value) is not kind:
        raise TypeError(f"{key} = {value!r}: {kind.__name__} wanted")
    return value


def _take_count(table: dict[str, object], key: str) -> int:
    count = _take(table, key, int)
    if count < 1:
        raise ValueError(f"{key} = {count}: at least 1 wanted")
    return count


def _take_words(table: dict[str, object], key: str) -> tuple[str, ...]:
    words = _take(table, key, list)
    if not all(isinstance(word, str) for word in words):
        raise TypeError(f"{key} = {words!r}: strings wanted")
    return tuple(words)


def _take_accelerations(table: dict[str, object]) -> dict[Acceleration, Processor]:
    accelerations = {}
    for word, entry in _take(table, "acceleration", dict).items():
        if not isinstance(entry, dict):
            raise TypeError(f"acceleration.{word} = {entry!r}: a table wanted")
        accelerations[Acceleration(word)] = Processor(_take(entry, "processor", str), _take(entry, "options", str))
        _refuse_rest(entry)
    for one in Acceleration:
        if one not in accelerations:
            raise KeyError(f"acceleration.{one}")
    return accelerations


def _refuse_rest(table: dict[str, object]) -> None:
    if table:
        raise ValueError(f"unknown keys: {', '.join(sorted(table))}")


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
    place = str(backing.file).replace(",", ",,")  # as QEMU's options want it
    return [
        *("-m", size),
        *("-object", f"memory-backend-file,id=ram,size={size},mem-path={place},share={share},prealloc=off"),
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
