# SPDX-License-Identifier: GPL-2.0-only
"""Templates and their clones, booted machines, and kernels that do not come up: all with a real QEMU."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from harness import pipeline
from harness.base import paths, process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, SeriesError, UsageError
from harness.base.json_records import dump_value
from harness.base.store import Store
from harness.guest import template as template_module
from harness.guest.boot_failure import KernelEndedError, wrong_clock
from harness.guest.machine import BootRequest, Machine
from harness.guest.qemu import Acceleration, MachineType, parse_machine_type
from harness.guest.template import (
    CloningImpossibleError,
    Template,
    booted,
    cloned,
    measured_slowness,
    prepare_template,
    template_key,
)
from harness.pipeline import Options, Prepared, read_machine_type
from harness.session.console_name import ConsoleName
from tests.unit.kernel.images import END_QEMU, bzimage

KEY = "0123456789" * 6
PRODUCTS_SHARED = ("kernel-package", "kernel-package-choice", "kernel-image-facts", "guest-image", "guest-image-inputs")


def soon() -> Deadline:
    """Long enough for a boot under emulation on a busy host."""
    return Deadline.after(120)


def said(machine: Machine, command: str, *, console: ConsoleName = ConsoleName.ADMIN) -> str:
    """What a command prints on a machine."""
    return machine.console(console, deadline=soon()).run(command, deadline=soon()).output


def side_by_side(template: Template, folder: Path) -> AbstractContextManager[Machine]:
    """A clone with a folder of its own."""
    folder.mkdir()
    return cloned(template, folder=folder, deadline=soon())


def with_words(request: BootRequest, *words: str, without: Sequence[str] = ()) -> BootRequest:
    """The request with more words on the kernel's command line."""
    kept = [word for word in request.machine_type.append if word not in without]
    return replace(request, machine_type=replace(request.machine_type, append=(*kept, *words)))


def failure(request: BootRequest, folder: Path) -> HarnessError:
    """Why a request does not boot."""
    with pytest.raises(HarnessError) as caught, booted(request, folder=folder, deadline=soon()):
        pass
    assert not (folder / "memory").exists()
    return caught.value


def test_template_key_depends_on_every_input(prepared_request: BootRequest) -> None:
    """A template is named by all that it was made from: each input makes another key."""
    inputs = {"image_digest": "i", "guest_digest": "g", "qemu_version": "q"}
    other_type = parse_machine_type(prepared_request.machine_type.text + "\n", name="q35")

    def more(*parameters: str) -> MachineType:
        return prepared_request.machine_type.with_parameters(parameters)

    keys = [
        template_key(prepared_request, **inputs),
        *(template_key(prepared_request, **{**inputs, name: "other"}) for name in inputs),
        template_key(replace(prepared_request, machine_type=other_type), **inputs),
        template_key(replace(prepared_request, machine_type=more("a=1", "b=2")), **inputs),
        template_key(replace(prepared_request, machine_type=more("a=1 b=2")), **inputs),
        template_key(replace(prepared_request, acceleration=Acceleration.KVM), **inputs),
        template_key(replace(prepared_request, program=Path("/other/qemu")), **inputs),
    ]

    assert len(set(keys)) == len(keys)
    assert template_key(prepared_request, **inputs) == keys[0]


@pytest.fixture
def prepared_request() -> BootRequest:
    """A request that needs no file."""
    text = (paths.MACHINE_TYPES / "q35.toml").read_text()
    machine_type = parse_machine_type(text, name="q35")
    return BootRequest(Path("/qemu"), Path("/kernel"), Path("/guest"), machine_type, Acceleration.TCG)


@pytest.mark.guest
def test_cloned_machine_has_three_shells(machine: Machine, prepared: Prepared) -> None:
    """A clone is the booted kernel with three shells, each at its prompt."""
    assert said(machine, "uname -r") == f"{prepared.kernel.release}\n"
    assert [said(machine, "tty", console=console) for console in ConsoleName] == [
        "/dev/ttyS1\n",
        "/dev/ttyS2\n",
        "/dev/ttyS3\n",
    ]


@pytest.mark.guest
def test_clones_are_independent(template: Template, tmp_path: Path) -> None:
    """Two clones of one template run at once; what one does, the other does not see, nor does a later one."""
    memory = template.folder / "memory"
    before = memory.stat()
    with ExitStack() as machines:
        one, two = (machines.enter_context(side_by_side(template, tmp_path / name)) for name in ("one", "two"))
        change = "echo changed >/proc/sys/kernel/hostname; echo x >/tmp/file; mkdir /run/folder; echo done"
        changed = said(one, change)
        seen = [said(each, "cat /proc/sys/kernel/hostname; ls /tmp /run") for each in (one, two)]
        nonces = {one.nonce, two.nonce}
    with side_by_side(template, tmp_path / "three") as three:
        later = said(three, "cat /proc/sys/kernel/hostname; ls /tmp /run")
    after = memory.stat()

    assert changed == "done\n"
    assert seen[0].splitlines()[0] == "changed"
    assert {"file", "folder"} <= set(seen[0].split())
    assert seen[1].splitlines()[0] == "guest"
    assert not {"file", "folder"} & set(seen[1].split())
    assert later == seen[1]
    assert len(nonces) == 2
    assert (after.st_mtime_ns, after.st_blocks) == (before.st_mtime_ns, before.st_blocks)


@pytest.mark.guest
def test_cloned_reports_a_removed_template(template: Template, tmp_path: Path) -> None:
    """A removed template is the host's fault."""
    with (
        pytest.raises(HostError, match="the template"),
        cloned(replace(template, folder=tmp_path / "gone"), folder=tmp_path, deadline=soon()),
    ):
        pass


@pytest.mark.guest
def test_cloned_reports_a_damaged_template(template: Template, tmp_path: Path) -> None:
    """A state that QEMU rejects is a host error with QEMU's message."""
    (tmp_path / "memory").symlink_to(template.folder / "memory")
    (tmp_path / "state").write_bytes((template.folder / "state").read_bytes()[:1000])
    with (
        pytest.raises(HostError) as caught,
        cloned(replace(template, folder=tmp_path), folder=tmp_path, deadline=Deadline.after(120)),
    ):
        pass

    assert "cannot load the state of the template" in caught.value.what
    assert "qemu-system-x86_64: " in caught.value.evidence
    assert "harness clean" in caught.value.remedy


@pytest.mark.guest
def test_prepare_template_retries_a_failed_boot(prepared: Prepared, tmp_path: Path) -> None:
    """A boot that fails is tried a second time; the template says so, and the first boot's logs are kept."""
    flag, program = tmp_path / "flag", tmp_path / "qemu"
    program.write_text(f'#!/bin/sh\n[ -e {flag} ] && exec {prepared.request.program} "$@"\ntouch {flag}\n')
    program.chmod(0o755)
    template = prepare_template(
        Context(Store(tmp_path / "store"), soon()),
        KEY,
        # In bubblewrap it could not write its flag.
        replace(prepared.request, program=program, bubblewrap=None),
        failed_boots=tmp_path / "failed",
    )

    assert template.attempts == 2
    assert template.taint == 0
    assert 0 < template.boot_seconds < 120
    assert "Linux version" in (template.folder / "kernel.log").read_text()
    assert (tmp_path / "failed" / "boot-1" / "kernel.log").read_text() == ""


@pytest.mark.guest
def test_prepare_template_remembers_an_impossible_clone(
    tmp_path: Path, prepared: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that cannot migrate is found once and remembered; the run reports it and boots each machine."""
    (tmp_path / "types").mkdir()
    text = (paths.MACHINE_TYPES / "q35.toml").read_text()
    (tmp_path / "types" / "odd.toml").write_text(text.replace("devices = []", 'devices = ["nvme,serial=1"]'))
    monkeypatch.setattr(paths, "MACHINE_TYPES", tmp_path / "types")
    (tmp_path / "store").mkdir()
    for kind in PRODUCTS_SHARED:
        (tmp_path / "store" / kind).symlink_to(Store.default().folder / kind)
    store, options = Store(tmp_path / "store"), Options(machine_type="odd", accel=prepared.request.acceleration)

    def prepare() -> Prepared:
        return pipeline.prepare(Context(store, soon()), options, logs=tmp_path / "logs")

    first = prepare()
    with monkeypatch.context() as patch:
        patch.setattr("harness.guest.template.running", None)
        second = prepare()
        key = template_key(
            first.request,
            image_digest=first.kernel.image_digest,
            guest_digest=first.guest_digest,
            qemu_version=first.qemu_version,
        )
        with pytest.raises(CloningImpossibleError, match="nvme"):
            prepare_template(Context(store, soon()), key, first.request, failed_boots=tmp_path)
    with pipeline.machine(second, folder=tmp_path / "case", deadline=soon()) as machine:
        answer = said(machine, "uname -r")

    assert first.template is None
    assert second == first
    (note,) = first.notes
    assert note.startswith("this machine cannot be cloned: ")
    assert "nvme" in note
    assert note.endswith("; each case boots its own machine")
    assert answer == f"{prepared.kernel.release}\n"
    assert not (tmp_path / "case" / "memory").exists()


@pytest.mark.guest
def test_booted_reports_a_silent_kernel(prepared: Prepared, tmp_path: Path) -> None:
    """A kernel without output is reported at the deadline, for a template after two boots."""
    image = tmp_path / "silent"
    image.write_bytes(bzimage())
    request = replace(prepared.request, image=image, boot_seconds=0.7)
    error = failure(request, tmp_path)
    with pytest.raises(SeriesError) as caught:
        prepare_template(Context(Store(tmp_path / "s"), soon()), KEY, request, failed_boots=tmp_path / "failed")

    assert isinstance(error, SeriesError)
    assert error.what == f"the kernel {image} printed nothing on its serial console"
    assert "CONFIG_SERIAL_8250_CONSOLE" in error.remedy
    assert caught.value.what == error.what
    assert sorted(path.name for path in (tmp_path / "failed").iterdir()) == ["boot-1", "boot-2"]
    assert not list((tmp_path / "s" / "template").glob("*[0-9]"))


@pytest.mark.guest
def test_booted_reports_a_kernel_that_ends_the_machine(prepared: Prepared, tmp_path: Path) -> None:
    """A kernel that makes QEMU end without output is reported as a silent one, at once."""
    image = tmp_path / "ending"
    image.write_bytes(bzimage(code=END_QEMU))
    machine_type = replace(prepared.request.machine_type, devices=("isa-debug-exit,iobase=0xf4,iosize=4",))
    error = failure(replace(prepared.request, image=image, machine_type=machine_type), tmp_path)

    assert isinstance(error, SeriesError)
    assert "printed nothing" in error.what


@pytest.mark.guest
def test_booted_reports_a_file_without_a_kernel(prepared: Prepared, tmp_path: Path) -> None:
    """A file that QEMU rejects as a kernel is a usage error with QEMU's message."""
    image = tmp_path / "text"
    image.write_bytes(b"no kernel at all\n" * 1000)
    error = failure(replace(prepared.request, image=image), tmp_path)

    assert isinstance(error, UsageError)
    assert str(image) in error.what
    assert "qemu" in error.evidence


@pytest.mark.guest
def test_booted_reports_an_unknown_device(prepared: Prepared, tmp_path: Path) -> None:
    """A QEMU that refuses its own command line is the host's fault."""
    machine_type = replace(prepared.request.machine_type, devices=("no-such-device",))
    error = failure(replace(prepared.request, machine_type=machine_type), tmp_path)

    assert isinstance(error, HostError)
    assert "no-such-device" in error.evidence


@pytest.mark.guest
def test_booted_reports_a_kernel_without_init(prepared: Prepared, tmp_path: Path) -> None:
    """A kernel that finds no /init panics; the hint names the options that may be missing."""
    error = failure(with_words(prepared.request, "rdinit=/nonexistent", without=["rdinit=/init"]), tmp_path)

    assert isinstance(error, SeriesError)
    assert "did not run the guest's /init" in error.what
    assert "Unable to mount root fs" in error.evidence
    assert "CONFIG_BLK_DEV_INITRD" in error.remedy


@pytest.mark.guest
def test_booted_reports_a_panic(prepared: Prepared, tmp_path: Path) -> None:
    """A kernel that panics at boot is reported with its panic, at once; for a template it is booted only once."""
    request = with_words(prepared.request, "rdinit=/bin/true", without=["rdinit=/init"])
    error = failure(request, tmp_path)
    with pytest.raises(KernelEndedError):
        prepare_template(Context(Store(tmp_path / "s"), soon()), KEY, request, failed_boots=tmp_path / "failed")

    assert isinstance(error, SeriesError)
    assert [path.name for path in (tmp_path / "failed").iterdir()] == ["boot-1"]
    assert "does not boot: Kernel panic - not syncing: Attempted to kill init!" in error.what
    assert "Call Trace" in error.evidence


@pytest.mark.guest
def test_booted_reports_missing_shells(prepared: Prepared, tmp_path: Path) -> None:
    """A kernel that boots without a shell is reported at the deadline, with its last lines."""
    request = with_words(prepared.request, "rdinit=/bin/sleep", "--", "1000", without=["rdinit=/init"])
    error = failure(replace(request, boot_seconds=4), tmp_path)

    assert isinstance(error, SeriesError)
    assert "did not start the guest's three shells in time" in error.what
    assert "[ " in error.evidence


def test_booted_reports_a_missing_qemu(prepared_request: BootRequest, tmp_path: Path) -> None:
    """A missing QEMU is the host's fault."""
    assert isinstance(failure(prepared_request, tmp_path), HostError)


def test_prepare_template_boots_until_the_clock_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose clock a busy host spoiled is booted again, four times at most, also for an older template.

    The boots are pretended: a host cannot be made busy for the right milliseconds of one.
    """
    bad = "[    0.024000] tsc: PIT calibration deviates from HPET: 43476 2297522\n"
    logs = iter([bad, "", bad, *[bad] * 4])
    attempts: list[int] = []

    def boot(_: BootRequest, folder: Path, attempt: int, __: Deadline) -> object:
        attempts.append(attempt)
        (folder / "kernel.log").write_text(log := next(logs))
        facts = template_module._Facts(1.0, attempt, 0, (), (), wrong_clock(log))
        (folder / "template.json").write_text(dump_value(facts))
        return facts

    monkeypatch.setattr(template_module, "_boot_and_save", boot)
    request = BootRequest(Path("q"), Path("k"), Path("g"), read_machine_type("q35"), Acceleration.TCG, 1.0)
    context = Context(Store(tmp_path / "store"), soon())

    def prepared_as(key: str) -> Template:
        return prepare_template(context, key, request, failed_boots=tmp_path / "failed")

    first = prepared_as("a")
    (first.folder / "kernel.log").write_text(bad)
    (first.folder / "template.json").write_text('{"boot_seconds": 1.0, "attempts": 1, "taint": 0, "command": []}')
    again = prepared_as("a")

    assert (first.attempts, first.wrong_clock) == (2, "")
    assert again.folder != first.folder
    assert (again.attempts, attempts) == (4, [1, 2, 1, 2, 3, 4])
    assert "43 MHz" in again.wrong_clock
    assert prepared_as("a") == again
    assert (tmp_path / "failed/boot-1/kernel.log").read_text() == bad


@pytest.mark.parametrize(
    ("seconds", "plain_seconds", "slowness"), [(30.0, 2.0, 15.0), (2.0, 0.0, 1.0), (1.0, 2.0, 1.0)]
)
def test_slowness_is_measured_by_the_boots(seconds: float, plain_seconds: float, slowness: float) -> None:
    """A kernel without a measure, or a quicker one, is as slow as a plain one."""
    assert measured_slowness(seconds, plain_seconds) == slowness


def test_watchdogs_get_more_time_up_to_their_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command is run by a shell; a file that does not exist is left out, without output."""
    hung, soft = tmp_path / "hung_task_timeout_secs", tmp_path / "watchdog_thresh"
    hung.write_text("20\n")
    soft.write_text("10\n")
    limits = {str(hung): 36000, str(tmp_path / "none"): 300, str(soft): 60}
    monkeypatch.setattr(template_module, "_WATCHDOG_LIMITS", limits)
    command = template_module._watchdogs(14.9)
    printed = process.run(["sh", "-c", command], deadline=Deadline.after(30)).text

    assert (hung.read_text(), soft.read_text(), printed) == ("300\n", "60\n", "")
