# SPDX-License-Identifier: GPL-2.0-only
"""Write a file that an option names, and show the stages before it."""

from __future__ import annotations

from pathlib import Path

import click

from harness.base.atomic_write import write_whole
from harness.base.errors import UsageError
from harness.base.events import PhaseStarted, StageEvent


def write_named(option: str, file: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write the file of an option.

    :param option: the option, for the error: ``--output``.
    :param mode: the permission bits of the file.
    :raises UsageError: the file cannot be written.
    """
    try:
        write_whole(file, content, mode=mode)
    except OSError as error:
        remedy = "name a file in an existing writable folder"
        raise UsageError(f"{option} {file} cannot be written", evidence=str(error), remedy=remedy) from None


def show_phase(event: StageEvent) -> None:
    """Show the beginning of a stage on standard error: standard output has the result."""
    if isinstance(event, PhaseStarted):
        click.echo(f"...  {event.text}", err=True)
