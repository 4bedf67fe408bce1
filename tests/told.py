"""The command line, called in this process: quick, and as good as a process where no case is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click
from click.testing import CliRunner

from harness.base.errors import ExitStatus
from harness.cli import main


def commands() -> dict[str, click.Command]:
    """Every command by its name."""
    context = click.Context(main)
    found = {name: main.get_command(context, name) for name in main.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


@dataclass(frozen=True)
class Told:
    """What a command said, on both streams as a terminal shows them, and its exit status."""

    status: ExitStatus
    text: str

    @property
    def error(self) -> str:
        """From the error on: what is wrong, the evidence, what to do now."""
        return self.text[self.text.index("harness: ") :]

    def require_error(self, status: ExitStatus, *words: str) -> None:
        """Hold that it ended by an error that was told as all are, and that these words are in it."""
        assert self.status is status, self.text
        assert "What to do: " in self.error
        assert "Traceback" not in self.text
        missing = [word for word in words if word not in self.error]
        assert not missing, self.error


def call(*words: str | Path, **environment: str) -> Told:
    """Call the command line with an environment."""
    result = CliRunner().invoke(main, [str(word) for word in words], env=environment, prog_name="harness")
    return Told(ExitStatus(result.exit_code), result.output)
