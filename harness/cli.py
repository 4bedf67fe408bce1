"""The ``harness`` command: words in, exit status out. It and ``harness/commands/`` are all that prints or exits.

What only one command needs is imported by that command when it is called: ``harness run`` starts its first case in a
second and a half.
"""

from __future__ import annotations

import click

from harness.commands.accept import accept
from harness.commands.b4_check import b4_check
from harness.commands.bisect import bisect
from harness.commands.build import build
from harness.commands.clean import clean
from harness.commands.diff import diff
from harness.commands.doctor import doctor
from harness.commands.exit_status import Group
from harness.commands.history import history
from harness.commands.patchwork import patchwork
from harness.commands.report import report
from harness.commands.run import run
from harness.commands.semantics import semantics
from harness.commands.series import series
from harness.commands.shell import shell


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.version_option(package_name="kernel-patch-harness")
def main() -> None:
    """Boot a kernel in QEMU, play posted sessions on its serial consoles, and record what it did."""


for _command in (
    run,
    series,
    bisect,
    b4_check,
    patchwork,
    diff,
    report,
    history,
    shell,
    build,
    accept,
    semantics,
    doctor,
    clean,
):
    main.add_command(_command)
