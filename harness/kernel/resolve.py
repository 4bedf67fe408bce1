# SPDX-License-Identifier: GPL-2.0-only
"""Resolve the KERNEL argument to an image, its facts and its config."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base.context import Context
from harness.base.errors import UsageError
from harness.kernel.build.options import AS_USUAL, BuildOptions, SourceWord
from harness.kernel.config.kconfig import ConfigSource, KernelConfig, SuiteConfig, check_bootable, parse_config
from harness.kernel.image.examine import examine_image, find_config
from harness.kernel.image.facts import Architecture, require_loadable
from harness.kernel.source.apt import Apt
from harness.kernel.source.image_package import fetch_image_package
from harness.kernel.source.locate import cannot_read, find_host_image, find_named
from harness.kernel.source.package_contents import is_package
from harness.kernel.source.package_file import find_in_folder, unpack_kernel
from harness.model.kernel_spec import KernelSpec, PathReading, SpecKind
from harness.model.origin import UNKNOWN_ORIGIN, Origin, OriginKind
from harness.model.run_record import NOT_BUILT, BuildRecord
from harness.semantics.profile import Declaration

if TYPE_CHECKING:
    from harness.kernel.from_source import SourceKernel

MACHINE_ARCHITECTURES = (Architecture.X86_64,)
"""The architectures of the machine types in ``qemu/``."""

_SHOWN_DIFFERENCES = 3
_HOST_APT = Apt()


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel to test.

    :param spec: the KERNEL argument.
    :param origin: package and version, or path, for people.
    :param image: the image file.
    :param release: as ``uname -r`` prints it; empty when the image does not have it.
    :param architecture: the architecture that it is built for.
    :param banner: the version line; empty when the image does not have it.
    :param image_digest: sha256 of the image file, as ``sha256sum`` prints it.
    :param config: None while it is unknown; :meth:`with_guest_config` may add it.
    :param why_no_config: why the config is unknown; empty when it is known.
    :param notes: notes for the user, one line each.
    :param build: how it was built; empty for a prebuilt kernel.
    :param build_log: the output of make; None for a prebuilt kernel.
    :param profile: name of the profile that a shipped series should match; empty for any other kernel.
    :param declared: the declared differences from that profile.
    :param came_from: the origin as facts; for a built kernel its source alone.
    :param ungranted: the optional requests that its configuration does not grant: pairs of option and reason.
    """

    spec: KernelSpec
    origin: str
    image: Path
    release: str
    architecture: Architecture
    banner: str
    image_digest: str
    config: KernelConfig | None = None
    why_no_config: str = ""
    notes: tuple[str, ...] = ()
    build: BuildRecord = NOT_BUILT
    build_log: Path | None = None
    profile: str = ""
    declared: Declaration | None = None
    came_from: Origin = UNKNOWN_ORIGIN
    ungranted: tuple[tuple[str, str], ...] = ()

    @property
    def config_source(self) -> ConfigSource:
        """Return where the config was found."""
        return self.config.source if self.config else ConfigSource.UNKNOWN

    def with_guest_config(self, text: str) -> Kernel:
        """Return this kernel with the config that the guest shows; a note lists differences from the assumed one."""
        config = parse_config(text, ConfigSource.IN_GUEST)
        notes = self.notes
        if self.config is not None and (differences := _differences(self.config, config)):
            shown = ", ".join(differences[:_SHOWN_DIFFERENCES]) + (", ..." if differences[_SHOWN_DIFFERENCES:] else "")
            notes += (f"the config {self.config.source.value} is not that of the running kernel: {shown}",)
        return replace(self, config=config, why_no_config="", notes=notes)


def resolve_kernel(
    context: Context,
    spec: KernelSpec,
    *,
    build: BuildOptions = AS_USUAL,
    apt: Apt = _HOST_APT,
) -> Kernel:
    """Fetch or build the kernel of a spec, read it, and check that it can run the guest.

    :param build: how a source is built.
    :raises UsageError: no such kernel, not a kernel, of another architecture, or its config does not support the guest.
    :raises SeriesError: the series does not apply, its config options are not granted, or it does not build.
    :raises HostError: a download or a program failed on this host.
    """
    if build.is_in_place:
        return _built_in_place(context, spec, build)
    match spec.kind:
        case SpecKind.DEFAULT_PACKAGE | SpecKind.PACKAGE:
            fetched = fetch_image_package(context, spec, apt=apt)
            origin = Origin(OriginKind.IMAGE_PACKAGE, fetched.package, fetched.version, suite=fetched.suite)
            return _read(context, spec, fetched.image, build.suite, origin=origin, notes=(fetched.note,))
        case SpecKind.HOST:
            image = find_host_image()
            origin = Origin(OriginKind.IMAGE, str(image))
            return _read(context, spec, image, build.suite, origin=origin, notes=())
        case SpecKind.PATH:
            named = find_named(spec)
            found = named if isinstance(named, Path) else _in_folder(named)
            if found is not None:
                origin = Origin(OriginKind.IMAGE, str(found.absolute()))
                image, note = _unpacked(context, found)
                return _read(context, spec, image, build.suite, origin=origin, notes=(note,))
            assert isinstance(named, PathReading)
            word = SourceWord(named.patches, tree=named)
        case SpecKind.SOURCE_PACKAGE:
            word = SourceWord(spec.patches, version=spec.name, suite=spec.suite)
        case SpecKind.SERIES:
            word = SourceWord(spec.patches, series=spec.name)
    # Imported here: runs of prebuilt kernels must not import the build.
    from harness.kernel.from_source import kernel_from_source

    return _of_source(context, spec, kernel_from_source(context, word, build, apt=apt), build)


def _built_in_place(context: Context, spec: KernelSpec, build: BuildOptions) -> Kernel:
    from harness.kernel.in_place import kernel_in_place

    return _of_source(context, spec, kernel_in_place(context, spec, build), build)


def _of_source(context: Context, spec: KernelSpec, built: SourceKernel, build: BuildOptions) -> Kernel:
    """Read a kernel that was built from source."""
    kernel = _read(context, spec, built.image, build.suite, origin=built.came_from, notes=built.notes)
    return replace(
        kernel,
        origin=built.origin,
        build=built.record,
        build_log=built.log,
        profile=built.profile,
        declared=built.declared,
        ungranted=built.ungranted,
    )


def _in_folder(named: PathReading) -> Path | None:
    """Return the image or package file in a folder; None for a kernel tree, or a folder without a kernel."""
    from harness.kernel.source.tree import is_tree

    folder = Path(named.path)
    return None if named.revision or named.patches or is_tree(folder) else find_in_folder(folder)


def _unpacked(context: Context, path: Path) -> tuple[Path, str]:
    """Return the image of a package file, with a note on several files; any other file is an image itself."""
    try:
        is_image = not is_package(path)
    except OSError as error:
        raise cannot_read(str(path), error) from None
    if is_image:
        return path, ""
    packaged = unpack_kernel(context, path, name=str(path))
    note = f"the kernel was taken from {', '.join(packaged.files)}" if packaged.files[1:] else ""
    return packaged.image, note


def _read(
    context: Context, spec: KernelSpec, path: Path, suite: SuiteConfig, *, origin: Origin, notes: tuple[str, ...]
) -> Kernel:
    """Read the kernel in an image file."""
    name = spec.name if Path(spec.name) == path else f"{path.name} (of {origin})"
    image = examine_image(context.store, path, name=name)
    require_loadable(image.facts, name=name, architectures=MACHINE_ARCHITECTURES)
    found = find_config(context, image)
    if found.config is not None:
        _require_bootable(found.config, image.facts.release or name, suite)
    return Kernel(
        spec=spec,
        origin=str(origin),
        came_from=origin,
        image=path.absolute(),
        release=image.facts.release,
        architecture=image.facts.architecture,
        banner=image.facts.banner,
        image_digest=image.digest,
        config=found.config,
        why_no_config=found.why_none,
        notes=tuple(filter(None, (*notes, *found.notes))),
    )


def _require_bootable(config: KernelConfig, name: str, suite: SuiteConfig) -> None:
    unmet = check_bootable(config, suite)
    if unmet:
        raise UsageError(
            f"the kernel {name} cannot run the guest: " + "; ".join(need.state for need in unmet),
            evidence="\n".join([*map(str, unmet), f"(read from the config {config.source.value})"]),
            remedy="build it with these options changed, or give another kernel, for example deb",
        )


def _differences(old: KernelConfig, new: KernelConfig) -> list[str]:
    """Return the options that differ, as ``CONFIG_X is y, not m``."""
    names = sorted(old.options.keys() | new.options.keys())
    pairs = ((name, old.value(name) or "n", new.value(name) or "n") for name in names)
    return [f"{name} is {is_now}, not {was}" for name, was, is_now in pairs if was != is_now]
