# SPDX-License-Identifier: GPL-2.0-only
"""Every command in the documentation is parsed by the real command line, and the fast ones run for real."""

from __future__ import annotations

import configparser
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

import click
import pytest

from harness.base import paths
from harness.base.errors import ExitStatus
from harness.cli import main
from tests.program import environment, start
from tests.unit.docs.commands import DocumentedCommand, documented_commands, mentioned_commands, split_commands
from tests.unit.report.page.page_sample import rerun, save_runs
from tests.unit.report.sample import STARTED

AWAITED = Path(__file__).with_name("awaited.txt")
FAST = ("semantics", "diff", "report", "history", "clean", "doctor", "--version")
"""Commands that read files and start no guest, so they run for real."""
SLOW_OPTIONS = ("--learn", "--remove", "--prove")
READS_RESULTS = ("diff", "report", "history")
OTHERS = (
    "kunit.py",
    "git",
    "mail.sh",
    "pytest",
    "pip",
    "python3",
    "pre-commit",
    "genhtml",
    ".",
    "sbatch",
    "ssh",
    "ssh-copy-id",
    "b4",
    "cp",
    "mkdir",
    "systemctl",
    "journalctl",
    "dask",
    "kubectl",
)
"""Programs of others that the documentation starts; a command of ours in their arguments is parsed as well."""
LIBRARIES = ("build",)
"""Modules of others that are started by ``python -m``."""


def _ours(command: DocumentedCommand) -> tuple[str, ...]:
    """Return the arguments of ``harness`` in a command; empty when it starts no command of ours."""
    for at, word in enumerate(command.words):
        if word.rpartition("/")[2] in ("harness", "bootstrap"):
            return command.words[at + 1 :]
    return ()


COMMANDS = documented_commands()
OURS = [command for command in COMMANDS if _ours(command) and _ours(command)[0] != "test"]
RUN = [
    command
    for command in OURS
    if _ours(command)[0] in FAST and command.program == "harness" and not {*_ours(command)} & {*SLOW_OPTIONS}
]


@cache
def _awaited() -> frozenset[tuple[str, ...]]:
    lines = AWAITED.read_text(encoding="utf-8").splitlines()
    return frozenset(tuple(line.split()) for line in lines if line and not line.startswith("#"))


def _is_awaited(words: tuple[str, ...]) -> bool:
    """Whether the list says that the command, or an option of it, comes later."""
    return words[:1] in _awaited() or any((words[0], word.partition("=")[0]) in _awaited() for word in words)


def _options(name: str) -> set[str] | None:
    """Return the options of a command or of one of its sub-commands; None when there is no such command."""
    if name.startswith("-"):
        known = {option for parameter in main.params for option in parameter.opts}
        return known if name in known else None
    with click.Context(main) as context:
        command = main.get_command(context, name)
        if command is None:
            return None
        below = command.commands.values() if isinstance(command, click.Group) else ()
        parameters = (*main.params, *command.params, *(one for sub in below for one in sub.params))
        found = {option for parameter in parameters for option in parameter.opts}
        return found | {"-h", "--help"}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ParseCommand:
    """Parse a command line whole and stop where its work would begin."""
    monkeypatch.setattr(click.Command, "invoke", lambda self, context: None)
    return ParseCommand(capsys)


class ParseCommand:
    """What the command line makes of some words: None, or its complaint."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def complaint(self, words: tuple[str, ...]) -> str:
        """Return what the command line prints when it refuses the words; empty when it takes them."""
        with pytest.raises(SystemExit) as ended:
            main.main(list(words))
        said = self._capsys.readouterr().err
        return said if ended.value.code == ExitStatus.USAGE else ""


def test_there_are_commands() -> None:
    """The search finds the commands of README and of the pages."""
    assert {command.path for command in COMMANDS} >= {"README.md", "docs/tutorial/first-run.md", "docs/how-to/ci.md"}
    assert len(OURS) > 50
    assert len(RUN) > 10


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_each_program_is_known(command: DocumentedCommand) -> None:
    """A command starts a program of ours, or one that is listed here; its file exists."""
    if command.program == "tox":
        environments = configparser.ConfigParser(interpolation=None)
        environments.read(paths.ROOT / "tox.ini")
        assert f"testenv:{command.words[command.words.index('-e') + 1]}" in environments
    elif command.program == "python":
        module = command.words[command.words.index("-m") + 1].replace(".", "/")
        assert (paths.ROOT / f"{module}.py").is_file() or module in LIBRARIES
    elif command.program not in OTHERS:
        assert command.program in ("harness", "bootstrap")
    if command.words[0].startswith(("./", "examples/")):
        assert (paths.ROOT / command.words[0]).is_file()


@pytest.mark.parametrize("command", OURS, ids=str)
def test_each_command_parses(command: DocumentedCommand, parsed: ParseCommand) -> None:
    """The command line takes the words: no unknown command, option or value."""
    words = _ours(command)
    complaint = parsed.complaint(words)

    assert not complaint or _is_awaited(words)


@pytest.mark.parametrize("command", mentioned_commands(), ids=str)
def test_each_mentioned_command_exists(command: DocumentedCommand) -> None:
    """A command in running text exists, with the options that it is given."""
    name, *rest = command.words[1:]
    options = {word.partition("=")[0] for word in rest if word.startswith("-") and len(word) > 1}
    if name != "test" and not _is_awaited((name, *rest)):
        known = _options(name)
        assert known is not None
        assert options <= known


def test_what_is_wrong_is_found(parsed: ParseCommand) -> None:
    """An unknown command, option or value is refused, and pipes and comments are no arguments."""
    assert parsed.complaint(("walk", "deb"))
    assert parsed.complaint(("run", "--no-such-option"))
    assert parsed.complaint(("run", "--accel", "magic"))
    assert not parsed.complaint(("run", "deb"))
    assert list(split_commands("harness diff A B > x # why")) == [("harness", "diff", "A", "B")]
    assert list(split_commands("harness run | less && harness clean")) == [
        ("harness", "run"),
        ("less",),
        ("harness", "clean"),
    ]


def test_what_is_awaited_is_not_there_yet() -> None:
    """The list of what the documentation is ahead of shrinks as the code catches up."""
    there = []
    for name, *options in sorted(_awaited()):
        known = _options(name)
        if known is not None and (not options or {*options} <= known):
            there.append((name, *options))

    assert not there, "take these out of awaited.txt"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders with the names that the documentation uses."""
    folder = tmp_path_factory.mktemp("results")
    first = rerun()
    deb = replace(first, kernel=replace(first.kernel, spec="deb"), started=STARTED + 50)
    names = save_runs(folder, deb)
    for name, source in (("A", names[0]), ("B", names[1]), ("shard-1/latest", names[0]), ("shard-2/latest", names[3])):
        shutil.copytree(folder / source, folder / name)
    return folder


@pytest.mark.parametrize("command", RUN, ids=str)
def test_fast_commands_run(command: DocumentedCommand, results: Path, tmp_path: Path) -> None:
    """Where no guest is needed, the command does its work; what it removes is not the developer's."""
    words = _ours(command)
    if _is_awaited(words):
        pytest.skip("the code does not have it yet")
    more = ("--results", str(results)) if words[0] in READS_RESULTS else ()
    own_store = {"HARNESS_STORE": str(tmp_path)} if words[0] == "clean" else {}
    ended = start(*words, *more, env=environment(**own_store), cwd=tmp_path)

    assert ended.status in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS), ended.stderr
    assert ended.stdout or list(tmp_path.iterdir())
