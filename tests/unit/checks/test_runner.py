# SPDX-License-Identifier: GPL-2.0-only
"""A check that fails itself is not run, with the reason; it never passes, and it is no finding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.base.store import Store
from harness.checks.frame import bench as frame
from harness.checks.frame.check import Check, Group, Need
from harness.checks.registry import CHECKS, choose_checks
from harness.checks.runner import MOST_FINDINGS, run_checks
from harness.model.finding import CheckResult, Level, StyleFinding
from tests.unit.checks.planted import CGROUP, Defect, Planted

SCRIPT = "scripts/get_maintainer.pl"


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    """A tree with one patch."""
    return Planted(tmp_path / "tree", Store(tmp_path / "store"), history=0)


def result_of(planted: Planted, script: str) -> CheckResult:
    """Run the check of the maintainers with another script in the base."""
    planted.repository.commit({SCRIPT: script}, subject="scripts: another one")
    planted.repository.git("tag", "--force", "base")
    planted.add([Defect("", {"kernel/cgroup/cgroup.c": f"{CGROUP}/* 20 */\n"}, subject="cgroup: once more")])
    with planted.bench("cgroups@example.org") as bench:
        (result,) = run_checks(bench, choose_checks("maintainers"))[1]
    return result


def test_a_script_that_dies(planted: Planted) -> None:
    """The last line that it printed is the reason."""
    result = result_of(planted, "die 'not today';\n")

    assert result == CheckResult(
        "maintainers", not_run=f"{SCRIPT} of the base failed: not today at /src/{SCRIPT} line 1."
    )


def test_a_script_that_prints_without_end(planted: Planted) -> None:
    """At most 1 MiB is read."""
    result = result_of(planted, 'while (1) { print "x" x 60, "\\n"; }\n')

    assert result.not_run.startswith(f"{SCRIPT} of the base failed: printed more than")
    assert result.not_run.endswith("or 1 MiB")


def test_a_script_that_hangs(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is stopped at its time limit."""
    monkeypatch.setattr(frame, "BOUNDS", replace(frame.BOUNDS, seconds=0.5))
    result = result_of(planted, "while (1) {}\n")

    assert "of the base failed: ran longer than" in result.not_run


def test_a_tree_without_the_script(tmp_path: Path, planted: Planted) -> None:
    """Every check that needs a file of the tree says which one is missing."""
    planted.repository.git("rm", "-r", "--quiet", "scripts", "Documentation")
    planted.repository.commit({}, subject="no scripts")
    planted.repository.git("tag", "--force", "base")
    planted.add([Defect("", {"lib/string.c": "/** x */\n"}, subject="lib: once more")])
    with planted.bench("cgroups@example.org") as bench:
        results = {one.check: one.not_run for one in run_checks(bench, choose_checks("text"))[1] if one.not_run}

    assert results["checkpatch"] == "the base has no scripts/checkpatch.pl"
    assert results["maintainers"] == f"the base has no {SCRIPT}"
    assert results["kernel-doc"] == "the base has no scripts/kernel-doc"
    assert results["doc-links"] == "the tree has no Documentation/"


def test_what_is_not_installed(planted: Planted) -> None:
    """The package is named."""
    planted.add([Defect("", {"lib/string.c": "/* x */\n"}, subject="lib: once more")])
    check = Check("none", "nothing", Group.TEXT, lambda *_: (), (Need("no-such-program", "no-package"),))
    with planted.bench() as bench:
        (result,) = run_checks(bench, [check])[1]

    assert result.reason == "no-such-program is not installed: apt install no-package"


def test_many_findings_are_counted(planted: Planted) -> None:
    """The output stays bounded."""
    planted.add([Defect("", {"lib/string.c": "/* x */\n"}, subject="lib: once more")])
    found = [StyleFinding(Level.CHECK, "x", number, "the same") for number in range(1000)]
    with planted.bench() as bench:
        (result,) = run_checks(bench, [Check("many", "all", Group.TEXT, lambda *_: found)])[1]

    assert len(result.findings) == MOST_FINDINGS + 1
    assert result.findings[-1].text == f"and {1000 - MOST_FINDINGS} findings more"


def test_choose_checks() -> None:
    """Names, groups, exclusions; an unknown name has a suggestion."""
    assert choose_checks("") == choose_checks("all") == CHECKS
    assert [one.name for one in choose_checks("links,fixes")] == ["fixes", "links"]
    assert "links" not in {one.name for one in choose_checks("-links")}
    assert {one.group for one in choose_checks("text")} == {Group.TEXT}
    with pytest.raises(UsageError, match="no such check") as raised:
        choose_checks("spellin")
    assert "did you mean spelling?" in raised.value.remedy


def test_names_are_unique() -> None:
    """A name of a check is none of a group either."""
    names = [one.name for one in CHECKS]

    assert len(set(names)) == len(names)
    assert not set(names) & {"all", *Group}
