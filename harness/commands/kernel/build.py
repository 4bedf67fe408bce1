# SPDX-License-Identifier: GPL-2.0-only
"""``harness build``: build or fetch a kernel."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import click

from harness.base.context import Context
from harness.base.events import Note
from harness.base.process import patient_deadline
from harness.base.store import Store
from harness.commands import options
from harness.kernel.build.options import PREPARE_SECONDS, BuildOptions
from harness.kernel.resolve import resolve_kernel
from harness.model.kernel_spec import parse_spec
from harness.report.display.plain import choose_display
from harness.suite.definition import Suite


def with_suite(building: BuildOptions, suite: Suite) -> BuildOptions:
    """Return the options of a build with what a suite, and the guest that it names, request of the configuration."""
    if not suite.guests:
        return replace(building, suite=suite.config)
    # A build for the small guest does not import the code of guests, which takes longer than to find nothing to do.
    from harness.pipeline import Options

    return Options(build=building, suite=suite).building


@click.command(epilog=options.KERNEL_HELP)
@click.argument("kernel")
@options.suite
@options.in_place
@options.building
def build(kernel: str, suite: str, building: BuildOptions) -> int:
    """Build or fetch KERNEL, and print the folder with its image and config."""

    chosen, _ = options.choose_cases(options.suite_of_kernels(suite, [kernel]), [], [kernel])
    with choose_display(sys.stderr, os.environ) as display:
        found = resolve_kernel(
            Context(Store.default(), patient_deadline(PREPARE_SECONDS + building.seconds), display.show),
            parse_spec(kernel),
            build=with_suite(building, chosen),
        )
        for note in found.notes:
            display.show(Note(note))
    click.echo(found.image.parent)
    return 0
