# SPDX-License-Identifier: GPL-2.0-only
"""Images of root file systems: their command, their key, and the errors; mmdebstrap itself is a script here."""

from __future__ import annotations

import os
import select
import signal
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HarnessError, HostError
from harness.base.process import find_program
from harness.base.store import Store
from harness.guest.system import root_image
from harness.guest.system.boot_archive import find_system
from harness.guest.system.root_image import RootImage, bootstrap_command, make_root_image, root_key
from harness.kernel.source.apt import Apt, Archive

DEBIAN = find_system("debian")
needs_squashfs = pytest.mark.skipif(find_program("sqfstar") is None, reason="the host has no sqfstar")
STATUS = b"""Package: systemd
Status: install ok installed
Version: 252.39-1~deb12u2

Package: bash
Status: install ok installed
Version: 5.2.15-2+b8
"""


class Host:
    """A host with a mmdebstrap of its own.

    :param folder: holds its programs and its store.
    :param monkeypatch: puts its programs before those of this host.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.store = Store(folder / "store")
        (folder / "bin").mkdir()
        keyring = folder / "keyring.gpg"
        keyring.touch()
        self.apt = Apt(lists=folder / "lists", archive=Archive(keyring=keyring))
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")

    def install(self, script: str) -> None:
        """Install a mmdebstrap that notes how it is called and then runs a script; $tar is the file to write."""
        program = self.folder / "bin/mmdebstrap"
        text = f'#!/bin/bash\necho "$2" >>{self.calls}\nfor one; do [[ $one = *.tar ]] && tar=$one; done\n{script}\n'
        program.write_text(text)
        program.chmod(0o755)

    def install_working(self) -> None:
        """Install a mmdebstrap that writes a small tree."""
        with tarfile.open(self.folder / "tree.tar", "w") as archive:
            member = tarfile.TarInfo("./var/lib/dpkg/status")
            member.size = len(STATUS)
            archive.addfile(member, BytesIO(STATUS))
        self.install(f'cp {self.folder / "tree.tar"} "$tar"')

    def make(self, *packages: str) -> RootImage:
        """Return the image of the shipped guest with packages of a suite."""
        return make_root_image(Context(self.store, Deadline.after(60)), DEBIAN, packages, apt=self.apt)

    def error(self, *packages: str) -> HarnessError:
        """Return the error of making the image."""
        with pytest.raises(HarnessError) as caught:
            self.make(*packages)
        return caught.value


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_key_is_that_of_the_packages() -> None:
    """The order of a suite's packages, and one that the guest has anyway, make no other image; a new one does."""
    assert root_key(DEBIAN, ["runc", "crun"]) == root_key(DEBIAN, ["crun", "runc", "systemd"])
    assert root_key(DEBIAN, ["runc"]) != root_key(DEBIAN, [])


def test_command_verifies_the_mirror_of_the_host() -> None:
    """Each source is signed by the keyring; the mirrors are those of the host."""
    archive = Archive(mirror="http://mirror/debian/", security="http://mirror/security/", keyring=Path("/keys.gpg"))
    command = bootstrap_command("unshare", DEBIAN, ["systemd"], Path("root.tar"), archive)
    assert command[:3] == ["mmdebstrap", "--quiet", "--mode=unshare"]
    assert command[-3:] == [
        "deb [signed-by=/keys.gpg] http://mirror/debian/ bookworm main",
        "deb [signed-by=/keys.gpg] http://mirror/debian/ bookworm-updates main",
        "deb [signed-by=/keys.gpg] http://mirror/security/ bookworm-security main",
    ]


@needs_squashfs
def test_image_is_made_once(host: Host) -> None:
    """The second request finds it; another set of packages makes another one."""
    host.install_working()
    first, again, other = host.make("runc"), host.make("runc"), host.make("crun")
    assert first == again
    assert first.path != other.path
    assert first.path.read_bytes()[:4] == b"hsqs"
    assert first.packages == ("bash 5.2.15-2+b8", "systemd 252.39-1~deb12u2")
    assert host.calls.read_text().splitlines() == ["--mode=unshare"] * 2


@needs_squashfs
def test_damaged_image_is_made_again(host: Host) -> None:
    """A full disk may have cut it."""
    host.install_working()
    made = host.make()
    made.path.write_bytes(b"")
    assert host.make().path.stat().st_size > 0


@needs_squashfs
def test_image_without_user_namespaces(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where they are refused, another means is used: root itself, or fakechroot."""
    host.install_working()
    tree = host.folder / "tree.tar"
    host.install(
        f'[[ $2 != --mode=unshare ]] || {{ echo "E: unable to unshare user namespace" >&2; exit 1; }}; cp {tree} "$tar"'
    )
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    host.make()
    assert host.calls.read_text().splitlines() == ["--mode=unshare", "--mode=fakechroot"]


def test_mirror_that_is_down(host: Host) -> None:
    """The evidence has the command and what apt said, the hint what to check; nothing stays in the store."""
    host.install(
        'echo "W: Failed to fetch http://deb.debian.org  Could not connect to deb.debian.org:80" >&2; exit 100'
    )
    error = host.error()
    assert isinstance(error, HostError)
    assert error.what == "the image of the guest debian cannot be made: the mirror cannot be read"
    assert error.evidence.startswith("$ mmdebstrap --quiet --mode=unshare ")
    assert "Could not connect" in error.evidence
    assert "apt-get update" in error.remedy
    assert not [one for one in (host.store.folder / root_image.KIND).iterdir() if one.is_dir()]


def test_interrupted_build_leaves_nothing(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither files nor processes: mmdebstrap runs apt and dpkg, which would go on without it."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    host.install(
        f'mkdir -p "$TMPDIR/mmdebstrap.1/usr"; touch "$TMPDIR/mmdebstrap.1/usr/file"\n'
        f"sleep 1000 & echo $! >{tmp_path}/apt\nkill -INT $PPID\nwait"
    )
    # A shell lets its background jobs ignore SIGINT, which processes inherit.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            host.make()
    finally:
        signal.signal(signal.SIGINT, before)

    assert not list(temporary.iterdir())
    assert has_ended(int((tmp_path / "apt").read_text()))


def has_ended(pid: int) -> bool:
    """Wait at most 20 s for a process to end; return whether it did."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(pidfd):
        return bool(select.select([pidfd], [], [], 20)[0])


def test_files_of_another_user_are_removed_in_its_namespace(host: Host, tmp_path: Path) -> None:
    """What rmtree leaves is removed by the helper of mmdebstrap, which has the user's subordinate ids."""
    folder = tmp_path / "left"
    (folder / "mmdebstrap.1").mkdir(parents=True)
    host.install(f'shift; rm "$@" && printf "%s\\n" "${{@: -1}}" >{tmp_path}/removed')
    removed: list[Path] = []

    root_image.remove_leftovers(folder, remove=removed.append)

    assert (tmp_path / "removed").read_text().split() == [str(folder / "mmdebstrap.1")]
    assert not list(folder.iterdir())
    assert removed == [folder, folder]


def test_package_that_does_not_exist(host: Host) -> None:
    """The author of the suite reads which name is wrong."""
    host.install('echo "E: Unable to locate package rnuc" >&2; exit 100')
    error = host.error("rnuc")
    assert isinstance(error, CaseError)
    assert error.what == "Debian bookworm has no package rnuc"


def test_failure_of_another_kind(host: Host) -> None:
    """The command is shown, to be run by hand; another mode is not tried."""
    host.install('echo "E: dpkg died" >&2; exit 2')
    error = host.error()
    assert error.what == "the image of the guest debian cannot be made"
    assert "E: dpkg died" in error.evidence
    assert host.calls.read_text().splitlines() == ["--mode=unshare"]


def test_missing_program_names_the_packages(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """`harness doctor` and ./bootstrap install them."""
    monkeypatch.setattr("harness.guest.system.root_image.process.find_program", lambda name: None)
    error = host.error()
    assert error.what == "mmdebstrap is missing on this host; it makes the images of guests"
    assert error.packages == ("mmdebstrap", "squashfs-tools")


def test_missing_keyring(host: Host) -> None:
    """Nothing is installed that was not verified."""
    host.install_working()
    host.apt.archive.keyring.unlink()
    error = host.error()
    assert "cannot be verified" in error.evidence
    assert not host.calls.exists()
