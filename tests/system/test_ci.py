# SPDX-License-Identifier: GPL-2.0-only
"""The workflows in ``examples/ci/`` can be parsed, and each command in them exists with its options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.process import find_program, run
from harness.commands.test import series_output
from harness.results.folder import JUNIT_NAME
from tests import command_line

CI = paths.ROOT / "examples" / "ci"
WORKFLOWS = sorted(CI.glob("*.yml"))
TOKEN_WORDS = ("secrets.", "PATCHWORK_TOKEN")


def scripts(value: object) -> Iterator[str]:
    """Return every shell script of a workflow, GitHub's or GitLab's."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key in ("run", "script", "before_script"):
                yield from ([one] if isinstance(one, str) else one)
            else:
                yield from scripts(one)
    elif isinstance(value, list):
        for one in value:
            yield from scripts(one)


def commands(text: str) -> Iterator[list[str]]:
    """Return the arguments of each call of ``bootstrap`` in a script, from the command on."""
    for line in text.replace("\\\n", " ").splitlines():
        if found := re.search(r"bootstrap\"? (\S.*)$", line):
            yield shlex.split(found[1].partition(" >")[0])


def read(path: Path) -> dict[object, object]:
    """Read a workflow."""
    value = yaml.safe_load(path.read_text())
    assert isinstance(value, dict)
    return value


def test_each_forge_has_a_workflow() -> None:
    """The guide describes each example."""
    guide = (paths.ROOT / "docs" / "how-to" / "ci.md").read_text()

    assert [path.name for path in WORKFLOWS] == ["github.yml", "gitlab.yml"]
    assert all(f"examples/ci/{path.name}" in guide for path in CI.iterdir())


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_scripts_are_valid_shell(path: Path, tmp_path: Path) -> None:
    """A shell can parse them, and shellcheck, if installed, has no warnings."""
    for text in scripts(read(path)):
        run(["sh", "-n", "-c", text], deadline=Deadline.after(30))
        if find_program("shellcheck"):
            file = tmp_path / "script"
            file.write_text(f"#!/bin/sh -e\n{text}\n")
            run(["shellcheck", file], deadline=Deadline.after(60))


@pytest.mark.parametrize("path", [*WORKFLOWS, CI / "mail.sh"], ids=lambda path: path.stem)
def test_commands_of_workflows_exist(path: Path) -> None:
    """Each command of the harness accepts its options, parsed as on the command line."""
    texts = [path.read_text()] if path.suffix == ".sh" else list(scripts(read(path)))
    called = [words for text in texts for words in commands(text)]
    judged = [words for words in called if words[0] == "series"]

    assert judged
    for name, *words in called:
        command = command_line.commands()[name]
        given = [word for word in words if word != "$@"]
        assert isinstance(command.make_context(name, given, resilient_parsing=False), click.Context)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_kept_files_are_written(path: Path) -> None:
    """The files that it uploads or shows are those of ``--answers``; untrusted code runs without a secret."""
    text = path.read_text()
    named = set(re.findall(r"answers/(\S+)", text))

    assert "--answers answers" in text
    assert named <= {JUNIT_NAME, series_output.ANSWER_NAME, series_output.SUMMARY_NAME, series_output.QUALITY_NAME}
    assert not [word for word in TOKEN_WORDS if word in text]


def test_github_workflow_has_a_read_only_token() -> None:
    """An untrusted pull request is tested with a token that cannot write."""
    workflow = read(CI / "github.yml")

    assert workflow["permissions"] == {"contents": "read"}
    # YAML 1.1 reads the key as true.
    assert workflow[True] == "pull_request"


def test_gitlab_shows_tests_and_code_quality() -> None:
    """The workflow names the reports that GitLab shows, also when the job fails."""
    job = read(CI / "gitlab.yml")["series"]
    assert isinstance(job, dict)

    assert job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"] == {
        "junit": f"answers/{JUNIT_NAME}",
        "codequality": f"answers/{series_output.QUALITY_NAME}",
    }
