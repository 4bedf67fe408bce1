"""The kernel under test: from the word that the user typed to an image, its facts and its config."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import UsageError
from harness.kernel.apt import Apt
from harness.kernel.examine import examine_image, find_config
from harness.kernel.image import Architecture, require_loadable
from harness.kernel.kconfig import ConfigSource, KernelConfig, check_bootable, parse_config
from harness.kernel.locate import find_image_file, not_in_this_release
from harness.kernel.package import fetch_image_package
from harness.spec import KernelSpec, SpecKind
from harness.store import Store

MACHINE_ARCHITECTURES = (Architecture.X86_64,)
"""What the machine types in ``qemu/`` run."""

_SHOWN_DIFFERENCES = 3
_HOST_APT = Apt()


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel to test.

    :param origin: where it came from: package and version, or the path.
    :param release: as ``uname -r`` will say; empty when the image does not tell.
    :param banner: the version line; empty when the image does not tell.
    :param image_digest: sha256 of the image file, as ``sha256sum`` says it.
    :param config: None while it is not known; :meth:`with_guest_config` may still tell.
    :param why_no_config: why the config is not known; empty when it is.
    :param notes: what the user should know, one line each.
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

    @property
    def config_source(self) -> ConfigSource:
        """Where the config was found."""
        return self.config.source if self.config else ConfigSource.UNKNOWN

    def with_guest_config(self, text: str) -> Kernel:
        """This kernel with the config that it shows in the guest, which is beyond doubt; a note says what was wrong."""
        config = parse_config(text, ConfigSource.IN_GUEST)
        notes = self.notes
        if self.config is not None and (differences := _differences(self.config, config)):
            shown = ", ".join(differences[:_SHOWN_DIFFERENCES]) + (", ..." if differences[_SHOWN_DIFFERENCES:] else "")
            notes += (f"the config {self.config.source.value} is not that of the running kernel: {shown}",)
        return replace(self, config=config, why_no_config="", notes=notes)


def resolve_kernel(store: Store, spec: KernelSpec, *, deadline: Deadline, apt: Apt = _HOST_APT) -> Kernel:
    """The kernel that a spec names, fetched and read; what it could not boot for is told now.

    :raises UsageError: no such kernel, not a kernel, of another architecture, or without what the guest needs.
    :raises HostError: it has to be fetched and cannot be.
    """
    match spec.kind:
        case SpecKind.DEFAULT_PACKAGE | SpecKind.PACKAGE:
            fetched = fetch_image_package(store, spec, deadline=deadline, apt=apt)
            origin, path, notes = f"{fetched.package} {fetched.version}", fetched.image, (fetched.note,)
        case SpecKind.PATH:
            path = find_image_file(spec)
            origin, notes = str(path.absolute()), ("",)
        case SpecKind.SOURCE_PACKAGE:
            raise not_in_this_release(spec.render(), "building a source package")
        case SpecKind.SERIES:
            raise not_in_this_release(spec.render(), "building a series")
    name = spec.name if spec.kind is SpecKind.PATH else f"{path.name} (of {origin})"
    image = examine_image(store, path, name=name)
    require_loadable(image.facts, name=name, architectures=MACHINE_ARCHITECTURES)
    found = find_config(store, image, deadline=deadline)
    if found.config is not None:
        _require_bootable(found.config, image.facts.release or name)
    return Kernel(
        spec=spec,
        origin=origin,
        image=path.absolute(),
        release=image.facts.release,
        architecture=image.facts.architecture,
        banner=image.facts.banner,
        image_digest=image.digest,
        config=found.config,
        why_no_config=found.why_none,
        notes=tuple(filter(None, (*notes, *found.notes))),
    )


def _require_bootable(config: KernelConfig, name: str) -> None:
    lacks = check_bootable(config)
    if lacks:
        raise UsageError(
            f"the kernel {name} cannot run the guest: " + "; ".join(lack.state for lack in lacks),
            evidence="\n".join([*map(str, lacks), f"(read from the config {config.source.value})"]),
            remedy="build it with these options changed, or give another kernel; 'deb' has what is needed",
        )


def _differences(old: KernelConfig, new: KernelConfig) -> list[str]:
    """The options that differ, as ``CONFIG_X is y, not m``."""
    names = sorted(old.options.keys() | new.options.keys())
    pairs = ((name, old.value(name) or "n", new.value(name) or "n") for name in names)
    return [f"{name} is {is_now}, not {was}" for name, was, is_now in pairs if was != is_now]
