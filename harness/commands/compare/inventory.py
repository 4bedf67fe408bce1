# SPDX-License-Identifier: GPL-2.0-only
"""``harness inventory``: list what user space finds on a kernel, or compare two kernels by it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import click

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, UsageError
from harness.base.scratch import scratch_folder
from harness.base.store import Store
from harness.commands import options
from harness.commands.files import show_phase, write_named
from harness.guest.qemu import Acceleration
from harness.kernel.build.options import BuildOptions
from harness.model.inventory import Inventory, InventoryChange, changes_of, dump_inventory, load_inventory
from harness.pipeline import PREPARE_SECONDS, Fresh, Options
from harness.report.display.events import Lines
from harness.report.display.plain import choose_display
from harness.report.lines import Line, Tone
from harness.report.text import fold, one_line

_SUFFIX = ".json"
_USUAL = ("owner=0:0", "read=ok", "write=ok", "seek=ok")
"""Facts that are not shown of an entry that was added or removed."""


@click.command(epilog=options.KERNEL_HELP)
@click.argument("kernels", metavar="KERNEL|FILE...", nargs=-1, required=True)
@click.option("--output", metavar="FILE", type=click.Path(path_type=Path), help="Write the inventory as JSON.")
@click.option(
    "--documents",
    metavar="TREE",
    type=click.Path(path_type=Path),
    help="Say which added entries no document of this kernel tree mentions.",
)
@options.suite
@options.accel
@options.machine
@options.append
@options.boot_seconds
@options.in_place
@options.building
def inventory(
    kernels: tuple[str, ...],
    output: Path | None,
    documents: Path | None,
    suite: str,
    accel: Acceleration | None,
    machine: str,
    append: tuple[str, ...],
    boot_seconds: float,
    building: BuildOptions,
) -> int:
    """List what user space finds on a KERNEL, without a case; of several, show what
    differs from the first one.

    The suite says what is listed. A FILE.json is an inventory of --output.

    \b
    Exit status:
      0    listed; of several: nothing differs
      1    something differs, or a kernel does not build or boot
      2    the suite is broken
      3    host error
      4    usage error
    """
    if output is not None and len(kernels) > 1:
        raise click.UsageError("--output is for one KERNEL")
    chosen, _ = options.choose_cases(options.suite_of_kernels(suite, [one for one in kernels if not _is_file(one)]), [])

    def options_of(kernel: str) -> Options:
        return Options(kernel, "auto", accel, Fresh.CLONE, machine, boot_seconds, building, chosen, append)

    found = [_read(one) if _is_file(one) else _take(options_of(one)) for one in kernels]
    if output is not None:
        write_named("--output", output, dump_inventory(found[0]).encode())
        click.echo(f"written: {output}")
        return 0
    with choose_display(sys.stdout, os.environ) as display:
        if len(found) == 1:
            display.show(Lines(lambda width: list(_listing(found[0], width))))
            return 0
        differences = [changes_of(found[0], one) for one in found[1:]]
        display.show(Lines(lambda width: list(_comparison(found, differences, width))))
        if documents is not None:
            added = [one for each in differences for one in each if _is_new(one)]
            unnamed = sorted(_undocumented(added, documents))
            display.show(Lines(lambda width: list(_document_lines(unnamed, len(added), documents, width))))
    return int(ExitStatus.DIFFERS if any(differences) else ExitStatus.AS_EXPECTED)


def _undocumented(added: Sequence[InventoryChange], tree: Path) -> frozenset[str]:
    from harness.inventory import find_undocumented

    return find_undocumented(added, tree)


def _document_lines(unnamed: Sequence[str], added: int, tree: Path, width: int) -> Iterator[Line]:
    yield Line(f"{len(unnamed)} of {added} added entries are in no document of {one_line(str(tree))}")
    for key in unnamed:
        yield from (Line(text, Tone.WARNING) for text in fold(f"  {one_line(key)}", width))


def _is_file(word: str) -> bool:
    return word.endswith(_SUFFIX)


def _read(word: str) -> Inventory:
    try:
        text = Path(word).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        remedy = f"write it: harness inventory KERNEL --output {word}"
        raise UsageError(f"the inventory {word} cannot be read", evidence=str(error), remedy=remedy) from None
    return load_inventory(text, source=word)


def _take(wanted: Options) -> Inventory:
    from harness.inventory import take_inventory

    with scratch_folder("inventory") as folder:
        context = Context(Store.default(), Deadline.after(PREPARE_SECONDS + wanted.build.seconds), show_phase)
        return take_inventory(context, wanted, folder=folder)


def _listing(found: Inventory, width: int) -> Iterator[Line]:
    yield Line(f"{found.kernel}: {found.release}, {len(found.entries)} entries", Tone.STRONG)
    yield from _missing(found, width)
    for one in found.entries:
        yield from (Line(text) for text in fold(one_line(f"{one.key} = {one.facts}"), width))


def _missing(found: Inventory, width: int) -> Iterator[Line]:
    for one in found.missing:
        yield from (Line(text, Tone.FAINT) for text in fold(f"{one.name}: not there: {one_line(one.reason)}", width))


def _comparison(
    found: Sequence[Inventory], differences: Sequence[Sequence[InventoryChange]], width: int
) -> Iterator[Line]:
    first = found[0]
    for other, changes in zip(found[1:], differences, strict=True):
        yield Line(f"{first.kernel} ({first.release}) -> {other.kernel} ({other.release})", Tone.STRONG)
        yield from _missing(other, width)
        for text, tone in _texts(first, other, changes):
            yield from (Line(part, tone) for part in fold(one_line(text), width))
        counts = [sum(test(one) for one in changes) for test in (_is_new, _is_gone)]
        text = f"{counts[0]} added, {counts[1]} removed, {len(changes) - sum(counts)} changed"
        yield Line(f"{text}; {len(first.entries)} entries before, {len(other.entries)} after")


def _texts(first: Inventory, other: Inventory, changes: Sequence[InventoryChange]) -> Iterator[tuple[str, Tone]]:
    """Yield each difference; a folder that only one kernel has is one line."""
    folders = {PurePath(one.key).parent for one in first.entries}, {PurePath(one.key).parent for one in other.entries}
    common, shown = folders[0] & folders[1], set()
    for change in changes:
        folder = PurePath(change.key).parent
        mark = "+" if _is_new(change) else "-" if _is_gone(change) else "~"
        tone = {"+": Tone.GOOD, "-": Tone.BAD, "~": Tone.WARNING}[mark]
        before, after = change.differing
        if mark == "~":
            yield f"{mark} {change.key}: {before or '(none)'} -> {after or '(none)'}", tone
        elif folder in common or "/" not in change.key:
            facts = " ".join(one for one in (before + after).split() if one not in _USUAL)
            yield f"{mark} {change.key}: {facts}", tone
        elif folder not in shown:
            shown.add(folder)
            number = sum(PurePath(one.key).parent == folder for one in changes)
            yield f"{mark} {folder}/: {number} entr{'y' if number == 1 else 'ies'}, all that are there", tone


def _is_new(change: InventoryChange) -> bool:
    return not change.before


def _is_gone(change: InventoryChange) -> bool:
    return not change.after
