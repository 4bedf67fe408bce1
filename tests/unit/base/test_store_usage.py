# SPDX-License-Identifier: GPL-2.0-only
"""``harness clean``: what the store holds, and removing it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import Surroundings, run
from harness.base.store import Store
from tests.private_mounts import needs_mounts, with_mounts
from tests.program import environment, harness
from tests.told import Told, call


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two products of one kind, one of another, and a fact."""
    made = Store(tmp_path / "store")
    for key in ("first", "second"):
        made.make("template", key, lambda folder: _write(folder / "memory", 3 << 20))
    made.make("guest-image", "only", lambda folder: _write(folder / "guest.cpio", 1 << 20))
    made.remember("emulator", "key", {"version": "7.2"})
    return made


def _write(file: Path, size: int) -> None:
    # A hole of a gigabyte behind it: the memory of a guest is mostly holes.
    with file.open("wb") as stream:
        stream.write(b"x" * size)
        stream.truncate(size + (1 << 30))


def clean(store: Store, *words: str) -> Told:
    return call("clean", *words, HARNESS_STORE=str(store.folder))


def kinds(store: Store) -> list[str]:
    return sorted(one.name for one in store.folder.iterdir())


def test_what_the_store_holds_is_listed_by_kind(store: Store) -> None:
    """Numbers, and what they take on the disk without holes; what a killed run left is no product."""
    (store.folder / "template/.third.making-x").mkdir()
    told = clean(store)
    lines = [line.split() for line in told.text.splitlines()[1:-1]]

    assert told.status is ExitStatus.AS_EXPECTED
    assert lines == [
        ["emulator", "1", "fact", "0.0", "MiB"],
        ["guest-image", "1", "product", "1.0", "MiB"],
        ["template", "2", "products", "6.0", "MiB"],
        ["all", "7.0", "MiB"],
    ]
    assert kinds(store) == ["emulator", "guest-image", "template"]


def test_an_empty_store_is_said_to_be_empty(tmp_path: Path) -> None:
    """Before the first run there is none; looking makes none."""
    store = Store(tmp_path / "store")

    assert clean(store).text == f"the store {store.folder} is empty\n"
    assert not store.folder.exists()


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (["template"], ["emulator", "guest-image"]),
        (["template", "emulator", "template"], ["guest-image"]),
        (["all"], []),
        (["emulator", "all"], []),
    ],
)
def test_kinds_are_removed(store: Store, words: list[str], left: list[str]) -> None:
    """What was named goes, all else stays; each is told with what it took."""
    told = clean(store, *(part for word in words for part in ("--remove", word)))

    assert told.status is ExitStatus.AS_EXPECTED
    assert kinds(store) == left
    assert all(line.startswith("removed ") and line.endswith(" MiB") for line in told.text.splitlines())
    assert len(told.text.splitlines()) == 3 - len(left)


def test_an_unknown_kind_removes_nothing(store: Store, tmp_path: Path) -> None:
    """A slip of the fingers is told before the first kind goes; no name leads out of the store."""
    (tmp_path / "mine").mkdir()
    for word in ("templates", "../mine"):
        clean(store, "--remove", "emulator", "--remove", word).require_error(
            ExitStatus.USAGE, f"holds no {word}", "emulator, guest-image, template, all"
        )

    assert kinds(store) == ["emulator", "guest-image", "template"]
    assert (tmp_path / "mine").is_dir()


def test_a_store_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A file in its place, say."""
    (tmp_path / "store").touch()

    clean(Store(tmp_path / "store")).require_error(ExitStatus.USAGE, "cannot be read", "HARNESS_STORE")


@needs_mounts
def test_a_store_that_cannot_be_written_is_told(store: Store) -> None:
    """What could not be removed is named."""
    mounts = [f"mount --bind {store.folder} {store.folder}", f"mount -o remount,bind,ro {store.folder}"]
    command = with_mounts(mounts, harness("clean", "--remove", "template"))
    done = run(
        command,
        deadline=Deadline.after(30),
        check=False,
        within=Surroundings(env=environment(HARNESS_STORE=str(store.folder))),
    )
    told = Told(ExitStatus(done.status), done.text + done.stderr.decode())

    told.require_error(ExitStatus.USAGE, f"{store.folder}/template cannot be removed", "Read-only file system")
