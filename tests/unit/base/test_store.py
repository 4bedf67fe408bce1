# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/store.py``: each product is made once and completely, and errors have their kind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, SeriesError, UsageError
from harness.base.store import STORE_VARIABLE, Store, digest_of

FAR = Deadline.after(3600)
KEY = digest_of("what it was made from")

# Makes the product: prints when it waits for the lock and when the product is half made, then waits for a line.
MAKER = """
import sys
import time
from pathlib import Path
from harness.base.store import Store

pause = time.sleep

def wait(seconds):
    print("waiting", flush=True)
    time.sleep = pause
    pause(seconds)

time.sleep = wait

def fill(folder):
    (folder / "half").write_text("made")
    print("filling", flush=True)
    sys.stdin.readline()
    (folder / "whole").write_text("made")

print(Store(Path(sys.argv[1])).make("kind", sys.argv[2], fill), flush=True)
"""


def fill(folder: Path) -> None:
    (folder / "whole").write_text("made")


def maker(store: Store) -> list[str]:
    return [sys.executable, "-c", MAKER, str(store.folder), KEY]


def next_line(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


def left_behind(store: Store) -> list[str]:
    return sorted(path.name for path in (store.folder / "kind").iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_make_makes_a_product_once(store: Store) -> None:
    """The first call makes the product, the next finds it; other inputs make another product."""
    made: list[Path] = []

    def count(folder: Path) -> None:
        made.append(folder)
        fill(folder)

    before = store.find("kind", KEY)
    places = [store.make("kind", KEY, count), store.make("kind", KEY, count)]
    other = store.make("kind", digest_of("else"), count)

    assert before is None
    assert places == [store.place("kind", KEY)] * 2
    assert store.find("kind", KEY) == places[0]
    assert other != places[0]
    assert len(made) == 2
    assert (places[0] / "whole").read_text() == "made"
    assert places[0].stat().st_mode & 0o777 == 0o755


def test_make_in_two_processes_makes_a_product_once(store: Store) -> None:
    """Of two processes that need one product, one makes it, and the other waits for it."""
    with process.start(maker(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        states = [next_line(first)]
        with process.start(maker(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as second:
            states.append(next_line(second))
            outputs = [child.communicate(b"\n", timeout=20)[0].decode().split() for child in (first, second)]

    assert states == ["filling", "waiting"]
    assert outputs == [[str(store.place("kind", KEY))]] * 2
    assert left_behind(store) == [store.place("kind", KEY).name]


def test_make_after_a_killed_run_starts_again(store: Store) -> None:
    """SIGKILL while a product is made leaves no product and no lock; the next call makes it and removes the rest."""
    with process.start(maker(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        states = next_line(child)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=20)
    remains = left_behind(store)
    found = store.find("kind", KEY)
    path = store.make("kind", KEY, fill, deadline=FAR)

    assert states == "filling"
    assert len(remains) == 1
    assert found is None
    assert [file.name for file in path.iterdir()] == ["whole"]
    assert left_behind(store) == [path.name]


def test_make_removes_folders_of_killed_runs(store: Store) -> None:
    """The temporary folder of a killed run is removed even when another product is made; one in use stays."""
    dead, alive, other = digest_of("dead"), digest_of("alive"), digest_of("other")
    argv = [sys.executable, "-c", MAKER, str(store.folder)]
    with process.start([*argv, dead], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        states = [next_line(child)]
        child.kill()
        child.wait(timeout=20)
    with process.start([*argv, alive], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        states.append(next_line(child))
        (kept,) = (store.folder / "kind").glob(f".{store.place('kind', alive).name}.making-*")
        (store.folder / "kind" / f".{store.place('kind', dead).name}.making-again").mkdir()
        store.make("kind", other, fill)
        during = left_behind(store)
        child.communicate(b"\n", timeout=20)

    assert states == ["filling", "filling"]
    assert during == sorted([kept.name, store.place("kind", other).name])
    assert left_behind(store) == sorted(store.place("kind", key).name for key in (alive, other))


def test_make_stops_waiting_at_the_deadline(store: Store) -> None:
    """At the deadline of a wait for another run's product the error names the lock; the other run continues."""
    with process.start(maker(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        states = next_line(child)
        with pytest.raises(HostError, match="another run has been making kind") as caught:
            store.make("kind", KEY, fill, deadline=Deadline.after(0))
        output = child.communicate(b"\n", timeout=20)[0].decode().split()

    assert states == "filling"
    assert ".lock" in caught.value.evidence
    assert output == [str(store.place("kind", KEY))]


@pytest.mark.parametrize("error", [SeriesError("does not build"), KeyboardInterrupt(), ValueError("x")])
def test_make_leaves_nothing_when_fill_raises(error: BaseException, store: Store) -> None:
    """An exception of fill() is passed on unchanged, nothing is left, and the next call makes the product."""

    def fail(folder: Path) -> None:
        fill(folder)
        raise error

    with pytest.raises(type(error)) as caught:
        store.make("kind", KEY, fail)
    remains = left_behind(store)

    assert caught.value is error
    assert remains == []
    assert store.make("kind", KEY, fill).is_dir()


@pytest.mark.parametrize("below", [(), ("deeper",)])
def test_store_that_cannot_be_written_is_a_usage_error(below: tuple[str, ...], tmp_path: Path) -> None:
    """A store at or below a regular file is a usage error that names the store and the variable."""
    file = tmp_path / "file"
    file.write_text("")
    store = Store(file.joinpath(*below))

    for call in (
        lambda: store.make("kind", KEY, fill),
        lambda: store.remember("kind", KEY, {}),
        lambda: store.forget("kind", KEY),
    ):
        with pytest.raises(UsageError, match="cannot be written") as caught:
            call()
        assert str(store.folder) in caught.value.what
        assert STORE_VARIABLE in caught.value.remedy
    assert store.find("kind", KEY) is None
    assert store.recall("kind", KEY) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_make_on_a_full_disk_is_a_host_error(number: int, store: Store) -> None:
    """No space left while a product is made is a host error with a hint; nothing is left."""

    def run_out(folder: Path) -> None:
        fill(folder)
        raise OSError(number, os.strerror(number), "/some/where")

    with pytest.raises(HostError, match="no space left in the store") as caught:
        store.make("kind", KEY, run_out)

    assert os.strerror(number) in caught.value.evidence
    assert "harness clean" in caught.value.remedy
    assert left_behind(store) == []


FULL = """
import sys
from pathlib import Path
from harness.base.errors import HostError
from harness.base.store import Store

def fill(folder):
    (folder / "big").write_bytes(bytes(1 << 20))

store = Store(Path(sys.argv[1]))
for call in (lambda: store.make("kind", "a", fill), lambda: store.remember("kind", "a", {"big": "x" * (1 << 20)})):
    try:
        call()
    except HostError as error:
        print(error.what)
print(sorted(path.name for path in (store.folder / "kind").iterdir() if not path.name.endswith(".lock")))
"""


READ_ONLY = """
import sys
from pathlib import Path
from harness.base.errors import UsageError
from harness.base.store import Store

for folder in (Path(sys.argv[1]), Path(sys.argv[1], "a", "b")):
    try:
        Store(folder).make("kind", "a", lambda folder: None)
    except UsageError as error:
        print(error.what)
"""


def on_file_system(option: str, code: str, folder: Path) -> list[str]:
    """Run code with a new file system, visible to it alone, mounted on the folder; return the lines that it prints."""
    mount = f"mount -t tmpfs -o {option} none {folder}"
    private = ["unshare", "--mount", "sh", "-c"]
    if process.run([*private, mount], deadline=FAR, check=False).status != 0:
        pytest.skip("mounting a file system in a mount namespace of one's own needs root")
    script = f'{mount} && exec "$0" -c "$1" {folder}'
    return process.run([*private, script, sys.executable, code], deadline=FAR).text.splitlines()


def test_full_file_system_is_a_host_error(tmp_path: Path) -> None:
    """On a full file system, a product and a fact are host errors, and nothing is left."""
    lines = on_file_system("size=64k", FULL, tmp_path)

    assert lines == [f"no space left in the store {tmp_path}"] * 2 + ["[]"]


def test_read_only_file_system_is_a_usage_error(tmp_path: Path) -> None:
    """A store on a read-only file system is a usage error, whether its folder exists or not."""
    lines = on_file_system("ro", READ_ONLY, tmp_path)

    assert lines == [f"the store {tmp_path} cannot be written", f"the store {tmp_path / 'a' / 'b'} cannot be written"]


def test_make_passes_on_errors_of_files_that_fill_reads(store: Store, tmp_path: Path) -> None:
    """A file that fill() may not read is not reported as a store that cannot be written."""

    def read(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "image"))

    with pytest.raises(PermissionError):
        store.make("kind", KEY, read)

    assert left_behind(store) == []


def test_remember_replaces_and_forget_removes_a_fact(store: Store) -> None:
    """A fact is kept, replaced and removed; keys that differ after a dot are different."""
    absent = store.recall("kind", "v6.1")
    store.remember("kind", "v6.1", {"value": 1})
    store.remember("kind", "v6.2", {"value": 2})
    store.remember("kind", "v6.1", {"value": 3})
    kept = store.recall("kind", "v6.1"), store.recall("kind", "v6.2")
    store.forget("kind", "v6.1")

    assert absent is None
    assert kept == ({"value": 3}, {"value": 2})
    assert store.recall("kind", "v6.1") is None
    assert left_behind(store) == ["v6.2.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b"3"])
def test_recall_of_a_damaged_fact_is_none(content: bytes, store: Store) -> None:
    """A fact that is not a JSON object counts as missing, and can be replaced."""
    store.remember("kind", KEY, {"a": 1})
    next((store.folder / "kind").glob("*.json")).write_bytes(content)
    broken = store.recall("kind", KEY)
    store.remember("kind", KEY, {"a": 2})

    assert broken is None
    assert store.recall("kind", KEY) == {"a": 2}


def test_remember_refuses_a_value_without_json_form(store: Store) -> None:
    """A value that JSON cannot hold is refused before anything is written."""
    store.remember("kind", "other", {})
    with pytest.raises(TypeError):
        store.remember("kind", KEY, {"a": object()})

    assert left_behind(store) == ["other.json"]


def test_forget_removes_a_product(store: Store) -> None:
    """A removed product can be made again; removing a missing product does nothing."""
    store.forget("kind", KEY)
    store.make("kind", KEY, fill)
    store.forget("kind", KEY)
    gone = store.find("kind", KEY)

    assert gone is None
    assert store.make("kind", KEY, fill).is_dir()


def test_digest_of_distinguishes_inputs(tmp_path: Path) -> None:
    """A digest depends on every part, their order and their borders; of a path the content counts."""
    file = tmp_path / "file"
    file.write_bytes(b"x" * (3 << 20))

    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("a", "b") != digest_of("b", "a")
    assert digest_of("a") != digest_of("a", "")
    assert digest_of() != digest_of("")
    assert digest_of("é") == digest_of("é".encode())
    assert digest_of(file) == digest_of(b"x" * (3 << 20))
    assert digest_of(file) != digest_of(str(file))
    assert len(digest_of("a")) == 64


def test_default_reads_the_variable() -> None:
    """The store is the folder of the variable, else in the user's cache; an empty variable counts as unset."""
    assert Store.default({STORE_VARIABLE: "/a/b"}).folder == Path("/a/b")
    assert Store.default({}).folder == Store.default({STORE_VARIABLE: ""}).folder
    assert Store.default({}).folder.name == "kernel-patch-harness"


def test_complaints_passes_on_other_errors(store: Store) -> None:
    """An OSError for another reason is passed on unchanged."""

    def break_down(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output") as caught:
        store.make("kind", KEY, break_down)

    assert not isinstance(caught.value, HarnessError)
