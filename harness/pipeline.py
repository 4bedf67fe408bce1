# SPDX-License-Identifier: GPL-2.0-only
"""START HERE: the stages from the command line to a machine for a case, one stage a line.

    kernel spec -> (source -> series -> patched tree -> config -> build ->) kernel
        -> guest image -> machine type -> acceleration -> template -> machine (a clone for each case)

The stages in parentheses are for kernels from source, and are in ``harness/kernel/from_source.py``.

:func:`prepare` runs all stages but the last one, once for each run. Its result is frozen and sent to every worker as
JSON; a worker calls :func:`machine` for each case. ``harness/run/play.py`` and ``harness/run/case.py`` run it on that
machine, ``harness/semantics/judge.py`` judges the result, and ``harness/model/run_record.py`` is read by all reports.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, Stage, UsageError, during
from harness.base.events import PhaseStarted
from harness.base.json_records import dump_value, from_table, parse_json
from harness.base.kernel_release import stable_version
from harness.coverage import files
from harness.guest.acceleration import AccelerationVerdict, choose_acceleration
from harness.guest.console import Console
from harness.guest.coverage.plugin import find_plugin
from harness.guest.features import find_missing
from harness.guest.machine import BootRequest, Machine
from harness.guest.prepared import find_prepared
from harness.guest.qemu import BOOT_SECONDS, Acceleration, MachineType, parse_machine_type
from harness.guest.system.definition import SystemDefinition
from harness.guest.template import CloningImpossibleError, Template, booted, cloned, prepare_template, template_key
from harness.kernel.build.options import AS_USUAL, BuildOptions
from harness.kernel.build.options import PREPARE_SECONDS as PREPARE_SECONDS
from harness.kernel.sandbox.enclosure import find_enclosure, unenclosed_note
from harness.model.kernel_spec import parse_spec
from harness.model.run_record import UNKNOWN, CoverageRecord, KernelRecord
from harness.model.variant import NO_VARIANT, Variant
from harness.semantics.profile import Declaration
from harness.session.console_name import ConsoleName
from harness.suite.definition import Suite
from harness.suite.load import default_suite

if TYPE_CHECKING:
    from harness.guest.definition import GuestFile
    from harness.guest.emulator import Emulator
    from harness.guest.image import GuestImage
    from harness.kernel.resolve import Kernel

_LOG = logging.getLogger(__name__)


DEFAULT_MACHINE = "q35"
"""The machine type of the small guest."""
MODULES = "/usr/lib/harness/modules"
"""The folder of the guest with the modules for the devices of its machine type."""


class Fresh(StrEnum):
    """How each case gets a fresh machine."""

    CLONE = "clone"
    BOOT = "boot"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the user for one kernel; the fields are those of the command line.

    :param machine_type: name of a machine type, or path of a file with one.
    :param suite: the suite of the cases, with its additions to kernel and guest.
    :param append: parameters for the kernel, after those of the machine type.
    :param coverage: whether to note which kernel code each case runs, under emulation; None to do so only where the
        kernel is emulated anyway.
    :param variant: the variant of the kernel to build.
    :param plain_seconds: the time that the plain kernel needed to boot, in seconds of the guest's clock; 0 if it is
        not known. A variant's slowness is measured against it.
    """

    kernel: str = "deb"
    profile: str = ""
    accel: Acceleration | None = None
    fresh: Fresh = Fresh.CLONE
    machine_type: str = DEFAULT_MACHINE
    boot_seconds: float = BOOT_SECONDS
    build: BuildOptions = AS_USUAL
    suite: Suite = field(default_factory=default_suite)
    append: tuple[str, ...] = ()
    coverage: bool | None = False
    variant: Variant = NO_VARIANT
    plain_seconds: float = 0.0

    @property
    def guest(self) -> SystemDefinition | None:
        """Return the guest of the cases; None for the small guest.

        :raises UsageError: the suite names a guest that does not exist.
        """
        return read_guest(self.suite.guests[0]) if self.suite.guests else None

    @property
    def longest_boot(self) -> float:
        """Return the time limit of a boot in seconds: that of the user, or that of a guest which takes longer."""
        return max(self.boot_seconds, self.guest.boot_seconds if self.guest else 0.0)

    @property
    def building(self) -> BuildOptions:
        """Return the options of the build, with the requirements of suite, guest and variant for the configuration."""
        config, guest, variant = self.suite.config, self.guest, self.variant
        names = tuple(dict.fromkeys((*config.names, *guest.fragments))) if guest else config.names
        make = (*self.build.make, *variant.make)
        return replace(self.build, suite=replace(config, names=names), variant=variant, make=make)

    @property
    def parameters(self) -> tuple[str, ...]:
        """Return the parameters for the kernel: the user's after those of the variant."""
        return (*self.variant.append, *self.append)

    @property
    def machine_name(self) -> str:
        """Return the machine type: the one that the user named, or else that of the guest."""
        guest = self.guest
        return guest.machine if guest and self.machine_type == DEFAULT_MACHINE else self.machine_type


@dataclass(frozen=True, slots=True)
class Prepared:
    """A prepared kernel: everything that a worker needs to give each case a machine.

    :param template: the template of the machines; None if each machine is booted.
    :param config_text: the kernel's configuration; empty if it is unknown.
    :param declared: the intended differences of the kernel from the profile; None if none are declared.
    :param build_log: the output of make; None if nothing was built.
    :param notes: notes for the user, one line each.
    :param lacking: names of the suite's features that the kernel does not have.
    :param suite: the suite that the kernel was prepared for.
    :param no_coverage: why the code that the cases run is not noted although it was wanted; empty otherwise.
    :param ungranted: the optional requests that the kernel's configuration does not grant: pairs of option and reason.
    """

    request: BootRequest
    template: Template | None
    kernel: KernelRecord
    config_text: str
    profile: str
    acceleration: AccelerationVerdict
    qemu_version: str
    guest_digest: str
    notes: tuple[str, ...]
    lacking: tuple[str, ...] = ()
    declared: Declaration | None = None
    build_log: Path | None = None
    suite: Suite = field(default_factory=default_suite)
    no_coverage: str = ""
    ungranted: tuple[tuple[str, str], ...] = ()

    @property
    def coverage(self) -> CoverageRecord:
        """Return how the kernel code that the cases run is noted."""
        has_plugin = self.template is not None and self.request.plugin is not None
        return CoverageRecord(self.template.folder.name if self.template and has_plugin else "", self.no_coverage)

    @property
    def boot_seconds(self) -> float:
        """Return the boot time of the template in seconds; 0.0 without a template."""
        return self.template.boot_seconds if self.template else 0.0

    @property
    def guest_seconds(self) -> float:
        """Return the boot time of the template in seconds of the guest's clock; 0.0 without a template."""
        return (self.template.guest_seconds or self.template.boot_seconds) if self.template else 0.0

    @property
    def slowness(self) -> float:
        """Return how many times slower the variant is than the plain kernel; 1.0 for a plain kernel."""
        return self.template.request.slowness if self.template else 1.0


def prepare(context: Context, options: Options, *, logs: Path) -> Prepared:
    """Run all stages before the first case.

    :param logs: folder for the logs of races and failed boots.
    :raises HarnessError: a stage failed; the kind of the error says whether kernel, suite, user or host is at fault.
    """
    # Imported here and not at the top: a worker, which never calls this, starts its first case 0.1 s sooner.
    from harness.guest.emulator import find_emulator
    from harness.kernel.resolve import resolve_kernel

    context.report(PhaseStarted(f"kernel: {options.kernel}"))
    kernel = resolve_kernel(context, parse_spec(options.kernel), build=options.building)
    _LOG.info("kernel %s: %s, release %s, image %s", options.kernel, kernel.origin, kernel.release, kernel.image)
    guest = guest_image(context, options.suite, kernel, machine_type_of(options))
    emulator = find_emulator(context, architecture=kernel.architecture.value)
    request, unenclosed = _request(context, options, emulator, kernel, guest)
    template, note = None, ""
    with during(Stage.BOOT):
        context.report(PhaseStarted("acceleration"))
        acceleration = _accelerated(context, request, emulator, options, folder=logs / "acceleration")
        request = replace(request, acceleration=acceleration.acceleration)
        request, no_coverage = _with_coverage(context, request, emulator, options)
        if options.fresh is Fresh.CLONE:
            context.report(_booting(kernel, acceleration))
            key = template_key(
                request, image_digest=kernel.image_digest, guest_digest=guest.digest, qemu_version=emulator.version
            )
            template, note = _template_or_why(context, key, request, failed_boots=logs / "failed-boots")
        fresh = partial(_machine_of, request, template, deadline=context.deadline)
        kernel = _with_config(context, kernel, fresh(folder=logs / "config"))
        lacking = _lacking(context, f"{kernel.image_digest} {guest.digest}", options, fresh(folder=logs / "features"))
    return Prepared(
        request=request,
        template=template,
        kernel=_kernel_record(kernel, options),
        config_text=kernel.config.text if kernel.config else "",
        profile=options.profile or kernel.profile or ("mainline" if kernel.release else "auto"),
        declared=None if options.profile else kernel.declared,
        build_log=kernel.build_log,
        acceleration=acceleration,
        qemu_version=emulator.version,
        guest_digest=guest.digest,
        notes=(*kernel.notes, *filter(None, [note, unenclosed, _coverage_note(no_coverage), _config_note(kernel)])),
        lacking=lacking,
        suite=options.suite,
        no_coverage=no_coverage,
        ungranted=kernel.ungranted,
    )


def machine_type_of(options: Options) -> MachineType:
    """Read the machine type of a kernel's template: with the parameters of the suite, then of the variant and the user.

    A variant may have another number of processors.

    :raises UsageError: as :func:`read_machine_type`.
    """
    found = read_machine_type(options.machine_name, (*options.suite.append, *options.parameters))
    return replace(found, processors=options.variant.processors) if options.variant.processors else found


def _request(
    context: Context, options: Options, emulator: Emulator, kernel: Kernel, guest: GuestImage
) -> tuple[BootRequest, str]:
    """Return the boot under emulation, and a note if QEMU runs without bubblewrap although the user gave no --trust."""
    bubblewrap, complaint = (None, "") if options.build.is_trusted else find_enclosure(context)
    request = BootRequest(
        emulator.program,
        kernel.image,
        guest.path,
        machine_type_of(options),
        Acceleration.TCG,
        options.longest_boot,
        options.plain_seconds,
        disk=guest.disk,
        bubblewrap=bubblewrap,
    )
    return request, unenclosed_note(complaint) if complaint else ""


def _accelerated(
    context: Context, request: BootRequest, emulator: Emulator, options: Options, *, folder: Path
) -> AccelerationVerdict:
    """Choose the accelerator; coverage on request needs emulation, whatever is faster.

    :raises UsageError: the options contradict each other.
    """
    if request.disk is not None:
        # The small guest boots in a tenth of the time, and its verdict holds for all runs on this host.
        small = guest_image(context, default_suite())
        request = replace(request, initramfs=small.path, disk=None, machine_type=read_machine_type(DEFAULT_MACHINE))
    verdict = choose_acceleration(context, request, forced=options.accel, qemu_version=emulator.version, folder=folder)
    if options.coverage and verdict.acceleration is Acceleration.KVM:
        if options.accel is Acceleration.KVM:
            raise UsageError("--coverage needs emulation", remedy="omit --accel kvm, or --coverage")
        verdict = AccelerationVerdict(Acceleration.TCG, "--coverage needs emulation")
    _LOG.info("acceleration %s: %s", verdict.acceleration, verdict.evidence)
    return verdict


def _with_coverage(
    context: Context, request: BootRequest, emulator: Emulator, options: Options
) -> tuple[BootRequest, str]:
    """Return the boot with QEMU's coverage plugin, or as it was with the reason for the user; see :class:`Options`."""
    if options.coverage is False or request.acceleration is not Acceleration.TCG:
        return request, ""
    if options.fresh is not Fresh.CLONE:
        return request, "each case boots its own machine, so it would be that of a whole boot"
    found = find_plugin(context, emulator)
    return replace(request, plugin=found.library), found.problem


def _coverage_note(problem: str) -> str:
    return f"no coverage: {problem}" if problem else ""


def _lacking(
    context: Context, key: str, options: Options, lease: contextlib.AbstractContextManager[Machine]
) -> tuple[str, ...]:
    """Find the suite's features that the kernel does not have, by probes in the guest; parameters may disable some.

    :param key: the digests of kernel and guest.
    """
    return find_missing(context, " ".join((key, *options.parameters)), options.suite.features, lease)


def _device_modules(context: Context, kernel: Kernel, machine_type: MachineType) -> tuple[GuestFile, ...]:
    """Return the modules of a kernel for the devices of a machine type, as files of the guest."""
    if not machine_type.modules:
        return ()
    from harness.guest.definition import GuestFile
    from harness.kernel.image.device_modules import find_device_modules

    context.report(PhaseStarted("modules of the kernel"))
    found = find_device_modules(
        context,
        machine_type.modules,
        kernel.config,
        origin=kernel.came_from,
        image=kernel.image,
        release=kernel.release,
    )
    return tuple(GuestFile(f"{MODULES}/{path.name}", path, 0o644) for path in found)


def read_guest(name: str) -> SystemDefinition:
    """Read the definition of a guest that is a whole system.

    :raises UsageError: there is no such guest, or its definition is broken.
    """
    from harness.guest.system.boot_archive import find_system

    return find_system(name)


def guest_image(
    context: Context, suite: Suite, kernel: Kernel | None = None, machine_type: MachineType | None = None
) -> GuestImage:
    """Return the guest image of this host for the cases of a suite.

    :param kernel: the kernel; a guest that is a whole system has its modules.
    :param machine_type: the machine type; the small guest has the modules for its devices.
    :raises HostError: a program or the compiler is missing or too old, or the mirror cannot be read.
    :raises CaseError: an addition of the suite is missing or does not compile.
    :raises UsageError: the kernel cannot boot the guest.
    """
    from harness.guest.image import build_guest_image

    context.report(PhaseStarted("guest image"))
    if suite.guests and kernel is not None:
        return _system_guest(context, suite, kernel)
    files = _device_modules(context, kernel, machine_type) if kernel and machine_type else ()
    return build_guest_image(
        context,
        definition=paths.GUEST_DEFINITION,
        init=paths.GUEST_INIT,
        helper=paths.GUEST_HELPER,
        additions=replace(suite.guest, files=(*suite.guest.files, *files)),
    )


def _system_guest(context: Context, suite: Suite, kernel: Kernel) -> GuestImage:
    """Return a guest that is a whole system, with the modules of a kernel."""
    from harness.guest.system.boot_archive import make_boot_archive, require_options
    from harness.guest.system.root_image import make_root_image
    from harness.kernel.image.module_files import find_module_files

    system = read_guest(suite.guests[0])
    modules = find_module_files(context, kernel.came_from, image=kernel.image, release=kernel.release)
    require_options(system, kernel.config, modules, kernel=kernel.release or kernel.origin)
    root = make_root_image(context, system, suite.packages)
    return make_boot_archive(context, system, root, modules, suite.guest)


def _booting(kernel: Kernel, verdict: AccelerationVerdict) -> PhaseStarted:
    return PhaseStarted(f"booting {kernel.release} once ({verdict.acceleration})", leaves_time=True)


def _template_or_why(
    context: Context, key: str, request: BootRequest, *, failed_boots: Path
) -> tuple[Template | None, str]:
    """Return the template, or None if this machine cannot be cloned, and a note for the user."""
    try:
        template = prepare_template(context, key, request, failed_boots=failed_boots)
    except CloningImpossibleError as error:
        return None, f"{error.what}; each case boots its own machine"
    notes = [f"the guest: {note}" for note in template.notes]
    if template.wrong_clock:
        notes.append(f"{template.wrong_clock}, so its time is wrong; run again on a host that is less busy")
    if template.attempts > 1:
        notes.append(f"the kernel booted only at attempt {template.attempts} when its template was made")
    return template, "; ".join(notes)


def _with_config(context: Context, kernel: Kernel, lease: contextlib.AbstractContextManager[Machine]) -> Kernel:
    """Return the kernel with the configuration from a running guest, if it is unknown; see :func:`_guest_config`."""
    if kernel.config is not None:
        return kernel
    context.report(PhaseStarted("reading the configuration from the guest"))
    text = _guest_config(context, kernel.image_digest, lease)
    return kernel.with_guest_config(text) if text else kernel


def _config_note(kernel: Kernel) -> str:
    """Return a note for an unknown configuration; empty if it is known."""
    if kernel.config is not None:
        return ""
    return f"the kernel's configuration is unknown: {kernel.why_no_config}; cases that need options run anyway"


def read_guest_config(console: Console, *, path: str = "/proc/config.gz", deadline: Deadline) -> str:
    """Read the configuration of a running kernel (CONFIG_IKCONFIG_PROC); empty if the kernel does not provide it.

    :raises Unanswered: the shell does not answer.
    """
    answer = console.run(f"[ ! -r {path} ] || zcat {path}", deadline=deadline)
    return answer.output if "CONFIG_" in answer.output else ""


def _guest_config(context: Context, image_digest: str, lease: contextlib.AbstractContextManager[Machine]) -> str:
    """Read the configuration from a guest, once for each image; the lease is not entered if the result is known."""
    if (known := context.store.recall("guest-config", image_digest)) is None:
        with lease as machine:
            text = read_guest_config(
                machine.console(ConsoleName.ADMIN, deadline=context.deadline), deadline=context.deadline
            )
        known = {"text": text}
        context.store.remember("guest-config", image_digest, known)
    return str(known["text"])


def machine(
    prepared: Prepared, *, preparation: str = "", append: Sequence[str] = (), folder: Path, deadline: Deadline
) -> contextlib.AbstractContextManager[Machine]:
    """Start a fresh machine for the duration of a ``with`` block.

    :param preparation: the command that the case will prepare the machine with; if the machine was cloned with its
        result, :attr:`Machine.prepared` is set to it.
    :param append: parameters to boot the machine with, in place of those of the suite; it is cloned without any.
    :param folder: receives the logs; it is created if it does not exist.
    :raises HostError: QEMU does not start.
    :raises SeriesError: the machine is booted, and the kernel does not boot.
    """
    if append:
        # A plugin of the coverage needs a file for each machine, which only clones have.
        request = replace(prepared.request, machine_type=own_machine_type(prepared, append), plugin=None)
        return _machine_of(request, None, folder=folder, deadline=deadline)
    return _machine_of(prepared.request, prepared.template, preparation=preparation, folder=folder, deadline=deadline)


def own_machine_type(prepared: Prepared, append: Sequence[str]) -> MachineType:
    """Return the machine type of a case with kernel parameters of its own: they stand in for those of the suite.

    :raises UsageError: the command line is too long.
    """
    usual = prepared.request.machine_type
    return usual.with_parameters((*usual.more[len(prepared.suite.append) :], *append))


@contextlib.contextmanager
def _machine_of(
    request: BootRequest, template: Template | None, *, preparation: str = "", folder: Path, deadline: Deadline
) -> Iterator[Machine]:
    """Clone the template or, without a template, boot a machine."""
    folder.mkdir(parents=True, exist_ok=True)
    if template is not None:
        with contextlib.ExitStack() as ends:
            yield _clone(ends, template, preparation, folder=folder, deadline=deadline)
    else:
        with booted(request, folder=folder, deadline=deadline) as one:
            yield one


def _clone(
    ends: contextlib.ExitStack, template: Template, preparation: str, *, folder: Path, deadline: Deadline
) -> Machine:
    """Clone a machine, with the preparation done if there is a template for it."""
    prepared = find_prepared(template, preparation, deadline=deadline)
    if prepared is not None:
        try:
            machine = ends.enter_context(cloned(prepared, folder=folder, deadline=deadline))
        except HostError:
            # Another run may have removed it since it was found; the case then prepares the machine itself.
            if prepared.folder.exists():
                raise
        else:
            machine.prepared = preparation
            files.share_preparation(prepared.folder, folder)
            return machine
    return ends.enter_context(cloned(template, folder=folder, deadline=deadline))


def read_machine_type(name: str, append: Sequence[str] = ()) -> MachineType:
    """Read a machine type.

    :param name: its name, or the path of its file: with a ``/``, or ending in ``.toml``.
    :param append: parameters for the kernel, after those of the machine type.
    :raises UsageError: there is no such machine type, its file is broken, or a parameter is invalid.
    """
    is_path = "/" in name or name.endswith(".toml")
    path = Path(name).absolute() if is_path else paths.MACHINE_TYPES / f"{name}.toml"
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        if not is_path and not path.is_file():
            known = sorted(one.stem for one in paths.MACHINE_TYPES.glob("*.toml") if one != paths.GUEST_DEFINITION)
            remedy = f"name one of: {', '.join(known)}; or give the path of a file, ./{name}.toml"
            raise UsageError(f"no machine type {name}", remedy=remedy) from None
        raise UsageError(
            f"the machine type {name} cannot be read",
            evidence=str(error),
            remedy="copy qemu/q35.toml, change it, and give its path",
        ) from None
    return parse_machine_type(text, name=str(path) if is_path else name).with_parameters(append)


def dump_prepared(prepared: Prepared) -> str:
    """Return a prepared kernel as JSON, for another process of this run; see :func:`load_prepared`."""
    return dump_value(prepared, indent=None)


def load_prepared(text: str) -> Prepared:
    """Read the prepared kernel that :func:`dump_prepared` wrote."""
    source = "data of the controller"
    return from_table(Prepared, parse_json(text, source), name="prepared", source=source)


def _kernel_record(kernel: Kernel, options: Options) -> KernelRecord:
    return KernelRecord(
        spec=kernel.spec.render(),
        origin=kernel.origin,
        release=kernel.release or UNKNOWN,
        architecture=kernel.architecture.value,
        image_digest=kernel.image_digest,
        config_digest=kernel.config.digest if kernel.config else UNKNOWN,
        config_source=kernel.config_source.value,
        build=kernel.build,
        came_from=kernel.came_from,
        parameters=options.append,
        variant=options.variant.name,
        stable=stable_version(kernel.release, kernel.banner),
    )
