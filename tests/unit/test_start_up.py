# SPDX-License-Identifier: GPL-2.0-only
"""What a start of ``harness`` imports: only what it uses. Nothing is timed: modules are counted."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run
from harness.cli import COMMANDS
from tests.command_line import commands

SCRIPT = """
import atexit, sys
atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))
from harness.cli import main
main(sys.argv[1:])
"""
SLOW = {"pytest", "pexpect", "rich", "jinja2", "asyncio", "b4", "qemu.qmp", "jsonschema", "filelock", "urllib.request"}
"""Libraries that take a start more than a hundredth of a second each."""


def modules(*arguments: str, folder: Path) -> set[str]:
    """The modules that are imported when the command ends."""
    words = [sys.executable, "-c", SCRIPT, *arguments]
    environment = {**os.environ, "HARNESS_STORE": str(folder)}
    done = run(words, deadline=Deadline.after(60), check=False, within=Surroundings(env=environment))
    return set(done.stderr.decode().splitlines()[-1].split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_no_command(option: str, tmp_path: Path) -> None:
    """The list of commands is shown from the table."""
    found = modules(option, folder=tmp_path)

    assert "harness.cli" in found
    assert not {name for name in found if name.startswith("harness.commands.")} - {
        "harness.commands.defaults",
        "harness.commands.exit_status",
    }
    assert not found & SLOW


@pytest.mark.parametrize(
    "arguments",
    ["clean", "diff no/run last --results no/folder", "history --results no/folder", "semantics scope"],
)
def test_a_command_imports_no_other_and_no_slow_library(arguments: str, tmp_path: Path) -> None:
    """A command that reads files starts without what boots, draws or renders."""
    name = arguments.partition(" ")[0]
    found = modules(*arguments.split(), folder=tmp_path)

    assert f"harness.commands.{COMMANDS[name].module}" in found
    assert not {f"harness.commands.{COMMANDS[other].module}" for other in ("run", "series", "bisect", "report")} & found
    assert not found & SLOW


def test_every_module_of_the_table_holds_its_command() -> None:
    """A command that is renamed is renamed in both places."""
    assert {name: command.name for name, command in commands().items()} == {name: name for name in COMMANDS}


def test_every_command_shows_its_line() -> None:
    """The table says it, and nothing else does."""
    assert {name: command.short_help for name, command in commands().items()} == {
        name: one.short_help for name, one in COMMANDS.items()
    }


def test_a_build_imports_nothing_of_guests_mails_and_logs(tmp_path: Path) -> None:
    """With nothing to do, imports are most of its time."""
    found = modules("build", "no/such/tree", folder=tmp_path)

    assert "harness.kernel.resolve" in found
    assert not found & {"pexpect", "harness.guest.console", "harness.kernel.mail.mailbox", "harness.kernellog.reader"}


def test_a_run_here_imports_no_dask(tmp_path: Path) -> None:
    """The extra is needed with ``--hosts`` only; the kernel does not exist, and is looked for after the hosts."""
    found = modules("run", str(tmp_path / "no-kernel"), "--results", str(tmp_path / "results"), folder=tmp_path)

    assert "harness.run.several_kernels" in found
    assert not {name for name in found if name.partition(".")[0] in ("dask", "distributed", "tornado")}


@pytest.mark.parametrize(
    "arguments",
    ["run no/such/kernel", "series no/such/series no/such/tree", "b4-check no/such/tree no/such/suite"],
)
def test_a_command_line_that_is_refused_imports_no_pytest(arguments: str, tmp_path: Path) -> None:
    """pytest is imported when the first case is about to start, and the HTTP client with the server to post to."""
    found = modules(*arguments.split(), folder=tmp_path)

    assert "harness.pipeline" in found
    assert not {name for name in found if name.partition(".")[0] in ("pytest", "_pytest", "requests", "urllib3")}


def test_the_process_of_a_batch_imports_nothing_of_dask() -> None:
    """It is started for each batch of a host, and Dask takes as long as all else that it imports."""
    words = [sys.executable, "-c", "import harness.hosts.batch, sys; print(*sys.modules)"]
    found = set(run(words, deadline=Deadline.after(60)).text.split())

    assert "harness.hosts.batch" in found
    assert not found & {"dask", "distributed", "tornado"}
