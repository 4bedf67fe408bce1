# SPDX-License-Identifier: GPL-2.0-only
"""Run commands of the harness in this process, which is faster than a program; for commands that run no case."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from click.testing import CliRunner

from harness.base.errors import ExitStatus
from harness.cli import main


def commands() -> dict[str, click.Command]:
    """Return all commands by their names."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


@dataclass(frozen=True)
class CommandResult:
    """The output of a command, both streams as a terminal shows them, and its exit status."""

    status: ExitStatus
    text: str

    @property
    def error(self) -> str:
        """Return the error message: the problem, the evidence, and the hint."""
        return self.text[self.text.index("harness: ") :]

    def require_error(self, status: ExitStatus, *parts: str) -> None:
        """Assert that the command failed with a complete error message.

        :param status: expected exit status.
        :param parts: texts that the message contains.
        """
        assert self.status is status, self.text
        assert "\nhint: " in self.error
        assert "Traceback" not in self.text
        missing = [part for part in parts if part not in self.error]
        assert not missing, self.error


def call(*arguments: str | Path, **environment: str) -> CommandResult:
    """Run a command in this process, with additional environment variables."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], env=environment, prog_name="harness")
    return CommandResult(ExitStatus(result.exit_code), result.output)
