# SPDX-License-Identifier: GPL-2.0-only
"""Read what version 8b9f65d wrote with the meaning that it had there.

``tests/data/older/8b9f65d`` was written by that version and then reduced: transcripts and logs are cut, paths of the
host replaced.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.base.json_records import Table
from harness.base.suites_file import legacy_name
from harness.bisect.state import dump_bisect
from harness.bisect.state_file import STATE_NAME, load_state
from harness.kernellog.reader import scan
from harness.model.origin import UNKNOWN_ORIGIN, Origin, OriginKind
from harness.model.run_record import FORMAT_VERSION, NO_KERNEL_ID, KnownNote, ProblemKind, dump_run
from harness.model.series_record import PatchState, SeriesRecord, dump_series
from harness.model.verdict import Outcome
from harness.report.formats.series_mail import render_mail
from harness.results.case_ids import current_case_id, current_run
from harness.results.compare import ChangeKind, compare
from harness.results.find_run import is_without_kernel, joint_members
from harness.results.folder import RUN_NAME, load_run
from harness.results.kernel_line import kernel_line
from harness.results.older_formats import moved_case_id, upgrade_case, upgrade_run, upgrade_series
from harness.results.records import load_run_record, load_series
from harness.results.sightings import why_not

OLD = Path(__file__).parents[2] / "data" / "older" / "8b9f65d"
RESULTS = OLD / "results"
DEB = RESULTS / "2026-11-30T084852Z-deb"
TORN = RESULTS / "2026-11-30T090826Z-deb"
KILLED = RESULTS / "2026-11-30T092644Z-deb"
BUILT = RESULTS / "2026-11-30T090630Z-deb-src-6.1+mountinfo-unscoped"
NO_KERNEL = RESULTS / "2026-11-30T090929Z-deb-src-6.1+breaks.mbox"
SERIES = RESULTS / "2026-11-30T090628Z-series-mountinfo-unscoped"
BREAKS = RESULTS / "2026-11-30T090929Z-series-breaks"
TODAY = f"{legacy_name()}/"
"""The first part of a case id today."""
FOLDERS = sorted(file.parent for file in RESULTS.glob("*/run.json"))


def series_in(folder: Path) -> SeriesRecord:
    """Read the record of the series in a folder."""
    file = folder / "series.json"
    return load_series(file.read_text(), source=str(file))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_old_run_is_read_and_written_in_the_format_of_today(folder: Path) -> None:
    """Every fact of the old file is kept; the file that is written from it reads back as the same record."""
    run = load_run(folder)
    before = (folder / RUN_NAME).read_text().replace('"cases/', f'"{TODAY}')
    old, new = (json.loads(text) for text in (before, dump_run(run)))

    assert run.format_version == FORMAT_VERSION
    assert load_run_record(dump_run(run)) == run
    added = {"suite", "not_run", "is_partial", "options", "command_line", "coverage", "shard", "inventory"}
    assert old.keys() == new.keys() - added
    assert all(before.items() <= after.items() for before, after in zip(old["traits"], new["traits"], strict=True))
    assert {**new["kernel"], **old["kernel"], "build": new["kernel"]["build"]} == new["kernel"]
    assert old["kernel"]["build"].items() <= new["kernel"]["build"].items()


def test_the_problems_of_a_run_have_their_kind() -> None:
    """A contradiction is recognized; other problems still keep a run from being learned."""
    run = load_run(TORN)
    contradictions = [problem for problem in run.problems if problem.kind is ProblemKind.CONTRADICTION]

    assert [problem.text.partition(":")[0] for problem in contradictions] == ["mountinfo_root"]
    assert {problem.kind for problem in run.problems} == {ProblemKind.CONTRADICTION, ProblemKind.OTHER}
    assert why_not(run).startswith("it has a problem: ")
    assert why_not(replace(run, problems=tuple(contradictions))) == ""


def test_the_known_failures_of_a_case_are_read_from_its_line() -> None:
    """Reason, link and date are read for cases and traits; a case without a known failure has none."""
    cases = {case.name: case for case in load_run(TORN).cases}
    whole = KnownNote("", "echo is off by one (or not)", "https://bugs.example/1", date(2027, 3, 1))
    reason = "the root is wrong; known until somebody looks"
    trait = KnownNote("mountinfo_root", reason, "https://bugs.example/2", date(2027, 4, 1))

    assert cases["known.session"].known_failures == (whole,)
    assert cases["other.session"].known_failures == (trait,)
    assert [str(one.known_failures[0]) for one in cases.values() if one.known] == [
        one.known for one in cases.values() if one.known
    ]
    assert cases["one.session"].known_failures == ()


def test_killed_old_run_has_its_ended_cases() -> None:
    """They are lines of a second file, whose last line is cut."""
    run = load_run(KILLED)

    assert not run.complete
    assert len({case.id for case in run.cases}) == len(run.cases) == 5


@pytest.mark.parametrize(
    ("folder", "origin", "line"),
    [
        (DEB, Origin(OriginKind.IMAGE_PACKAGE, "linux-image-6.1.0-57-cloud-amd64", "6.1.174-1"), "deb 6.1"),
        (BUILT, Origin(OriginKind.SOURCE_PACKAGE, "linux-source-6.1", "6.1.192-3"), ""),
        (NO_KERNEL, UNKNOWN_ORIGIN, "deb-src:6.1+/home/user/topic/breaks.mbox"),
    ],
    ids=["package", "built", "none"],
)
def test_origin_and_line_of_an_old_kernel(folder: Path, origin: Origin, line: str) -> None:
    """The kernel line is unchanged, so that its history continues."""
    kernel = load_run(folder).kernel
    line = line or f"linux-source-6.1 + {kernel.build.series} 6.1"

    assert kernel.came_from == replace(origin, revision=kernel.came_from.revision)
    assert bool(kernel.came_from.revision) is bool(origin.revision)
    assert kernel_line(kernel) == line


@pytest.mark.parametrize(
    ("source", "origin"),
    [
        ("/home/u/linux at v6.6-12-gabcdef", Origin(OriginKind.TREE, "/home/u/linux", "v6.6-12-gabcdef")),
        ("/home/u/a b at v6.6 with 1 uncommitted change", Origin(OriginKind.TREE, "/home/u/a b", "v6.6", 1)),
        ("/home/u/linux at v6.6 with 12 uncommitted changes", Origin(OriginKind.TREE, "/home/u/linux", "v6.6", 12)),
        ("the files of /home/u/linux at home", Origin(OriginKind.FILES, "/home/u/linux at home")),
        ("linux-source-6.1 6.1.192-2", Origin(OriginKind.SOURCE_PACKAGE, "linux-source-6.1", "6.1.192-2")),
    ],
)
def test_source_is_read_from_its_sentence(source: str, origin: Origin) -> None:
    """Each form that the old version wrote is understood, and equals the sentence of today."""
    whole = json.loads((BUILT / RUN_NAME).read_text())
    whole["kernel"]["build"]["source"] = source
    run = load_run_record(json.dumps(whole))

    assert run.kernel.came_from == origin
    assert str(origin) == source


def test_run_without_kernel_is_known_by_its_only_case() -> None:
    """It is not a run of cases, and never the last one."""
    run = load_run(NO_KERNEL)

    assert is_without_kernel(run)
    assert [(case.id, case.outcome) for case in run.cases] == [(NO_KERNEL_ID, Outcome.KERNEL)]


def test_old_series_is_read() -> None:
    """State, effects, base and the runs of its kernels are there."""
    record = series_in(SERIES)

    assert record.state is PatchState.FAIL
    assert [(one.name, one.before, one.after) for one in record.posted[0].effects] == [
        ("mountinfo_root", "namespace", "filesystem")
    ]
    assert record.base_origin == Origin(OriginKind.SOURCE_PACKAGE, "linux-source-6.1", "6.1.192-3")
    assert str(record.base_origin) == record.base
    assert [load_run(folder).complete for folder in joint_members(SERIES)] == [True, True]
    assert load_series(dump_series(record), source="again") == record


def test_log_path_is_a_field_and_not_evidence() -> None:
    """A mail to a list therefore never has a path of this host."""
    [patch] = series_in(BREAKS).posted

    assert patch.log == "/home/user/.cache/kernel-patch-harness/kernel-log/1f2a71cf81e4178dc3205e8b.log"
    assert "the whole log" not in patch.evidence
    assert patch.full_evidence.endswith(f"\nthe whole log: {patch.log}")
    assert "nothing_declared_this" in patch.evidence
    assert patch.log not in render_mail(series_in(BREAKS))


def test_missing_declared_effect_has_a_name() -> None:
    """The name is the first word of the old line."""
    text = "scope = all, declared by x: it is default"
    whole = {**json.loads((SERIES / "series.json").read_text()), "missing": [text]}
    [missing] = load_series(json.dumps(whole), source="series.json").missing

    assert (missing.name, missing.text) == ("scope", text)


def test_bisection_continues_from_an_old_state(tmp_path: Path) -> None:
    """Ends, targets and steps are there."""
    text = (OLD / "bisect" / STATE_NAME).read_text()
    (tmp_path / STATE_NAME).write_text(text)
    state = load_state(tmp_path)

    assert state is not None
    assert state.targets[0].name == "mountinfo_root"
    assert [step.commit for step in state.steps[:2]] == [state.good_commit, state.bad_commit]
    assert [list(step.runs) for step in state.steps] == [one["runs"] for one in json.loads(text)["steps"]]


def test_diff_of_old_and_new_run_has_no_case_gone_or_new() -> None:
    """The cases of an old run match those that the harness of today records on the same kernel."""
    raw = json.loads((DEB / RUN_NAME).read_text())
    before = load_run(DEB)
    names = [f"{TODAY}{one['id'].removeprefix('cases/')}" for one in raw["cases"]]
    cases = tuple(replace(case, id=name) for case, name in zip(before.cases, names, strict=True))
    today = load_run_record(
        dump_run(replace(before, started=before.started + 86400.0, suite=legacy_name(), cases=cases))
    )
    comparison = compare(before, today)

    assert len(before.cases) > 200
    assert not [one.id for one in comparison.cases if one.change in (ChangeKind.GONE, ChangeKind.NEW)]
    assert not comparison.failures


def test_old_case_ids_get_their_suite() -> None:
    """Ids in cases, sightings, traits and reasons change; a record that names its suite is left alone."""
    run = load_run(DEB)
    ids = [case.id for case in run.cases]
    places = [seen.where for case in run.cases for seen in case.sightings] + [
        at for one in run.traits for at in one.where
    ]

    assert {one.partition("/")[0] for one in [*ids, *places]} == {legacy_name()}
    assert {case.classname.partition(".")[0] for case in run.cases} == {legacy_name()}
    assert not [case.reason for case in run.cases if case.reason.startswith("cases/")]
    mine = replace(run, suite="/home/u/mine", cases=(replace(run.cases[0], id="cases/a.session"),))
    assert current_run(mine) == mine


def test_targets_of_an_old_bisection_get_their_suite(tmp_path: Path) -> None:
    """Ids of cases and files change, also in the values that its steps have seen."""
    text = (OLD / "bisect" / STATE_NAME).read_text()
    (tmp_path / STATE_NAME).write_text(text)
    state = load_state(tmp_path)

    assert state is not None
    assert '"cases/' in text
    assert '"cases/' not in dump_bisect(state)
    assert "case cases/" not in dump_bisect(state)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cases/views/x.session", "{suite}/views/x.session"),
        ("cases/test_x.py::test_y[a/b]", "{suite}/test_x.py::test_y[a/b]"),
        ("mine/x.session", "mine/x.session"),
        ("casesx/x.session", "casesx/x.session"),
        ("kernel/boots", "kernel/boots"),
    ],
)
def test_old_case_id_becomes_one_of_today(old: str, new: str) -> None:
    """Only ids below the old folder of cases change, and none does without a legacy suite."""
    assert current_case_id(old) == new.format(suite=legacy_name())
    assert moved_case_id(old, "") == old


@pytest.mark.parametrize("damage", [{"problems": "one"}, {"problems": [1]}, {"kernel": None}, {"cases": [None]}])
def test_damage_in_an_old_record_is_reported(damage: dict[str, object]) -> None:
    """The upgrade passes it on, and the reader names the field."""
    whole = {**json.loads((TORN / RUN_NAME).read_text()), **damage}

    with pytest.raises(UsageError, match="is damaged"):
        load_run_record(json.dumps(whole), source="run.json")


def test_table_of_today_is_left_alone() -> None:
    """Sentences in a record of today decide nothing."""
    run = load_run(TORN)
    table = json.loads(dump_run(replace(run, notes=("cases contradict each other",))))
    series = json.loads(dump_series(series_in(BREAKS)))
    series["patches"][1]["evidence"] += "\nthe whole log: /a/b"

    assert upgrade_run(table) == table
    assert upgrade_series(series) == series


OLD_SPLAT: Table = {
    "kind": "oops",
    "title": "Oops: general protection fault, probably for non-canonical address ADDR: 0000 [#N]",
    "fingerprint": "0123456789abcdef",
    "text": (
        "[    7.1] Oops: general protection fault, probably for non-canonical address 0xdead000000000122: 0000 [#1]\n"
        "[    7.1] CPU: 1 UID: 0 PID: 71 Comm: demo Not tainted 6.12.1 #1\n"
        "[    7.1] RIP: 0010:demo_read+0x12/0x40\n[    7.1] Call Trace:\n[    7.1]  vfs_read+0x12/0x40\n"
    ),
}


def test_old_splat_gets_title_and_fingerprint_of_today() -> None:
    """The splat of an older record is read again, so that it compares with one of today; the reason follows."""
    (today,) = scan(str(OLD_SPLAT["text"]))
    table: Table = {"reason": f"2 splats: {OLD_SPLAT['kind']}: {OLD_SPLAT['title']}", "splats": [OLD_SPLAT]}
    case = upgrade_case(table)

    assert case["splats"] == [
        {
            "kind": "oops",
            "title": "general protection fault in demo_read",
            "fingerprint": today.fingerprint,
            "text": OLD_SPLAT["text"],
            "function": "demo_read",
        }
    ]
    assert case["reason"] == "2 splats: oops: general protection fault in demo_read"
    assert upgrade_case(case) == case


@pytest.mark.parametrize("text", ["", "no splat", None])
def test_old_splat_without_a_readable_text_is_unchanged(text: str | None) -> None:
    """A taint has no text, and a text may be damaged: such a splat keeps its title and fingerprint."""
    splat: Table = {**OLD_SPLAT, "text": text}

    table: Table = {"splats": [splat]}

    assert upgrade_case(table) == table
