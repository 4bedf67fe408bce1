"""The ``harness`` command: words in, exit status out. It and ``harness/commands/`` are all that prints or exits.

What only one command needs is imported by that command when it is called: ``harness run`` starts its first case in a
second and a half.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from harness.base import log
from harness.base.config_file import read_config_files
from harness.base.errors import UsageError
from harness.commands.accept import accept
from harness.commands.b4_check import b4_check
from harness.commands.bisect import bisect
from harness.commands.build import build
from harness.commands.clean import clean
from harness.commands.defaults import ENVIRONMENT_PREFIX, read_defaults
from harness.commands.diff import diff
from harness.commands.doctor import doctor
from harness.commands.exit_status import ARGUMENTS, Group
from harness.commands.history import history
from harness.commands.patchwork import patchwork
from harness.commands.report import report
from harness.commands.run import run
from harness.commands.semantics import semantics
from harness.commands.series import series
from harness.commands.shell import shell

_LOG = logging.getLogger(__name__)

DEFAULTS_HELP = """Defaults of options are read from .harness/config.toml in the project and
~/.config/kernel-patch-harness/config.toml, by command:

\b
  [run]
  workers = 2
"""


@click.group(
    cls=Group,
    epilog=DEFAULTS_HELP,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 80,
        "auto_envvar_prefix": ENVIRONMENT_PREFIX,
    },
)
@click.version_option(package_name="kernel-patch-harness")
@click.option("-v", "--verbose", count=True, help="Log decisions to standard error; -vv: every program as well.")
@click.option("--log", "log_file", metavar="FILE", type=click.Path(path_type=Path), help="Add the whole log to FILE.")
@click.pass_context
def main(context: click.Context, verbose: int, log_file: Path | None) -> None:
    """Boot a kernel in QEMU, play posted sessions on its serial consoles, and record what it did."""
    log.set_up(log.LogSettings(verbose, log.absolute(log_file)))
    _LOG.info("arguments: %s", sys.argv[1:])
    assert isinstance(context.command, click.Group)
    name = context.invoked_subcommand or ""
    command = context.command.get_command(context, name)
    if command is None:
        return
    try:
        defaults = read_defaults(command, read_config_files(Path.cwd()), context.command.list_commands(context))
        context.default_map = {name: defaults}
    except UsageError:
        # A broken file must not hide the help that says how to fix it.
        if not {"-h", "--help"} & set(context.meta[ARGUMENTS]):
            raise


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
