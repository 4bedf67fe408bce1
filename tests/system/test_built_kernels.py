# SPDX-License-Identifier: GPL-2.0-only
"""Kernels from source, from the argument to the verdict: real trees and real builds, in the user's store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.kernel.patches.shipped import find_shipped, shipped_names
from harness.kernel.source.tree import Source, source_package
from harness.model.verdict import Outcome
from harness.results.folder import load_run
from harness.suite.load import default_suite
from tests.program import environment, harness

pytestmark = [pytest.mark.guest, pytest.mark.build, pytest.mark.network]
BUILDING = ("harness/kernel/build", "harness/kernel/config", "harness/kernel/patches", "kconfigs", "qemu")
"""What the kernels of this module depend on, besides their series."""
BASE = "deb-src:6.1"
SECONDS = 3600.0
"""A clean build on a slow and busy host, including the download of the source."""
CONTROLS = {
    "mountinfo-unscoped": "mountinfo_root",
    "named-hierarchy-allowed": "new_named_hierarchy_inside",
    "move-judged-by-writer": "move_judged_by",
    "release-agent-unchecked": "release_agent_from_userns",
}
CASES = (
    "mounts/mountinfo-v2.session",
    "mounts/named-hierarchy.session",
    "delegation/open-files.session",
    "writes/release-agent-userns.session",
)
"""One case for each trait of the controls."""
THEMES = ("escapes", "lifetime", "unprivileged")
"""Themes that need the most options of a kernel; `harness run deb-src:6.1` runs all cases."""
TELLING = (
    "views/siblings-v1.session",
    "views/siblings-v2.session",
    "views/zombie-v2.session",
    "mounts/inside-v1.session",
    "mounts/inside-v2.session",
    "migration/member-v2.session",
    "review/setns-from-elsewhere.session",
    "writes/outside-v2.session",
    "lifetime/rmdir-root-unused.session",
    "delegation/remount.session",
    "creation/limit.session",
)
"""Cases that distinguish the posted versions from each other and from mainline."""


def start(*words: str | Path) -> process.Completed:
    """Run the harness and return its result, however long a build takes."""
    return process.run(
        harness(*words), deadline=Deadline.after(SECONDS), check=False, within=process.Surroundings(env=environment())
    )


def folder_of(done: process.Completed) -> Path:
    """Return the folder that ``harness build`` printed."""
    assert done.status == 0, done.text + done.stderr.decode()
    return Path(done.text.strip())


@pytest.fixture(scope="module", autouse=True)
def base() -> Path:
    """Build the kernel that all others are based on, before other workers would compile it again."""
    return folder_of(start("build", BASE))


@pytest.fixture(scope="module")
def source() -> Source:
    """Return the source of the base."""
    return source_package(Context(Store.default(), Deadline.after(SECONDS)), "6.1")


def edit(source: Source, folder: Path, line: str) -> Path:
    """Write a folder with one patch that adds a line to a file."""
    file, before = "kernel/cgroup/namespace.c", "#include <linux/sched/task.h>"
    text = source.repository.git("show", f"{source.commit}:{file}", deadline=Deadline.after(60)).text
    assert text.count(before) == 1
    lines = text[: text.index(before)].count("\n") + 1
    patch = f"--- a/{file}\n+++ b/{file}\n@@ -{lines} +{lines},2 @@\n+{line}\n {before}\n"
    folder.mkdir()
    (folder / "0001-edit.patch").write_text(f"Subject: {folder.name}\nFrom: A <a@b>\n\n{folder.name}\n---\n\n{patch}")
    return folder


def test_a_source_is_built_once(base: Path) -> None:
    """The folder has all files of a build; the second command compiles nothing."""
    again = start("build", BASE)

    assert folder_of(again) == base
    assert "building" not in again.stderr.decode()
    names = {"bzImage", "config", "System.map", "vmlinux", "build.log", "compiler", "reproduce.sh", "build.json"}
    assert names <= {path.name for path in base.iterdir()}
    assert json.loads((base / "build.json").read_text())["seconds"] > 0


def test_the_same_files_are_not_built_again(source: Source, base: Path) -> None:
    """A repository at a revision is the same kernel as the package of that revision."""
    place = f"{source.repository.git_dir}@{source.commit[:12]}"

    assert folder_of(start("build", place)) == base


def test_a_built_kernel_matches_mainline(tmp_path: Path) -> None:
    """The small kernel matches like the distribution's, except for what its configuration leaves out."""
    cases = [word for theme in THEMES for word in ("--cases", default_suite().folder / theme)]
    done = start("run", BASE, *cases, "--results", tmp_path)
    run = load_run(tmp_path / "latest")

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.stderr.decode()
    assert {case.id for case in run.cases if case.outcome is not Outcome.MATCH} == {
        "cgroupns/escapes/bpf-ids.session",
        "cgroupns/escapes/id-lookup.session",
        "cgroupns/escapes/nft-level.session",
    }
    assert not [case.id for case in run.cases if case.is_failure]
    assert run.kernel.build.source.startswith("linux-source-6.1 ")
    assert run.kernel.build.compiler
    assert (tmp_path / "latest/build.log").stat().st_size > 0


@pytest.mark.slow(*BUILDING, "series", "cases/cgroupns/semantics.toml")
def test_each_control_flips_its_trait(tmp_path: Path) -> None:
    """The declared traits of a shipped series are observed and expected; the table of all kernels marks no others."""
    kernels = [BASE, *(f"series:{name}" for name in CONTROLS)]
    cases = [word for case in CASES for word in ("--cases", default_suite().folder / case)]
    done = start("run", *kernels, *cases, "--results", tmp_path)
    runs = {
        (run := load_run(file.parent)).kernel.spec: {trait.trait: trait.seen for trait in run.traits}
        for file in tmp_path.glob("20*/run.json")
    }
    marked = {line.split()[1] for line in done.text.rpartition("\nTraits: ")[2].split("\n") if line.startswith("! ")}

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.stderr.decode()
    assert set(CONTROLS) <= set(shipped_names())
    for name, trait in CONTROLS.items():
        differing = {one for one, seen in runs[f"series:{name}"].items() if seen != runs[BASE][one]}
        assert trait in differing
        assert differing <= {trait, "move_credentials", "release_agent_option"}
    assert set(CONTROLS.values()) <= marked
    joint = next(tmp_path.glob("*-5-kernels/junit.xml"))
    assert len(list(JUnitXml.fromfile(str(joint)))) == len(kernels)


@pytest.mark.slow(*BUILDING, "series/ns-cgroup", "cases/cgroupns/ns_cgroup")
def test_the_controller_of_2007_changes_with_its_releases(tmp_path: Path) -> None:
    """Each series of the stack adds its own option and changes its declared traits, compared with the series below."""
    names = ("ns-cgroup", "ns-cgroup-2.6.30", "ns-cgroup-2.6.37")
    kernels = [f"series:{name}" for name in names]
    done = start("run", *kernels, "--cases", default_suite().folder / "ns_cgroup", "--results", tmp_path)
    runs = {(run := load_run(file.parent)).kernel.spec: run for file in tmp_path.glob("20*/run.json")}
    seen = [{trait.trait: trait.seen for trait in runs[kernel].traits} for kernel in kernels]
    flipped = [dict(find_shipped(name, deadline=Deadline.after(60)).traits) for name in names]

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.stderr.decode()
    assert {case.outcome for run in runs.values() for case in run.cases} == {Outcome.MATCH}
    assert all("series/ns-cgroup/ns.config" in run.kernel.build.fragments for run in runs.values())
    assert {trait: seen[0][trait] for trait in flipped[0]} == flipped[0]
    for before, after, declared in zip(seen, seen[1:], flipped[1:], strict=False):
        assert {trait: value for trait, value in after.items() if value != before[trait]} == declared


@pytest.mark.slow(*BUILDING, "series", "cases/cgroupns", importance=1)
def test_the_posted_versions_differ_as_their_profiles_say(tmp_path: Path) -> None:
    """Each kernel matches the known or assumed values of its version; the table marks exactly the differing traits."""
    names = [name for name in shipped_names() if name.startswith("cgroupns-")]
    cases = [word for case in TELLING for word in ("--cases", default_suite().folder / case)]
    done = start("run", *(f"series:{name}" for name in names), *cases, "--results", tmp_path)
    runs = [load_run(file.parent) for file in tmp_path.glob("20*/run.json")]
    marked = {line.split()[1] for line in done.text.rpartition("\nTraits: ")[2].split("\n") if line.startswith("! ")}

    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.stderr.decode()
    assert len(runs) == len(names) == 5
    values: dict[str, set[str]] = {}
    for run in runs:
        assert {case.outcome for case in run.cases} == {Outcome.MATCH}
        assert [trait for trait in run.traits if trait.seen and trait.expected not in ("", trait.seen)] == []
        for trait in run.traits:
            values.setdefault(trait.trait, set()).add(trait.seen)
    assert marked & set(values) == {trait for trait, seen in values.items() if len(seen - {""}) > 1}
    assert {"outside_view", "pinned_against_member", "setns", "write_outside", "mount_root", "scope"} <= marked


def test_a_control_fails_the_mainline_profile(tmp_path: Path) -> None:
    """Compared with plain mainline, a control fails because of its trait."""
    done = start(
        *("run", "series:mountinfo-unscoped", "--profile", "mainline-6.1", "--results", tmp_path),
        *("--cases", default_suite().folder / CASES[0]),
    )

    assert done.status == ExitStatus.DIFFERS
    assert [case.outcome for case in load_run(tmp_path / "latest").cases] == [Outcome.MISMATCH]


def test_a_series_that_does_not_build_is_reported_by_patch_and_line(source: Source, tmp_path: Path) -> None:
    """A failed build is a result with the error line; the next kernel is still tested."""
    broken = edit(source, tmp_path / "broken", "int x = y;")
    results = tmp_path / "results"
    done = start("run", f"{BASE}+{broken}", BASE, "--cases", default_suite().folder / CASES[0], "--results", results)
    runs = [load_run(file.parent) for file in sorted(results.glob("20*/run.json"))]

    assert done.status == ExitStatus.DIFFERS
    assert [[case.outcome for case in run.cases] for run in runs] == [[Outcome.KERNEL], [Outcome.MATCH]]
    assert "patch 1/1 (broken) does not build" in runs[0].cases[0].reason
    assert "kernel/cgroup/namespace.c" in runs[0].cases[0].diff
    assert "error: " in runs[0].cases[0].diff


def test_a_warning_is_reported_with_its_patch(source: Source, tmp_path: Path) -> None:
    """The record has compiler warnings on lines that the series adds, not those of the base."""
    noisy = edit(source, tmp_path / "noisy", "static int unused_by_all;")
    folder = folder_of(start("build", f"{BASE}+{noisy}"))
    facts = json.loads((folder / "build.json").read_text())

    assert facts["reused"]
    assert [(one["file"], one["patch"]) for one in facts["warnings"]] == [("kernel/cgroup/namespace.c", 1)]
