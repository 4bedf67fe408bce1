# SPDX-License-Identifier: GPL-2.0-only
"""Bad input on the command line: an error message with evidence and a hint, and the exit status."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import Surroundings, run
from harness.base.store import Store
from harness.guest import guest_clock, template
from harness.model.verdict import Outcome
from harness.pipeline import Options
from harness.results.folder import load_run
from tests.command_line import CommandResult, call
from tests.crowd import crowded
from tests.private_mounts import needs_mounts, with_mounts
from tests.program import environment, harness
from tests.unit.kernel import images

GOOD = "    # echo hello\n    hello\n"


class Host:
    """A host with its own store, results and programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results"
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.path = str(self.bin)
        self.case = self.write("good.session", GOOD)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write a file and return its path."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def program(self, name: str, text: str) -> None:
        """Install a program that is found before the host's own of that name."""
        self.write(f"bin/{name}", f"#!/bin/sh\n{text}\n").chmod(0o755)
        self.path = f"{self.bin}:{os.environ['PATH']}"

    def link_programs(self, *, leave_out: str) -> None:
        """Link all programs of the host but one."""
        for folder in reversed(os.environ["PATH"].split(":")):
            for file in Path(folder).glob("*"):
                link = self.bin / file.name
                link.unlink(missing_ok=True)
                link.symlink_to(file)
        (self.bin / leave_out).unlink(missing_ok=True)

    def run(self, *words: str | Path, **env: str) -> CommandResult:
        """Run ``harness run`` on this host."""
        own = {"HARNESS_STORE": str(self.folder / "store"), **env}
        return call("run", "--results", self.results, "--cases", self.case, *words, **own)

    @property
    def runs(self) -> list[str]:
        """Return the names in the results folder."""
        return [one.name for one in self.results.iterdir()] if self.results.is_dir() else []


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a store that keeps its guest image between tests."""
    return str(tmp_path_factory.mktemp("store"))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


SERIAL_OFF = "# Linux/x86 6.1.0-crafted Kernel Configuration\nCONFIG_64BIT=y\n# CONFIG_SERIAL_8250 is not set\n"
NO_INITRD = "# Linux/x86 6.1.0-crafted Kernel Configuration\nCONFIG_64BIT=y\n# CONFIG_BLK_DEV_INITRD is not set\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["kernel is empty"]),
        (images.bzimage()[:1000], ["kernel is truncated: it has 1000 bytes of at least", "are missing"]),
        (b"#!/bin/sh\necho hello\n", ["kernel is not a kernel image: it looks like a script", "first bytes: 23 21"]),
        (b"070701" + bytes(600), ["it looks like an initramfs"]),
        (images.arm64_image(), ["kernel is for arm64; this harness's machine types run x86_64"]),
        (images.bzimage(is_64_bit=False), ["kernel is for i386"]),
        (images.vmlinux(has_pvh_entry=False), ["no PVH entry point", "bzImage of the same build"]),
    ],
)
def test_an_image_that_cannot_boot_is_refused_before_anything_is_built(
    host: Host, content: bytes, words: list[str]
) -> None:
    """The type of a file is read from its bytes; no run is recorded."""
    image = host.write("kernel", content)

    host.run(image).require_error(ExitStatus.USAGE, *words, str(image))
    assert not host.runs


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (SERIAL_OFF, ["CONFIG_SERIAL_8250", "read from the config beside the image"]),
        (NO_INITRD, ["CONFIG_BLK_DEV_INITRD", "read from the config beside the image"]),
    ],
)
def test_a_config_without_the_options_of_the_guest_is_refused_before_the_boot(
    host: Host, config: str, words: list[str]
) -> None:
    """The message names the options and their purpose."""
    host.write(f"config-{images.RELEASE}", config)

    host.run(host.write("kernel", images.bzimage())).require_error(ExitStatus.USAGE, "cannot run the guest", *words)
    assert not host.runs


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("no/such/image", ["no kernel image or tree no/such/image"]),
        ("deb:nonexistent", ["nonexistent"]),
        ("series:nosuch", ["no series nosuch ships with the harness", "mountinfo-unscoped"]),
        ("gem:linux", ["'gem:' is not a valid prefix of KERNEL", "deb:PACKAGE"]),
        ("deb:UPPER", ["'UPPER' is not a valid package name"]),
        ("", ["the KERNEL argument is empty"]),
        (".", ["not a kernel tree"]),
        ("/dev/null", ["/dev/null is not a kernel image: it is not a regular file"]),
    ],
)
def test_an_invalid_kernel_argument_is_reported(host: Host, word: str, words: list[str]) -> None:
    """The message says how the argument was read."""
    result = host.run(word)
    # Without package lists this is a host error.
    expected = result.status if word == "deb:nonexistent" else ExitStatus.USAGE

    result.require_error(expected, *words)
    assert result.status in (ExitStatus.USAGE, ExitStatus.HOST)
    assert not [one for one in host.runs if expected is ExitStatus.USAGE]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--profile", "v9"], ["no profile v9", "use one of auto, mainline, mainline-latest, ns_cgroup-2.6.24"]),
        (["--machine", "pdp11"], ["no machine type pdp11", "q35"]),
        (["--cases", "no/such/case"], ["--cases no/such/case: no such file or folder"]),
        (["-n", "0"], ["-n 0: not a number of workers"]),
        (["-n", "many"], ["-n many: not a number of workers"]),
        (["--results", "/dev/null/results"], ["the results folder /dev/null/results cannot be written"]),
    ],
)
def test_a_wrong_option_is_reported_before_anything_is_fetched(
    host: Host, options: list[str], words: list[str]
) -> None:
    """A usage error costs no boot and leaves no run."""
    result = host.run(host.write("kernel", images.bzimage()), *options)

    result.require_error(ExitStatus.USAGE, *words)
    assert not host.runs
    assert result.text == result.error


def test_bisect_reports_missing_cases_before_anything_is_built(host: Host) -> None:
    """The tree is not even read."""
    result = call("bisect", host.folder / "no-tree", "--good", "v1", "--cases", "no/such/case")

    result.require_error(ExitStatus.USAGE, "--cases no/such/case: no such file or folder")
    assert result.text == result.error


@pytest.mark.skipif(os.access("/dev/kvm", os.R_OK | os.W_OK), reason="this host has /dev/kvm")
def test_missing_kvm_is_reported(host: Host, built: str) -> None:
    """The message says why KVM cannot be used."""
    result = host.run(host.write("kernel", images.bzimage()), "--accel", "kvm", HARNESS_STORE=built)

    result.require_error(ExitStatus.USAGE, "--accel kvm: KVM is not available on this host", "/dev/kvm")
    assert not host.runs


def test_a_host_without_apt_is_reported(host: Host) -> None:
    """``deb`` needs Debian's tools; an image file does not."""
    result = host.run("deb", PATH=str(host.bin))

    result.require_error(ExitStatus.HOST, "the program apt", "is missing", "give the path of a kernel image")


def test_a_missing_program_of_the_guest_is_reported(host: Host) -> None:
    """The error has the command that installs it, and the run is recorded as an error."""
    host.link_programs(leave_out="busybox")
    result = host.run(host.write("kernel", images.bzimage()), PATH=host.path)

    result.require_error(ExitStatus.HOST, "missing on this host: busybox", "apt-get install busybox-static")
    assert [case.outcome for case in load_run(host.results / "latest").cases] == [Outcome.ERROR]


def test_a_missing_compiler_is_reported(host: Host) -> None:
    """nsctl is compiled on the host; the message names the missing packages."""
    host.link_programs(leave_out="cc")
    result = host.run(host.write("kernel", images.bzimage()), PATH=host.path)

    result.require_error(ExitStatus.HOST, "missing on this host: cc", "apt-get install gcc libc6-dev")


def test_an_unshare_without_cgroup_namespaces_is_reported(host: Host) -> None:
    """util-linux before 2.28 has no ``unshare -C``; its version is the evidence."""
    host.program("unshare", 'echo "unshare from util-linux 2.27.1"')
    result = host.run(host.write("kernel", images.bzimage()), PATH=host.path)

    result.require_error(ExitStatus.HOST, "unshare is too old", "util-linux 2.27.1", "apt-get install util-linux")


def test_missing_qemu_is_reported(host: Host, built: str) -> None:
    """The message names the package."""
    host.link_programs(leave_out="qemu-system-x86_64")
    result = host.run(host.write("kernel", images.bzimage()), PATH=host.path, HARNESS_STORE=built)

    result.require_error(ExitStatus.HOST, "qemu-system-x86_64 is not installed", "apt-get install qemu-system-x86")


@pytest.mark.guest
def test_missing_bubblewrap_is_noted(host: Host) -> None:
    """QEMU runs without it, as before; the note says so once."""
    host.link_programs(leave_out="bwrap")
    result = host.run("deb", PATH=host.path, HARNESS_STORE=str(Store.default().folder))
    record = load_run(host.results / "latest")

    assert result.status == ExitStatus.AS_EXPECTED
    (note,) = [note for note in record.notes if "bubblewrap" in note]
    assert note.startswith("QEMU runs without bubblewrap: no program bwrap on PATH")
    assert result.text.count(note) == 1


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ('echo "QEMU emulator version 5.2.0 (Debian)"', ["is too old: version 6.0 or newer", "5.2.0"]),
        ('echo "what?"', ["does not print its version", "what?"]),
        ('echo "cannot load libfoo.so" >&2; exit 127', ["failed with status 127", "cannot load libfoo.so"]),
    ],
)
def test_an_unusable_qemu_is_reported(host: Host, built: str, script: str, words: list[str]) -> None:
    """QEMU is too old, another program, or broken."""
    host.program("qemu-system-x86_64", script)
    result = host.run(host.write("kernel", images.bzimage()), PATH=host.path, HARNESS_STORE=built)

    result.require_error(ExitStatus.HOST, *words)


@pytest.mark.parametrize("place", ["a-file/store", "/proc/store"])
def test_a_store_that_cannot_be_written_is_reported(host: Host, place: str) -> None:
    """The message names the variable that moves the store."""
    host.write("a-file", "")
    result = host.run(host.write("kernel", images.bzimage()), HARNESS_STORE=str(host.folder / place))

    result.require_error(ExitStatus.USAGE, "cannot be written", "HARNESS_STORE")
    assert not host.runs


def on_small_disk(host: Host, size: str, *words: str | Path, store: Path, read_only: bool = False) -> CommandResult:
    """Run the harness with a file system of that size, private to this run, at ``host.folder/"small"``."""
    small = host.folder / "small"
    small.mkdir()
    mounts = [f"mount -t tmpfs -o size={size} tmpfs {small}"]
    mounts += [f"mount -o remount,ro {small}"] if read_only else []
    command = with_mounts(mounts, harness("run", "--cases", host.case, "-n", "1", *words))
    env = environment(HARNESS_STORE=str(store))
    done = run(command, deadline=Deadline.after(120), check=False, within=Surroundings(env=env))
    return CommandResult(ExitStatus(done.status), done.text + done.stderr.decode())


@needs_mounts
def test_a_store_on_a_full_disk_is_reported(host: Host) -> None:
    """The guest image does not fit: an error of the host, and the run is recorded on another disk."""
    image = host.write("kernel", images.bzimage())
    result = on_small_disk(host, "1M", image, "--results", host.results, store=host.folder / "small/store")

    result.require_error(ExitStatus.HOST, "no space left in the store", "harness clean")
    assert [case.outcome for case in load_run(host.results / "latest").cases] == [Outcome.ERROR]


@needs_mounts
@pytest.mark.parametrize("what", ["store", "results"])
def test_a_read_only_disk_is_reported(host: Host, what: str) -> None:
    """Some folders cannot be written even by root."""
    image = host.write("kernel", images.bzimage())
    folders = {name: host.folder / ("small" if name == what else name) / name for name in ("store", "results")}
    result = on_small_disk(host, "1M", image, "--results", folders["results"], store=folders["store"], read_only=True)

    result.require_error(ExitStatus.USAGE, f"the {what}", "cannot be written", "Read-only file system")


@pytest.mark.guest
@needs_mounts
def test_results_on_a_full_disk_end_the_run(host: Host) -> None:
    """A run that cannot be recorded is not started; the store is on another disk."""
    result = on_small_disk(host, "16k", "--results", host.folder / "small/results", store=Store.default().folder)

    result.require_error(ExitStatus.HOST, "no space left for the results", "--results")


@pytest.mark.guest
@needs_mounts
def test_a_disk_that_fills_up_during_a_case_ends_the_run(host: Host) -> None:
    """A case that prints more than the disk can store is not a failure of the kernel."""
    host.case = host.write("much.session", "    # head -c 300000 /dev/zero | tr '\\\\0' x\n    ...\n")
    result = on_small_disk(host, "300k", "--results", host.folder / "small/results", store=Store.default().folder)

    result.require_error(ExitStatus.HOST, "no space left for the results", "--results")


@pytest.fixture
def distribution_kernel() -> Callable[[], Path]:
    """Return a function that fetches the distribution's kernel and returns the path of its image."""

    def fetch() -> Path:
        result = call("build", "deb")
        return next(Path(result.text.strip()).glob("vmlinuz-*"))

    return fetch


@pytest.mark.guest
@needs_mounts
def test_a_disk_that_fills_up_during_the_boot_is_not_the_kernels_fault(
    host: Host, distribution_kernel: Callable[[], Path]
) -> None:
    """The guest's memory is a file: a signal ends QEMU when the file cannot grow, before the kernel prints anything."""
    store = host.folder / "small/store"
    result = on_small_disk(host, "48M", distribution_kernel(), "--results", host.results, store=store)

    result.require_error(ExitStatus.HOST, "no space left on the disk for the memory of a guest", "harness clean")


@pytest.mark.guest
def test_a_host_that_is_too_busy_is_not_the_kernels_fault(
    host: Host, monkeypatch: pytest.MonkeyPatch, distribution_kernel: Callable[[], Path]
) -> None:
    """A boot that gets no processor is an error of the host, not a silent kernel.

    Twenty programs leave QEMU about one part of the processor in twenty, far from what the multiple here asks for. The
    time is long beside that in which QEMU starts.
    """
    monkeypatch.setattr(guest_clock, "MULTIPLE", 4)
    processor, qemu = min(os.sched_getaffinity(0)), shutil.which("qemu-system-x86_64")
    there = f"nice -n 19 taskset --cpu-list {processor}"
    host.program(
        "qemu-system-x86_64",
        f'case " $* " in *" -kernel "*) exec {there} {qemu} "$@" ;; esac; exec {qemu} "$@"',
    )
    with crowded(processor):
        result = host.run(distribution_kernel(), "--accel", "tcg", "--boot-seconds", "3", PATH=host.path)

    result.require_error(ExitStatus.HOST, "this host is too busy to boot", "waited most of the time", "-n 1")
    assert [case.outcome for case in load_run(host.results / "latest").cases] == [Outcome.ERROR]


@pytest.mark.guest
def test_a_silent_kernel_is_the_kernels_fault(host: Host) -> None:
    """An image that boots and prints nothing is a failure of the kernel, with a record and a junit.xml."""
    result = host.run(host.write("kernel", images.bzimage()), "--boot-seconds", "1")
    record = load_run(host.results / "latest")
    suite = next(iter(JUnitXml.fromfile(str(host.results / "latest/junit.xml"))))

    result.require_error(ExitStatus.DIFFERS, "printed nothing on its serial console", "CONFIG_SERIAL_8250_CONSOLE=y")
    assert [case.outcome for case in record.cases] == [Outcome.KERNEL]
    assert (suite.tests, suite.failures, suite.errors) == (1, 1, 0)


@pytest.mark.guest
def test_a_kernel_that_does_not_find_its_init_is_the_kernels_fault(
    host: Host, monkeypatch: pytest.MonkeyPatch, distribution_kernel: Callable[[], Path]
) -> None:
    """A kernel without initramfs support boots, finds no root and panics; its messages are shown."""
    text = (paths.MACHINE_TYPES / "q35.toml").read_text()
    host.write("machines/q35.toml", text.replace("rdinit=/init", "rdinit=/nonexistent"))
    monkeypatch.setattr(paths, "MACHINE_TYPES", host.folder / "machines")
    monkeypatch.setattr(template, "_ATTEMPTS", 1)  # it does so each time, and a boot takes seconds
    # Named, or the race of accelerations would wait a minute for a guest that never answers.
    result = host.run(distribution_kernel(), "--accel", "tcg", HARNESS_STORE=str(Store.default().folder))

    result.require_error(
        ExitStatus.DIFFERS, "booted but did not run the guest's /init", "CONFIG_BLK_DEV_INITRD", "Unable to mount root"
    )
    assert (host.results / "latest/failed-boots").is_dir()


def test_the_default_boot_time_is_generous() -> None:
    """A kernel with all debugging options boots under emulation in that time."""
    assert Options().boot_seconds >= 60
