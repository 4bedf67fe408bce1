# SPDX-License-Identifier: GPL-2.0-only
"""Find out why a kernel did not reach its shells, from how far its boot came. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.base.errors import HarnessError, HostError, SeriesError, UsageError
from harness.kernellog.reader import scan
from harness.kernellog.splat import Splat

_LINES_SHOWN = 15

_QEMU_REFUSES_IMAGE = (
    "invalid kernel header",
    "linux kernel too old",
    "could not load kernel",
    "Error loading uncompressed kernel",
    "qemu: could not open kernel file",
)
_NO_PORT = "harness: no /dev/ttyS"
"""Printed by /init; see qemu/init.sh."""
_NO_ROOT = ("Unable to mount root fs", "No working init found", "Requested init /init failed", "No init found")


_DEVIATES = re.compile(r"tsc: PIT calibration deviates from (?:HPET|PMTIMER): (\d+) (\d+)")
_MOST_TIMES_OFF = 2


class KernelEndedError(SeriesError):
    """The kernel itself ended the machine, by a panic or a reboot: the next boot would end in the same way."""


def wrong_clock(kernel_log: str) -> str:
    """Return by how much the kernel's clock is wrong, for a note; empty if it is right.

    An x86 kernel measures the frequency of its TSC with the timer chip (PIT) for some milliseconds at its start. While
    QEMU waits for a processor of a busy host, the clocks drift apart, and the kernel believes the chip. Its time then
    runs too fast for good, and watchdogs report lockups after seconds (6.1 logged 43.476 MHz instead of 2297.522 MHz).

    :param kernel_log: the kernel log of the boot.
    """
    found = _DEVIATES.search(kernel_log)
    if found is None:
        return ""
    measured, other = int(found[1]), int(found[2])
    if measured and other and max(measured, other) < _MOST_TIMES_OFF * min(measured, other):
        return ""
    return f"the kernel measured {measured / 1000:.0f} MHz for its clock of {other / 1000:.0f} MHz"


def explain_boot(
    *, kernel_log: str, qemu_output: str, is_running: bool, kernel: str, is_starved: bool = False
) -> HarnessError:
    """Make the error for a boot that failed.

    :param kernel_log: the kernel log until now.
    :param qemu_output: the last lines that QEMU itself printed.
    :param is_running: whether QEMU still runs.
    :param kernel: name of the kernel, for the message.
    :param is_starved: whether QEMU waited for a processor most of the time.
    :return: an error of the kind that fits the reason: the host, the kernel or the command line; not raised here.
    """
    lines = [line for line in kernel_log.splitlines() if line.strip()]
    last = "\n".join(lines[-_LINES_SHOWN:])
    if not lines and not is_starved:
        return _silent(qemu_output, kernel, is_running=is_running)
    splats = scan(kernel_log)
    fatal = [splat for splat in splats if splat.fatal]
    if any(words in kernel_log for words in _NO_ROOT):
        return SeriesError(
            f"the kernel {kernel} booted but did not run the guest's /init",
            evidence=last,
            remedy="build it with CONFIG_BLK_DEV_INITRD=y (initramfs), CONFIG_BINFMT_ELF=y, CONFIG_BINFMT_SCRIPT=y and "
            "CONFIG_64BIT=y",
        )
    if fatal or (splats and not is_running):
        reason = (fatal or splats)[0]
        return KernelEndedError(
            f"the kernel {kernel} does not boot: {reason.title}",
            evidence=reason.text,
            remedy="the whole log of this boot is kept in the run folder",
        )
    if not is_running:
        return KernelEndedError(
            f"the machine of {kernel} ended before the guest's shells were ready",
            evidence=f"{last}\n{qemu_output}".strip(),
            remedy="look for the reason in the lines above: QEMU ends when the kernel reboots",
        )
    return _too_slow(lines, splats, kernel, is_starved=is_starved)


def _too_slow(lines: Sequence[str], splats: Sequence[Splat], kernel: str, *, is_starved: bool) -> HarnessError:
    """Make the error for a machine that runs but whose shells are not ready.

    :param lines: the kernel log.
    :param splats: the splats in it.
    """
    last = "\n".join(lines[-_LINES_SHOWN:])
    if missing := [line for line in lines if _NO_PORT in line]:
        return SeriesError(
            f"the kernel {kernel} booted but has too few serial ports for the guest's three shells",
            evidence="\n".join(missing),
            remedy="build it with four: CONFIG_SERIAL_8250_NR_UARTS=4 and CONFIG_SERIAL_8250_RUNTIME_UARTS=4",
        )
    if is_starved:
        return HostError(
            f"this host is too busy to boot {kernel}: QEMU waited most of the time for a processor or a disk",
            evidence=last or "ttyS0 printed nothing",
            remedy="stop other processes on this host, use fewer machines at once (-n 1), or allow more time: "
            "--boot-seconds 180",
        )
    if splats:
        return SeriesError(
            f"the kernel {kernel} did not start the guest's three shells in time and printed: {splats[0].title}",
            evidence=f"{splats[0].text}\n...\n{last}",
            remedy="the whole log of this boot is kept in the run folder",
        )
    return SeriesError(
        f"the kernel {kernel} did not start the guest's three shells in time",
        evidence=last,
        remedy="read the last lines above; if they are normal, allow more time: --boot-seconds 180",
    )


def _silent(qemu_output: str, kernel: str, *, is_running: bool) -> HarnessError:
    if any(words in qemu_output for words in _QEMU_REFUSES_IMAGE):
        return UsageError(
            f"{kernel} is not a kernel image that QEMU can boot",
            evidence=qemu_output,
            remedy="name a bzImage or vmlinuz for x86_64, or a vmlinux with a PVH entry (CONFIG_PVH)",
        )
    if not is_running and qemu_output:
        return HostError(
            "QEMU ended before the kernel printed anything",
            evidence=qemu_output,
            remedy="run 'harness doctor' to check QEMU on this host",
        )
    return SeriesError(
        f"the kernel {kernel} printed nothing on its serial console",
        evidence=qemu_output or "ttyS0 printed nothing",
        remedy="build it with CONFIG_SERIAL_8250=y and CONFIG_SERIAL_8250_CONSOLE=y; if it has both, it hangs before "
        "its first line: boot it in QEMU by hand with earlyprintk=serial",
    )
