# SPDX-License-Identifier: GPL-2.0-only
"""Defaults of options from files: which file goes first, and what the file of a tree under test may not set."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from harness.base.config_file import ConfigFile, find_project_file
from harness.base.errors import ExitStatus, UsageError
from harness.commands.defaults import _PROJECT_KEYS, read_defaults
from tests.command_line import CommandResult, call, commands


class Files:
    """A project in git, a user, and a command that is started in the project."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.own = folder / "config" / "kernel-patch-harness" / "config.toml"
        self.of_project = self.project / ".harness" / "config.toml"
        for one in (self.project / ".git", self.project / "a" / "b", self.own.parent, self.of_project.parent):
            one.mkdir(parents=True)

    def call(self, *words: str, **environment: str) -> CommandResult:
        return call(*words, XDG_CONFIG_HOME=str(self.own.parents[1]), **environment)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    made = Files(tmp_path)
    monkeypatch.chdir(made.project / "a")
    return made


def results(result: CommandResult) -> str:
    """The folder that --results had, of ``harness history``, which there is none."""
    return result.text.partition("no results folder ")[2].partition("\n")[0]


def test_the_users_file_sets_a_default(files: Files) -> None:
    """``[history] results``, for every project."""
    files.own.write_text('[history]\nresults = "mine"\n')

    assert results(files.call("history")) == "mine"


def test_the_environment_goes_before_the_users_file(files: Files) -> None:
    """A variable is set for one start, or for one shell."""
    files.own.write_text('[history]\nresults = "mine"\n')

    assert results(files.call("history", HARNESS_HISTORY_RESULTS="environment")) == "environment"


def test_the_command_line_goes_before_all(files: Files) -> None:
    """What is typed holds."""
    files.own.write_text('[history]\nresults = "mine"\n')
    result = files.call("history", "--results", "typed", HARNESS_HISTORY_RESULTS="environment")

    assert results(result) == "typed"


def test_the_project_goes_before_the_user(files: Files) -> None:
    """The nearer file goes first; keys that only the other has stay."""
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


def test_a_default_reaches_options_with_several_values(files: Files) -> None:
    """``--cases`` may be given any number of times: a list."""
    files.own.write_text('[run]\ncases = ["no/such", "nor/such"]\n')

    files.call("run").require_error(ExitStatus.USAGE, "--cases no/such")


@pytest.mark.parametrize(
    ("text", "words"),
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
def test_a_wrong_file_is_a_usage_error_that_names_it(files: Files, text: str, words: list[str], is_own: bool) -> None:
    """File, key, and the nearest known one; also where the project's file is at fault."""
    path = files.own if is_own else files.of_project
    path.write_text(text)
    if is_own or not text.startswith("[run]\ncases"):
        files.call("run", "no/such/kernel").require_error(ExitStatus.USAGE, str(path), *words)


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
def test_a_projects_file_decides_nothing_that_needs_trust(files: Files, line: str) -> None:
    """Trust, paths, and how results are judged are the user's: refused by name. The user's own file may set them."""
    key = line.partition(" ")[0]
    files.of_project.write_text(f"[run]\n{line}\n")
    refused = files.call("run", "no/such/kernel")
    files.of_project.unlink()
    files.own.write_text(f"[run]\n{line}\n")

    refused.require_error(ExitStatus.USAGE, str(files.of_project), f"[run] {key}", "may not set", f"--{key}")
    assert "may not set" not in files.call("run", "no/such/kernel").text


def test_a_projects_file_names_no_host(files: Files) -> None:
    """Where results are sent to, and as whom, is the user's."""
    files.of_project.write_text('[patchwork]\nserver = "https://example.org"\n')

    files.call("patchwork", "last").require_error(ExitStatus.USAGE, "[patchwork] server", "may not set")


@pytest.mark.parametrize("value", ["../../evil", "/evil", "a/b", ".evil", ""])
def test_a_projects_file_names_only_what_ships(files: Files, value: str) -> None:
    """The name of a machine type is the name of a file: QEMU's command line comes from it."""
    files.of_project.write_text(f'[run]\nmachine = "{value}"\n')

    files.call("run").require_error(ExitStatus.USAGE, "[run] machine", "may not name a path")


@pytest.mark.parametrize("value", ["mine", "./mine", "../mine"])
def test_a_projects_file_names_no_suite_of_its_own(files: Files, value: str) -> None:
    """A suite holds Python that runs on the host: also a plain name must be that of a shipped suite."""
    suite = files.project / "a" / "mine"
    suite.mkdir()
    (suite / "suite.toml").write_text('format = 1\nname = "mine"\ntitle = "mine"\n')
    files.of_project.write_text(f'[run]\nsuite = "{value}"\n')

    files.call("run", "no/such/kernel").require_error(ExitStatus.USAGE, str(files.of_project), "[run] suite")


def test_a_projects_file_names_a_shipped_suite(files: Files) -> None:
    """The tree of a subject names the suite that is about it."""
    files.of_project.write_text('[run]\nsuite = "timens"\n')

    files.call("run", "no/such/kernel").require_error(ExitStatus.USAGE, "no/such/kernel")


def test_every_option_that_a_projects_file_may_set_exists() -> None:
    """An option that is renamed does not stay behind in the list."""
    known = {
        name.removeprefix("--") for command in commands().values() for option in command.params for name in option.opts
    }

    assert _PROJECT_KEYS - known <= {"workers"}


def test_help_is_shown_in_spite_of_a_broken_file(files: Files) -> None:
    """The error says: see --help."""
    files.own.write_text("[run]\nwrokers = 2\n")

    assert files.call("run", "--help").status is ExitStatus.AS_EXPECTED
    assert files.call("--help").status is ExitStatus.AS_EXPECTED


def test_the_projects_file_is_found_from_below(files: Files) -> None:
    """From any folder of the work tree; the nearest file holds."""
    files.of_project.touch()
    near = files.project / "a" / ".harness" / "config.toml"

    assert find_project_file(files.project / "a" / "b") == files.of_project
    near.parent.mkdir()
    near.touch()
    assert find_project_file(files.project / "a" / "b") == near


def test_no_file_above_the_work_tree_is_read(files: Files) -> None:
    """A folder above belongs to another project, or to another user."""
    (files.project / "a" / ".git").touch()  # a worktree of git has a file
    files.of_project.touch()

    assert find_project_file(files.project / "a" / "b") is None


def test_outside_of_git_only_the_current_folder_counts(tmp_path: Path) -> None:
    """/tmp/.harness/config.toml is anybody's."""
    file = tmp_path / "up" / ".harness" / "config.toml"
    file.parent.mkdir(parents=True)
    file.touch()
    (tmp_path / "up" / "below").mkdir()

    assert find_project_file(tmp_path / "up") == file
    assert find_project_file(tmp_path / "up" / "below") is None


def test_a_link_out_of_the_project_is_refused(files: Files) -> None:
    """An error about a file of the user's would show some of it in the log of a CI job."""
    files.own.write_text("secret = 1\n")
    files.of_project.symlink_to(files.own)

    with pytest.raises(UsageError, match="is a link out of the project"):
        find_project_file(files.project)


def test_a_command_without_defaults_starts(files: Files) -> None:
    """Arguments are no options: they have no default."""
    files.own.write_text('[accept]\ncase = "x"\n')

    files.call("accept", "x").require_error(ExitStatus.USAGE, "[accept] case", "no such option")


def test_keys_of_every_command_are_distinct() -> None:
    """A key names one option."""
    for command in commands().values():
        names = [name for option in command.params if isinstance(option, click.Option) for name in option.opts]
        assert len(names) == len(set(names))
