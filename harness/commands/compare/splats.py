# SPDX-License-Identifier: GPL-2.0-only
"""``harness splats``: find the error reports of the kernel in any log."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.kernel.image.symbolize import SourceLine, symbolize
from harness.kernellog.frames import Frame
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.tables.splats import LogSplats, splat_lines, splats_json
from harness.results.log_file import find_splats

_SYMBOLIZE_SECONDS = 600.0


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all frames and the whole text.")
@click.option(
    "--vmlinux",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Show source lines, by the debug information in the vmlinux of this kernel.",
)
def splats(files: tuple[Path, ...], as_json: bool, vmlinux: Path | None) -> int:
    """Find the error reports of the kernel (oops, BUG, WARNING, lockdep, KASAN)
    in logs, and print their titles, fingerprints and frames.

    FILE is a log of any tool: dmesg (also -T, -x, with colors), the journal, syslog,
    /dev/kmsg, netconsole, logcat, or a serial console, also with a time of the host
    before each line; compressed by gzip or not. - is standard input.

    \b
    Exit status:
      0    no splat was found
      1    splats were found
      4    a file is missing, empty, damaged or not a text
    """

    logs = [LogSplats(str(file), find_splats(file)) for file in files]
    frames = [frame for log in logs for splat in log.splats for frame in splat.frames]
    sources = symbolize(frames, vmlinux, deadline=Deadline.after(_SYMBOLIZE_SECONDS)) if vmlinux else {}
    if as_json:
        click.echo(json.dumps(splats_json(logs, lambda frame: _places(frame, sources)), indent=1))
    else:
        with choose_display(sys.stdout, os.environ) as display:
            display.show(Lines(lambda width: splat_lines(logs, lambda frame: _places(frame, sources), width)))
    is_found = any(log.splats for log in logs)
    return int(ExitStatus.DIFFERS if is_found else ExitStatus.AS_EXPECTED)


def _places(frame: Frame, sources: Mapping[Frame, Sequence[SourceLine]]) -> list[str]:
    lines = sources.get(frame, ())
    return [line.place if line.function == frame.name else f"{line.place} ({line.function})" for line in lines]
