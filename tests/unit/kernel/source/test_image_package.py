# SPDX-License-Identifier: GPL-2.0-only
"""Kernel image packages: a real apt on a repository in a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import find_program
from harness.base.store import Store
from harness.kernel.source.apt import Apt
from harness.kernel.source.deb_file import extract_boot
from harness.kernel.source.image_package import Fetched, fetch_image_package
from harness.model.kernel_spec import parse_spec
from tests.unit.kernel.images import bzimage
from tests.unit.kernel.repository import Repository

pytestmark = pytest.mark.skipif(find_program("apt-get") is None, reason="the host has no apt")

CONFIG = b"CONFIG_64BIT=y\n"
META = "linux-image-cloud-amd64"


def image_package(release: str) -> str:
    return f"linux-image-{release}"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with the default meta-package, its image package, and one that is no kernel."""
    one = Repository(tmp_path / "repository")
    publish(one, "9.1.0-1-cloud-amd64", "9.1.0-1")
    one.add("editor", "1.0", files={"usr/bin/editor": b"#!/bin/sh\n"})
    one.update()
    return one


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def publish(repository: Repository, release: str, version: str) -> Path:
    """Add an image package, and a version of the meta-package that depends on it."""
    files = {
        f"boot/vmlinuz-{release}": bzimage(release=release),
        f"boot/config-{release}": CONFIG,
        f"boot/System.map-{release}": b"ffffffffffffffff B map\n",
        f"lib/modules/{release}/kernel/a.ko": b"module",
    }
    repository.add(META, version, depends=f"{image_package(release)} (= {version})")
    return repository.add(image_package(release), version, depends="kmod, a | b", files=files)


def fetch(store: Store, repository: Repository, word: str = "deb") -> Fetched:
    return fetch_image_package(Context(store, Deadline.after(60)), parse_spec(word), apt=repository.apt)


def refuse(store: Store, repository: Repository, word: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        fetch(store, repository, word)
    return caught.value


def lose_apt(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make this a host without apt."""
    monkeypatch.setenv("PATH", str(folder))


def test_the_default_is_the_image_behind_the_cloud_meta_package(store: Store, repository: Repository) -> None:
    """``deb`` follows the meta-package; image, config, symbol map and facts are kept, and nothing else."""
    fetched = fetch(store, repository)
    file = repository.pool / "linux-image-9.1.0-1-cloud-amd64_9.1.0-1.deb"

    assert (fetched.package, fetched.version, fetched.architecture) == (
        "linux-image-9.1.0-1-cloud-amd64", "9.1.0-1", "amd64",
    )  # fmt: skip
    assert fetched.image.read_bytes() == bzimage(release="9.1.0-1-cloud-amd64")
    assert fetched.config is not None
    assert fetched.config.read_bytes() == CONFIG
    assert fetched.note == ""
    assert fetched.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert json.loads((fetched.folder / "package.json").read_text())["version"] == "9.1.0-1"
    assert sorted(path.name for path in fetched.folder.iterdir()) == [
        "System.map-9.1.0-1-cloud-amd64", "config-9.1.0-1-cloud-amd64", "package.json", "vmlinuz-9.1.0-1-cloud-amd64",
    ]  # fmt: skip


@pytest.mark.parametrize("word", [f"deb:{META}", "deb:linux-image-9.1.0-1-cloud-amd64"])
def test_a_package_is_fetched_by_name(store: Store, repository: Repository, word: str) -> None:
    """A meta-package given by name is followed too; an image package is taken as it is."""

    assert fetch(store, repository, word) == fetch(store, repository)


def test_apt_is_not_asked_while_its_lists_stand(
    store: Store, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second time needs no apt at all, and says nothing of it."""
    first = fetch(store, repository)
    lose_apt(monkeypatch, tmp_path)

    assert fetch(store, repository) == first


def test_an_update_of_the_lists_brings_the_newer_kernel(store: Store, repository: Repository) -> None:
    """When the lists change, apt chooses again; an exact version stays the same."""
    fetch(store, repository)
    publish(repository, "9.1.0-2-cloud-amd64", "9.1.1-1")
    repository.update()

    assert fetch(store, repository).version == "9.1.1-1"
    assert fetch(store, repository, f"deb:{META}=9.1.0-1").package == "linux-image-9.1.0-1-cloud-amd64"


def test_a_rebuild_of_the_same_release_is_another_kernel(store: Store, repository: Repository) -> None:
    """Package names change with the kernel's ABI only: the version tells two builds apart."""
    fetch(store, repository)
    publish(repository, "9.1.0-1-cloud-amd64", "9.1.0-2")
    repository.update()

    assert fetch(store, repository).version == "9.1.0-2"


def test_a_version_named_needs_no_apt_once_it_is_here(
    store: Store, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A package of a named version cannot become newer: changed lists do not matter."""
    first = fetch(store, repository, f"deb:{META}=9.1.0-1")
    (repository.folder / "lists" / "changed").touch()
    lose_apt(monkeypatch, tmp_path)

    assert fetch(store, repository, f"deb:{META}=9.1.0-1") == first


def test_without_network_the_one_in_the_store_is_taken(store: Store, repository: Repository) -> None:
    """A newer version that cannot be downloaded leaves the held one, and the note says which and why."""
    fetch(store, repository)
    publish(repository, "9.1.0-2-cloud-amd64", "9.1.1-1")
    repository.update()
    repository.remove("linux-image-9.1.0-2-cloud-amd64")
    fetched = fetch(store, repository)

    assert fetched.version == "9.1.0-1"
    assert fetched.note == (
        "linux-image-9.1.0-1-cloud-amd64 9.1.0-1 was taken from the store, as apt failed: the package "
        "linux-image-9.1.0-2-cloud-amd64 9.1.1-1 could not be downloaded"
    )


def test_a_package_that_the_distribution_dropped_is_taken_from_the_store(store: Store, repository: Repository) -> None:
    """Old image packages leave the archive with each new one; what is held stays usable."""
    word = "deb:linux-image-9.1.0-1-cloud-amd64"
    fetch(store, repository, word)
    repository.remove("linux-image-9.1.0-1-cloud-amd64")
    repository.update()
    fetched = fetch(store, repository, word)

    assert fetched.version == "9.1.0-1"
    assert "have no package linux-image-9.1.0-1-cloud-amd64" in fetched.note


def test_without_network_and_store_the_host_is_at_fault(store: Store, repository: Repository) -> None:
    """A download that fails shows apt's complaint and leaves nothing half-made."""
    repository.remove("linux-image-9.1.0-1-cloud-amd64")
    with pytest.raises(HostError, match="could not be downloaded") as caught:
        fetch(store, repository)

    assert "E: " in caught.value.evidence
    assert "apt-get update" in caught.value.remedy
    assert list((store.folder / "kernel-package").glob("*/*")) == []


def test_a_package_that_was_tampered_with_is_refused(store: Store, repository: Repository) -> None:
    """A file that is not the one of the lists never reaches the store."""
    file = repository.pool / "linux-image-9.1.0-1-cloud-amd64_9.1.0-1.deb"
    file.write_bytes(file.read_bytes().replace(b"module", b"MODULE"))
    with pytest.raises(HostError, match="could not be downloaded") as caught:
        fetch(store, repository)

    assert "Hash Sum mismatch" in caught.value.evidence


def test_empty_package_lists_give_the_command_that_fills_them(store: Store, tmp_path: Path) -> None:
    """A fresh container has no lists: the remedy is the exact command."""
    with pytest.raises(HostError, match="its package lists are empty") as caught:
        fetch(store, Repository(tmp_path / "fresh"))

    assert caught.value.remedy in ("apt-get update", "sudo apt-get update")


def test_a_host_without_apt_is_told_so(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Debian's package tools the way out is the path of an image."""
    lose_apt(monkeypatch, tmp_path)
    with pytest.raises(HostError, match="need Debian's package tools") as caught:
        fetch_image_package(Context(store, Deadline.after(9)), parse_spec("deb"), apt=Apt(lists=tmp_path))

    assert "path of a kernel image" in caught.value.remedy


def test_lists_that_apt_cannot_read_are_the_hosts_fault(store: Store, repository: Repository) -> None:
    """A broken apt is not mistaken for a wrong package name."""
    (repository.folder / "etc/sources.list").write_text("nonsense\n")
    with pytest.raises(HostError, match="cannot read its package lists"):
        fetch(store, repository, "deb:linux-image-9.1.0-1-cloud-amd64")


def test_an_unknown_package_is_answered_with_near_names(store: Store, repository: Repository) -> None:
    """A slip of the pen is answered with the names nearest to it."""
    error = refuse(store, repository, "deb:linux-imag-cloud-amd64")

    assert error.what == "apt's package lists have no package linux-imag-cloud-amd64"
    assert error.evidence.splitlines()[:2] == ["similar names:", META]


def test_an_unknown_version_is_answered_with_the_one_there_is(store: Store, repository: Repository) -> None:
    """The remedy is the word with the version that the lists have."""
    error = refuse(store, repository, f"deb:{META}=7")

    assert error.what == f"apt's package lists have no version 7 of {META}"
    assert error.remedy == f"give deb:{META}=9.1.0-1"


def test_a_meta_package_whose_image_is_missing_is_the_hosts_fault(store: Store, repository: Repository) -> None:
    """Lists that contradict themselves need an update, not another word."""
    repository.remove("linux-image-9.1.0-1-cloud-amd64")
    repository.update()
    with pytest.raises(HostError, match=r"depends on linux-image-9\.1\.0-1-cloud-amd64 9\.1\.0-1, which"):
        fetch(store, repository, f"deb:{META}")


def test_a_package_without_image_is_refused(store: Store, repository: Repository) -> None:
    """What holds no image is no kernel, whatever its name; the download is not kept."""
    error = refuse(store, repository, "deb:editor")

    assert error.what == "the package editor has no kernel image"
    assert error.evidence == "editor 1.0 has in /boot: nothing"
    assert list((store.folder / "kernel-package").glob("*/*")) == []


def test_debug_symbols_are_refused_before_the_download(store: Store, repository: Repository) -> None:
    """A gigabyte of symbols is not fetched to find no image in it."""
    repository.add("linux-image-9.1.0-1-cloud-amd64-dbg", "1")
    repository.update()
    repository.remove("linux-image-9.1.0-1-cloud-amd64-dbg")

    assert "debug symbols" in refuse(store, repository, "deb:linux-image-9.1.0-1-cloud-amd64-dbg").evidence


@pytest.mark.parametrize("name", ["vmlinuz-9.1.0-1-cloud-amd64", "package.json"])
def test_a_damaged_product_is_made_anew(store: Store, repository: Repository, name: str) -> None:
    """A file missing from the store is fetched again."""
    first = fetch(store, repository)
    (first.folder / name).unlink()

    assert fetch(store, repository) == first
    assert (first.folder / name).is_file()


def test_a_damaged_package_file_is_the_hosts_fault(tmp_path: Path) -> None:
    """What dpkg-deb cannot read is an error that names the file."""
    file = tmp_path / "a.deb"
    file.write_bytes(b"!<arch>\ndamaged")
    with pytest.raises(HostError, match=r"a\.deb cannot be unpacked"):
        extract_boot(file, tmp_path, deadline=Deadline.never())


def test_a_package_cannot_write_outside_the_folder(repository: Repository, tmp_path: Path) -> None:
    """Only plain files directly in /boot are taken, by their last name."""
    file = repository.add("odd", "1", files={
        "boot/grub/vmlinuz-1": b"deep", "boot/vmlinuz-2": b"image", "boot/memtest": b"", "bootx/vmlinuz-3": b"",
    })  # fmt: skip
    folder = tmp_path / "out"
    folder.mkdir()

    assert extract_boot(file, folder, deadline=Deadline.never()) == ["vmlinuz-2"]
    assert [path.name for path in folder.iterdir()] == ["vmlinuz-2"]
