"""The run folder: written as the run goes, and whole whenever the run is killed."""

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
    """A run folder in ``results`` by a clock that stands still."""
    return RunFolder(RunFolder.create(results, RUN.kernel.release, STARTED).path, clock=clock or Clock())


def names(folder: Path) -> set[str]:
    """The names in that folder, hidden ones as well: nothing half-made may stay."""
    return {one.name for one in folder.iterdir()}


def test_a_folder_is_named_by_time_and_kernel(tmp_path: Path) -> None:
    """The name sorts by time (UTC) and says the kernel; ``latest`` points to it."""
    folder = create(tmp_path / "results")

    assert folder.path == tmp_path / "results" / "2026-09-21T141320Z-6.1.0-56-cloud-amd64"
    assert (tmp_path / "results" / LATEST_NAME).readlink() == Path(folder.path.name)
    assert names(tmp_path / "results") == {folder.path.name, LATEST_NAME}


def test_two_runs_in_one_second_get_two_folders(tmp_path: Path) -> None:
    """The second run of a second has a number, and is the latest."""
    first, second = create(tmp_path), create(tmp_path)

    assert second.path.name == f"{first.path.name}-2"
    assert (tmp_path / LATEST_NAME).resolve() == second.path


def test_a_discarded_folder_leaves_no_trace(tmp_path: Path) -> None:
    """Who mistypes a word finds the run before it as the latest, and nothing where there was none."""
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
def test_any_kernel_gives_a_safe_name(tmp_path: Path, slug: str, name: str) -> None:
    """What the user typed for the kernel never leads out of the results folder."""
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
def test_a_case_folder_is_named_by_its_id(case_id: str, name: str) -> None:
    """A usual id is its own folder; brackets, slashes in them, dots and great length are made safe."""
    assert re.fullmatch(name, case_folder_name(case_id))


IDS = st.text(st.characters(exclude_categories=())) | st.text(st.sampled_from("ab./:[]-py_ ")).map("cases/".__add__)


@given(IDS, IDS)
def test_case_folders_are_safe_and_unique(one: str, two: str) -> None:
    """Any id gives a short relative path inside the run folder, beside its files, and two ids give two."""
    name = case_folder_name(one)
    path = Path(name)

    assert re.fullmatch(r"[A-Za-z0-9._+@=,/-]{1,220}", name)
    assert len(path.parts) >= 2
    assert not set(path.parts) & {"..", ".", "/"}
    assert "." not in path.parts[0]
    assert one == two or case_folder_name(two) != name


def test_a_run_can_be_read_while_it_goes(tmp_path: Path) -> None:
    """After each case end all cases are there, also while ``run.json`` is not written again for a second."""
    folder = create(tmp_path)
    folder.write(BEGUN)
    before = (folder.path / RUN_NAME).read_bytes()
    for ended in range(1, len(CASES) + 1):
        run = replace(BEGUN, cases=CASES[:ended])
        folder.write(run)

        assert load_run(folder.path) == run
    assert (folder.path / RUN_NAME).read_bytes() == before


def test_the_whole_record_follows_after_a_second(tmp_path: Path) -> None:
    """``run.json`` and ``traits.json`` are written again when a second went by since the last time."""
    clock = Clock()
    folder = create(tmp_path, clock)
    folder.write(BEGUN)
    clock.now += 1.5
    run = replace(BEGUN, cases=CASES[:3], traits=TRAITS, notes=("new",))
    folder.write(run)

    assert (folder.path / RUN_NAME).read_text() == dump_run(run)
    assert len(json.loads((folder.path / TRAITS_NAME).read_text())["traits"]) == len(TRAITS)


def test_a_complete_run_leaves_one_record(tmp_path: Path) -> None:
    """At the end ``run.json`` is the whole, the appended lines are gone, and no temporary file stays."""
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


def test_traits_can_be_compared_without_the_rest(tmp_path: Path) -> None:
    """``traits.json`` says kernel, profile, nearest profiles, and each trait with what was seen and expected."""
    folder = create(tmp_path)
    folder.write(RUN)
    traits = json.loads((folder.path / TRAITS_NAME).read_text())

    assert traits["kernel"] == "6.1.0-56-cloud-amd64"
    assert traits["profile"] == "mainline-6.1"
    assert traits["traits"][0]["trait"] == "outside_view"
    assert (traits["traits"][0]["seen"], traits["traits"][0]["expected"]) == ("relative", "hidden")


def test_a_case_recorded_again_replaces_the_first(tmp_path: Path) -> None:
    """A case that ran again counts once, with what came last."""
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


def test_after_sigkill_all_that_had_ended_is_there(tmp_path: Path) -> None:
    """A harness that is killed while it writes leaves a record that reads, with every case that it had reported."""
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


def test_a_line_that_was_cut_is_left_out(tmp_path: Path) -> None:
    """Half a line at the end is the case that was being written; half a line before another one is damage."""
    folder = create(tmp_path)
    folder.write(BEGUN)
    folder.write(replace(BEGUN, cases=CASES[:2]))
    file = folder.path / CASES_NAME
    file.write_bytes(file.read_bytes()[:-20])

    assert load_run(folder.path).cases == CASES[:1]
    file.write_bytes(file.read_bytes() + b"\n{}\n")
    with pytest.raises(UsageError, match=r"cases\.jsonl, line 2 is damaged"):
        load_run(folder.path)


def test_a_folder_without_a_run_is_a_usage_error(tmp_path: Path) -> None:
    """A missing record, and one that is no text, name the file and what to do."""
    with pytest.raises(UsageError) as missing:
        load_run(tmp_path)
    (tmp_path / RUN_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError) as binary:
        load_run(tmp_path)

    assert missing.value.what == f"{tmp_path} holds no run that can be read"
    assert "results/latest" in missing.value.remedy
    assert binary.value.what == f"{tmp_path / RUN_NAME} is damaged"


@pytest.mark.parametrize("place", ["file/results", "/proc/results", "latest-is-a-folder"])
def test_results_that_cannot_be_written(tmp_path: Path, place: str) -> None:
    """A results folder that cannot be made is the caller's fault: exit status 4, the reason, and what to do."""
    (tmp_path / "file").write_text("")
    (tmp_path / "latest-is-a-folder" / LATEST_NAME).mkdir(parents=True)
    with pytest.raises(UsageError) as caught:
        RunFolder.create(tmp_path / place, "k", STARTED)

    assert caught.value.what == f"the results folder {tmp_path / place} cannot be written"
    assert caught.value.evidence
    assert "--results" in caught.value.remedy
    assert caught.value.exit_status is ExitStatus.USAGE


def test_a_full_disk_is_the_hosts_fault(tmp_path: Path) -> None:
    """No space left, as the kernel itself reports it through /dev/full, is exit status 3."""
    folder = create(tmp_path)
    (folder.path / CASES_NAME).symlink_to("/dev/full")
    with pytest.raises(HostError) as caught:
        folder.write(replace(BEGUN, cases=CASES[:1]))

    assert caught.value.what == f"no space left for the results in {folder.path}"
    assert "No space left on device" in caught.value.evidence
    assert caught.value.exit_status is ExitStatus.HOST


def test_a_vanished_folder_is_told(tmp_path: Path) -> None:
    """Somebody removed the run folder while the run went on: an error with the path, not a traceback."""
    folder = create(tmp_path)
    folder.path.rmdir()
    with pytest.raises(UsageError, match="cannot be written") as caught:
        folder.write(BEGUN)

    assert os.strerror(2) in caught.value.evidence


def _written() -> int:
    """How many bytes this process has written since it began."""
    return int(re.findall(r"^wchar: (\d+)", Path("/proc/self/io").read_text(), re.MULTILINE)[0])


def test_writing_costs_in_proportion(tmp_path: Path) -> None:
    """Two thousand case ends write what they add: no whole record at each."""
    folder = RunFolder.create(tmp_path, "many", STARTED)
    run: RunRecord = BEGUN
    before = _written()
    for number in range(2000):
        run = replace(run, cases=(*run.cases, replace(CASES[2], id=str(number))))
        folder.write(run)

    kept = sum(path.stat().st_size for path in folder.path.iterdir())
    assert _written() - before < 3 * kept + 1_000_000  # the rest is other threads and pytest itself
    assert len(load_run(folder.path).cases) == 2000
