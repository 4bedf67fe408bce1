# SPDX-License-Identifier: GPL-2.0-only
"""Tests of option defaults from files: their order, and the options that a file of a tree under test may not set."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from harness.base.config_file import ConfigFile, find_project_file
from harness.base.errors import ExitStatus, UsageError
from harness.commands.defaults import _PROJECT_KEYS, read_defaults
from tests.command_line import CommandResult, call, commands


class Files:
    """The files of a project in git and of a user; commands run in the project."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.own = folder / "config" / "kernel-patch-harness" / "config.toml"
        self.of_project = self.project / ".harness" / "config.toml"
        for one in (self.project / ".git", self.project / "a" / "b", self.own.parent, self.of_project.parent):
            one.mkdir(parents=True)

    def call(self, *arguments: str, **environment: str) -> CommandResult:
        return call(*arguments, XDG_CONFIG_HOME=str(self.own.parents[1]), **environment)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    made = Files(tmp_path)
    monkeypatch.chdir(made.project / "a")
    return made


def results(result: CommandResult) -> str:
    """Return the value of --results from the error of ``harness history`` about a missing folder."""
    return result.text.partition("no results folder ")[2].partition("\n")[0]


def test_user_file_sets_a_default(files: Files) -> None:
    """The user's file sets ``[history] results`` for every project."""
    files.own.write_text('[history]\nresults = "mine"\n')

    assert results(files.call("history")) == "mine"


def test_environment_overrides_the_user_file(files: Files) -> None:
    """A variable of the environment overrides the user's file."""
    files.own.write_text('[history]\nresults = "mine"\n')

    assert results(files.call("history", HARNESS_HISTORY_RESULTS="environment")) == "environment"


def test_command_line_overrides_all(files: Files) -> None:
    """An argument overrides the environment and the files."""
    files.own.write_text('[history]\nresults = "mine"\n')
    result = files.call("history", "--results", "typed", HARNESS_HISTORY_RESULTS="environment")

    assert results(result) == "typed"


def test_project_file_overrides_the_user_file(files: Files) -> None:
    """The project's file overrides the user's; keys that only the user's file has remain."""
    files.own.write_text("[run]\nworkers = 2\nseed = 1\n")
    files.of_project.write_text("[run]\nworkers = 3\n")
    found = [
        ConfigFile(files.of_project, False, {"run": {"workers": 3}}),
        ConfigFile(files.own, True, {"run": {"workers": 2, "seed": 1}}),
    ]

    assert read_defaults(commands()["run"], found, commands()) == {"workers": 3, "seed": 1}
    assert "-n 0: not a number" in files.call("run", "-n", "0").text
    files.of_project.write_text("[run]\nworkers = 0\n")
    assert "-n 0: not a number" in files.call("run").text
    assert "-n 00: not a number" in files.call("run", HARNESS_RUN_WORKERS="00").text


def test_default_of_a_repeated_option_is_a_list(files: Files) -> None:
    """``--cases`` may be repeated, so its default is a list."""
    files.own.write_text('[run]\ncases = ["no/such", "nor/such"]\n')

    files.call("run").require_error(ExitStatus.USAGE, "--cases no/such")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[run]\nwrokers = 2\n", ["[run] wrokers", "write workers"]),
        ("[run]\nx = 1\n", ["[run] x", "known: accel"]),
        ("[rnu]\nworkers = 2\n", ["[rnu]", "no such command: rnu", "write run"]),
        ("workers = 2\n", ["workers is not in the table of a command", "[run]"]),
        ("[run\n", ["cannot be read", "line 1"]),
        ('[run]\naccel = "fast"\n', ["[run] accel", "'fast'", "'kvm'"]),
        ("[run]\nrepeat = 0\n", ["[run] repeat", "0"]),
        ("[run]\nrepeat = true\n", ["[run] repeat", "takes a value"]),
        ("[run]\nrepeat = [1]\n", ["[run] repeat", "a single value"]),
        ("[run]\nuntil-fail = 1\n", ["[run] until-fail", "true or false"]),
        ('[run]\ncases = "a"\n', ["[run] cases", "a list"]),
        ("#" * 70000, ["too large"]),
    ],
)
@pytest.mark.parametrize("is_own", [True, False])
def test_invalid_file_is_a_usage_error(files: Files, text: str, parts: list[str], is_own: bool) -> None:
    """The error names the file, the key and the closest known key, for the user's file and the project's."""
    path = files.own if is_own else files.of_project
    path.write_text(text)
    if is_own or not text.startswith("[run]\ncases"):
        files.call("run", "no/such/kernel").require_error(ExitStatus.USAGE, str(path), *parts)


@pytest.mark.parametrize(
    "line",
    [
        "trust = true",
        'cases = ["cases"]',
        'config = ["kasan"]',
        'known = "known.toml"',
        'results = "/etc"',
        'baseline = "last"',
        'profile = "v0"',
        'expression = "not setns"',
    ],
)
def test_project_file_may_not_set_options_that_need_trust(files: Files, line: str) -> None:
    """Trust, paths and the judging of results are refused in a project's file; the user's own file may set them."""
    key = line.partition(" ")[0]
    files.of_project.write_text(f"[run]\n{line}\n")
    refused = files.call("run", "no/such/kernel")
    files.of_project.unlink()
    files.own.write_text(f"[run]\n{line}\n")

    refused.require_error(ExitStatus.USAGE, str(files.of_project), f"[run] {key}", "may not set", f"--{key}")
    assert "may not set" not in files.call("run", "no/such/kernel").text


def test_project_file_may_not_name_a_server(files: Files) -> None:
    """A project's file may not choose where results are sent."""
    files.of_project.write_text('[patchwork]\nserver = "https://example.org"\n')

    files.call("patchwork", "last").require_error(ExitStatus.USAGE, "[patchwork] server", "may not set")


@pytest.mark.parametrize("value", ["../../evil", "/evil", "a/b", ".evil", ""])
def test_project_file_may_not_name_a_machine_by_path(files: Files, value: str) -> None:
    """The name of a machine type is a file name, and the file contains QEMU's arguments."""
    files.of_project.write_text(f'[run]\nmachine = "{value}"\n')

    files.call("run").require_error(ExitStatus.USAGE, "[run] machine", "may not name a path")


@pytest.mark.parametrize("value", ["mine", "./mine", "../mine"])
def test_project_file_may_not_name_its_own_suite(files: Files, value: str) -> None:
    """A suite contains Python that runs on the host, so a plain name too must be that of a shipped suite."""
    suite = files.project / "a" / "mine"
    suite.mkdir()
    (suite / "suite.toml").write_text('format = 1\nname = "mine"\ntitle = "mine"\n')
    files.of_project.write_text(f'[run]\nsuite = "{value}"\n')

    files.call("run", "no/such/kernel").require_error(ExitStatus.USAGE, str(files.of_project), "[run] suite")


def test_project_file_may_name_a_shipped_suite(files: Files) -> None:
    """A project's file may choose a shipped suite."""
    files.of_project.write_text('[run]\nsuite = "timens"\n')

    files.call("run", "no/such/kernel").require_error(ExitStatus.USAGE, "no/such/kernel")


def test_project_keys_are_options() -> None:
    """Each option that a project's file may set exists; the list has no renamed option."""
    known = {
        name.removeprefix("--") for command in commands().values() for option in command.params for name in option.opts
    }

    assert _PROJECT_KEYS - known <= {"workers"}


def test_help_ignores_an_invalid_file(files: Files) -> None:
    """--help works with an invalid file, because the errors refer to it."""
    files.own.write_text("[run]\nwrokers = 2\n")

    assert files.call("run", "--help").status is ExitStatus.AS_EXPECTED
    assert files.call("--help").status is ExitStatus.AS_EXPECTED


def test_find_project_file_searches_upwards(files: Files) -> None:
    """The nearest file is found from any folder of the work tree."""
    files.of_project.touch()
    near = files.project / "a" / ".harness" / "config.toml"

    assert find_project_file(files.project / "a" / "b") == files.of_project
    near.parent.mkdir()
    near.touch()
    assert find_project_file(files.project / "a" / "b") == near


def test_find_project_file_stops_at_the_work_tree(files: Files) -> None:
    """A folder above the work tree belongs to another project, or to another user."""
    (files.project / "a" / ".git").touch()  # a worktree of git has a file
    files.of_project.touch()

    assert find_project_file(files.project / "a" / "b") is None


def test_find_project_file_outside_of_git_checks_one_folder(tmp_path: Path) -> None:
    """Outside of a work tree only the current folder counts: anyone can write /tmp/.harness/config.toml."""
    file = tmp_path / "up" / ".harness" / "config.toml"
    file.parent.mkdir(parents=True)
    file.touch()
    (tmp_path / "up" / "below").mkdir()

    assert find_project_file(tmp_path / "up") == file
    assert find_project_file(tmp_path / "up" / "below") is None


def test_find_project_file_refuses_a_link_out_of_the_project(files: Files) -> None:
    """An error about a linked file of the user would show part of it in the log of a CI job."""
    files.own.write_text("secret = 1\n")
    files.of_project.symlink_to(files.own)

    with pytest.raises(UsageError, match="is a link out of the project"):
        find_project_file(files.project)


def test_argument_has_no_default(files: Files) -> None:
    """A key that names an argument, not an option, is a usage error."""
    files.own.write_text('[accept]\ncase = "x"\n')

    files.call("accept", "x").require_error(ExitStatus.USAGE, "[accept] case", "no such option")


def test_option_names_of_a_command_are_distinct() -> None:
    """Each key names one option."""
    for command in commands().values():
        names = [name for option in command.params if isinstance(option, click.Option) for name in option.opts]
        assert len(names) == len(set(names))
