# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness clean``: listing and removing the store's products."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import harness as harness_package
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import Surroundings, run
from harness.base.store import Store
from harness.base.store_usage import CHEAP_FIRST
from harness.commands import clean as clean_command
from tests.command_line import CommandResult, call
from tests.private_mounts import needs_mounts, with_mounts
from tests.program import environment, harness


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
    # With a hole of a gigabyte after the data: the memory of a guest is mostly holes.
    with file.open("wb") as stream:
        stream.write(b"x" * size)
        stream.truncate(size + (1 << 30))


def clean(store: Store, *arguments: str) -> CommandResult:
    return call("clean", *arguments, HARNESS_STORE=str(store.folder))


def kinds(store: Store) -> list[str]:
    return sorted(one.name for one in store.folder.iterdir())


def test_clean_lists_products_by_kind(store: Store) -> None:
    """Each kind has its number of products and their size without holes; a temporary folder is not a product."""
    (store.folder / "template/.third.making-x").mkdir()
    result = clean(store)
    lines = [line.split() for line in result.text.splitlines()[1:-1]]

    assert result.status is ExitStatus.AS_EXPECTED
    assert lines == [
        ["emulator", "1", "fact", "0.0", "MiB"],
        ["guest-image", "1", "product", "1.0", "MiB"],
        ["template", "2", "products", "6.0", "MiB"],
        ["all", "7.0", "MiB"],
    ]
    assert kinds(store) == ["emulator", "guest-image", "template"]


def test_clean_does_not_create_a_store(tmp_path: Path) -> None:
    """A missing store is reported as empty and not created."""
    store = Store(tmp_path / "store")

    assert clean(store).text == f"the store {store.folder} is empty\n"
    assert not store.folder.exists()


@pytest.mark.parametrize(
    ("names", "left"),
    [
        (["template"], ["emulator", "guest-image"]),
        (["template", "emulator", "template"], ["guest-image"]),
        (["all"], []),
        (["emulator", "all"], []),
    ],
)
def test_clean_removes_the_named_kinds(store: Store, names: list[str], left: list[str]) -> None:
    """The named kinds are removed, each reported with its size; all others stay."""
    result = clean(store, *(part for name in names for part in ("--remove", name)))

    assert result.status is ExitStatus.AS_EXPECTED
    assert kinds(store) == left
    assert all(line.startswith("removed ") and line.endswith(" MiB") for line in result.text.splitlines())
    assert len(result.text.splitlines()) == 3 - len(left)


def test_clean_with_an_unknown_kind_removes_nothing(store: Store, tmp_path: Path) -> None:
    """An unknown kind is a usage error before the first kind is removed; no name leads out of the store."""
    (tmp_path / "mine").mkdir()
    for name in ("templates", "../mine"):
        clean(store, "--remove", "emulator", "--remove", name).require_error(
            ExitStatus.USAGE, f"has no {name}", "emulator, guest-image, template, all"
        )

    assert kinds(store) == ["emulator", "guest-image", "template"]
    assert (tmp_path / "mine").is_dir()


def test_clean_reports_an_unreadable_store(tmp_path: Path) -> None:
    """A store that is a file, for example, is a usage error."""
    (tmp_path / "store").touch()

    clean(Store(tmp_path / "store")).require_error(ExitStatus.USAGE, "cannot be read", "HARNESS_STORE")


@needs_mounts
def test_clean_reports_a_kind_that_cannot_be_removed(store: Store) -> None:
    """The error names the folder that could not be removed."""
    mounts = [f"mount --bind {store.folder} {store.folder}", f"mount -o remount,bind,ro {store.folder}"]
    command = with_mounts(mounts, harness("clean", "--remove", "template"))
    done = run(
        command,
        deadline=Deadline.after(120),
        check=False,
        within=Surroundings(env=environment(HARNESS_STORE=str(store.folder))),
    )
    result = CommandResult(ExitStatus(done.status), done.text + done.stderr.decode())

    result.require_error(ExitStatus.USAGE, f"{store.folder}/template cannot be removed", "Read-only file system")


def test_fit_removes_what_is_quickest_to_make_again(store: Store) -> None:
    """Templates go before the guest image, the older one first; facts stay; the last line has the new size."""
    first, second = (store.place("template", key) for key in ("first", "second"))
    os.utime(first, (2_000, 2_000))
    os.utime(second, (1_000, 1_000))
    result = clean(store, "--fit", "5M")

    assert result.status is ExitStatus.AS_EXPECTED
    assert result.text.splitlines()[0] == "removed 1 of template: 3.0 MiB"
    assert re.search(r"takes 4\.\d MiB; the limit is 5\.0 MiB$", result.text)
    assert (first.exists(), second.exists()) == (True, False)
    assert clean(store, "--fit", "1.5MiB").text.startswith("removed 1 of template: 3.0 MiB\n")
    assert clean(store, "--fit", "0").text.startswith("removed 1 of guest-image: 1.0 MiB\n")
    assert store.recall("emulator", "key") == {"version": "7.2"}


def test_fit_keeps_what_a_run_is_using(store: Store) -> None:
    """A product stays while its lock, or that of a folder in it, is held; its size still counts."""
    for key in ("first", "second"):
        os.utime(store.place("template", key), (1_000, 1_000))
    with store.lock("template", "first"), store.lock("template/second", "0"):
        result = clean(store, "--fit", "0")

    assert result.text.splitlines()[:2] == ["removed 1 of guest-image: 1.0 MiB", "kept 2 that a run is using"]
    assert store.place("template", "first").exists()
    assert store.place("template", "second").exists()
    assert clean(store, "--fit", "0").text.startswith("removed 2 of template: 6.0 MiB\n")


def test_fit_removes_kinds_of_other_versions_first(store: Store) -> None:
    """What this version of the harness does not use goes before anything else."""
    store.make("other", "key", lambda folder: _write(folder / "data", 1 << 20))

    assert clean(store, "--fit", "7.5M").text.startswith("removed 1 of other: 1.0 MiB\nthe store")


def test_fit_leaves_a_store_that_fits(store: Store, tmp_path: Path) -> None:
    """Nothing is removed from a small store, and a store that does not exist is not created."""
    assert clean(store, "--fit", "1G").text.count("\n") == 1
    assert len(list((store.folder / "template").glob("[!.]*"))) == 2
    assert "takes 0.0 MiB" in clean(Store(tmp_path / "none"), "--fit", "1G").text
    assert not (tmp_path / "none").exists()


def test_fit_shows_what_it_is_doing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large store takes minutes: the steps of measuring and of removing are shown, some seconds apart."""
    quick = clean(store, "--fit", "5M")
    monkeypatch.setattr(clean_command, "_STEP_SECONDS", 0.0)
    shown = clean(store, "--fit", "0").text

    assert "measuring" not in quick.text
    assert "measuring template: 0.0 GiB so far\n" in shown
    assert "removing template: 0.0 GiB are left\n" in shown


@pytest.mark.parametrize("size", ["6X", "-1", "", "many"])
def test_fit_refuses_what_is_not_a_size(store: Store, size: str) -> None:
    """The error shows the form of a size; nothing is removed."""
    result = clean(store, f"--fit={size}")

    assert result.status is ExitStatus.USAGE
    assert "write for example 6G or 500M" in result.text
    assert kinds(store) == ["emulator", "guest-image", "template"]


def test_fit_and_remove_exclude_each_other(store: Store) -> None:
    """Both at once is a usage error."""
    assert clean(store, "--fit", "1G", "--remove", "all").status is ExitStatus.USAGE
    assert kinds(store) == ["emulator", "guest-image", "template"]


def test_kinds_in_the_order_of_removal_exist() -> None:
    """Every kind of the order is the kind of a product somewhere in the harness."""
    files = Path(harness_package.__file__).parent.rglob("*.py")
    sources = "".join(file.read_text() for file in files if file.name != "store_usage.py")

    assert [kind for kind in CHEAP_FIRST if f'"{kind}"' not in sources] == []


def test_the_state_of_a_service_is_no_product(store: Store) -> None:
    """What cannot be made again stays, unless its own name is given."""
    store.make("follow", "key", lambda folder: _write(folder / "follow.db", 1 << 20))

    assert "follow" not in clean(store, "--fit", "0").text
    assert clean(store, "--remove", "all").status is ExitStatus.AS_EXPECTED
    assert kinds(store) == ["follow"]
    assert clean(store, "--remove", "follow").text == "removed follow: 1.0 MiB\n"
    assert kinds(store) == []
