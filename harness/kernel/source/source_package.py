# SPDX-License-Identifier: GPL-2.0-only
"""Kernel source packages of the distribution, fetched without root, each imported once into a repository of ours."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.json_records import read_facts
from harness.base.store import Store, digest_of
from harness.kernel.git.fast_import import FileMode, TreeFile, import_files
from harness.kernel.git.repository import KIND, Repository, initialize
from harness.kernel.source.apt import Apt, PackageRecord
from harness.kernel.source.apt_choice import AptChoice, AptQuestion, take_chosen
from harness.kernel.source.archive import suite_lists
from harness.kernel.source.package_contents import SourceEntry, open_source

_CHOICE = "kernel-source-choice"
_FACTS = "package.json"
_PREFIX = "linux-source-"
# Increased when the import changes, so that packages are imported again.
_IMPORT_VERSION = "1"


@dataclass(frozen=True, slots=True)
class ImportedPackage:
    """A source package in the store.

    :param commit: the files of the package, as a commit without parents; the same in every store.
    :param note: what the user should know of how it was chosen; empty when nothing.
    :param suite: the suite of the archive; empty for the suites of the host.
    """

    repository: Repository
    commit: str
    package: str
    version: str
    note: str = ""
    suite: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is kept of a package that was imported."""

    commit: str
    package: str
    version: str


def import_source_package(context: Context, version: str, *, suite: str = "", apt: Apt) -> ImportedPackage:
    """Import the newest package ``linux-source-VERSION`` of the lists, if the store does not have it.

    apt runs only when its lists have changed since its last choice. When it fails, or has dropped the package, the one
    in the store is taken and the note says so.

    :param suite: the suite of Debian's archive; empty for the suites of the host.
    :param apt: the host's apt.
    :raises UsageError: no such package or suite, or it has no source.
    :raises HostError: no apt, no package lists, no network, and nothing in the store.
    """
    lists = suite_lists(context.store, suite) if suite else None
    chosen = lists.apt if lists else apt

    def fetch() -> tuple[ImportedPackage, PackageRecord]:
        if lists and lists.is_stale:
            lists.refresh(context, host=apt)
        record = chosen.find(f"{_PREFIX}{version}", deadline=context.deadline)
        if record is None:
            raise _unknown(chosen, version, deadline=context.deadline)
        return _import(context, record, apt=chosen), record

    imported, note = take_chosen(
        context.store,
        AptQuestion(_CHOICE, version, is_stale=lists.is_stale if lists else False),
        apt=chosen,
        find=lambda choice: _find(context.store, choice),
        fetch=fetch,
    )
    notes = (note, *(lists.notes if lists else ()))
    return replace(imported, note="; ".join(filter(None, notes)), suite=suite)


def _unknown(apt: Apt, version: str, *, deadline: Deadline) -> HarnessError:
    """Return the error for a package that apt's lists do not have."""
    if not apt.has_lists():
        return HostError(
            f"apt has no package {_PREFIX}{version}: its package lists are empty",
            evidence=f"no *_Packages file in {apt.lists}",
            remedy=apt.update_command,
        )
    names = apt.names(_PREFIX, deadline=deadline)
    words = [apt.word("deb-src", name.removeprefix(_PREFIX)) for name in names if name[len(_PREFIX) :][:1].isdigit()]
    return UsageError(
        f"{apt.lists_name} have no package {_PREFIX}{version}",
        evidence="\n".join(["they have:", *words]) if words else f"they have no {_PREFIX}* at all",
        remedy=f"give one of these, or the path of a kernel tree; if the lists are old: {apt.update_command}",
    )


def _import(context: Context, record: PackageRecord, *, apt: Apt) -> ImportedPackage:
    def fill(folder: Path) -> None:
        initialize(folder, deadline=context.deadline)
        downloads = folder / "download"
        downloads.mkdir()
        file, digest = apt.download(record, downloads, deadline=context.deadline)
        with open_source(file, deadline=context.deadline) as entries:
            commit = import_files(
                Repository(folder),
                _tree_files(entries),
                message=f"{record.package} {record.version}\n",
                deadline=context.deadline,
            )
        shutil.rmtree(downloads)
        facts = {"package": record.package, "version": record.version, "digest": digest, "commit": commit}
        (folder / _FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")

    key = _product_key(record)
    imported = _read(context.store.make(KIND, key, fill, deadline=context.deadline))
    if imported is None:  # damaged, for example by a full disk: import it again
        context.store.forget(KIND, key)
        imported = _read(context.store.make(KIND, key, fill, deadline=context.deadline))
    if imported is None:
        raise HostError(f"the package {record.package} cannot be kept in the store", evidence=str(context.store.folder))
    return imported


def _tree_files(entries: Iterator[SourceEntry]) -> Iterator[TreeFile]:
    """Yield the files of an archive, without its top folder (``linux-source-6.1/``)."""
    for entry in entries:
        name = entry.name.removeprefix("./").partition("/")[2]
        if entry.link is not None:
            yield TreeFile(name, FileMode.LINK, entry.link.encode(errors="surrogateescape"))
        else:
            yield TreeFile(name, FileMode.EXECUTABLE if entry.is_executable else FileMode.PLAIN, entry.content)


def _product_key(of: PackageRecord | AptChoice) -> str:
    return digest_of(_IMPORT_VERSION, of.package, of.version, of.architecture)


def _find(store: Store, choice: AptChoice) -> ImportedPackage | None:
    folder = store.find(KIND, _product_key(choice))
    return _read(folder) if folder else None


def _read(folder: Path) -> ImportedPackage | None:
    """Read the product of a folder; None when it is damaged."""
    try:
        facts = read_facts(_Facts, (folder / _FACTS).read_bytes())
    except OSError:
        return None
    if facts is None or not (folder / "HEAD").is_file():
        return None
    return ImportedPackage(Repository(folder), facts.commit, facts.package, facts.version)
