# SPDX-License-Identifier: GPL-2.0-only
"""Test a series from its mails to the reports with a real tree and real builds; and the early errors."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import Completed, Surroundings, run
from harness.base.store import Store
from harness.kernel.source.tree import source_package
from harness.model.series_record import EffectKind, Expectedness, PatchState, SeriesRecord
from harness.results.find_run import find_runs
from harness.results.records import load_series
from harness.suite.load import default_suite
from tests.command_line import call
from tests.program import environment, harness
from tests.unit.kernel.user_tree import UserTree, kernel_tree

BASE = "deb-src:6.1"
BREAKS = next((paths.SERIES / "release-agent-unchecked").glob("0001-*.patch"))
CASES = ("writes/release-agent-userns.session", "views/reader.session")
HEAD = "From: A Dev <dev@example.org>\nDate: Sun, 1 Nov 2026 10:00:00 +0000\nSubject: [PATCH v2.1 {}/4] {}\n\n{}\n"
HUNK = re.compile(r"@@ -(\S+) \+(\S+) @@(.*)")


def start(*words: str | Path, env: dict[str, str] | None = None) -> Completed:
    """Run the harness without a time limit for builds."""
    return run(
        harness(*words), deadline=Deadline.after(3600), check=False, within=Surroundings(env=env or environment())
    )


def reversed_diff(diff: str) -> str:
    """Return the reverse of a diff."""
    lines = []
    for line in diff.splitlines():
        if found := HUNK.fullmatch(line):
            line = f"@@ -{found[2]} +{found[1]} @@{found[3]}"
        elif line[:1] in ("+", "-") and not line.startswith(("+++ ", "--- ")):
            line = ("-" if line[0] == "+" else "+") + line[1:]
        lines.append(line)
    return "\n".join(lines) + "\n"


def lose_option() -> str:
    """Return a diff that makes an option of the default fragments unavailable."""
    source = source_package(Context(Store.default(), Deadline.after(600)), "6.1")
    text = source.repository.git("show", f"{source.commit}:init/Kconfig", deadline=Deadline.after(60)).text
    entry = 'config CGROUP_PIDS\n\tbool "PIDs controller"\n'
    assert text.count(f"{entry}\thelp\n") == 1
    line = text[: text.index(entry)].count("\n") + 1
    file = "diff --git a/init/Kconfig b/init/Kconfig\n--- a/init/Kconfig\n+++ b/init/Kconfig\n"
    above, below = "".join(f" {one}\n" for one in entry.splitlines()), " \thelp\n"
    return f"{file}@@ -{line},3 +{line},4 @@\n{above}+\tdepends on BROKEN\n{below}"


def write_series(folder: Path) -> None:
    """Write four patches: the first changes no image, the second breaks a rule, the third fixes it, the last removes an
    option."""
    message, _, diff = BREAKS.read_text().partition("\ndiff --git ")
    diff = f"diff --git {diff}"
    new_file = (
        "diff --git a/Documentation/of-a-test.rst b/Documentation/of-a-test.rst\nnew file mode 100644\n"
        "--- /dev/null\n+++ b/Documentation/of-a-test.rst\n@@ -0,0 +1 @@\n+A line.\n"
    )
    patches = {"say something": new_file, "let anybody set it": diff, "let nobody set it": reversed_diff(diff)}
    patches["let nobody count"] = lose_option()
    folder.mkdir()
    assert message
    for number, (title, text) in enumerate(patches.items(), 1):
        words = HEAD.format(number, title, f"Message {number}.\n\nSigned-off-by: A Dev <dev@example.org>\n---")
        (folder / f"{number:04}-x.patch").write_text(f"{words}\n{text}")


@pytest.mark.guest
@pytest.mark.build
@pytest.mark.network
def test_series_that_breaks_and_fixes(tmp_path: Path) -> None:
    """The effects of two patches are reported; no case runs on an equal image; all outputs are written, and the run
    folders can be compared."""
    write_series(tmp_path / "topic")
    cases = [word for case in CASES for word in ("--cases", str(default_suite().folder / case))]
    words: list[str | Path] = ["series", tmp_path / "topic", "--base", BASE, *cases, "--answers", tmp_path / "answers"]
    step = tmp_path / "step.md"
    env = environment(GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(step))
    done = start(*words, "--results", tmp_path / "results", "--mail", "-", env=env)
    record = load_series((tmp_path / "answers" / "series.json").read_text(), source="series.json")
    shown = done.stderr.decode()

    assert done.status == ExitStatus.DIFFERS, shown
    _check_patches(record)
    assert done.text == (tmp_path / "answers" / "answer.txt").read_text()
    assert "as base" in shown
    assert re.search(r"^::stop-commands::(\w+)$(.*\n)*^::\1::$(.*\n)*^::error title=patch 2", shown, re.MULTILINE)
    assert step.read_text() == (tmp_path / "answers" / "summary.md").read_text()
    assert JUnitXml.fromfile(str(tmp_path / "answers" / "junit.xml")).failures >= 3
    (folder,) = (tmp_path / "results").glob("*-series-topic")
    members = json.loads((folder / "kernels.json").read_text())
    before, after = find_runs([f"{folder}:A", f"{folder}:B"], results=tmp_path / "results")
    assert (len(members), before.run.kernel.spec) == (3, BASE)
    assert (record.posted_as, after.run.kernel.build.posted_as) == ("v2.1", "v2.1")
    assert after.run.kernel.spec.endswith("topic?upto=2")


def _check_patches(record: SeriesRecord) -> None:
    base, first, second, third, fourth = record.patches
    traits = {one.name for one in second.effects if one.of is EffectKind.TRAIT}

    assert base.asked == 2
    assert (first.same_as, first.effects, first.warnings) == (0, (), ())
    assert not first.failed
    assert traits == {"release_agent_from_userns", "release_agent_option"}
    assert {one.standing for one in second.effects} == {Expectedness.UNEXPECTED}
    assert third.same_as == 0
    assert {one.standing for one in third.effects} == {Expectedness.MENDED}
    assert {(one.what, one.by, one.mended) for one in record.broken} == {(f"trait {name}", 2, 3) for name in traits}
    assert (fourth.failed, fourth.at_fault) == ("configure", True)
    assert "CONFIG_CGROUP_PIDS: requested y, got n; needs CONFIG_BROKEN [=n]" in fourth.evidence
    assert (record.net, record.missing, record.state) == ((), (), PatchState.FAIL)


@pytest.fixture(scope="module")
def linux(tmp_path_factory: pytest.TempPathFactory) -> UserTree:
    """Make a user's tree, which is only read; its parent has room for a store."""
    return kernel_tree(tmp_path_factory.mktemp("user") / "linux")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["x.mbox", "--base", "deb"], 4, "is not a source that a series can be applied to"),
        (["x.mbox", "--base", "{tree}@v8"], 4, "v8"),
        (["x.mbox", "--base", "{tree}@v9.0"], 4, "no mailbox or folder x.mbox"),
        (["v9.1..v9.0", "--base", "{tree}"], 4, "no commits in v9.1..v9.0"),
        (["v9.0..v9.1", "--base", "{tree}", "--expect", "veiw=x"], 4, "no trait veiw"),
        (["v9.0..v9.1", "--base", "{tree}", "--expect", "3:self_view=relative"], 4, "no value relative"),
        (["v9.0..v9.1", "--base", "{tree}", "--expect", "3:self_view=absolute"], 4, "the series has no patch 3"),
        (["v9.0..v9.1", "--base", "{tree}", "--patchwork", "patchwork.org"], 4, "not the URL of a Patchwork server"),
        (["v9.0..v9.1", "--base", "{tree}", "--patchwork", "https://pw.org"], 4, "no token for Patchwork"),
        (["v9.0..v9.1", "--base", "{tree}", "--profile", "v9"], 4, "no profile v9"),
        (["v9.0..v9.1", "--base", "{tree}+x.mbox"], 4, "x.mbox"),
        (["v9.0..v9.1", "--base", "{tree}/Makefile"], 4, "is a kernel image"),
    ],
)
def test_usage_error_costs_no_build(linux: UserTree, tmp_path: Path, words: list[str], status: int, said: str) -> None:
    """Base, series, declarations and server are checked before anything is built, and no results are left."""
    filled = [word.format(tree=linux.folder) for word in words]
    store = str(linux.folder.parent / "store")
    result = call("series", *filled, "--results", tmp_path / "results", HARNESS_STORE=store, PATCHWORK_TOKEN="")

    result.require_error(ExitStatus(status), said)
    assert not (tmp_path / "results").exists()


def test_base_that_does_not_build_is_an_error(linux: UserTree, tmp_path: Path) -> None:
    """The error names the base, and no folder of a series is left."""
    store = str(linux.folder.parent / "store")
    words = ["series", "v9.0..v9.1", "--base", f"{linux.folder}@v9.0", "--results", str(tmp_path / "results")]
    result = call(*words, HARNESS_STORE=store)

    result.require_error(ExitStatus.DIFFERS, "the series cannot be tested, because its base cannot")
    assert not list((tmp_path / "results").glob("*-series-*"))
