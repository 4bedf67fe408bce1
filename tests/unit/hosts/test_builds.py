# SPDX-License-Identifier: GPL-2.0-only
"""Builds on hosts: what is sent is what git hashes, what comes back is checked, and only awaited files are taken."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import DiskFullError, HarnessError, HostError, SeriesError, Stage, UsageError
from harness.base.events import HostBusy, Note, PhaseStarted, Progress, StageEvent
from harness.base.json_records import dump_value
from harness.base.store import Store
from harness.hosts.artifacts import Intake, Offer, content_digest, fetch_to, source_name
from harness.hosts.builds.job import BuildResult, dump_event, error_of, load_event, load_result, record_error
from harness.hosts.builds.sources import (
    has_commits,
    known_commits,
    object_format,
    pack_source,
    received_repository,
    take_pack,
)
from harness.hosts.wire import BLOCK_BYTES
from harness.kernel.git.repository import Repository
from tests.unit.kernel.fake_tree import FakeRepository, make_repository

TEXT = st.text(max_size=50)
EVENTS = st.one_of(
    st.builds(PhaseStarted, TEXT, st.booleans()),
    st.builds(Progress, TEXT, st.integers(0, 99), st.none() | st.integers(0, 99), st.none() | st.floats(0, 1e6)),
    st.builds(Note, TEXT),
    st.builds(HostBusy, st.booleans()),
)


def context_of(folder: Path) -> Context:
    """Return the context of a host with a store of its own."""
    folder.mkdir(exist_ok=True)
    return Context(Store(folder), Deadline.after(60))


@given(event=EVENTS)
def test_an_event_is_read_as_it_was_written(event: StageEvent) -> None:
    """Each kind of event of a build."""
    assert load_event(dump_event(event)) == event


@pytest.mark.parametrize("text", ["", "3", "{}", '{"kind": "Lines"}', '{"kind": ["Note"]}', '{"kind": "Note"}'])
def test_a_damaged_event_is_an_error_of_the_harness(text: str) -> None:
    """Never another exception."""
    with pytest.raises(HarnessError):
        load_event(text)


def test_an_error_arrives_as_it_was_raised(tmp_path: Path) -> None:
    """With its kind, stage, hint and packages, and the text of its log in a file of this host."""
    log = tmp_path / "make.log"
    log.write_text("CC kernel/fork.o\nerror\n")
    error = SeriesError("it does not build", evidence="error", remedy="fix it", log=log, packages=("gcc",))
    error.stage = Stage.BUILD
    record = load_result(dump_value(BuildResult(error=record_error(error)))).error
    assert record is not None
    assert record.log == "CC kernel/fork.o\nerror\n"
    found = error_of(record, tmp_path / "here.log")

    assert (type(found), found.what, found.evidence, found.remedy) == (SeriesError, error.what, "error", "fix it")
    assert (found.stage, found.packages, found.log) == (Stage.BUILD, ("gcc",), tmp_path / "here.log")
    assert isinstance(error_of(record_error(DiskFullError("full")), None), DiskFullError)


def test_an_error_of_no_build_is_refused() -> None:
    """A host cannot name a class of the harness that no build raises."""
    record = record_error(HostError("lost"))
    with pytest.raises(UsageError, match="damaged"):
        error_of(type(record)("KeyboardInterrupt", "lost"), None)


def sent(offer: Offer, name: str, folder: Path) -> Path:
    """Fetch an artifact to a file of a host."""
    folder.mkdir(parents=True, exist_ok=True)
    fetch_to(folder / "fetched", name, offer.read)
    return folder / "fetched"


@pytest.fixture
def tree(tmp_path: Path) -> FakeRepository:
    """Return a repository with three commits on a long history that is not sent."""
    tree = make_repository(tmp_path / "linux")
    for number in range(3):
        tree.commit({"lib/string.c": f"int length_{number};\n"})
    return tree


def test_a_host_gets_what_it_does_not_have(tree: FakeRepository, tmp_path: Path) -> None:
    """The whole tree of the first commit, one file of the second; and no history."""
    here, there, deadline = Repository(tree.path / ".git"), context_of(tmp_path / "store"), Deadline.after(60)
    offer, sizes = Offer(), []
    (packs := tmp_path / "packs").mkdir()
    repository = received_repository(there, object_format(here, deadline=deadline))
    for commit in tree.commits[2:4]:
        offer.add_source(commit, partial(pack_source, here, [commit], folder=packs, deadline=deadline))
        assert not has_commits(repository, [commit], deadline=deadline)
        file = sent(offer, source_name(commit, known_commits(there, repository)), tmp_path / "work" / commit)
        sizes.append(file.stat().st_size)
        take_pack(there, repository, file, [commit])
    first, second = tree.commits[2:4]

    assert sizes[1] < sizes[0] / 3
    assert repository.git("show", f"{second}:lib/string.c", deadline=deadline).text == "int length_2;\n"
    assert repository.git("rev-parse", f"{first}^{{tree}}", deadline=deadline).text.strip() == tree.git(
        "rev-parse", f"{first}^{{tree}}"
    )
    assert repository.git("rev-list", second, deadline=deadline).text.split() == [second], "its history ends there"
    assert known_commits(there, repository) == [second, first]
    assert not has_commits(repository, [tree.commits[1]], deadline=deadline)


def test_a_damaged_source_is_refused(tree: FakeRepository, tmp_path: Path) -> None:
    """Nothing of it stays in the repository of the host."""
    here, there, deadline = Repository(tree.path / ".git"), context_of(tmp_path / "store"), Deadline.after(60)
    repository = received_repository(there, "sha1")
    pack = pack_source(here, [tree.commits[0]], (), tmp_path, deadline=deadline)
    content = bytearray(pack.read_bytes())
    content[len(content) // 2] ^= 1
    (folder := tmp_path / "work").mkdir()
    (folder / "fetched").write_bytes(content)
    with pytest.raises(HostError):
        take_pack(there, repository, folder / "fetched", [tree.commits[0]])

    assert not list((repository.git_dir / "objects" / "pack").iterdir())
    assert known_commits(there, repository) == []


def test_a_source_is_packed_once_for_the_same_hosts(tmp_path: Path) -> None:
    """And a commit that is not offered reads as nothing."""
    made: list[tuple[str, ...]] = []
    (tmp_path / "pack").write_bytes(b"pack")

    def make(known: tuple[str, ...]) -> Path:
        made.append(known)
        return tmp_path / "pack"

    offer = Offer()
    offer.add_source("abc", make)
    for known in ((), ("1", "2"), ("1", "2")):
        assert offer.read(source_name("abc", known), 0) == b"pack"

    assert made == [(), ("1", "2")]
    assert offer.read(source_name("def", ()), 0) == b""
    with pytest.raises(HostError, match="damaged"):
        fetch_to(tmp_path / "fetched", source_name("def", ()), offer.read)


def test_only_awaited_files_are_taken(tmp_path: Path) -> None:
    """Each part behind the one before, in a folder that no name leads out of."""
    intake = Intake(tmp_path)
    with intake.awaiting("7-build") as (file,):
        assert intake.take("7-config", 0, b"x") == "not awaited"
        assert intake.take("../7-build", 0, b"x") == "not awaited"
        assert intake.take("7-build", BLOCK_BYTES, b"x") == "not awaited"
        assert intake.take("7-build", 0, b"one") == ""
        assert intake.take("7-build", 3, b"two") == ""
        assert file.read_bytes() == b"onetwo"
        assert content_digest(file) == content_digest(b"onetwo")

    assert intake.take("7-build", 6, b"x") == "not awaited"
    assert list(tmp_path.iterdir()) == []
