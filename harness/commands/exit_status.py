# SPDX-License-Identifier: GPL-2.0-only
"""End every command with an error message and an exit status."""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import NoReturn

import click

from harness.base.errors import ExitStatus, HarnessError
from harness.base.signals import is_reader_gone, signals_as_interrupts

BISECT_STATUS = "--bisect-status"
"""The option that selects the exit statuses of ``git bisect run``."""

ARGUMENTS = "harness.arguments"
"""Key of the command's name and arguments in ``click.Context.meta``."""


class Group(click.Group):
    """The group of commands, which turns every end of a command into a message and an exit status."""

    def main(self, *args: object, **rest: object) -> NoReturn:
        """Parse the arguments, run the command that they name, and exit."""
        ending = _Ending()
        with ending, signals_as_interrupts():
            status = super().main(*args, standalone_mode=False, **rest)  # type: ignore[call-overload]
            ending.status = ExitStatus(status or 0)
        words = rest.get("args") or sys.argv[1:]
        is_for_git = isinstance(words, list) and BISECT_STATUS in words
        sys.exit(int(_for_git(ending.status) if is_for_git else ending.status))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and keep its arguments for the callback of the group, which click does not give them."""
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; see :class:`_PipeError`."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeError(error) from None


def _for_git(status: ExitStatus) -> ExitStatus:
    """Return the status for ``git bisect run``, which takes 2, 3 and 4 for a bad commit; a usage error is not one."""
    wrong = (ExitStatus.CASE_BROKEN, ExitStatus.HOST, ExitStatus.USAGE)
    return ExitStatus.STOP if status in wrong else status


class _PipeError(Exception):
    """A broken pipe under another type: click ends the program silently with status 1 at a BrokenPipeError."""

    def __init__(self, pipe: BrokenPipeError) -> None:
        super().__init__(pipe)
        self.pipe = pipe


class _Ending:
    """A context manager that turns every exception of a command into a message and a status."""

    status = ExitStatus.AS_EXPECTED

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if isinstance(error, click.ClickException):
            error.show()
            self.status = ExitStatus.USAGE
        elif isinstance(error, click.Abort | KeyboardInterrupt):
            click.echo("harness: interrupted", err=True)
            self.status = ExitStatus.INTERRUPTED
        elif isinstance(error, _PipeError) and is_reader_gone():
            # The reader of the output has left. The rest of the buffer must not cause an error at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        elif isinstance(error, _PipeError):
            self.status = tell(error.pipe)
        elif isinstance(error, Exception):
            self.status = tell(error)
        return isinstance(error, Exception | KeyboardInterrupt)


def tell(error: Exception) -> ExitStatus:
    """Print an error with its hint and return its exit status."""
    if not isinstance(error, HarnessError):
        from harness.base.crash_report import explain

        error = explain(error)
    click.echo(f"harness: {error}", err=True)
    return error.exit_status
