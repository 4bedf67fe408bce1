# SPDX-License-Identifier: GPL-2.0-only
"""The ``harness`` command: words in, exit status out. It and ``harness/commands/`` are all that prints or exits.

A command's module is imported when the command is used, after "Lazily Loading Subcommands" of click's documentation:
``harness --help`` imports none, and ``harness diff`` nothing of QEMU.
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem

from harness.base import log
from harness.base.config_file import read_config_files
from harness.base.errors import UsageError
from harness.commands.defaults import ENVIRONMENT_PREFIX, read_defaults
from harness.commands.exit_status import ARGUMENTS, Group

_LOG = logging.getLogger(__name__)

DEFAULTS_HELP = """Defaults of options are read from .harness/config.toml in the project and
~/.config/kernel-patch-harness/config.toml, by command:

\b
  [run]
  workers = 2
"""


class LazyCommand(NamedTuple):
    """A command that is not imported yet.

    :param module: the module below ``harness/commands/``, with a dot; it holds the command by the same name.
    :param short_help: the line about it in ``harness --help``.
    """

    module: str
    short_help: str


COMMANDS = {
    "accept": LazyCommand("author.accept", "Accept the output of the last run as the expectation."),
    "b4-check": LazyCommand("test.b4_check", "Check a mail on standard input, for b4."),
    "bisect": LazyCommand("test.bisect", "Find the commit that changed a behavior."),
    "build": LazyCommand("kernel.build", "Print the folder of a kernel's image and config."),
    "checks": LazyCommand("test.checks", "Check each patch of a series without booting a kernel."),
    "clean": LazyCommand("clean", "List the products in the store, or remove some."),
    "completion": LazyCommand("completion", "Print the completion script for a shell."),
    "core": LazyCommand("compare.core", "Show who waits for whom when a kernel hung."),
    "coverage": LazyCommand("compare.coverage", "Show which kernel code the cases have run."),
    "diff": LazyCommand("compare.diff", "Compare two runs."),
    "doctor": LazyCommand("doctor", "Check this host; print the command that installs what is missing."),
    "explore": LazyCommand("test.explore", "Search a kernel for behavior that no case describes."),
    "export": LazyCommand("compare.export", "Write a case so that it runs without the harness."),
    "follow": LazyCommand("test.follow", "Test the series of mailing lists as they come."),
    "history": LazyCommand("compare.history", "Show when a result changed, for how long, and how often."),
    "hosts": LazyCommand("test.hosts", "Check the hosts of --hosts."),
    "inventory": LazyCommand("compare.inventory", "List what user space finds on a kernel."),
    "kernels": LazyCommand("kernel.kernels", "List the kernels that can be fetched."),
    "patchwork": LazyCommand("test.patchwork", "Post the results of a series, as checks of Patchwork."),
    "report": LazyCommand("compare.report", "Write a report: page, JUnit, KTAP, KCIDB, JSON, text."),
    "run": LazyCommand("test.run", "Run the cases on a kernel (deb when none is named)."),
    "semantics": LazyCommand("author.semantics", "Show the behavior of each version, trait by trait."),
    "series": LazyCommand("test.series", "Test a patch series, patch by patch."),
    "splats": LazyCommand("compare.splats", "Find the error reports of the kernel in any log."),
    "suite": LazyCommand("author.suite", "Write a suite of cases, or check one."),
    "watch": LazyCommand("test.watch", "Rebuild a kernel tree and rerun the cases after each edit."),
    "shell": LazyCommand("kernel.shell", "Open an interactive shell on a fresh machine."),
}


class LazyGroup(Group):
    """A group that imports a command when it is used, and lists all of them without importing any."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of that name; None when there is none."""
        if (lazy := COMMANDS.get(cmd_name)) is None:
            return None
        command = getattr(importlib.import_module(f"harness.commands.{lazy.module}"), lazy.module.rpartition(".")[2])
        assert isinstance(command, click.Command)
        command.short_help = lazy.short_help
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Return the commands and options that start with what is typed."""
        if incomplete and not incomplete[0].isalnum():
            return super().shell_complete(ctx, incomplete)
        return [
            CompletionItem(name, help=one.short_help)
            for name, one in sorted(COMMANDS.items())
            if name.startswith(incomplete)
        ]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of ``harness --help``."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.short_help) for name, one in sorted(COMMANDS.items())])


@click.group(
    cls=LazyGroup,
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
