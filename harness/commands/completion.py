# SPDX-License-Identifier: GPL-2.0-only
"""``harness completion``: print a script that completes the arguments of ``harness`` in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")

COMPLETION_HELP = """Write it to a file that the shell reads:

\b
  harness completion bash > ~/.local/share/bash-completion/completions/harness
  harness completion zsh > ~/.zfunc/_harness
  harness completion fish > ~/.config/fish/completions/harness.fish
"""


@click.command(epilog=COMPLETION_HELP)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script for SHELL."""
    root = context.find_root()
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(root.command, {}, "harness", "_HARNESS_COMPLETE").source())
    return 0
