# SPDX-License-Identifier: GPL-2.0-only
"""Kernel source packages: a real apt on a repository in a folder."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import find_program
from harness.base.store import Store
from harness.kernel.git.worktree import checked_out
from harness.kernel.source.tree import Source, source_package
from tests.unit.kernel.repository import Repository
from tests.unit.kernel.user_tree import FILES, seconds

pytestmark = pytest.mark.skipif(find_program("apt-get") is None, reason="the host has no apt")

PACKAGE = "linux-source-9.1"
_COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lzma.compress,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "": bytes,
}
ARCHIVE = f"usr/src/{PACKAGE}.tar"


def archive(files: dict[str, bytes], *, compression: str = "xz") -> bytes:
    """A source archive as the distribution makes it: below one top folder, one file executable, one link."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        top = tarfile.TarInfo(PACKAGE)
        top.type = tarfile.DIRTYPE
        tar.addfile(top)
        for name, content in files.items():
            member = tarfile.TarInfo(f"{PACKAGE}/{name}")
            member.size = len(content)
            member.mode = 0o755 if name.endswith(".sh") else 0o644
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo(f"{PACKAGE}/link")
        link.type, link.linkname = tarfile.SYMTYPE, "init/main.c"
        tar.addfile(link)
    return _COMPRESS[compression](whole.getvalue())


def publish(repository: Repository, version: str, files: dict[str, bytes], *, compression: str = "xz") -> Path:
    packed = archive(files, compression=compression)
    suffix = f".{compression}" if compression else ""
    return repository.add(PACKAGE, version, files={f"{ARCHIVE}{suffix}": packed, "usr/share/doc/x": b"x"})


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one kernel source, in the names that Debian gives."""
    one = Repository(tmp_path / "repository")
    publish(one, "9.1.5-1", {**FILES, "scripts/x.sh": b"#!/bin/sh\n"})
    one.add("linux-source", "9.1.5-1", depends=PACKAGE)
    one.update()
    return one


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def fetch(store: Store, repository: Repository, version: str = "9.1") -> Source:
    return source_package(Context(store, Deadline.after(60)), version, apt=repository.apt)


def refuse(store: Store, repository: Repository, version: str = "9.1") -> UsageError:
    with pytest.raises(UsageError) as caught:
        fetch(store, repository, version)
    return caught.value


def test_a_source_package_becomes_a_commit(store: Store, repository: Repository) -> None:
    """Its files without the top folder; what is executable and what is a link stays so, ignored or not."""
    source = fetch(store, repository)
    with checked_out(Context(store, seconds(60)), source.repository, source.commit) as worktree:
        names = {str(one.relative_to(worktree.path)) for one in worktree.path.rglob("*") if not one.is_dir()}
        modes = {name: (worktree.path / name).lstat().st_mode & 0o111 for name in names}
        link = (worktree.path / "link").readlink()

    assert names == {*FILES, "scripts/x.sh", "link"}
    assert modes["scripts/x.sh"] == 0o111
    assert modes["Makefile"] == 0
    assert link == Path("init/main.c")
    assert str(source.origin) == "linux-source-9.1 9.1.5-1"
    assert (source.uncommitted, source.notes) == (0, ())


def test_nothing_is_kept_but_the_repository(store: Store, repository: Repository) -> None:
    """Neither the package file nor the archive in it."""
    source = fetch(store, repository)

    assert not [*source.repository.git_dir.rglob("*.deb"), *source.repository.git_dir.rglob("*.tar*")]


def test_the_same_package_is_the_same_commit(store: Store, repository: Repository, tmp_path: Path) -> None:
    """In every store: builds of others can be compared."""

    assert fetch(Store(tmp_path / "other"), repository).commit == fetch(store, repository).commit


@pytest.mark.parametrize("compression", ["gz", "bz2", ""])
def test_archives_of_all_compressions(store: Store, repository: Repository, compression: str) -> None:
    """Debian changed its mind before."""
    publish(repository, "9.1.6-1", dict(FILES), compression=compression)
    repository.update()

    assert str(fetch(store, repository).origin).endswith("9.1.6-1")


def test_a_host_without_xz(
    store: Store, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python unpacks it then, to the same commit."""
    commit = fetch(Store(tmp_path / "other"), repository).commit
    monkeypatch.setattr(
        "harness.kernel.source.apt.find_program", lambda name: None if name == "xz" else find_program(name)
    )

    assert fetch(store, repository).commit == commit


def test_apt_is_not_asked_while_its_lists_stand(
    store: Store, repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The second time needs neither apt nor git."""
    first = fetch(store, repository)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert fetch(store, repository) == first


def test_an_update_of_the_lists_brings_the_newer_source(store: Store, repository: Repository) -> None:
    """When it cannot be had, the one in the store is taken, and that is said."""
    first = fetch(store, repository)
    file = publish(repository, "9.1.6-1", {**FILES, "new.c": b"x"})
    repository.update()
    content = file.read_bytes()
    file.unlink()
    offline = fetch(store, repository)
    file.write_bytes(content)
    second = fetch(store, repository)

    assert offline.commit == first.commit
    assert offline.notes[0].startswith("linux-source-9.1 9.1.5-1 was taken from the store, as apt failed: ")
    assert second.commit != first.commit
    assert str(second.origin) == "linux-source-9.1 9.1.6-1"


def test_an_unknown_version_is_answered_with_those_there_are(store: Store, repository: Repository) -> None:
    """As the words to give."""
    error = refuse(store, repository, "9.2")

    assert error.what == "apt's package lists have no package linux-source-9.2"
    assert error.evidence == "they have:\ndeb-src:9.1"


def test_empty_lists_are_the_hosts_fault(store: Store, repository: Repository) -> None:
    """A fresh container has none: not the user's word is wrong."""
    for file in (repository.folder / "lists").glob("*_Packages"):
        file.unlink()

    with pytest.raises(HostError, match="its package lists are empty"):
        fetch(store, repository)


def test_a_package_without_source_is_told(store: Store, repository: Repository) -> None:
    """Once the kernel's source lay elsewhere."""
    repository.add(PACKAGE, "9.1.7-1", files={"usr/share/doc/x": b"x"})
    repository.update()

    assert "has no kernel source" in refuse(store, repository).what


@pytest.mark.parametrize("cut", [1_000, 40])
def test_a_damaged_archive_leaves_nothing(store: Store, repository: Repository, cut: int) -> None:
    """Cut off in the midst or near the end; no half of a kernel is ever built."""
    whole = archive({**FILES, "large.c": bytes(range(256)) * 200})
    repository.add(PACKAGE, "9.1.8-1", files={f"{ARCHIVE}.xz": whole[:-cut]})
    repository.update()

    with pytest.raises(HostError, match="cannot be unpacked"):
        fetch(store, repository)
    assert not [one for one in (store.folder / "kernel-repository").iterdir() if one.is_dir()]


def test_a_damaged_product_is_made_anew(store: Store, repository: Repository) -> None:
    """By a full disk, or a hand."""
    source = fetch(store, repository)
    (source.repository.git_dir / "package.json").write_text("{")

    assert fetch(store, repository) == source


@pytest.mark.network
def test_debians_own_source() -> None:
    """The real package: a kernel tree with what Debian's name says, the same commit in every store."""
    store, deadline = Store.default(), Deadline.after(900)
    source = source_package(Context(store, deadline), "6.1")
    makefile = source.repository.git("cat-file", "blob", f"{source.commit}:Makefile", deadline=deadline).text
    names = source.repository.git("ls-tree", "-r", "--name-only", source.commit, deadline=deadline).text.split("\n")

    assert str(source.origin).startswith("linux-source-6.1 6.1.")
    assert "\nVERSION = 6\nPATCHLEVEL = 1\n" in makefile
    assert len(names) > 70_000
    assert "tools/testing/selftests/cgroup/test_core.c" in names
