# SPDX-License-Identifier: GPL-2.0-only
"""``harness shell``: open an interactive shell on a machine."""

from __future__ import annotations

import click

from harness.base.store import Store
from harness.commands import options
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.pipeline import Fresh, Options
from harness.run.interactive import open_shell


@click.command(epilog=options.KERNEL_HELP)
@click.argument("kernel")
@options.suite
@options.accel
@options.machine
@options.append
@options.boot_seconds
@options.in_place
@options.building
@click.option("--gdb", "with_gdb", is_flag=True, help="Attach gdb before the command at LINE runs.")
@click.option("--drgn", "with_drgn", is_flag=True, help="Open drgn after the command at LINE; a copy of the memory.")
@click.argument("case", required=False, metavar="[CASE[:LINE]]")
def shell(
    kernel: str,
    case: str | None,
    suite: str,
    accel: Acceleration | None,
    machine: str,
    append: tuple[str, ...],
    boot_seconds: float,
    building: BuildOptions,
    with_gdb: bool,
    with_drgn: bool,
) -> int:
    """Open an interactive shell on a fresh machine, after running CASE up to LINE.

    Ctrl-] leaves; Ctrl-^ switches to the next console (admin, inside, observer).
    """

    file, _, line = (case or "").rpartition(":")
    files = [file if line.isdecimal() and file else case] if case else []
    chosen, _ = options.choose_cases(options.suite_of_kernels(suite, [kernel]), files, [kernel])
    each = Options(kernel, "", accel, Fresh.CLONE, machine, boot_seconds, building, chosen, append)
    return int(open_shell(each, case or "", store=Store.default(), with_gdb=with_gdb, with_drgn=with_drgn))
