# SPDX-License-Identifier: GPL-2.0-only
"""``harness accept``: the patch that the last run amounts to, and when there is none to be taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import CaseError, UsageError
from harness.base.process import run
from harness.model.run_record import CaseRecord, KernelRecord, RunRecord
from harness.model.verdict import Outcome
from harness.results.folder import RunFolder, case_folder_name
from harness.run.accept import accept_case
from harness.run.case import ACTUAL_NAME, EXPECTED_NAME
from harness.suite.load import default_suite
from tests.private_mounts import needs_mounts, with_mounts
from tests.program import harness, start

EXPECTED = "title: a greeting\n\nProse.\n\n    # echo hello\n    goodbye\n    # true\n"
ACTUAL = EXPECTED.replace("goodbye", "hello")
KERNEL = KernelRecord("deb", "linux 6.1", "6.1.0", "x86_64", "digest", "digest", "beside the image")


@dataclass(frozen=True)
class Desk:
    """A session file in the folder where the test stands, and the results of runs."""

    path: Path
    results: Path

    @property
    def name(self) -> str:
        return self.path.name

    def record(
        self, *, actual: str = ACTUAL, expected: str = EXPECTED, outcome: Outcome = Outcome.MISMATCH, reason: str = ""
    ) -> Path:
        """What a run leaves of this one case; its folder."""
        folder = RunFolder.create(self.results, "deb", time.time())
        case = CaseRecord(self.name, "cases", self.name, outcome, reason=reason)
        folder.write(RunRecord(KERNEL, time.time(), complete=True, cases=(case,)))
        place = folder.path / case_folder_name(self.name)
        place.mkdir(parents=True)
        (place / ACTUAL_NAME).write_text(actual)
        (place / EXPECTED_NAME).write_text(expected)
        return place

    def accept(self) -> str:
        return accept_case(self.name, default_suite(), results=self.results)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "greeting.session"
    path.write_text(EXPECTED)
    yield Desk(path, tmp_path / "results")
    assert sorted(one.name for one in tmp_path.iterdir() if one.name != "results") == [path.name], "something was left"


def test_the_file_becomes_what_was_seen_and_the_patch_is_shown(desk: Desk) -> None:
    """The text that is shown is the patch that was applied, by the case's name."""
    desk.record()
    said = desk.accept()

    assert desk.path.read_text() == ACTUAL
    assert f"--- a/{desk.name}" in said
    assert "-    goodbye\n+    hello\n" in said


def test_a_second_time_there_is_nothing_to_do(desk: Desk) -> None:
    """Accepting twice is no error and changes nothing."""
    desk.record()
    desk.accept()
    said = desk.accept()

    assert said == f"{desk.name} already expects the output of the last run; nothing to do; its result is mismatch: \n"
    assert desk.path.read_text() == ACTUAL


def test_a_case_that_matched_has_nothing_to_accept(desk: Desk) -> None:
    """A match leaves the file as it is."""
    desk.record(actual=EXPECTED, outcome=Outcome.MATCH)

    assert desk.accept() == f"{desk.name} already expects the output of the last run; nothing to do\n"


def test_a_mismatch_that_no_text_can_mend_is_told(desk: Desk) -> None:
    """Accepting does not fix a trait that differs from the profile: the reason of the verdict is shown."""
    desk.record(actual=EXPECTED, reason="trait outside_view is hidden, v4 says relative")

    assert "outside_view is hidden" in desk.accept()


def test_a_file_that_was_changed_since_is_left_alone(desk: Desk) -> None:
    """What was edited after the run is not overwritten."""
    desk.record()
    desk.path.write_text(EXPECTED + "\nMore prose.\n")
    with pytest.raises(UsageError) as caught:
        desk.accept()

    assert "was changed since the last run" in caught.value.what
    assert "harness run --cases" in caught.value.remedy
    assert desk.path.read_text().endswith("More prose.\n")


@pytest.mark.parametrize("outcome", [Outcome.TIMEOUT, Outcome.KERNEL, Outcome.LOST, Outcome.SKIPPED, Outcome.ERROR])
def test_what_did_not_come_to_its_end_is_no_expectation(desk: Desk, outcome: Outcome) -> None:
    """Half a transcript, or that of a kernel in trouble, must not become what is expected."""
    desk.record(outcome=outcome, reason="the one line that matters")
    with pytest.raises(UsageError) as caught:
        desk.accept()

    assert outcome in caught.value.what
    assert caught.value.evidence == "the one line that matters"
    assert desk.path.read_text() == EXPECTED


def test_without_a_run_it_says_how_to_make_one(desk: Desk) -> None:
    """The error for no run, or for a last run of other cases, has the command."""
    with pytest.raises(UsageError) as none:
        desk.accept()
    desk.record()
    other = desk.path.with_name("other.session")
    other.write_text(EXPECTED)
    with pytest.raises(UsageError) as not_asked:
        accept_case(other.name, default_suite(), results=desk.results)
    other.unlink()

    assert "did not run" in none.value.what
    assert "did not run other.session" in not_asked.value.what
    assert "harness run --cases other.session" in not_asked.value.remedy


def test_a_lost_transcript_is_told(desk: Desk) -> None:
    """Logs may be removed to make room."""
    (desk.record() / ACTUAL_NAME).unlink()
    with pytest.raises(UsageError, match="holds no transcript") as caught:
        desk.accept()

    assert ACTUAL_NAME in caught.value.evidence


def test_a_python_case_is_to_be_edited(tmp_path: Path) -> None:
    """Only session files hold their expectation as text."""
    path = tmp_path / "test_greeting.py"
    path.touch()
    with pytest.raises(UsageError, match="is not a session file"):
        accept_case(str(path), default_suite(), results=tmp_path)


def test_an_unknown_case_is_told(tmp_path: Path) -> None:
    """The name is the user's."""
    with pytest.raises(UsageError, match=r"no case nosuch\.session"):
        accept_case("nosuch.session", default_suite(), results=tmp_path)


def test_what_cannot_be_read_again_is_not_written(desk: Desk) -> None:
    """A file that no run could read is never made."""
    desk.record(actual="titel: a greeting\n\n    # true\n")
    with pytest.raises(CaseError, match="titel"):
        desk.accept()

    assert desk.path.read_text() == EXPECTED


def test_line_ends_and_permissions_stay(desk: Desk) -> None:
    """A file that was written on another system, or is executable, stays so."""
    desk.path.write_bytes(EXPECTED.replace("\n", "\r\n").encode())
    desk.path.chmod(0o640)
    desk.record()
    desk.accept()

    assert desk.path.read_bytes() == ACTUAL.replace("\n", "\r\n").encode()
    assert desk.path.stat().st_mode & 0o777 == 0o640


@needs_mounts
@pytest.mark.parametrize("fault", ["mount -o remount,ro place", "head -c 1M /dev/zero >place/filling || true"])
def test_a_file_that_cannot_be_written_stays_whole(desk: Desk, fault: str) -> None:
    """A full disk or a read-only one leaves the old expectation."""
    desk.record()
    place = desk.results / "place"
    place.mkdir()
    mounts = [
        f"cd {desk.results}",
        "mount -t tmpfs -o size=64k tmpfs place",
        f"cp {desk.path} place",
        fault,
        "cd place",
    ]
    script = f'"$@" || echo "status $?"; cat {desk.name}; ls .*.accepted 2>/dev/null || true'
    command = ["sh", "-c", script, "sh", *harness("accept", desk.name, "--results", desk.results)]
    done = run(with_mounts(mounts, command), deadline=Deadline.after(120))

    assert f"{desk.name} cannot be written" in done.stderr.decode()
    assert "nothing was changed" in done.stderr.decode()
    assert done.text == f"status 4\n{EXPECTED}"


@pytest.mark.guest
def test_a_wrong_expectation_is_accepted_from_a_real_run(tmp_path: Path) -> None:
    """A run says 1, accept writes what the kernel said, the next run says 0."""
    case = tmp_path / "greeting.session"
    case.write_text(EXPECTED)
    results = ["--results", str(tmp_path / "results")]
    differs = start("run", "--cases", case.name, "-n", "1", *results, cwd=tmp_path)
    accepted = start("accept", case.name, *results, cwd=tmp_path)
    again = start("accept", case.name, *results, cwd=tmp_path)
    fits = start("run", "--cases", case.name, "-n", "1", *results, cwd=tmp_path)

    assert (differs.status, accepted.status, again.status, fits.status) == (1, 0, 0, 0)
    assert "-    goodbye\n+    hello\n" in accepted.text
    assert "nothing to do" in again.text
    assert case.read_text() == ACTUAL


def test_numbers_of_processes_are_not_accepted(desk: Desk) -> None:
    """The next run would print others: the error proposes ``varies``, and the file is left as it is."""
    expected = "    # sleep 9 & echo $!\n    20124\n    # kill 20124\n"
    desk.path.write_text(expected)
    actual = "    # sleep 9 & echo $!\n    85\n    # kill 20124\n    bash: kill: (20124) - No such process\n"
    desk.record(expected=expected, actual=actual)
    with pytest.raises(UsageError) as caught:
        desk.accept()

    assert caught.value.what.startswith(f"{desk.name}: the output has numbers that look like process ids")
    assert caught.value.evidence == "line 2: 85\nline 4: bash: kill: (20124) - No such process"
    assert caught.value.remedy == (f"set `varies: 20124` in the header, then run it: harness run --cases {desk.name}")
    assert desk.path.read_text() == expected
