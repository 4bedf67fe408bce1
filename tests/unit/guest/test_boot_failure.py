# SPDX-License-Identifier: GPL-2.0-only
"""Reasons why a kernel did not reach its shells: each has its own message, evidence and hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import HarnessError, HostError, SeriesError, UsageError
from harness.guest.boot_failure import explain_boot, wrong_clock

LOGS = Path(__file__).parents[2] / "data" / "kernellog"
CAME_UP = "".join(f"[    0.{at:06d}] line {at}\n" for at in range(40))
WARNED = (
    "[    0.100000] WARNING: CPU: 0 PID: 1 at kernel/cgroup/namespace.c:57 copy_cgroup_ns+0x1/0x2\n"
    "[    0.100001] Call Trace:\n"
    "[    0.100002]  copy_cgroup_ns+0x1/0x2\n"
)


def explained(
    kernel_log: str, *, qemu_output: str = "", is_running: bool = True, is_starved: bool = False
) -> HarnessError:
    """The error for a boot that went so."""
    return explain_boot(
        kernel_log=kernel_log,
        qemu_output=qemu_output,
        is_running=is_running,
        kernel="/k/vmlinuz",
        is_starved=is_starved,
    )


@pytest.mark.parametrize("kernel_log", ["", "[    0.000000] Linux version 6.1.0\n"])
def test_explain_boot_blames_host_without_cpu_time(kernel_log: str) -> None:
    """Missing output of a kernel that gets no processor is the host's fault; a panic is the kernel's."""
    error = explained(kernel_log, is_starved=True)
    ended = explained(f"{kernel_log}[    1.0] Kernel panic - not syncing: x\n", is_starved=True)

    assert isinstance(error, HostError)
    assert "too busy" in error.what
    assert "--boot-seconds" in error.remedy
    assert isinstance(ended, SeriesError)


@pytest.mark.parametrize("kernel_log", ["", "\r\n \n"])
def test_explain_boot_blames_silent_kernel(kernel_log: str) -> None:
    """A kernel without any output is the series' fault; the hint is about its serial console."""
    error = explained(kernel_log)

    assert isinstance(error, SeriesError)
    assert error.what == "the kernel /k/vmlinuz printed nothing on its serial console"
    assert error.evidence == "ttyS0 printed nothing"
    assert "CONFIG_SERIAL_8250_CONSOLE=y" in error.remedy


@pytest.mark.parametrize(
    "said",
    [
        "qemu-system-x86_64: invalid kernel header",
        "qemu: linux kernel too old to load a ram disk",
        "qemu: could not load kernel '/k/vmlinuz': Exec format error",
        "qemu-system-x86_64: Error loading uncompressed kernel without PVH ELF Note",
        "qemu: could not open kernel file '/k/vmlinuz': No such file or directory",
    ],
)
def test_explain_boot_reports_refused_image(said: str) -> None:
    """An image that QEMU refuses is a usage error; QEMU's message is the evidence."""
    error = explained("", qemu_output=said, is_running=False)

    assert isinstance(error, UsageError)
    assert error.what == "/k/vmlinuz is not a kernel image that QEMU can boot"
    assert error.evidence == said
    assert "bzImage" in error.remedy


def test_explain_boot_blames_host_for_qemu_error() -> None:
    """A QEMU that ends with a message before the kernel printed anything is the host's fault."""
    error = explained("", qemu_output="Could not access KVM kernel module: Permission denied", is_running=False)

    assert isinstance(error, HostError)
    assert error.what == "QEMU ended before the kernel printed anything"
    assert "Permission denied" in error.evidence
    assert "harness doctor" in error.remedy


def test_explain_boot_blames_kernel_for_silent_reset() -> None:
    """A QEMU that ends without a message was reset by the guest, which is the kernel's fault."""
    error = explained("", is_running=False)

    assert isinstance(error, SeriesError)
    assert "printed nothing" in error.what


@pytest.mark.parametrize(
    "line",
    [
        "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
        "Kernel panic - not syncing: Requested init /init failed (error -2).",
        "Kernel panic - not syncing: No working init found.  Try passing init= option to kernel.",
    ],
)
def test_explain_boot_names_options_for_init(line: str) -> None:
    """A kernel that does not run /init gets a hint on options; its last lines are the evidence."""
    error = explained(f"{CAME_UP}[    1.000000] {line}\n", is_running=False)

    assert isinstance(error, SeriesError)
    assert error.what == "the kernel /k/vmlinuz booted but did not run the guest's /init"
    assert error.evidence.splitlines()[-1].endswith(line)
    assert len(error.evidence.splitlines()) == 15
    assert "CONFIG_BLK_DEV_INITRD" in error.remedy


@pytest.mark.parametrize("is_running", [True, False])
def test_explain_boot_shows_a_panic(is_running: bool) -> None:
    """The error has the title of a panic and its whole text, even after a warning."""
    panic = (LOGS / "real-6.1-panic-sysrq.log").read_bytes().decode()
    error = explained(CAME_UP + WARNED + panic, is_running=is_running)

    assert isinstance(error, SeriesError)
    title = "Kernel panic - not syncing: sysrq triggered crash in sysrq_handle_crash"
    assert error.what == f"the kernel /k/vmlinuz does not boot: {title}"
    assert "sysrq_handle_crash" in error.evidence
    assert "copy_cgroup_ns" not in error.evidence


def test_explain_boot_shows_the_splat_before_the_end() -> None:
    """The error of a machine that ended after a warning has the title of the warning."""
    error = explained(CAME_UP + WARNED, is_running=False)

    assert isinstance(error, SeriesError)
    assert error.what.startswith("the kernel /k/vmlinuz does not boot: WARNING: ")
    assert "copy_cgroup_ns" in error.evidence


def test_explain_boot_shows_a_splat_without_shells() -> None:
    """A kernel that warned and continued is not reported as ended by the warning; warning and last lines are shown."""
    error = explained(WARNED + CAME_UP)

    assert isinstance(error, SeriesError)
    assert "did not start the guest's three shells in time and printed: WARNING: " in error.what
    assert "copy_cgroup_ns" in error.evidence
    assert error.evidence.splitlines()[-1].endswith("line 39")


def test_explain_boot_shows_the_last_lines() -> None:
    """The error of a machine that ended without a reason in the log shows its last lines and QEMU's output."""
    error = explained(CAME_UP, qemu_output="qemu: hardware error", is_running=False)

    assert isinstance(error, SeriesError)
    assert error.what == "the machine of /k/vmlinuz ended before the guest's shells were ready"
    assert error.evidence.splitlines()[-2:] == ["[    0.000039] line 39", "qemu: hardware error"]


def test_explain_boot_names_options_for_serial_ports() -> None:
    """If /init reports missing serial ports, the error names the kernel options."""
    error = explained(
        CAME_UP + "[    1.0] harness: no /dev/ttyS1 for the console admin\n[    1.1] harness: guest ready\n"
    )

    assert isinstance(error, SeriesError)
    assert "too few serial ports" in error.what
    assert error.evidence == "[    1.0] harness: no /dev/ttyS1 for the console admin"
    assert "CONFIG_SERIAL_8250_NR_UARTS=4" in error.remedy


def test_explain_boot_shows_last_lines_without_shells() -> None:
    """The error of a kernel that booted without shells shows its last lines."""
    error = explained(CAME_UP)

    assert isinstance(error, SeriesError)
    assert error.what == "the kernel /k/vmlinuz did not start the guest's three shells in time"
    assert error.evidence.splitlines()[0].endswith("line 25")
    assert "--boot-seconds" in error.remedy


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("tsc: PIT calibration deviates from HPET: 43476 2297522", "43 MHz for its clock of 2298 MHz"),
        ("tsc: PIT calibration deviates from PMTIMER: 4600000 2297522", "4600 MHz for its clock of 2298 MHz"),
        ("tsc: PIT calibration deviates from HPET: 2100000 2297522", ""),
        ("tsc: Detected 2300.003 MHz processor", ""),
    ],
)
def test_clock_that_was_measured_wrong_is_seen(line: str, note: str) -> None:
    """Linux 6.1 printed the first line on a busy host; a small deviation does no harm."""
    found = wrong_clock(f"[    0.000000] Linux version 6.1\n[    0.024000] {line}\n")

    assert note in found
    assert bool(found) == bool(note)
