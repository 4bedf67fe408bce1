# SPDX-License-Identifier: GPL-2.0-only
"""Kernel image packages of the distribution, fetched without root into the store, each once."""

from __future__ import annotations

import difflib
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.json_records import dump_value, read_facts
from harness.base.store import Store, digest_of
from harness.kernel.source.apt import Apt, PackageRecord, update_command
from harness.kernel.source.apt_choice import AptChoice, AptQuestion, take_chosen
from harness.kernel.source.deb_file import extract_boot
from harness.model.kernel_spec import KernelSpec

_PRODUCT = "kernel-package"
_CHOICE = "kernel-package-choice"
_FACTS = "package.json"
_IMAGE = re.compile(r"vmlinu[xz]-.*|Image-.*")
# One alternative of a Depends field (Debian policy 7.1), when it is an image package.
_IMAGE_DEPENDENCY = re.compile(r"(linux-image-[a-z0-9+.-]+)(?::\w+)?(?: \(= ([^)]+)\))?")
_MAX_HOPS = 4
_NEAR_NAMES = 6
_HOST_APT = Apt()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An image package in the store.

    :param package: the package that holds the image; a meta-package asked for stands resolved.
    :param digest: sha256 of the package file.
    :param folder: the product: image, config, symbol map, ``package.json``.
    :param config: the config file; None when the package has none.
    :param note: what the user should know of how it was chosen; empty when nothing.
    """

    package: str
    version: str
    architecture: str
    digest: str
    folder: Path
    image: Path
    config: Path | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is kept of a package, beside its files: whose it is, and which of them are image and config."""

    package: str
    version: str
    architecture: str
    digest: str
    image: str
    config: str


def fetch_image_package(context: Context, spec: KernelSpec, *, apt: Apt = _HOST_APT) -> Fetched:
    """Fetch the image package that a spec (``deb``, ``deb:PACKAGE``, ``deb:PACKAGE=VERSION``) names, if needed.

    apt is asked only when its lists have changed since it was last asked. When it cannot be asked, or has dropped the
    package, the one in the store is taken and the note says so.

    :raises UsageError: no such package, or it holds no kernel image.
    :raises HostError: no apt, no package lists, no network, and nothing in the store.
    """

    def fetch() -> tuple[Fetched, PackageRecord]:
        record = _choose(apt, spec, deadline=context.deadline)
        return _fetch(context, record, apt=apt), record

    fetched, note = take_chosen(
        context.store,
        AptQuestion(_CHOICE, spec.render(), is_exact=bool(spec.version)),
        apt=apt,
        find=lambda choice: _find(context.store, choice),
        fetch=fetch,
    )
    return replace(fetched, note=note) if note else fetched


def _choose(apt: Apt, spec: KernelSpec, *, deadline: Deadline) -> PackageRecord:
    """Return the package that holds the image; meta-packages are followed to their dependencies."""
    name = spec.name or f"linux-image-cloud-{apt.architecture(deadline=deadline)}"
    record = _look_up(apt, spec, name, spec.version, deadline=deadline)
    for _ in range(_MAX_HOPS):
        entries = (entry.partition("|")[0].strip() for entry in record.depends.split(","))
        following = next(filter(None, map(_IMAGE_DEPENDENCY.fullmatch, entries)), None)
        if following is None:
            break
        record = _look_up(apt, spec, following.group(1), following.group(2) or "", deadline=deadline)
    if record.package.endswith(("-dbg", "-dbgsym")):  # a gigabyte without an image
        raise _no_image(record, "it is a package of debug symbols")
    return record


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
            remedy=update_command(),
        )
    if spec.name not in ("", name):
        what = f"{spec.name} depends on {name} {version}, which apt's package lists do not have"
        return HostError(what, remedy=update_command())
    other = apt.find(name, deadline=deadline) if version else None
    if other is not None:
        what = f"apt's package lists have no version {version} of {name}"
        return UsageError(what, evidence=f"they have {other.version}", remedy=f"give deb:{name}={other.version}")
    images = [image for image in apt.names("linux-image", deadline=deadline) if not image.endswith("-dbg")]
    near = difflib.get_close_matches(name, images, _NEAR_NAMES, 0.5) or images[:_NEAR_NAMES]
    return UsageError(
        f"apt's package lists have no package {name}",
        evidence="\n".join(["similar names:", *near]) if near else "they have no linux-image-* at all",
        remedy=f"give one of these, or the path of a kernel image; if the lists are old: {update_command()}",
    )


def _no_image(record: PackageRecord, evidence: str) -> UsageError:
    return UsageError(
        f"the package {record.package} has no kernel image",
        evidence=evidence,
        remedy="give an image package, such as deb:linux-image-cloud-amd64",
    )


def _fetch(context: Context, record: PackageRecord, *, apt: Apt) -> Fetched:
    def fill(folder: Path) -> None:
        downloads = folder / "download"
        downloads.mkdir()
        file, digest = apt.download(record, downloads, deadline=context.deadline)
        names = extract_boot(file, folder, deadline=context.deadline)
        shutil.rmtree(downloads)
        images = [name for name in names if _IMAGE.fullmatch(name)]
        if not images:
            raise _no_image(record, f"{record.package} {record.version} has in /boot: {', '.join(names) or 'nothing'}")
        configs = [name for name in names if name.startswith("config-")]
        config = configs[0] if configs else ""
        facts = _Facts(record.package, record.version, record.architecture, digest, images[0], config)
        (folder / _FACTS).write_text(dump_value(facts))

    key = _product_key(record)
    fetched = _read(context.store.make(_PRODUCT, key, fill, deadline=context.deadline))
    if fetched is None:  # damaged, for example by a full disk: fetch it again
        context.store.forget(_PRODUCT, key)
        fetched = _read(context.store.make(_PRODUCT, key, fill, deadline=context.deadline))
    if fetched is None:
        raise HostError(f"the package {record.package} cannot be kept in the store", evidence=str(context.store.folder))
    return fetched


def _product_key(of: PackageRecord | AptChoice) -> str:
    return digest_of(of.package, of.version, of.architecture)


def _find(store: Store, choice: AptChoice) -> Fetched | None:
    folder = store.find(_PRODUCT, _product_key(choice))
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
    )
