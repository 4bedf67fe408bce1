# SPDX-License-Identifier: GPL-2.0-only
"""List what user space finds on a kernel: run the sections of a suite, each on a fresh machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import pipeline
from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HostError, SeriesError, UsageError
from harness.base.events import PhaseStarted, Report
from harness.base.store import Store
from harness.guest.console import Unanswered
from harness.model.inventory import Inventory, InventoryChange, InventoryEntry, MissingSection, called
from harness.pipeline import Options, Prepared
from harness.session.console_name import ConsoleName
from harness.session.output import read_output
from harness.session.preparation import STATUS_MISSING
from harness.suite.definition import InventorySection, Suite
from harness.suite.load import suite_argument

_SECONDS = 300.0
_RUN_SECONDS = 3600.0
_SIGN = " = "
_WORD = re.compile(rb"[A-Za-z_][\w.]*\w")


@dataclass(frozen=True, slots=True)
class ListedEntries:
    """The entries of some sections.

    :param facts: the facts of each entry, by key.
    :param missing: the sections that the kernel does not have.
    """

    facts: Mapping[str, str]
    missing: tuple[MissingSection, ...]


def take_inventory(context: Context, options: Options, *, folder: Path) -> Inventory:
    """Return the inventory of a kernel.

    :param options: the kernel and how it is booted; its suite says what is listed.
    :param folder: folder for logs.
    :raises CaseError: the suite has no section, or a command of a section fails.
    :raises SeriesError: the kernel does not boot, or does not answer.
    """
    sections = options.suite.inventory
    if not sections:
        remedy = "add [inventory.NAME] with a command to it; docs/reference/suites.md shows how"
        raise CaseError(f"the suite {options.suite.name} has no inventory", remedy=remedy)
    prepared = pipeline.prepare(context, replace(options, suite=with_helper(options.suite)), logs=folder)
    return inventory_of(context, prepared, options.suite, folder=folder)


def inventory_of(context: Context, prepared: Prepared, suite: Suite, *, folder: Path) -> Inventory:
    """Return the inventory of a kernel that was prepared with the program ``inventory`` in its guest.

    :param prepared: the kernel, see :func:`with_helper`.
    :param suite: the suite, which says what is listed.
    :param folder: folder for logs.
    :raises CaseError: a command of a section fails.
    :raises SeriesError: the kernel does not answer.
    """
    found = list_entries(context, prepared, suite.inventory, folder=folder)
    kernel = prepared.kernel
    return Inventory(
        kernel.spec,
        kernel.release,
        kernel.origin,
        kernel.image_digest,
        suite_argument(suite),
        tuple(InventoryEntry(key, facts) for key, facts in found.facts.items()),
        found.missing,
    )


@dataclass(frozen=True, slots=True)
class RunLister:
    """Takes the inventory of the kernels of runs that were prepared with the program ``inventory``.

    :param store: the store.
    """

    store: Store

    def __call__(self, prepared: Prepared, folder: Path, report: Report) -> tuple[InventoryEntry, ...]:
        """Return the entries of a kernel.

        :param prepared: the kernel, see :func:`with_helper`.
        :param folder: folder for logs.
        :param report: receives progress.
        :raises CaseError: a command of a section fails.
        :raises SeriesError: the kernel does not answer.
        """
        context = Context(self.store, Deadline.after(_RUN_SECONDS), report)
        found = list_entries(context, prepared, prepared.suite.inventory, folder=folder)
        return tuple(InventoryEntry(key, facts) for key, facts in found.facts.items())


def require_sections(suite: Suite) -> None:
    """Check that a suite says what an inventory lists.

    :raises UsageError: it does not.
    """
    if not suite.inventory:
        remedy = "add [inventory.NAME] to suite.toml; docs/reference/suites.md shows how"
        raise UsageError(f"the suite {suite.name} has no inventory", remedy=remedy)


def list_entries(
    context: Context, prepared: Prepared, sections: Sequence[InventorySection], *, folder: Path
) -> ListedEntries:
    """List some sections, each on a machine of its own.

    :param prepared: the kernel, see :func:`with_helper`.
    :param folder: folder for logs.
    :raises CaseError: a command of a section fails.
    :raises SeriesError: the kernel does not answer.
    """
    entries: dict[str, str] = {}
    missing = []
    for section in sections:
        context.report(PhaseStarted(f"listing {section.name}"))
        found, reason = _listed(prepared, section, folder / section.name, context.deadline)
        missing += [MissingSection(section.name, reason)] if reason else []
        for name, facts in found:
            if entries.setdefault(f"{section.name}: {name}", facts) != facts:
                evidence = f"{name} = {entries[f'{section.name}: {name}']}\n{name} = {facts}"
                remedy = "make each name of the section's output unique"
                raise CaseError(f"[inventory.{section.name}] lists {name} twice", evidence=evidence, remedy=remedy)
    return ListedEntries(entries, tuple(missing))


def find_undocumented(changes: Iterable[InventoryChange], tree: Path) -> frozenset[str]:
    """Return the keys of the added entries whose names no document of a kernel tree has.

    :param changes: the differences of two inventories.
    :param tree: the kernel tree.
    :raises UsageError: it has no documents.
    """
    documents = tree / "Documentation"
    if not documents.is_dir():
        remedy = "name a kernel tree: --documents ~/linux"
        raise UsageError(f"{tree} has no folder Documentation", remedy=remedy)
    wanted = {name.encode(): one.key for one in changes if not one.before and (name := called(one.key))}
    for path in sorted(documents.rglob("*")):
        if wanted and path.is_file() and not path.is_symlink():
            for word in _WORD.findall(path.read_bytes()):
                wanted.pop(word, None)
    return frozenset(wanted.values())


def with_helper(suite: Suite) -> Suite:
    """Return the suite with the program ``inventory`` in its guest."""
    return replace(suite, guest=replace(suite.guest, helpers=(*suite.guest.helpers, paths.GUEST_INVENTORY)))


def _listed(
    prepared: Prepared, section: InventorySection, folder: Path, deadline: Deadline
) -> tuple[list[tuple[str, str]], str]:
    """Return the entries of a section, or why the kernel does not have it."""
    bound = deadline.sooner(_SECONDS)
    with pipeline.machine(prepared, folder=folder, deadline=bound) as machine:
        try:
            console = machine.console(ConsoleName.ADMIN, deadline=bound)
            if section.before:
                answer = console.run(section.before, deadline=bound)
                if answer.status == STATUS_MISSING:
                    return [], " ".join(answer.output.split()) or "its preparation ended with status 4"
                _require(answer.status, section, section.before, answer.output)
            answer = console.run(section.command, deadline=bound)
        except Unanswered as error:
            raise SeriesError(
                f"the kernel does not answer while [inventory.{section.name}] is listed",
                evidence=f"{error.fate}\n{error.output[-2000:]}",
                remedy=f"try it: harness shell {prepared.kernel.spec}",
            ) from None
        _require(answer.status, section, section.command, answer.output)
        if "bytes left out" in answer.output:
            remedy = "divide it into several sections"
            raise HostError(f"[inventory.{section.name}] prints too much", remedy=remedy)
        return list(_entries(section, answer.output)), ""


def _require(status: int, section: InventorySection, command: str, output: str) -> None:
    if status:
        raise CaseError(
            f"[inventory.{section.name}]: a command ended with status {status}",
            evidence=f"{command}\n{output.strip()[-2000:]}",
            remedy="correct it in suite.toml; status 4 of 'before' says that the kernel does not have the section",
        )


def _entries(section: InventorySection, output: str) -> Iterator[tuple[str, str]]:
    for line in read_output(output):
        name, sign, facts = line.partition(_SIGN)
        if not sign:
            evidence = f"{section.command}\n{line}"
            remedy = 'print lines of the form "NAME = FACTS"'
            raise CaseError(f"[inventory.{section.name}]: a line has no entry", evidence=evidence, remedy=remedy)
        yield name, facts
