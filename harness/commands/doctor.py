"""``harness doctor`` and ``harness clean``: this host, and what the store holds on it."""

from __future__ import annotations

import click

from harness.base.errors import ExitStatus
from harness.base.store import Store


@click.command()
@click.option("--prove", is_flag=True, help="Race the accelerations again, now.")
def doctor(prove: bool) -> int:
    """Say what this host lacks, and the command that installs it."""
    from harness.doctor import CheckState, examine, install_line

    findings = examine(Store.default(), prove=prove)
    for finding in findings:
        click.echo(finding.text)
    if line := install_line(findings):
        click.echo(f"\nWhat is lacking comes with: {line}")
    return int(ExitStatus.HOST if any(one.state is CheckState.LACK for one in findings) else ExitStatus.AS_EXPECTED)


@click.command()
@click.option("--remove", metavar="KIND", multiple=True, help="Remove products of that kind; all for the whole store.")
def clean(remove: tuple[str, ...]) -> int:
    """Show what the store holds, and remove it."""
    from harness.base.store_usage import list_store, remove_kinds

    store = Store.default()
    for line in remove_kinds(store, remove) if remove else list_store(store):
        click.echo(line)
    return 0
