# SPDX-License-Identifier: GPL-2.0-only
"""What hosts send is untrusted: messages, archives of logs, and artifacts are checked when they arrive."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError
from harness.base.store import Store
from harness.hosts import artifacts, logs
from harness.hosts.artifacts import Offer, content_digest, fetch
from harness.hosts.remote.environment import code_archive
from harness.hosts.wire import BLOCK_BYTES, HostFacts, Message, MessageKind, dump_message, load_message

TEXT = st.text(max_size=50)
MESSAGES = st.builds(
    Message,
    st.sampled_from(MessageKind),
    st.integers(0, 2**31),
    TEXT,
    st.tuples(TEXT),
    TEXT,
    st.builds(HostFacts, TEXT, TEXT, TEXT, st.floats(0, 1e6)),
)


@given(message=MESSAGES, archive=st.binary(max_size=200))
def test_a_message_is_read_as_it_was_written(message: Message, archive: bytes) -> None:
    """Also with lone surrogates, and an archive with any bytes."""
    assert load_message(dump_message(message, archive)) == (message, archive)


@given(data=st.one_of(st.binary(max_size=100), TEXT, st.none(), st.integers()))
def test_a_damaged_message_is_an_error_of_the_harness(data: object) -> None:
    """Never another exception."""
    with pytest.raises(HarnessError):
        load_message(data)


def archive_with(name: str, *, kind: bytes = tarfile.REGTYPE, target: str = "", size: int = 1) -> bytes:
    """Return an archive with one member."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.size = kind, target, size if kind == tarfile.REGTYPE else 0
        archive.addfile(member, io.BytesIO(b"x" * size) if kind == tarfile.REGTYPE else None)
    return held.getvalue()


def test_logs_arrive_as_they_were(tmp_path: Path) -> None:
    """Files in folders; links are left out."""
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "kernel.log").write_bytes(b"\x00\xffline\n")
    (source / "diff").write_text("")
    (source / "link").symlink_to("/etc/passwd")
    logs.unpack(logs.pack(source), target)

    assert (target / "inner" / "kernel.log").read_bytes() == b"\x00\xffline\n"
    assert sorted(path.name for path in target.rglob("*")) == ["diff", "inner", "kernel.log"]


@pytest.mark.parametrize(
    "archive",
    [
        archive_with("../outside"),
        archive_with("/absolute"),
        archive_with("a/../../outside"),
        archive_with("link", kind=tarfile.SYMTYPE, target="/etc"),
        archive_with("hard", kind=tarfile.LNKTYPE, target="../outside"),
        archive_with("device", kind=tarfile.CHRTYPE),
        archive_with("fifo", kind=tarfile.FIFOTYPE),
        b"no archive",
        archive_with("cut", size=5000)[:40],
    ],
    # Each archive holds the time at which it was made: as part of the name it differs between workers.
    ids=["parent", "absolute", "inner-parent", "symbolic-link", "hard-link", "device", "fifo", "no-archive", "cut"],
)
def test_an_archive_that_reaches_outside_is_refused(archive: bytes, tmp_path: Path) -> None:
    """Nothing is written outside of the folder of the case."""
    folder = tmp_path / "case"
    with pytest.raises(HostError):
        logs.unpack(archive, folder)

    assert [path for path in tmp_path.rglob("*") if path.name == "outside"] == []


def test_logs_that_are_too_large_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit counts what the archive unpacks to."""
    monkeypatch.setattr(logs, "MOST_BYTES", 100)
    with pytest.raises(HostError, match="refused"):
        logs.unpack(archive_with("large", size=101), tmp_path)


def test_a_file_twice_in_an_archive_is_refused(tmp_path: Path) -> None:
    """The second one cannot replace the first."""
    logs.unpack(archive_with("one"), tmp_path)
    with pytest.raises(HostError):
        logs.unpack(archive_with("one"), tmp_path)


def test_an_artifact_is_sent_once_to_a_store(tmp_path: Path) -> None:
    """The second request finds it there; the bytes are counted."""
    content = os.urandom(BLOCK_BYTES + 5)
    offer, store = Offer(), Store(tmp_path)
    file = tmp_path / "image"
    file.write_bytes(content)
    digest = offer.add(file)
    for _ in range(2):
        path = fetch(store, digest, offer.read, deadline=Deadline.after(60))
        assert path.read_bytes() == content

    assert offer.sent == {digest: 1}
    assert offer.sent_bytes == len(content)


def test_a_damaged_artifact_gets_no_name(tmp_path: Path) -> None:
    """What arrives is checked against the digest before it is in the store."""
    offer, store = Offer(), Store(tmp_path)
    digest = offer.add(b"right")

    def damaged(name: str, offset: int) -> bytes:
        return offer.read(name, offset).replace(b"r", b"w")

    with pytest.raises(HostError, match="damaged"):
        fetch(store, digest, damaged, deadline=Deadline.after(60))

    assert store.find(artifacts.KIND, digest) is None


def test_only_offered_artifacts_are_read(tmp_path: Path) -> None:
    """A digest of anything else reads nothing."""
    secret = tmp_path / "secret"
    secret.write_text("secret")

    assert Offer().read(content_digest(secret), 0) == b""
    assert Offer().read(str(secret), 0) == b""


def test_the_code_of_the_harness_is_packed_whole() -> None:
    """With the modules that start on a host, from a checkout or from an installation."""
    with tarfile.open(fileobj=io.BytesIO(code_archive())) as archive:
        names = archive.getnames()

    assert {"harness/hosts/agent.py", "harness/hosts/batch.py", "harness/hosts/worker.py", "pyproject.toml"} <= set(
        names
    )
    assert not [name for name in names if "__pycache__" in name or name.startswith("/")]
