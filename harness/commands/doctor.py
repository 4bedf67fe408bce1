# SPDX-License-Identifier: GPL-2.0-only
"""``harness doctor``: check this host and print the command that installs what is missing."""

from __future__ import annotations

import click

from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.doctor import CheckState, examine, install_line


@click.command()
@click.option("--prove", is_flag=True, help="Benchmark KVM against TCG again now.")
def doctor(prove: bool) -> int:
    """Check this host and print the command that installs what is missing."""

    findings = examine(Store.default(), prove=prove)
    for finding in findings:
        click.echo(finding.text)
    if line := install_line(findings):
        click.echo(f"\nInstall what is missing: {line}")
    return int(ExitStatus.HOST if any(one.state is CheckState.LACK for one in findings) else ExitStatus.AS_EXPECTED)
