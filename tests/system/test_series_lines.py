# SPDX-License-Identifier: GPL-2.0-only
"""Lines of a real series on a real kernel: which of them a case runs, and which none does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import Surroundings, run
from harness.base.store import Store
from harness.kernel.source.tree import source_package
from harness.results.folder import load_run
from tests.command_line import call
from tests.program import environment, harness

pytestmark = [pytest.mark.guest, pytest.mark.build]

FILE = "kernel/cgroup/namespace.c"
BEFORE = "\tif (!(flags & CLONE_NEWCGROUP)) {\n"
ADDED = '\t/* A comment. */\n\tif (user_ns->level > 30)\n\t\tpr_info_once("cgroup: deep %d\\n", user_ns->level);\n'
CASE = "cgroupns/views/siblings-v2.session"


def soon(seconds: float = 900) -> Deadline:
    """Return a deadline that is long enough to build a kernel from kept objects on a busy host."""
    return Deadline.after(seconds)


def _surroundings() -> Surroundings:
    """Return the surroundings of the harness as a program."""
    return Surroundings(env=environment())


def write_series(tree: Path, patches: Path, edits: list[tuple[str, str, str]]) -> Path:
    """Write a patch for each edit of the 6.1 sources: the file, a text in it, and the text before it.

    :return: the folder of the patches.
    """
    source = source_package(Context(Store.default(), soon()), "6.1")

    def git(*words: str) -> None:
        user = ("-c", "user.name=Author", "-c", "user.email=author@example.org")
        run(["git", "-C", tree, *user, *words], deadline=soon())

    def commit(subject: str) -> None:
        git("add", "--all")
        git("commit", "--quiet", "--message", subject)

    git("init", "--quiet")
    for file in {file for file, _, _ in edits}:
        (tree / file).parent.mkdir(parents=True, exist_ok=True)
        (tree / file).write_text(source.repository.git("show", f"{source.commit}:{file}", deadline=soon()).text)
    commit("base")
    for number, (file, before, added) in enumerate(edits, start=1):
        text = (tree / file).read_text()
        assert before in text
        (tree / file).write_text(text.replace(before, added + before, 1))
        commit(f"cgroup: report levels, {number}")
    git("format-patch", "--quiet", "--output-directory", str(patches), f"HEAD~{len(edits)}")
    return patches


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a patch with a comment, a condition that every process meets, and a statement that none reaches."""
    return write_series(tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("patches"), [(FILE, BEFORE, ADDED)])


def test_a_line_that_no_case_runs_is_reported(series: Path, tmp_path: Path) -> None:
    """The table, the answer and the record name it; a comment is no code; the lines of the file agree."""
    words: list[str | Path] = [
        "series",
        series,
        "--base",
        "deb-src:6.1",
        "-k",
        "siblings-v2",
        "-n",
        "1",
        "--results",
        tmp_path,
    ]
    done = run(harness(*words), deadline=soon(), check=False, within=_surroundings())
    assert done.status == 0, done.text
    (folder,) = tmp_path.glob("*-series-*")
    record = json.loads((folder / "series.json").read_text())
    lines = record["lines"]
    line = lines["not_run"][0]["first"]

    assert (lines["changed"], lines["code"], lines["run"], lines["cases"]) == (3, 2, 1, 1)
    assert lines["not_run"] == [{"file": FILE, "first": line, "last": line}]
    assert record["patches"][1]["lines"] == lines
    assert lines["one_way"] == [{"file": FILE, "first": line - 1, "last": line - 1}]
    gutter = (folder / "lines.html").read_text()
    assert re.search(rf'<tr class="not"><td>{line}</td><td>not run</td><td></td><td>\+ *pr_info_once', gutter)
    assert f'<tr class="run"><td>{line - 1}</td><td title="{CASE}">1</td><td>≠</td><td>+' in gutter
    sentence = f"1 of 2 changed lines with code were run; not run: {FILE}:{line}"
    assert sentence in " ".join(done.text.split())
    assert f"{sentence}." in " ".join((folder / "answer.txt").read_text().split())
    last = tmp_path / record["patches"][1]["run"]
    tracefile = run(
        harness("coverage", last, "--of", FILE, "--format", "lcov", "--results", tmp_path),
        deadline=soon(),
        within=_surroundings(),
    ).text
    assert f"DA:{line},0" in tracefile
    assert f"DA:{line - 1},2" in tracefile  # the case and the boot
    assert f"DA:{line - 2}," not in tracefile
    assert load_run(last).coverage.template


def test_lines_need_a_kernel_that_was_built(tmp_path: Path) -> None:
    """A distribution's kernel has no line tables here; its functions are shown."""
    words = harness("run", "deb", "-k", "siblings-v2", "-n", "1", "--coverage", "--results", tmp_path)
    run(words, deadline=soon(), within=_surroundings())

    call("coverage", "last", "--of", FILE, "--results", tmp_path).require_error(ExitStatus.USAGE, "no line tables")
    assert CASE in call("coverage", "last", "--function", "proc_cgroup_show", "--results", tmp_path).text


def test_cases_that_reach_a_change_come_first(series: Path, tmp_path: Path) -> None:
    """The function that the patch changes is run by a case of the base; the base has run only some of the cases."""
    words = ("-n", "1", "--results", tmp_path)
    run(harness("run", "deb-src:6.1", "-k", "zombie-v2", "--coverage", *words), deadline=soon(), within=_surroundings())
    (base,) = tmp_path.glob("*-deb-src-6.1")
    kernel = f"deb-src:6.1+{series}"
    done = run(
        harness("run", kernel, "-k", "zombie-v2 or siblings-v2", "--touching", base, "--only", *words),
        deadline=soon(),
        within=_surroundings(),
    )
    notes = load_run(tmp_path / "latest").notes

    assert f"run first: 1 case of 1 that reached what has changed since {base.name}" in notes
    (doubts,) = [note for note in notes if note.startswith("all cases are run, because of: ")]
    assert f"cases that {base.name} did not run" in doubts
    assert f"{FILE}:60: run by the boot as well" in doubts
    assert done.text.index("zombie-v2.session") < done.text.index("siblings-v2.session")
    assert "--only is for --touching" in call("run", "deb", "--only", "-k", "x").text


@pytest.mark.slow("harness/coverage", "harness/series", "harness/run/coverage/touching.py", "qemu/coverage.c")
def test_a_patch_that_no_case_reaches_runs_none(tmp_path: Path) -> None:
    """The first patch changes a function for writeback, which no case runs; the second one what the boot runs, too."""
    (tmp_path / "tree").mkdir()
    edits = [
        (
            "kernel/cgroup/cgroup.c",
            "\tif (!CGROUP_HAS_SUBSYS_CONFIG)\n\t\treturn NULL;\n\n\trcu_read_lock();",
            "\tcond_resched();\n",
        ),
        (FILE, BEFORE, ADDED),
        (FILE, BEFORE, "\t/* Another comment. */\n"),
    ]
    patches = write_series(tmp_path / "tree", tmp_path / "patches", edits)
    words = ("-k", "siblings-v2", "-n", "1", "--results", tmp_path / "results")
    done = run(harness("series", patches, "--base", "deb-src:6.1", *words), deadline=soon(), within=_surroundings())
    (folder,) = (tmp_path / "results").glob("*-series-*")
    record = json.loads((folder / "series.json").read_text())

    assert [patch["asked"] for patch in record["patches"]] == [1, 0, 1, 1]
    assert "patch 1/3: 0 of 1 cases reach what it changes" in done.text
    assert f"patch 2/3: any case may reach it, because of {FILE}" in " ".join(done.text.split())
    assert load_run(tmp_path / "results" / record["patches"][1]["run"]).cases == ()
