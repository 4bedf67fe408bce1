# SPDX-License-Identifier: GPL-2.0-only
"""Definitions of guests that are whole systems, and what they need of a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import paths
from harness.base.errors import UsageError
from harness.guest import cpio
from harness.guest.system.boot_archive import find_system, missing_options, require_options
from harness.guest.system.definition import SystemDefinition, parse_system
from harness.kernel.config.fragment import parse_fragment
from harness.kernel.config.kconfig import ConfigSource, KernelConfig, parse_config
from harness.kernel.image.module_files import NO_MODULES, ModuleFiles
from harness.pipeline import read_machine_type

SMALL = """
title = "small"
release = "bookworm"
init = "init.sh"
machine = "debian"
boot_seconds = 100
fragments = ["debian"]
shared_files = []

[[package]]
name = "systemd"
reason = "PID 1"

[[option]]
name = "CONFIG_SQUASHFS"
module = "squashfs"
reason = "the root file system"

[[option]]
name = "CONFIG_UNIX"
reason = "D-Bus"

[[option]]
name = "CONFIG_VETH"
module = "veth"
optional = true
reason = "networks"
"""


def small(text: str = SMALL) -> SystemDefinition:
    return parse_system(text, name="small", path="small.toml")


def config(text: str) -> KernelConfig:
    return parse_config(text, ConfigSource.BESIDE)


def test_shipped_definition() -> None:
    """The shipped guest has systemd, its machine type and fragments exist, and its consoles are enabled units."""
    debian = find_system("debian")
    assert {"systemd", "systemd-sysv", "dbus"} <= set(debian.packages)
    assert read_machine_type(debian.machine).memory_mebibytes >= 512
    assert all((paths.KCONFIGS / f"{name}.config").is_file() for name in debian.fragments)
    assert (paths.GUESTS / debian.init).is_file()
    units = {entry.path for entry in debian.entries if isinstance(entry, cpio.File)}
    wanted = [entry.target for entry in debian.entries if isinstance(entry, cpio.Symlink) and ".wants/" in entry.path]
    assert [f"/etc/systemd/system/{Path(target).name}" in units for target in wanted] == [True] * 3


def test_shipped_fragment_has_the_options() -> None:
    """A kernel that is built with the fragments of every kernel and of the guest meets its needs."""
    requested = set()
    for name in ("base", "serial", "guest", "namespaces", "debian"):
        text = (paths.KCONFIGS / f"{name}.config").read_text()
        requested |= {one.option for one in parse_fragment(text, name=name).requests}
    needed = {option.name for option in find_system("debian").options if not option.is_optional}
    assert needed <= requested


def test_machine_types_do_not_offer_guests() -> None:
    """A guest is no machine type: what lies in qemu/ itself is one."""
    with pytest.raises(UsageError, match="no machine type guests") as caught:
        read_machine_type("guests")
    assert "debian, q35" in caught.value.remedy


def test_unknown_guest_names_the_known_ones() -> None:
    """The hint has the name to write."""
    with pytest.raises(UsageError, match="no guest fedora") as caught:
        find_system("fedora")
    assert caught.value.remedy == "name one of: debian"


@pytest.mark.parametrize(
    ("old", "new", "evidence"),
    [
        ('title = "small"', "", "the file must have 'title'"),
        ("boot_seconds = 100", 'boot_seconds = "100"', "must have 'boot_seconds', a number"),
        ('reason = "D-Bus"', "", "number 2 must have 'reason'"),
        ("optional = true", "choice = true", "unknown key: choice"),
        ("[[package]]", "[[package]]\nname = 'systemd'\nreason = 'x'\n[[package]]", "two [[package]] have the name"),
        ("[[package]]", "[[packs]]", "unknown table: packs"),
    ],
)
def test_faults_of_a_definition_are_named(old: str, new: str, evidence: str) -> None:
    """Each message names the file and the key."""
    with pytest.raises(UsageError, match=r"small\.toml is not a valid guest definition") as caught:
        small(SMALL.replace(old, new, 1))
    assert evidence in caught.value.evidence


@pytest.mark.parametrize(
    ("text", "files", "missing"),
    [
        ("CONFIG_SQUASHFS=y\nCONFIG_UNIX=y", [], []),
        ("CONFIG_SQUASHFS=m\nCONFIG_UNIX=y", ["squashfs"], []),
        (
            "CONFIG_SQUASHFS=m\nCONFIG_UNIX=y",
            [],
            ["CONFIG_SQUASHFS is a module (=m), and its file was not found: the root file system"],
        ),
        (
            "CONFIG_SQUASHFS=y\nCONFIG_UNIX=m",
            ["unix"],
            ["CONFIG_UNIX is a module (=m), which the guest does not load: D-Bus"],
        ),
        ("# CONFIG_SQUASHFS is not set\nCONFIG_UNIX=y", [], ["CONFIG_SQUASHFS is not set: the root file system"]),
    ],
)
def test_missing_options(text: str, files: list[str], missing: list[str]) -> None:
    """Built in, or a module whose file is known; an optional option may be missing."""
    modules = ModuleFiles({name: Path(f"/{name}.ko") for name in files})
    assert missing_options(small(), config(text), modules) == missing


def test_kernel_without_options_is_refused_before_the_boot() -> None:
    """The error names the options, and the fragment that has them."""
    with pytest.raises(
        UsageError, match="cannot boot the guest small: it needs CONFIG_SQUASHFS, CONFIG_UNIX"
    ) as caught:
        require_options(small(), config("CONFIG_64BIT=y"), NO_MODULES, kernel="6.1.0")
    assert "--config debian" in caught.value.remedy


def test_kernel_of_unknown_configuration_is_tried() -> None:
    """What is not known is no reason to refuse a kernel."""
    require_options(small(), None, NO_MODULES, kernel="6.1.0")
