# SPDX-License-Identifier: GPL-2.0-only
"""Kernels of any suite of the archive: a real apt, a signed archive in a folder, no network."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import find_program
from harness.base.store import Store
from harness.kernel.source.archive import FRESH_SECONDS, offered_by, suite_lists
from harness.kernel.source.image_package import Fetched, fetch_image_package
from harness.model.kernel_spec import parse_spec
from tests.unit.kernel.images import bzimage
from tests.unit.kernel.repository import Repository
from tests.unit.kernel.signed_archive import SignedArchive, SigningKey, signing_key

pytestmark = pytest.mark.skipif(
    find_program("apt-get") is None or find_program("gpg") is None, reason="the host has no apt or no gpg"
)


@pytest.fixture(scope="module")
def key() -> Iterator[SigningKey]:
    """The key of the archive."""
    with signing_key() as one:
        yield one


@pytest.fixture
def archive(tmp_path: Path, key: SigningKey) -> SignedArchive:
    """An archive whose suite ``testing`` has three kernels."""
    one = SignedArchive(tmp_path / "archive", key)
    one.publish("testing", kernels(tmp_path / "testing", "9.1.5", "9.10", "9.2~rc3"))
    return one


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def kernels(folder: Path, *versions: str) -> Repository:
    """Build packages of kernels, packed as Debian did before 6.19, and a meta-package for the last one."""
    packages = Repository(folder)
    for version in versions:
        release = f"{version.partition('~')[0]}-cloud-amd64"
        files = {f"boot/vmlinuz-{release}": bzimage(release=release), f"boot/config-{release}": b"CONFIG_64BIT=y\n"}
        packages.add(f"linux-image-{release}", f"{version}-1", files=files)
        packages.add(f"linux-image-{release}-dbg", f"{version}-1")
    packages.add("linux-image-cloud-amd64", f"{version}-1", depends=f"linux-image-{release} (= {version}-1)")
    packages.add("linux-source-9.1", "9.1.5-1")
    return packages


def context(store: Store) -> Context:
    return Context(store, Deadline.after(60))


def fetch(store: Store, archive: SignedArchive, word: str) -> Fetched:
    return fetch_image_package(context(store), parse_spec(word), apt=archive.apt)


def age(store: Store, suite: str) -> None:
    """Make the lists of a suite old."""
    stamp = suite_lists(store, suite).folder / "updated"
    os.utime(stamp, (stamp.stat().st_mtime - FRESH_SECONDS - 1,) * 2)


@pytest.mark.parametrize(
    ("word", "package", "version"),
    [
        ("deb:@testing", "linux-image-9.2-cloud-amd64", "9.2~rc3-1"),
        ("deb:9.1@testing", "linux-image-9.1.5-cloud-amd64", "9.1.5-1"),
        ("deb:9.1.5@testing", "linux-image-9.1.5-cloud-amd64", "9.1.5-1"),
        ("deb:9.2@testing", "linux-image-9.2-cloud-amd64", "9.2~rc3-1"),
        ("deb:linux-image-9.1.5-cloud-amd64=9.1.5-1@testing", "linux-image-9.1.5-cloud-amd64", "9.1.5-1"),
    ],
)
def test_a_suite_that_the_host_does_not_use(
    store: Store, archive: SignedArchive, word: str, package: str, version: str
) -> None:
    """A meta-package, a kernel version or an exact package is found in the lists of the suite alone."""
    fetched = fetch(store, archive, word)

    assert (fetched.package, fetched.version, fetched.suite, fetched.note) == (package, version, "testing", "")
    assert fetched.config


def test_the_hosts_own_lists_stay_as_they_are(store: Store, archive: SignedArchive) -> None:
    """Sources, settings and lists of the host are only read."""

    def state() -> dict[Path, int]:
        folders = (archive.host.folder / name for name in ("etc", "lists"))
        return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")}

    before = state()
    fetch(store, archive, "deb:@testing")

    assert state() == before


def test_the_mirror_of_the_host_is_used(store: Store, archive: SignedArchive, key: SigningKey) -> None:
    """The host's sources name a mirror of Debian; its security suites come from the mirror of security."""
    elsewhere = SignedArchive(archive.folder / "elsewhere", key)
    elsewhere.publish("base", kernels(archive.folder / "base", "9.4"))
    elsewhere.publish("base-security", kernels(archive.folder / "base-security", "9.5"), of="old")
    sources = archive.host.folder / "etc/sources.list"
    sources.write_text(
        f"deb [signed-by={key.keyring}] copy:{elsewhere.folder}/current base main\n"
        f"deb [signed-by={key.keyring}] copy:{elsewhere.folder}/old base-security main\n"
    )
    archive.host.apt.update(deadline=Deadline.after(60))

    assert fetch(store, archive, "deb:@base").version == "9.4-1"
    assert fetch(store, archive, "deb:@base-security").version == "9.5-1"


def test_lists_are_refreshed_when_they_are_old(store: Store, archive: SignedArchive, tmp_path: Path) -> None:
    """A newer kernel is found hours later, or at once on request."""
    fetch(store, archive, "deb:@testing")
    archive.publish("testing", kernels(tmp_path / "newer", "9.2~rc4"))

    assert fetch(store, archive, "deb:@testing").version == "9.2~rc3-1"
    age(store, "testing")
    assert fetch(store, archive, "deb:@testing").version == "9.2~rc4-1"
    archive.publish("testing", kernels(tmp_path / "newest", "9.3"))
    offered_by(context(store), "testing", update=True, apt=archive.apt)
    assert fetch(store, archive, "deb:@testing").version == "9.3-1"


def test_without_a_mirror_the_kernel_of_the_store_is_taken(store: Store, archive: SignedArchive) -> None:
    """Old lists that cannot be refreshed leave the kernel that is held; the note says so."""
    fetch(store, archive, "deb:@testing")
    age(store, "testing")
    (archive.folder / "current/dists/testing").rename(archive.folder / "gone")
    fetched = fetch(store, archive, "deb:@testing")

    assert fetched.version == "9.2~rc3-1"
    assert "was taken from the store, as apt failed: the package lists of testing could not be" in fetched.note


def test_lists_signed_by_another_key_are_refused(store: Store, archive: SignedArchive, tmp_path: Path) -> None:
    """A mirror that signs with a key of its own is not Debian's archive; the error names the package of the keys."""
    with signing_key() as other:
        SignedArchive(tmp_path / "other", other)
        archive.key = other
        archive.publish("testing", kernels(tmp_path / "forged", "9.9"))
        with pytest.raises(HostError, match="are not signed with a key of this host's keyring") as caught:
            fetch(store, archive, "deb:@testing")

    assert caught.value.packages == ("debian-archive-keyring",)
    assert "NO_PUBKEY" in caught.value.evidence


def test_lists_without_a_signature_are_refused(store: Store, archive: SignedArchive) -> None:
    """Lists that nobody signed are never trusted."""
    release = archive.folder / "current/dists/testing/InRelease"
    text = release.read_text()
    release.with_name("Release").write_text(text.partition("\n\n")[2].partition("-----BEGIN")[0])
    release.unlink()
    with pytest.raises(HostError, match="are not signed"):
        fetch(store, archive, "deb:@testing")


def test_a_missing_keyring_is_named_with_its_package(store: Store, archive: SignedArchive, tmp_path: Path) -> None:
    """On a host without Debian's keys the remedy is the command that installs them."""
    missing = replace(archive.apt.archive, keyring=tmp_path / "none.gpg")
    apt = replace(archive.apt, archive=missing)
    with pytest.raises(HostError, match="the keyring of Debian's archive is missing") as caught:
        fetch_image_package(context(store), parse_spec("deb:@testing"), apt=apt)

    assert caught.value.remedy == "sudo apt-get install debian-archive-keyring"


def test_a_suite_of_an_old_release_is_found_in_its_archive(
    store: Store, archive: SignedArchive, tmp_path: Path
) -> None:
    """A release that left the mirrors is taken from the archive of old releases, where Valid-Until is long past."""
    archive.publish("ancient", kernels(tmp_path / "ancient", "8.1"), of="old", valid_days=-400)
    fetched = fetch(store, archive, "deb:@ancient")

    assert fetched.version == "8.1-1"
    assert fetched.note == "the suite ancient is an old release and was taken from the archive of old releases"


def test_an_unknown_suite_is_a_usage_error(store: Store, archive: SignedArchive) -> None:
    """A suite that neither the mirror nor the archive of old releases has is answered with suites that exist."""
    with pytest.raises(UsageError, match="Debian's archive has no suite tesding") as caught:
        fetch(store, archive, "deb:@tesding")

    assert "trixie-backports" in caught.value.remedy


def test_lists_past_their_valid_until_are_refused(store: Store, archive: SignedArchive, tmp_path: Path) -> None:
    """An old list may hide newer kernels: that is an error, with the way to accept it."""
    archive.publish("testing", kernels(tmp_path / "late", "9.3"), valid_days=-3)
    with pytest.raises(HostError, match="the package lists of testing are past their Valid-Until") as caught:
        fetch(store, archive, "deb:@testing")

    assert "APT_CONFIG" in caught.value.remedy


def test_a_host_that_accepts_old_lists_gets_a_note(store: Store, archive: SignedArchive, tmp_path: Path) -> None:
    """The rule of the host's apt holds for suites too; the run says how old the lists are."""
    archive.publish("testing", kernels(tmp_path / "late", "9.3"), valid_days=-3)
    assert archive.host.apt.config
    with archive.host.apt.config.open("a") as config:
        config.write('Acquire::Check-Valid-Until "false";\n')

    assert "the package lists of testing are past their Valid-Until, 20" in fetch(store, archive, "deb:@testing").note


def test_the_kernels_of_a_suite_are_listed(store: Store, archive: SignedArchive) -> None:
    """Each line is an argument KERNEL: the newest of each kernel version, or every package."""
    short = offered_by(context(store), "testing", apt=archive.apt).kernels
    every = offered_by(context(store), "testing", all_packages=True, apt=archive.apt).kernels

    assert [one.word for one in short] == [
        "deb:9.10@testing", "deb:9.2@testing", "deb:9.1@testing", "deb-src:9.1@testing",
    ]  # fmt: skip
    assert [one.word for one in every] == [
        "deb:linux-image-9.10-cloud-amd64@testing", "deb:linux-image-9.2-cloud-amd64@testing",
        "deb:linux-image-9.1.5-cloud-amd64@testing", "deb-src:9.1@testing",
    ]  # fmt: skip


def test_a_version_that_the_suite_does_not_have(store: Store, archive: SignedArchive) -> None:
    """The error names the versions that the suite has."""
    with pytest.raises(UsageError, match=r"the package lists of testing have no kernel 9\.11") as caught:
        fetch(store, archive, "deb:9.11@testing")

    assert caught.value.evidence == "they have 9.10, 9.2, 9.1.5"
    assert caught.value.remedy.endswith("harness kernels --from testing")
