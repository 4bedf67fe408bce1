"""``harness doctor``: what this host lacks, and the command that installs it."""

from __future__ import annotations

import click

from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.doctor import CheckState, examine, install_line


@click.command()
@click.option("--prove", is_flag=True, help="Race the accelerations again, now.")
def doctor(prove: bool) -> int:
    """Say what this host lacks, and the command that installs it."""

    findings = examine(Store.default(), prove=prove)
    for finding in findings:
        click.echo(finding.text)
    if line := install_line(findings):
        click.echo(f"\nWhat is lacking comes with: {line}")
    return int(ExitStatus.HOST if any(one.state is CheckState.LACK for one in findings) else ExitStatus.AS_EXPECTED)
