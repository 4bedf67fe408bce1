# SPDX-License-Identifier: GPL-2.0-only
"""``harness explore``: search a kernel for behavior that no case describes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, UsageError
from harness.base.events import Note, Progress, StageEvent
from harness.base.scratch import scratch_folder
from harness.base.store import Store
from harness.commands import options
from harness.commands.files import show_phase
from harness.explore.explore import Exploration
from harness.explore.start import ExploreOptions, start_exploration
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.pipeline import PREPARE_SECONDS, Fresh, Options
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.lines import Line, Tone
from harness.report.text import fold, one_line

_FINDINGS = 5
_SHRINKING_SECONDS = 300.0


@click.command(epilog=options.KERNEL_HELP)
@click.argument("kernel")
@click.option(
    "--minutes", type=click.FloatRange(min=0, min_open=True), default=5.0, show_default=True, help="Time to search."
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of all choices.  [default: a new one, shown]")
@click.option("--diff", "other", metavar="KERNEL2", default="", help="Compare with KERNEL2 instead of the model.")
@click.option(
    "--findings",
    "most",
    type=click.IntRange(min=1),
    default=_FINDINGS,
    show_default=True,
    help="Stop after N findings.",
)
@click.option(
    "--output", metavar="FOLDER", type=click.Path(path_type=Path), help="Folder for findings.  [default: in results/]"
)
@click.option("-n", "workers", type=click.IntRange(min=1), help="Machines side by side.  [default: processors]")
@options.suite
@options.profile
@options.accel
@options.machine
@options.append
@options.boot_seconds
@options.in_place
@options.building
@options.results
def explore(
    kernel: str,
    minutes: float,
    seed: int | None,
    other: str,
    most: int,
    output: Path | None,
    workers: int | None,
    suite: str,
    profile: str,
    accel: Acceleration | None,
    machine: str,
    append: tuple[str, ...],
    boot_seconds: float,
    building: BuildOptions,
    results: Path,
) -> int:
    """Search a KERNEL for answers that no case describes.

    Sequences of operations are made up and done on clones of the kernel. The model of
    the suite says what each operation answers. What differs is shrunk and written as a
    session file.

    \b
    Exit status:
      0    nothing differs
      1    something differs, or a kernel does not build or boot
      2    the suite or its model is broken
      3    host error
      4    usage error
    """
    kernels = [kernel, *filter(None, [other])]
    if other and profile:
        raise UsageError("--diff compares two kernels, not a profile", remedy="omit --diff, or --profile")
    chosen, _ = options.choose_cases(options.suite_of_kernels(suite, kernels), [])
    wanted = ExploreOptions(
        kernels=tuple(
            Options(one, profile, accel, Fresh.CLONE, machine, boot_seconds, building, chosen, append, coverage=None)
            for one in kernels
        ),
        seed=seed if seed is not None else time.time_ns() % 1_000_000,
        seconds=minutes * 60,
        folder=output or results / f"explore-{time.strftime('%Y-%m-%dT%H%M%SZ', time.gmtime())}",
        most=most,
        workers=workers or len(os.sched_getaffinity(0)),
    )
    result = _explored(wanted, len(kernels) * (PREPARE_SECONDS + building.seconds))
    with choose_display(sys.stdout, os.environ) as display:
        display.show(Lines(lambda width: list(_lines(result, width))))
    return int(ExitStatus.DIFFERS if result.divergences else ExitStatus.AS_EXPECTED)


def _explored(wanted: ExploreOptions, seconds: float) -> Exploration:
    """Run the exploration, with a limit for everything together.

    :param seconds: time to prepare the kernels.
    """
    seconds += wanted.seconds + wanted.most * _SHRINKING_SECONDS
    with scratch_folder("explore") as folder:
        context = Context(Store.default(), Deadline.after(seconds), _show)
        return start_exploration(context, wanted, logs=folder)


def _show(event: StageEvent) -> None:
    if isinstance(event, Note | Progress):
        click.echo(event.text, err=True)
    else:
        show_phase(event)


def _lines(result: Exploration, width: int) -> Iterator[Line]:
    for divergence, path in result.divergences:
        text = f"after {len(divergence.operations) - 1} operations: {divergence.line}"
        yield from (Line(part, Tone.BAD) for part in fold(one_line(text), width))
        yield from (Line(part) for part in fold(f"  written: {path}", width))
    for divergence in result.unstable:
        yield from (Line(part, Tone.WARNING) for part in fold(one_line(f"seen once: {divergence.line}"), width))
    for text in _summary(result):
        yield from (Line(part) for part in fold(text, width))


def _summary(result: Exploration) -> Iterator[str]:
    rate = result.steps / result.seconds if result.seconds else 0.0
    cost = 1000 * result.machine_seconds / result.steps if result.steps else 0.0
    yield (
        f"{result.sequences} sequences, {result.steps} operations in {result.seconds:.0f} s: {rate:.0f} a second, "
        f"{cost:.1f} ms of a machine each"
    )
    if result.replayed:
        yield f"{result.replayed} kept findings replayed"
    if result.steps:
        share = 100 * result.ambiguous / result.steps
        yield f"{result.ambiguous} operations ({share:.2f} %) with more than one answer allowed"
    if result.whole:
        yield f"{100 * result.reached / result.whole:.1f} % of {result.whole} bytes of code about the subject reached"
    number = len(result.divergences)
    yield f"{number or 'no'} difference{'' if number == 1 else 's'} found"
