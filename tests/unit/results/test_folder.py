# SPDX-License-Identifier: GPL-2.0-only
"""Write and read the run folder; it is valid at any moment the run may be killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base import process
from harness.base.errors import ExitStatus, HostError, UsageError
from harness.model.run_record import RunRecord, dump_run
from harness.results.folder import (
    CASES_NAME,
    CONFIG_NAME,
    JUNIT_NAME,
    LATEST_NAME,
    RUN_NAME,
    TRAITS_NAME,
    RunFolder,
    case_folder_name,
    load_run,
)
from tests.unit.report.sample import CASES, RUN, STARTED, TRAITS

BEGUN = replace(RUN, complete=False, cases=(), traits=(), problems=(), notes=())


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def create(results: Path, clock: Clock | None = None) -> RunFolder:
    """Make a run folder in ``results`` with a clock that stands still."""
    return RunFolder(RunFolder.create(results, RUN.kernel.release, STARTED).path, clock=clock or Clock())


def names(folder: Path) -> set[str]:
    """Return the names in a folder, including hidden ones: no temporary file may stay."""
    return {one.name for one in folder.iterdir()}


def test_folder_is_named_by_time_and_kernel(tmp_path: Path) -> None:
    """The name sorts by time (UTC) and includes the kernel; ``latest`` points to it."""
    folder = create(tmp_path / "results")

    assert folder.path == tmp_path / "results" / "2026-09-21T141320Z-6.1.0-56-cloud-amd64"
    assert (tmp_path / "results" / LATEST_NAME).readlink() == Path(folder.path.name)
    assert names(tmp_path / "results") == {folder.path.name, LATEST_NAME}


def test_two_runs_in_one_second_get_two_folders(tmp_path: Path) -> None:
    """The second run has a number in its name and is the latest."""
    first, second = create(tmp_path), create(tmp_path)

    assert second.path.name == f"{first.path.name}-2"
    assert (tmp_path / LATEST_NAME).resolve() == second.path


def test_discarded_folder_leaves_no_trace(tmp_path: Path) -> None:
    """After a usage error the latest run is the one before, if any."""
    create(tmp_path).discard()
    assert names(tmp_path) == set()
    first = create(tmp_path)
    first.write(RUN)

    create(tmp_path).discard()

    assert (tmp_path / LATEST_NAME).resolve() == first.path
    assert names(tmp_path) == {first.path.name, LATEST_NAME}


@pytest.mark.parametrize(
    ("slug", "name"),
    [("../../etc", "etc"), ("", "kernel"), ("linux @ v6.1", "linux-@-v6.1"), ("k" * 300, "k" * 80), ("a\0b\n", "a-b")],
)
def test_any_kernel_gives_a_safe_folder_name(tmp_path: Path, slug: str, name: str) -> None:
    """No KERNEL argument leads out of the results folder."""
    folder = RunFolder.create(tmp_path, slug, STARTED)

    assert folder.path == tmp_path / f"2026-09-21T141320Z-{name}"


@pytest.mark.parametrize(
    ("case_id", "name"),
    [
        ("subject/views/a.session", r"cases/subject/views/a\.session"),
        ("cases/a.session", r"cases/cases/a\.session"),
        ("subject/setns/test_fds.py::test_own", r"cases/subject/setns/test_fds\.py/test_own"),
        ("subject/setns/test_fds.py::test_own[v2/x]", r"cases/subject/setns/test_fds\.py/test_own-v2/x-[0-9a-f]{10}"),
        ("subject/" + "x" * 300, r"cases/subject/x{80}-[0-9a-f]{10}"),
        ("../../etc/passwd", r"cases/etc/passwd-[0-9a-f]{10}"),
        ("run.json", r"cases/run\.json"),
        ("subject/a/../../b", r"cases/subject/a/b-[0-9a-f]{10}"),
    ],
)
def test_case_folder_is_named_by_id(case_id: str, name: str) -> None:
    """A usual id is its own folder; brackets, slashes in them, dots and long ids are made safe."""
    assert re.fullmatch(name, case_folder_name(case_id))


IDS = st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from("ab./:[]-py_ ")).map("cases/".__add__)


@given(IDS, IDS)
def test_case_folders_are_safe_and_unique(one: str, two: str) -> None:
    """Any id gives a short relative path inside the run folder that no file and no other id has."""
    name = case_folder_name(one)
    path = Path(name)

    assert re.fullmatch(r"[A-Za-z0-9._+@=,/-]{1,220}", name)
    assert len(path.parts) >= 2
    assert not set(path.parts) & {"..", ".", "/"}
    assert "." not in path.parts[0]
    assert one == two or case_folder_name(two) != name


def test_run_can_be_read_before_it_ends(tmp_path: Path) -> None:
    """All ended cases can be read, also in the second in which ``run.json`` is not written again."""
    folder = create(tmp_path)
    folder.write(BEGUN)
    before = (folder.path / RUN_NAME).read_bytes()
    for ended in range(1, len(CASES) + 1):
        run = replace(BEGUN, cases=CASES[:ended])
        folder.write(run)

        assert load_run(folder.path) == run
    assert (folder.path / RUN_NAME).read_bytes() == before


def test_whole_record_is_written_after_a_second(tmp_path: Path) -> None:
    """``run.json`` and ``traits.json`` are written again a second after the last time."""
    clock = Clock()
    folder = create(tmp_path, clock)
    folder.write(BEGUN)
    clock.now += 1.5
    run = replace(BEGUN, cases=CASES[:3], traits=TRAITS, notes=("new",))
    folder.write(run)

    assert (folder.path / RUN_NAME).read_text() == dump_run(run)
    assert len(json.loads((folder.path / TRAITS_NAME).read_text())["traits"]) == len(TRAITS)


def test_complete_run_leaves_one_record(tmp_path: Path) -> None:
    """At the end ``run.json`` has everything, the appended lines are gone, and no temporary file stays."""
    folder = create(tmp_path)
    folder.write(BEGUN)
    folder.write(replace(BEGUN, cases=CASES))
    folder.write(RUN)
    folder.write_file(CONFIG_NAME, "CONFIG_CGROUPS=y\n")
    junit = folder.write_file(JUNIT_NAME, "<testsuites/>\n")

    assert load_run(folder.path) == RUN
    assert names(folder.path) == {RUN_NAME, TRAITS_NAME, CONFIG_NAME, JUNIT_NAME}
    assert junit.read_text() == "<testsuites/>\n"
    assert junit.stat().st_mode & 0o777 == 0o644


def test_traits_file_has_values_and_expectations(tmp_path: Path) -> None:
    """``traits.json`` has kernel, profile, nearest profiles, and the seen and expected value of each trait."""
    folder = create(tmp_path)
    folder.write(RUN)
    traits = json.loads((folder.path / TRAITS_NAME).read_text())

    assert traits["kernel"] == "6.1.0-56-cloud-amd64"
    assert traits["profile"] == "mainline-6.1"
    assert traits["traits"][0]["trait"] == "outside_view"
    assert (traits["traits"][0]["seen"], traits["traits"][0]["expected"]) == ("relative", "hidden")


def test_case_recorded_again_replaces_the_first(tmp_path: Path) -> None:
    """A case that ran again counts once, with its last result."""
    folder = create(tmp_path)
    folder.write(replace(BEGUN, cases=CASES[:3]))
    again = replace(BEGUN, cases=(*CASES[:2], replace(CASES[2], reason="again")))
    folder.write(again)

    assert load_run(folder.path) == again


KILLED = """\
import sys
from dataclasses import replace
from pathlib import Path
from harness.results.folder import RunFolder
from tests.unit.report.sample import CASES, RUN, STARTED

folder = RunFolder.create(Path(sys.argv[1]), "killed", STARTED)
run = replace(RUN, complete=False, cases=())
number = 0
while True:
    number += 1
    run = replace(run, cases=(*run.cases, replace(CASES[2], id=str(number), transcript="x" * 100_000)))
    folder.write(run)
    print(number, flush=True)
"""


def test_killed_run_has_every_ended_case(tmp_path: Path) -> None:
    """A harness that is killed while writing leaves a readable record with every case that it had reported."""
    with process.start([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        reported = [child.stdout.readline() for _ in range(20)]
        child.send_signal(signal.SIGKILL)
        reported += child.stdout.readlines()
        child.wait()
    run = load_run(tmp_path / LATEST_NAME)

    assert not run.complete
    assert len(run.cases) >= int(reported[-1])
    assert [case.id for case in run.cases] == [str(number + 1) for number in range(len(run.cases))]


def test_cut_last_line_is_ignored(tmp_path: Path) -> None:
    """A partial last line is ignored; a partial line before another one is an error."""
    folder = create(tmp_path)
    folder.write(BEGUN)
    folder.write(replace(BEGUN, cases=CASES[:2]))
    file = folder.path / CASES_NAME
    file.write_bytes(file.read_bytes()[:-20])

    assert load_run(folder.path).cases == CASES[:1]
    file.write_bytes(file.read_bytes() + b"\n{}\n")
    with pytest.raises(UsageError, match=r"cases\.jsonl, line 2 is damaged"):
        load_run(folder.path)


def test_folder_without_run_is_a_usage_error(tmp_path: Path) -> None:
    """The error for a missing or binary record names the file and has a hint."""
    with pytest.raises(UsageError) as missing:
        load_run(tmp_path)
    (tmp_path / RUN_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError) as binary:
        load_run(tmp_path)

    assert missing.value.what == f"{tmp_path} holds no readable run"
    assert "results/latest" in missing.value.remedy
    assert binary.value.what == f"{tmp_path / RUN_NAME} is damaged"


@pytest.mark.parametrize("place", ["file/results", "/proc/results", "latest-is-a-folder"])
def test_unwritable_results_folder_is_a_usage_error(tmp_path: Path, place: str) -> None:
    """The error has exit status 4, the reason and a hint."""
    (tmp_path / "file").write_text("")
    (tmp_path / "latest-is-a-folder" / LATEST_NAME).mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        RunFolder.create(tmp_path / place, "k", STARTED)

    assert caught.value.what == f"the results folder {tmp_path / place} cannot be written"
    assert caught.value.evidence
    assert "--results" in caught.value.remedy
    assert caught.value.exit_status is ExitStatus.USAGE


def test_full_disk_is_a_host_error(tmp_path: Path) -> None:
    """ENOSPC, as the kernel reports it for /dev/full, has exit status 3."""
    folder = create(tmp_path)
    (folder.path / CASES_NAME).symlink_to("/dev/full")
    with pytest.raises(HostError) as caught:
        folder.write(replace(BEGUN, cases=CASES[:1]))

    assert caught.value.what == f"no space left for the results in {folder.path}"
    assert "No space left on device" in caught.value.evidence
    assert caught.value.exit_status is ExitStatus.HOST


def test_removed_folder_is_reported(tmp_path: Path) -> None:
    """If the run folder is removed during the run, the error shows its path, not a traceback."""
    folder = create(tmp_path)
    folder.path.rmdir()
    with pytest.raises(UsageError, match="cannot be written") as caught:
        folder.write(BEGUN)

    assert os.strerror(2) in caught.value.evidence


def _written() -> int:
    """Return the number of bytes that this process has written since it began."""
    return int(re.findall(r"^wchar: (\d+)", Path("/proc/self/io").read_text(), re.MULTILINE)[0])


def test_writing_costs_are_linear(tmp_path: Path) -> None:
    """The ends of two thousand cases write only what they add, not the whole record each time."""
    folder = RunFolder.create(tmp_path, "many", STARTED)
    run: RunRecord = BEGUN
    before = _written()
    for number in range(2000):
        run = replace(run, cases=(*run.cases, replace(CASES[2], id=str(number))))
        folder.write(run)

    kept = sum(path.stat().st_size for path in folder.path.iterdir())
    assert _written() - before < 3 * kept + 1_000_000  # the rest is other threads and pytest itself
    assert len(load_run(folder.path).cases) == 2000
