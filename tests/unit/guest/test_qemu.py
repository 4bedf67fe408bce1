# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's command line, held by golden files in ``tests/data/qemu``: one word a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import paths
from harness.base.errors import UsageError
from harness.guest import qemu
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration, Backing, parse_machine_type

GOLDEN = Path(__file__).parents[2] / "data" / "qemu"
Q35 = (paths.MACHINE_TYPES / "q35.toml").read_text()
SELFTESTS = (paths.MACHINE_TYPES / "selftests.toml").read_text()
DEVICES = Q35.replace("devices = []", 'devices = ["virtio-rng-pci", "edu,dma_mask=1"]')


def command_line(*, acceleration: Acceleration, clones: bool, text: str = Q35) -> str:
    """The whole command line, a word a line."""
    request = BootRequest(
        Path("/usr/bin/qemu-system-x86_64"),
        Path("/store/vmlinuz"),
        Path("/store/guest.cpio"),
        parse_machine_type(text, name="q35"),
        acceleration,
    )
    ports = {name: number for number, name in enumerate(qemu.PORT_NAMES, 10)}
    backing = Backing(Path("/store/memory"), is_shared=not clones)
    words = request.argv(backing, ports, 20, waits=clones, disks={"files": 21, "swap": 22})
    return "".join(f"{word}\n" for word in words)


@pytest.mark.parametrize(
    ("name", "acceleration", "clones", "text"),
    [
        ("boot-tcg", Acceleration.TCG, False, Q35),
        ("boot-kvm", Acceleration.KVM, False, Q35),
        ("clone-tcg", Acceleration.TCG, True, Q35),
        ("boot-tcg-devices", Acceleration.TCG, False, DEVICES),
        ("boot-tcg-disks", Acceleration.TCG, False, SELFTESTS),
    ],
)
def test_command_line_equals_the_golden_file(name: str, acceleration: Acceleration, clones: bool, text: str) -> None:
    """Every argument of QEMU is in a file, so a change shows as a difference there."""
    assert command_line(acceleration=acceleration, clones=clones, text=text) == (GOLDEN / f"{name}.txt").read_text()


def test_parameters_of_the_user_come_last() -> None:
    """The kernel takes the last value of most parameters."""
    machine_type = parse_machine_type(Q35, name="q35").with_parameters(["cgroup_no_v1=all", "a b=c"])

    assert machine_type.command_line.endswith(" tsc=reliable cgroup_no_v1=all a b=c")


@pytest.mark.parametrize(
    ("parameter", "says"),
    [("", "not a kernel parameter"), ("a\nb", "not a kernel parameter"), ("x" * 2048, "too long")],
)
def test_a_parameter_that_no_kernel_takes(parameter: str, says: str) -> None:
    """The kernel would cut a long command line without a word."""
    with pytest.raises(UsageError, match=says):
        parse_machine_type(Q35, name="q35").with_parameters([parameter])


def test_clone_differs_in_two_arguments() -> None:
    """A clone maps the same memory privately and waits for its state; the other arguments are as saved."""
    booted = command_line(acceleration=Acceleration.TCG, clones=False).splitlines()
    cloned = command_line(acceleration=Acceleration.TCG, clones=True).splitlines()

    assert [word for word in booted if word not in cloned] == [
        "memory-backend-file,id=ram,size=256M,mem-path=/store/memory,share=on,prealloc=off"
    ]
    assert cloned[len(booted) :] == ["-incoming", "defer"]


def test_comma_in_a_path_is_escaped() -> None:
    """A comma in a folder's name does not end an option."""
    words = qemu.memory(parse_machine_type(Q35, name="q35"), Backing(Path("/a,b/memory"), is_shared=True))

    assert "mem-path=/a,,b/memory,share=on" in words[-1]


def test_kernel_log_has_its_own_port() -> None:
    """The first serial port is the kernel log's; each shell has another one."""
    words = command_line(acceleration=Acceleration.TCG, clones=False).splitlines()
    ports = [word for word in words if word.startswith("isa-serial,")]

    assert ports == [
        "isa-serial,chardev=kernel,index=0",
        "isa-serial,chardev=admin,index=1",
        "isa-serial,chardev=inside,index=2",
        "isa-serial,chardev=observer,index=3",
    ]


def test_shipped_machine_types_are_valid() -> None:
    """Each machine type that ships says how both accelerations are used, and has the log on the first port."""
    names = sorted(path.stem for path in paths.MACHINE_TYPES.glob("*.toml") if path != paths.GUEST_DEFINITION)
    for name in names:
        machine_type = parse_machine_type((paths.MACHINE_TYPES / f"{name}.toml").read_text(), name=name)

        assert set(machine_type.accelerations) == set(Acceleration)
        assert any(word.startswith("console=ttyS0") for word in machine_type.append)
    assert "q35" in names


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('machine = "q35"', "", "machine"),
        ("processors = 1 ", 'processors = "one" ', "one"),
        ("memory_mebibytes = 256", "memory_mebibytes = []", "memory_mebibytes"),
        ("[acceleration.tcg]", "[acceleration.xen]", "xen"),
        ('options = ""', "", "options"),
        ('machine = "q35"', 'machine = "q35', "line 5"),
        ("[acceleration.kvm]", "[acceleration]\nkvm = 1\n[unused]", "kvm"),
        ("devices = []", "devices = []\nmemroy = 1", "memroy"),
        ("devices = []", "devices = 1", "devices"),
        ('machine = "q35"', "machine = 35", "machine"),
        ("devices = []", 'devices = "edu"', "devices"),
        ("devices = []", "devices = []\ndisk = 1", "disk"),
        ("devices = []", 'devices = []\nmodules = "a"', "modules"),
        ("[acceleration.tcg]", '[[disk]]\nname = "a"\nholds = "fat"\nmebibytes = 1\n[acceleration.tcg]', "fat"),
        ("[acceleration.tcg]", '[[disk]]\nname = "a,b"\nholds = "none"\nmebibytes = 1\n[acceleration.tcg]', "a,b"),
        ("[acceleration.tcg]", '[[disk]]\nname = "a"\nholds = "none"\n[acceleration.tcg]', "mebibytes"),
        ("processors = 1 ", "processors = 0 ", "processors"),
        ("processors = 1 ", "processors = true ", "processors"),
        ("memory_mebibytes = 256", "memory_mebibytes = -1", "memory_mebibytes"),
        ('options = ""', 'options = ""\nspeed = 1', "speed"),
        ('options = ""', "options = 1", "options"),
    ],
)
def test_invalid_machine_type_is_reported(old: str, new: str, said: str) -> None:
    """The error for a file that is not TOML, or has a missing, unknown or wrong key, names file and key."""
    assert old in Q35
    with pytest.raises(UsageError, match="machine type mine") as caught:
        parse_machine_type(Q35.replace(old, new), name="mine")

    assert "qemu/mine.toml" in caught.value.remedy
    assert said in caught.value.evidence


@pytest.mark.parametrize("header", ["[acceleration.tcg]", "[acceleration.kvm]"])
def test_machine_type_needs_both_accelerations(header: str) -> None:
    """A machine type that does not say how to do with or without KVM is refused: the host decides between them."""
    before, _, after = Q35.partition(header)
    text = before + "[acceleration" + after.partition("[acceleration")[2] if "[acceleration" in after else before
    with pytest.raises(UsageError, match="machine type mine") as caught:
        parse_machine_type(text, name="mine")

    assert header.strip("[]") in caught.value.evidence


def test_root_disk_is_shared_and_read_only() -> None:
    """All machines of a host read one image; a comma in its path does not end the option."""
    assert qemu.root_disk(Path("/a,b/root.squashfs")) == [
        "-blockdev",
        "driver=file,node-name=root,read-only=on,filename=/a,,b/root.squashfs",
        "-device",
        "virtio-blk-pci,drive=root",
    ]
