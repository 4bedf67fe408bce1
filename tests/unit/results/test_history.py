# SPDX-License-Identifier: GPL-2.0-only
"""Fill the history of a results folder repeatedly and from several processes, and rebuild it."""

from __future__ import annotations

import multiprocessing
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import ExitStatus, HostError, UsageError
from harness.model.inventory import InventoryEntry
from harness.model.run_record import OutcomeCount
from harness.model.verdict import Outcome
from harness.results import history_db
from harness.results.folder import RunFolder
from harness.results.history import CASE, HISTORY_NAME, INVENTORY, TRAIT, History, opened_history, rebuild
from tests.command_line import call
from tests.unit.report.sample import CASES, KERNEL, RUN, STARTED

CASE_ID = CASES[0].id


def silent(text: str) -> None:
    """Ignore a progress line."""


@contextmanager
def opened(results: Path) -> Iterator[History]:
    """Open the history of a results folder and add its runs."""
    with opened_history(results, say=silent) as history:
        assert history.bring_up_to_date(results) == ()
        yield history


def save(results: Path, number: int, outcome: Outcome = Outcome.MATCH, *, image: str = "", **more: object) -> Path:
    """Write a run of one case, a number of days after the first."""
    case = replace(CASES[0], outcome=outcome, digest="d")
    kernel = replace(KERNEL, image_digest=image * 32 or f"{number:x}".ljust(64, "0"))
    run = replace(RUN, started=STARTED + 86400 * number, kernel=kernel, cases=(case,), **more)  # type: ignore[arg-type]
    folder = RunFolder.create(results, "deb", run.started)
    folder.write(run)
    return folder.path


def test_run_added_again_is_there_once(tmp_path: Path) -> None:
    """The final record of a run replaces rows that were added before it ended."""
    folder = save(tmp_path, 1, complete=False)
    for outcome in (Outcome.MATCH, Outcome.MISMATCH, Outcome.MISMATCH):
        RunFolder(folder).write(replace(RUN, cases=(replace(CASES[0], outcome=outcome),)))
        with opened(tmp_path) as history:
            entries = history.entries(CASE, CASE_ID)

    assert [entry.said for entry in entries] == ["mismatch"]


def test_entries_of_a_case_and_a_trait(tmp_path: Path) -> None:
    """Entries are in the order of time and count verdicts and failures."""
    for number, outcome in enumerate((Outcome.MISMATCH, Outcome.MATCH, Outcome.SKIPPED)):
        save(tmp_path, number, outcome)
    with opened(tmp_path) as history:
        entries = history.entries(CASE, CASE_ID)
        traits = history.entries(TRAIT, "outside_view")

    assert [(one.said, one.asked, one.failed) for one in entries] == [
        ("mismatch", 1, 1),
        ("match", 1, 0),
        ("skipped", 0, 0),
    ]
    assert [one.said for one in traits] == ["relative"] * 3
    assert entries[0].line == "deb 6.1"


def test_flakes_have_their_failure_rate(tmp_path: Path) -> None:
    """Runs of one image and the rounds of one run are counted together; other images are not."""
    save(tmp_path, 1, Outcome.MISMATCH, image="aa")
    save(tmp_path, 2, Outcome.MATCH, image="aa")
    save(tmp_path, 3, Outcome.MISMATCH, image="bb")
    with opened(tmp_path) as history:
        assert history.flakes() == ((CASE_ID, 1, 2),)
    tries = (OutcomeCount(Outcome.MATCH, 7), OutcomeCount(Outcome.LOST, 3))
    RunFolder(save(tmp_path, 4)).write(replace(RUN, cases=(replace(CASES[0], outcome=Outcome.LOST, tries=tries),)))
    with opened(tmp_path) as history:
        assert history.flakes() == ((CASE_ID, 4, 12),)


def test_unreadable_run_is_reported_and_skipped(tmp_path: Path) -> None:
    """A cut record does not keep a good one from being added."""
    save(tmp_path, 1)
    (save(tmp_path, 2) / "run.json").write_text('{"format_version": 1, "ker')
    with opened_history(tmp_path, say=silent) as history:
        complaints = history.bring_up_to_date(tmp_path)
        entries = history.entries(CASE, CASE_ID)

    assert len(entries) == 1
    assert "run.json is damaged" in complaints[0]


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\x00" + b"\xff" * 5000])
def test_damaged_history_can_be_rebuilt(tmp_path: Path, content: bytes) -> None:
    """The error names the command that rebuilds it; the damaged file is kept."""
    save(tmp_path, 1)
    (tmp_path / HISTORY_NAME).write_bytes(content)
    with pytest.raises(HostError, match="is damaged") as caught, opened(tmp_path):
        pass
    notes = rebuild(tmp_path, say=silent)

    assert "harness history --rebuild" in caught.value.remedy
    assert (tmp_path / f"{HISTORY_NAME}.old").read_bytes() == content
    assert any("cannot be read" in note for note in notes)
    with opened(tmp_path) as history:
        assert len(history.entries(CASE, CASE_ID)) == 1


def test_rebuild_keeps_runs_whose_folders_are_gone(tmp_path: Path) -> None:
    """Runs whose folders were removed are copied from the old file."""
    gone = save(tmp_path, 1, Outcome.MISMATCH)
    save(tmp_path, 2)
    with opened(tmp_path):
        pass
    shutil.rmtree(gone)
    notes = rebuild(tmp_path, say=silent)
    with opened(tmp_path) as history:
        assert [one.said for one in history.entries(CASE, CASE_ID)] == ["mismatch", "match"]
    assert "copied 1 runs whose folders are gone" in notes[0]


def test_foreign_or_newer_database_is_left_alone(tmp_path: Path) -> None:
    """The error shows which it is, and nothing is written."""
    for statement, what in (
        ("CREATE TABLE x (y)", "is damaged, or not a history"),
        ("PRAGMA user_version = 99", "format 99"),
    ):
        with sqlite3.connect(tmp_path / HISTORY_NAME) as database:
            database.execute(statement)
        before = (tmp_path / HISTORY_NAME).read_bytes()
        with pytest.raises((HostError, UsageError), match=what), opened(tmp_path):
            pass
        assert (tmp_path / HISTORY_NAME).read_bytes() == before
        (tmp_path / HISTORY_NAME).unlink()


def test_lock_is_reported_and_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting is reported; a lock that is never released is a host error."""
    monkeypatch.setattr(history_db, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(history_db, "WAIT_SECONDS", 0.2)
    with opened(tmp_path):
        pass
    lines: list[str] = []
    other = sqlite3.connect(tmp_path / HISTORY_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    folder = save(tmp_path, 1)
    with (
        pytest.raises(HostError, match="has been locked by another process"),
        opened_history(tmp_path, say=lines.append) as history,
    ):
        history.add(folder, RUN)
    other.close()

    assert lines == [f"waiting for another process to finish writing {tmp_path / HISTORY_NAME}"]
    with opened(tmp_path) as history:
        assert len(history.runs()) == 1


def _add_some(results: Path, numbers: range) -> None:
    for number in numbers:
        folder = save(results, number)
        with opened_history(results, say=silent) as history:
            history.add(folder, replace(RUN, started=float(number)))


def test_several_writers_lose_nothing(tmp_path: Path) -> None:
    """Four processes write at once, beginning when the file does not exist yet."""
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add_some, args=(tmp_path, range(one, 20, 4))) for one in range(4)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()

    assert [one.exitcode for one in writers] == [0] * 4
    with opened_history(tmp_path, say=silent) as history:
        assert len(history.runs()) == 20


def test_command_shows_since_when(tmp_path: Path) -> None:
    """It shows a case by a part of its id, a trait, a kernel, or everything."""
    for number, outcome in enumerate((Outcome.MATCH, Outcome.MATCH, Outcome.MISMATCH, Outcome.LOST)):
        save(tmp_path, number, outcome)
    case = call("history", "manual_page", "--results", tmp_path)
    trait = call("history", "outside_view", "--results", tmp_path)
    kernel = call("history", "deb", "--results", tmp_path)
    all_of_it = call("history", "--results", tmp_path)

    assert "▁▁██  4 builds, 4 runs" in case.text
    assert f"bad since   {KERNEL.release} (image 200000000000)" in case.text
    assert "2 of 4 failed (50%); broke 1 time" in " ".join(case.text.split())
    assert "since" in trait.text
    assert "relative" in trait.text
    assert "1 of 1 failed" in kernel.text
    assert "Failing now" in all_of_it.text
    assert {one.status for one in (case, trait, kernel, all_of_it)} == {ExitStatus.AS_EXPECTED}


def test_unknown_name_is_a_usage_error(tmp_path: Path) -> None:
    """An ambiguous name and a missing results folder are usage errors as well."""
    folder = save(tmp_path, 1)
    RunFolder(folder).write(replace(RUN, cases=CASES))
    call("history", "nosuch", "--results", tmp_path).require_error(ExitStatus.USAGE, "nosuch: no run in")
    call("history", "cases/views", "--results", tmp_path).require_error(
        ExitStatus.USAGE, "3 case ids contain this", "siblings"
    )
    call("history", "--results", tmp_path / "no").require_error(ExitStatus.USAGE, "no results folder")


def test_command_rebuilds_a_damaged_history(tmp_path: Path) -> None:
    """The error names the option that rebuilds the file, and the option works."""
    save(tmp_path, 1)
    (tmp_path / HISTORY_NAME).write_bytes(b"garbage" * 999)
    call("history", "--results", tmp_path).require_error(ExitStatus.HOST, "--rebuild")
    rebuilt = call("history", "--rebuild", "--results", tmp_path)

    assert rebuilt.status is ExitStatus.AS_EXPECTED
    assert "deb 6.1" in rebuilt.text


def test_empty_folder_is_not_an_error(tmp_path: Path) -> None:
    """The command reports that there is no run yet."""
    assert "holds no run yet" in call("history", "--results", tmp_path).text


def test_history_of_an_entry_of_the_inventory(tmp_path: Path) -> None:
    """Runs without an inventory are left out; in one that has another entry, it is not there."""
    x, y = InventoryEntry("files: x", "ok"), InventoryEntry("files: y", "mode=0644")
    for number, entries in enumerate([(x,), (), (x, y), (x, replace(y, facts="mode=0666"))], 1):
        save(tmp_path, number, inventory=entries)
    with opened(tmp_path) as history:
        entries_of = history.entries(INVENTORY, "files: y")

    assert [one.said for one in entries_of] == ["not there", "mode=0644", "mode=0666"]
    shown = call("history", "inventory:: y", "--results", tmp_path)
    assert shown.status == ExitStatus.AS_EXPECTED
    assert "not there -> mode=0644" in shown.text
    assert "mode=0644 -> mode=0666" in shown.text
    several = call("history", "inventory:files", "--results", tmp_path)
    assert several.status == ExitStatus.USAGE
    assert "2 entries contain this" in several.text
    assert "harness run KERNEL --inventory" in call("history", "inventory:zz", "--results", tmp_path).text
