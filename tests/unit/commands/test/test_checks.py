# SPDX-License-Identifier: GPL-2.0-only
"""``harness checks``: outputs and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.base.errors import ExitStatus
from harness.base.store import STORE_VARIABLE, Store
from harness.cli import main
from tests.unit.checks.planted import FORK, SIGNED, Defect, Planted

GOOD = Defect("", {"kernel/fork.c": f"{FORK}/* 12 */\n"})
BAD = Defect("links", {"kernel/fork.c": f"{FORK}/* 13 */\n"}, trailers=["Closes: the report", SIGNED])


def run(*words: str) -> int:
    """Run the command and return its exit status."""
    with pytest.raises(SystemExit) as ended:
        main(["checks", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The table of 80 columns, JSON and JUnit have the finding at its patch; the status is 1."""
    monkeypatch.setenv(STORE_VARIABLE, str(tmp_path / "store"))
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), history=0)
    planted.add([GOOD, BAD])
    words = (str(planted.mailbox()), "--base", f"{planted.path}@base", "--checks", "links,fixes,maintainers")

    assert run(*words, "--junit", str(tmp_path / "junit.xml")) == ExitStatus.DIFFERS
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert 'links: warning: "Closes: the report" has no URL' in " ".join(text.split())
    assert "not run: maintainers: the mail has no To: or Cc: header" in text
    assert "1 finding; 1 check not run" in text
    suites = JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    assert [(suite.tests, suite.failures, suite.skipped) for suite in suites] == [(3, 0, 1), (3, 1, 1)]

    assert run(*words, "--json") == ExitStatus.DIFFERS
    record = json.loads(capsys.readouterr().out)
    assert [[one["check"] for one in patch["results"] if one["findings"]] for patch in record["patches"]] == [
        [],
        ["links"],
    ]
    assert run(str(planted.mailbox()), "--base", f"{planted.path}@base", "--checks", "fixes") == ExitStatus.AS_EXPECTED


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Each check has its line, without a series."""
    assert run("--list") == ExitStatus.AS_EXPECTED
    text = capsys.readouterr().out
    assert "scripts/get_maintainer.pl of the tree" in text
    assert max(map(len, text.splitlines())) <= 80


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """No series, no base, and an unknown check are usage errors."""
    assert run() == ExitStatus.USAGE
    assert run("x.mbx") == ExitStatus.USAGE
    assert run("x.mbx", "--base", ".", "--checks", "nothing") == ExitStatus.USAGE
    assert "no such check" in capsys.readouterr().err
