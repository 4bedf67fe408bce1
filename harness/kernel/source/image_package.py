# SPDX-License-Identifier: GPL-2.0-only
"""Kernel image packages of the distribution, fetched without root into the store, each once."""

from __future__ import annotations

import difflib
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.json_records import dump_value, read_facts
from harness.base.store import Store, digest_of
from harness.kernel.source.apt import Apt, PackageRecord
from harness.kernel.source.apt_choice import AptChoice, AptQuestion, take_chosen
from harness.kernel.source.archive import suite_lists
from harness.kernel.source.newest import newest_image
from harness.kernel.source.package_contents import extract_kernel
from harness.model.kernel_spec import KernelSpec

_PRODUCT = "kernel-package"
_CHOICE = "kernel-package-choice"
_FACTS = "package.json"
_IMAGE = re.compile(r"vmlinu[xz]-.*|Image-.*")
# One alternative of a Depends field (Debian policy 7.1).
_DEPENDENCY = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?::\w+)?(?: \(= ([^)]+)\))?")
# Since Debian's 6.19 linux-image-V is empty: the image is in linux-binary-V, the config in linux-base-V. Ubuntu's
# config is in linux-modules-V.
_BINARY = re.compile(r"linux-binary-(?:unsigned-)?[0-9].*")
_BASES = (re.compile(r"linux-base-[0-9].*"), re.compile(r"linux-modules-[0-9].*"))
_MODULES = re.compile(r"linux-modules-[0-9].*")
_IMAGE_PACKAGE = re.compile(r"linux-image-.+")
_MAX_HOPS = 4
_NEAR_NAMES = 6
_HOST_APT = Apt()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An image package in the store.

    :param package: the image package; a meta-package is resolved.
    :param digest: sha256 of the package file that has the image.
    :param folder: the product: image, config, symbol map, ``package.json``.
    :param config: the config file; None when the package has none.
    :param note: what the user should know of how it was chosen; empty when nothing.
    :param suite: the suite of the archive; empty for the suites of the host.
    """

    package: str
    version: str
    architecture: str
    digest: str
    folder: Path
    image: Path
    config: Path | None
    note: str = ""
    suite: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is kept of a package, beside its files: whose it is, and which of them are image and config.

    :param note: what the user should know of the package.
    """

    package: str
    version: str
    architecture: str
    digest: str
    image: str
    config: str
    note: str = ""


def fetch_image_package(context: Context, spec: KernelSpec, *, apt: Apt = _HOST_APT) -> Fetched:
    """Fetch the image package of a spec (``deb``, ``deb:PACKAGE``, ``deb:6.1@SUITE``), if the store does not have it.

    apt runs only when its lists have changed since its last choice. When it fails, or has dropped the package, the one
    in the store is taken and the note says so.

    :param apt: the host's apt.
    :raises UsageError: no such package or suite, or it has no kernel image.
    :raises HostError: no apt, no package lists, no network, and nothing in the store.
    """
    lists = suite_lists(context.store, spec.suite) if spec.suite else None
    chosen = lists.apt if lists else apt

    def fetch() -> tuple[Fetched, PackageRecord]:
        if lists and lists.is_stale:
            lists.refresh(context, host=apt)
        record = _choose(chosen, spec, deadline=context.deadline)
        return _fetch(context, record, apt=chosen), record

    fetched, note = take_chosen(
        context.store,
        AptQuestion(_CHOICE, spec.render(), is_exact=bool(spec.version), is_stale=lists.is_stale if lists else False),
        apt=chosen,
        find=lambda choice: _find(context.store, choice, chosen),
        fetch=fetch,
    )
    notes = (fetched.note, note, *(lists.notes if lists else ()))
    return replace(fetched, note="; ".join(filter(None, notes)), suite=spec.suite)


def module_packages(apt: Apt, package: str, version: str, *, deadline: Deadline) -> tuple[PackageRecord, ...]:
    """Return the packages with the modules of an image package: itself, or since Debian's 6.19 one that it depends on.

    :param apt: apt with the lists that have it.
    :param package: the image package.
    :param version: its version.
    :raises HostError: the lists do not have it any more, or apt is missing.
    """
    record = apt.find(package, version, deadline=deadline)
    if record is None:
        raise HostError(
            f"{apt.lists_name} have no {package} {version} any more",
            remedy=f"{apt.update_command}, then run the newest version: {apt.word('deb', package, '')}",
        )
    part = _dependency(record, _MODULES)
    holder = apt.find(*part, deadline=deadline) if part else record
    if holder is None:
        raise HostError(
            f"{package} has its modules in {' '.join(part or ())}, which {apt.lists_name} do not have",
            remedy=f"{apt.update_command}; if that does not help, the archive has dropped the modules of this upload, "
            "and not yet its image: take a newer kernel",
        )
    return (holder,)


def _choose(apt: Apt, spec: KernelSpec, *, deadline: Deadline) -> PackageRecord:
    """Return the package of the image: a meta-package is followed to its dependency."""
    if spec.kernel_version:
        record = newest_image(apt, spec.kernel_version, deadline=deadline)
    else:
        name = spec.name or f"linux-image-cloud-{apt.architecture(deadline=deadline)}"
        record = _look_up(apt, spec, name, spec.version, deadline=deadline)
    for _ in range(_MAX_HOPS):
        following = _dependency(record, _IMAGE_PACKAGE)
        if following is None:
            break
        record = _look_up(apt, spec, *following, deadline=deadline)
    if record.package.endswith(("-dbg", "-dbgsym")):  # a gigabyte without an image
        raise _no_image(record, "it is a package of debug symbols")
    return record


def _dependency(record: PackageRecord, wanted: re.Pattern[str]) -> tuple[str, str] | None:
    """Return name and version of the first dependency with such a name; its version is empty if any is right."""
    entries = (entry.partition("|")[0].strip() for entry in record.depends.split(","))
    found = (match for match in map(_DEPENDENCY.fullmatch, entries) if match and wanted.fullmatch(match[1]))
    match = next(found, None)
    return (match[1], match[2] or "") if match else None


def _look_up(apt: Apt, spec: KernelSpec, name: str, version: str, *, deadline: Deadline) -> PackageRecord:
    record = apt.find(name, version, deadline=deadline)
    if record is None:
        raise _unknown(apt, spec, name, version, deadline=deadline)
    return record


def _unknown(apt: Apt, spec: KernelSpec, name: str, version: str, *, deadline: Deadline) -> HarnessError:
    """Return the error for a package that apt's lists do not have."""
    if not apt.has_lists():
        return HostError(
            f"apt has no package {name}: its package lists are empty",
            evidence=f"no *_Packages file in {apt.lists}",
            remedy=apt.update_command,
        )
    if spec.name not in ("", name):
        what = f"{spec.name} depends on {name} {version}, which {apt.lists_name} do not have"
        return HostError(what, remedy=apt.update_command)
    other = apt.find(name, deadline=deadline) if version else None
    if other is not None:
        what = f"{apt.lists_name} have no version {version} of {name}"
        remedy = f"give {apt.word('deb', name, other.version)}"
        return UsageError(what, evidence=f"they have {other.version}", remedy=remedy)
    images = [image for image in apt.names("linux-image", deadline=deadline) if not image.endswith("-dbg")]
    near = difflib.get_close_matches(name, images, _NEAR_NAMES, 0.5) or images[:_NEAR_NAMES]
    return UsageError(
        f"{apt.lists_name} have no package {name}",
        evidence="\n".join(["similar names:", *near]) if near else "they have no linux-image-* at all",
        remedy=f"give one of these, or the path of a kernel image; if the lists are old: {apt.update_command}",
    )


def _no_image(record: PackageRecord, evidence: str) -> UsageError:
    return UsageError(
        f"the package {record.package} has no kernel image",
        evidence=evidence,
        remedy="give an image package, such as deb:linux-image-cloud-amd64",
    )


def _fetch(context: Context, record: PackageRecord, *, apt: Apt) -> Fetched:
    def fill(folder: Path) -> None:
        facts = _unpack(context, record, folder, apt=apt)
        (folder / _FACTS).write_text(dump_value(facts))

    key = _product_key(record, apt)
    fetched = _read(context.store.make(_PRODUCT, key, fill, deadline=context.deadline))
    if fetched is None:  # damaged, for example by a full disk: fetch it again
        context.store.forget(_PRODUCT, key)
        fetched = _read(context.store.make(_PRODUCT, key, fill, deadline=context.deadline))
    if fetched is None:
        raise HostError(f"the package {record.package} cannot be kept in the store", evidence=str(context.store.folder))
    return fetched


def _unpack(context: Context, record: PackageRecord, folder: Path, *, apt: Apt) -> _Facts:
    """Put image and config of an image package into a folder, from the packages of the same build that have them."""
    note = ""
    part = _dependency(record, _BINARY)
    holder = apt.find(*part, deadline=context.deadline) if part else record
    if holder is None:
        raise HostError(
            f"{record.package} has its image in {' '.join(part or ())}, which {apt.lists_name} do not have",
            remedy=apt.update_command,
        )
    names, digest = _download(context, holder, folder, apt=apt)
    images = _images(names)
    if not images:
        raise _no_image(record, f"{holder.package} {holder.version} has in /boot: {', '.join(names) or 'nothing'}")
    base = next(filter(None, (_dependency(of, wanted) for wanted in _BASES for of in (record, holder))), None)
    if base and not _configs(names):
        if found := apt.find(*base, deadline=context.deadline):
            names += _download(context, found, folder, apt=apt)[0]
        else:
            note = f"the package {' '.join(base)}, which has the kernel's config, is not in {apt.lists_name}"
    config = next(iter(_configs(names)), "")
    return _Facts(record.package, record.version, record.architecture, digest, images[0], config, note)


def _download(context: Context, record: PackageRecord, folder: Path, *, apt: Apt) -> tuple[list[str], str]:
    """Return the names of the kernel files of a package, put into a folder, and the digest of the package file."""
    downloads = folder / "download"
    downloads.mkdir()
    file, digest = apt.download(record, downloads, deadline=context.deadline)
    names = extract_kernel(file, folder, deadline=context.deadline)
    shutil.rmtree(downloads)
    return names, digest


def _images(names: Sequence[str]) -> list[str]:
    return [name for name in names if _IMAGE.fullmatch(name)]


def _configs(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.startswith("config-")]


def _product_key(of: PackageRecord | AptChoice, apt: Apt) -> str:
    return digest_of(of.package, of.version, of.architecture, *([apt.suite] if apt.suite else []))


def _find(store: Store, choice: AptChoice, apt: Apt) -> Fetched | None:
    folder = store.find(_PRODUCT, _product_key(choice, apt))
    return _read(folder) if folder else None


def _read(folder: Path) -> Fetched | None:
    """Read the product of a folder; None when it is damaged."""
    try:
        facts = read_facts(_Facts, (folder / _FACTS).read_bytes())
    except OSError:
        return None
    if facts is None or not (folder / facts.image).is_file():
        return None
    return Fetched(
        package=facts.package,
        version=facts.version,
        architecture=facts.architecture,
        digest=facts.digest,
        folder=folder,
        image=folder / facts.image,
        config=folder / facts.config if facts.config else None,
        note=facts.note,
    )
