# SPDX-License-Identifier: GPL-2.0-only
"""Modules of a kernel: their names, what they depend on, their order, and where their files are."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.store import Store
from harness.kernel.image.module_files import find_module_files
from harness.kernel.image.modules import dependencies, load_order, module_name
from harness.model.origin import Origin, OriginKind
from tests.unit.kernel.images import RELEASE
from tests.unit.kernel.source.test_package_file import archive, needs_bsdtar


def module(*, depends: str = "", softdep: str = "") -> bytes:
    """An ELF file, as far as its section .modinfo."""
    soft = f"softdep={softdep}\0" if softdep else ""
    return f"\x7fELF\2\1\1\0....\0license=GPL\0{soft}depends={depends}\0name=x\0".encode()


def order(modules: dict[str, bytes], *names: str) -> tuple[str, ...]:
    return load_order(names, modules.get)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("overlay.ko", "overlay"),
        ("virtio-rng.ko.xz", "virtio_rng"),
        ("x_tables.ko.zst", "x_tables"),
        ("modules.dep", ""),
        ("a.ko.bz2", ""),
    ],
)
def test_module_name(file: str, name: str) -> None:
    """The name is that of lsmod, whatever the compression."""
    assert module_name(file) == name


def test_dependencies_reads_both_kinds() -> None:
    """depends= names what a module needs; of softdep= only the part after pre: counts."""
    content = module(depends="libcrc32c,x-tables", softdep="pre: crc32c a-b post: later")
    assert dependencies(content) == (("libcrc32c", "x_tables"), ("crc32c", "a_b"))


def test_dependencies_of_none() -> None:
    """An empty depends= is no module with an empty name."""
    assert dependencies(module()) == ((), ())


def test_load_order_puts_dependencies_first() -> None:
    """Each module comes once, after all that it depends on."""
    modules = {"a": module(depends="b,c"), "b": module(depends="c"), "c": module(), "d": module(depends="b")}
    assert order(modules, "a", "d") == ("c", "b", "a", "d")


def test_load_order_leaves_out_what_has_no_file() -> None:
    """A dependency that is built in has no file, and neither has an alias of softdep."""
    assert order({"a": module(depends="built_in", softdep="pre: alias")}, "a", "not-there") == ("a",)


def test_load_order_ends_for_a_circle() -> None:
    """Modules that name each other in softdep do not make the walk endless."""
    assert order({"a": module(softdep="pre: b"), "b": module(softdep="pre: a")}, "a") == ("b", "a")


@needs_bsdtar
def test_find_module_files_in_a_package(tmp_path: Path) -> None:
    """The modules of a package file are found and unpacked; other files of the package are none."""
    top = f"lib/modules/{RELEASE}"
    package = archive(
        tmp_path / "linux.tar",
        {
            f"{top}/kernel/fs/over-lay.ko.xz": lzma.compress(module(depends="b")),
            f"{top}/kernel/b.ko": module(),
            f"{top}/modules.order": b"",
        },
    )
    context = Context(Store(tmp_path / "store"), Deadline.after(60))
    found = find_module_files(
        context, Origin(OriginKind.IMAGE, str(package)), image=tmp_path / "store/vmlinuz", release=RELEASE
    )
    assert found.files.keys() == {"over_lay", "b"}
    assert found.read("over_lay", deadline=context.deadline) == module(depends="b")
    assert found.read("c", deadline=context.deadline) is None


@pytest.mark.parametrize("layout", ["lib/modules", "usr/lib/modules"])
def test_find_module_files_beside_an_image(tmp_path: Path, layout: str) -> None:
    """The modules of an unpacked package are beside its image; those of another release are not taken."""
    image = tmp_path / "boot/vmlinuz"
    for release in (RELEASE, "5.0-other"):
        folder = tmp_path / layout / release / "kernel"
        folder.mkdir(parents=True)
        (folder / f"{release[0]}.ko").write_bytes(module())
    context = Context(Store(tmp_path / "store"), Deadline.after(60))
    found = find_module_files(context, Origin(OriginKind.IMAGE, str(image)), image=image, release=RELEASE)
    assert list(found.files) == [RELEASE[0]]


def test_find_module_files_of_a_built_kernel(tmp_path: Path) -> None:
    """A kernel that was built from source has no module files."""
    context = Context(Store(tmp_path / "store"), Deadline.after(60))
    assert not find_module_files(context, Origin(OriginKind.TREE, "/linux"), image=tmp_path, release=RELEASE).files


def test_damaged_module_is_an_error(tmp_path: Path) -> None:
    """A module that cannot be unpacked is named."""
    folder = tmp_path / "lib/modules" / RELEASE / "kernel"
    folder.mkdir(parents=True)
    (folder / "bad.ko.xz").write_bytes(b"\xfd7zXZ\0 damaged")
    context = Context(Store(tmp_path / "store"), Deadline.after(60))
    image = tmp_path / "boot/vmlinuz"
    found = find_module_files(context, Origin(OriginKind.IMAGE, str(image)), image=image, release=RELEASE)
    with pytest.raises(HostError, match=r"bad\.ko\.xz cannot be unpacked"):
        found.read("bad", deadline=context.deadline)
