# SPDX-License-Identifier: GPL-2.0-only
"""The store: each product made once, none half-made, every complaint of its own kind."""

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

# Makes the product; tells when it waits for the lock, when it is in the midst, and then goes on when it is told to.
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


def said(child: subprocess.Popen[bytes]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().decode().strip()


def left_behind(store: Store) -> list[str]:
    return sorted(path.name for path in (store.folder / "kind").iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_made_once(store: Store) -> None:
    """The first caller makes the product, the next finds it; what was made from other inputs is another product."""
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


def test_two_processes_make_it_once(store: Store) -> None:
    """Of two processes that ask for one product, one makes it and the other waits and takes it."""
    with process.start(maker(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        midst = [said(first)]
        with process.start(maker(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as second:
            midst.append(said(second))
            outputs = [child.communicate(b"\n", timeout=20)[0].decode().split() for child in (first, second)]

    assert midst == ["filling", "waiting"]
    assert outputs == [[str(store.place("kind", KEY))]] * 2
    assert left_behind(store) == [store.place("kind", KEY).name]


def test_killed_maker_leaves_nothing(store: Store) -> None:
    """SIGKILL in the midst leaves no product and no lock; the next caller makes it and sweeps the remains."""
    with process.start(maker(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        midst = said(child)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(timeout=20)
    remains = left_behind(store)
    found = store.find("kind", KEY)
    place = store.make("kind", KEY, fill, deadline=FAR)

    assert midst == "filling"
    assert len(remains) == 1
    assert found is None
    assert [path.name for path in place.iterdir()] == ["whole"]
    assert left_behind(store) == [place.name]


def test_what_a_killed_maker_left_goes_when_another_product_is_made(store: Store) -> None:
    """The killed run's product may never be made again. A folder that a run is filling stays."""
    dead, alive, other = digest_of("dead"), digest_of("alive"), digest_of("other")
    words = [sys.executable, "-c", MAKER, str(store.folder)]
    with process.start([*words, dead], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        midst = [said(child)]
        child.kill()
        child.wait(timeout=20)
    with process.start([*words, alive], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        midst.append(said(child))
        (kept,) = (store.folder / "kind").glob(f".{store.place('kind', alive).name}.making-*")
        (store.folder / "kind" / f".{store.place('kind', dead).name}.making-again").mkdir()
        store.make("kind", other, fill)
        during = left_behind(store)
        child.communicate(b"\n", timeout=20)

    assert midst == ["filling", "filling"]
    assert during == sorted([kept.name, store.place("kind", other).name])
    assert left_behind(store) == sorted(store.place("kind", key).name for key in (alive, other))


def test_deadline_while_another_makes_it(store: Store) -> None:
    """Who may wait no longer for another run's product is told so, and by which lock; the other is not disturbed."""
    with process.start(maker(store), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        midst = said(child)
        with pytest.raises(HostError, match="another run has been making kind") as caught:
            store.make("kind", KEY, fill, deadline=Deadline.after(0))
        output = child.communicate(b"\n", timeout=20)[0].decode().split()

    assert midst == "filling"
    assert ".lock" in caught.value.evidence
    assert output == [str(store.place("kind", KEY))]


@pytest.mark.parametrize("error", [SeriesError("does not build"), KeyboardInterrupt(), ValueError("x")])
def test_failed_maker_leaves_nothing(error: BaseException, store: Store) -> None:
    """What fill() raises comes out as it is, nothing is left, and the next call makes the product."""

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
def test_store_that_cannot_be_written(below: tuple[str, ...], tmp_path: Path) -> None:
    """A store at or under a regular file is the user's to mend: the error names it and the variable."""
    file = tmp_path / "file"
    file.write_text("")
    store = Store(file.joinpath(*below))

    for ask in (
        lambda: store.make("kind", KEY, fill),
        lambda: store.remember("kind", KEY, {}),
        lambda: store.forget("kind", KEY),
    ):
        with pytest.raises(UsageError, match="cannot be written") as caught:
            ask()
        assert str(store.folder) in caught.value.what
        assert STORE_VARIABLE in caught.value.remedy
    assert store.find("kind", KEY) is None
    assert store.recall("kind", KEY) is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_disk_full_while_filling(number: int, store: Store) -> None:
    """No space left while a product is made is the host's fault, and says how to mend it; nothing is left."""

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
for ask in (lambda: store.make("kind", "a", fill), lambda: store.remember("kind", "a", {"big": "x" * (1 << 20)})):
    try:
        ask()
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
    """The lines that the code prints when it runs with a fresh file system on the folder, which it alone sees."""
    mount = f"mount -t tmpfs -o {option} none {folder}"
    private = ["unshare", "--mount", "sh", "-c"]
    if process.run([*private, mount], deadline=FAR, check=False).status != 0:
        pytest.skip("mounting a file system in a mount namespace of one's own needs root")
    script = f'{mount} && exec "$0" -c "$1" {folder}'
    return process.run([*private, script, sys.executable, code], deadline=FAR).text.splitlines()


def test_disk_really_full(tmp_path: Path) -> None:
    """On a full file system, product and fact are refused as the host's fault, and leave nothing behind."""
    lines = on_file_system("size=64k", FULL, tmp_path)

    assert lines == [f"no space left in the store {tmp_path}"] * 2 + ["[]"]


def test_read_only_file_system(tmp_path: Path) -> None:
    """A store on a read-only file system, or to be made in one, is the user's to mend."""
    lines = on_file_system("ro", READ_ONLY, tmp_path)

    assert lines == [f"the store {tmp_path} cannot be written", f"the store {tmp_path / 'a' / 'b'} cannot be written"]


def test_error_of_what_fill_reads_is_not_the_stores(store: Store, tmp_path: Path) -> None:
    """A file that fill() may not read is not mistaken for a store that cannot be written."""

    def read(folder: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "image"))

    with pytest.raises(PermissionError):
        store.make("kind", KEY, read)

    assert left_behind(store) == []


def test_facts(store: Store) -> None:
    """A fact is kept, replaced and forgotten; keys that differ behind a dot are two."""
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
def test_broken_fact_is_none(content: bytes, store: Store) -> None:
    """A fact that cannot be read as an object counts as none, and can be replaced."""
    store.remember("kind", KEY, {"a": 1})
    next((store.folder / "kind").glob("*.json")).write_bytes(content)
    broken = store.recall("kind", KEY)
    store.remember("kind", KEY, {"a": 2})

    assert broken is None
    assert store.recall("kind", KEY) == {"a": 2}


def test_fact_that_cannot_be_kept_leaves_nothing(store: Store) -> None:
    """A value that is no JSON is refused before anything is written."""
    store.remember("kind", "other", {})
    with pytest.raises(TypeError):
        store.remember("kind", KEY, {"a": object()})

    assert left_behind(store) == ["other.json"]


def test_forget(store: Store) -> None:
    """A product is dropped and made anew; to forget what is not there does nothing."""
    store.forget("kind", KEY)
    store.make("kind", KEY, fill)
    store.forget("kind", KEY)
    gone = store.find("kind", KEY)

    assert gone is None
    assert store.make("kind", KEY, fill).is_dir()


def test_digest_tells_inputs_apart(tmp_path: Path) -> None:
    """A digest depends on every part, on their order and on where one ends; a path counts by its content."""
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


def test_default_store() -> None:
    """The store is where the variable says, else in the user's cache; an empty variable says nothing."""
    assert Store.default({STORE_VARIABLE: "/a/b"}).folder == Path("/a/b")
    assert Store.default({}).folder == Store.default({STORE_VARIABLE: ""}).folder
    assert Store.default({}).folder.name == "kernel-patch-harness"


def test_complaints_are_of_the_harness(store: Store) -> None:
    """Another OSError is not dressed up as something it is not."""

    def break_down(folder: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output") as caught:
        store.make("kind", KEY, break_down)

    assert not isinstance(caught.value, HarnessError)
