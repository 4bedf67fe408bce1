"""Why a kernel did not reach its shells, told by how far it came. Pure."""

from __future__ import annotations

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
"""What /init says; see qemu/init.sh."""
_NO_ROOT = ("Unable to mount root fs", "No working init found", "Requested init /init failed", "No init found")


class KernelEndedError(SeriesError):
    """The kernel ended its machine by itself, by a panic or a reboot: the next boot would end the same way."""


def explain_boot(
    *, kernel_log: str, qemu_said: str, is_running: bool, kernel: str, is_starved: bool = False
) -> HarnessError:
    """The error for a boot that did not come up.

    :param kernel_log: the kernel log until now.
    :param qemu_said: the last lines that QEMU itself printed.
    :param is_running: whether QEMU still runs.
    :param kernel: the kernel, for the message.
    :param is_starved: whether QEMU waited for a processor most of the time.
    """
    lines = [line for line in kernel_log.splitlines() if line.strip()]
    last = "\n".join(lines[-_LINES_SHOWN:])
    if not lines and not is_starved:
        return _silent(qemu_said, kernel, is_running=is_running)
    splats = scan(kernel_log)
    fatal = [splat for splat in splats if splat.fatal]
    if any(words in kernel_log for words in _NO_ROOT):
        return SeriesError(
            f"the kernel {kernel} came up but did not run the guest's /init",
            evidence=last,
            remedy="it needs CONFIG_BLK_DEV_INITRD (initramfs), CONFIG_BINFMT_ELF and CONFIG_BINFMT_SCRIPT built in, "
            "and CONFIG_64BIT",
        )
    if fatal or (splats and not is_running):
        told = (fatal or splats)[0]
        return KernelEndedError(
            f"the kernel {kernel} does not boot: {told.title}",
            evidence=told.text,
            remedy="the whole log of this boot is kept in the run folder",
        )
    if not is_running:
        return KernelEndedError(
            f"the machine ended before the guest's shells were ready ({kernel})",
            evidence=f"{last}\n{qemu_said}".strip(),
            remedy="a kernel that reboots by itself shows its reason above",
        )
    return _too_slow(lines, splats, kernel, is_starved=is_starved)


def _too_slow(lines: Sequence[str], splats: Sequence[Splat], kernel: str, *, is_starved: bool) -> HarnessError:
    """The error for a machine that runs, and whose shells are not ready.

    :param lines: the kernel log.
    :param splats: what it tells of.
    """
    last = "\n".join(lines[-_LINES_SHOWN:])
    if missing := [line for line in lines if _NO_PORT in line]:
        return SeriesError(
            f"the kernel {kernel} came up, but has too few serial ports for the guest's three shells",
            evidence="\n".join(missing),
            remedy="it needs four: CONFIG_SERIAL_8250_NR_UARTS=4 and CONFIG_SERIAL_8250_RUNTIME_UARTS=4",
        )
    if is_starved:
        return HostError(
            f"this host is too busy to boot {kernel}: QEMU waited most of the time for a processor",
            evidence=last or "not one byte came on ttyS0",
            remedy="wait until less runs here, use fewer machines at once (-n 1), or allow more time (--boot-seconds)",
        )
    if splats:
        return SeriesError(
            f"the kernel {kernel} did not bring up the guest's three shells in time, having said: {splats[0].title}",
            evidence=f"{splats[0].text}\n...\n{last}",
            remedy="the whole log of this boot is kept in the run folder",
        )
    return SeriesError(
        f"the kernel {kernel} did not bring up the guest's three shells in time",
        evidence=last,
        remedy="see the last lines above; if they are normal, it takes more time: --boot-seconds",
    )


def _silent(qemu_said: str, kernel: str, *, is_running: bool) -> HarnessError:
    if any(words in qemu_said for words in _QEMU_REFUSES_IMAGE):
        return UsageError(
            f"QEMU does not take {kernel} for a kernel",
            evidence=qemu_said,
            remedy="name a bzImage or vmlinuz for x86_64, or a vmlinux with a PVH entry (CONFIG_PVH)",
        )
    if not is_running and qemu_said:
        return HostError(
            "QEMU ended before the kernel said anything",
            evidence=qemu_said,
            remedy="run 'harness doctor'; it tries QEMU and says what is missing",
        )
    return SeriesError(
        f"the kernel {kernel} said nothing on its serial console",
        evidence=qemu_said or "not one byte came on ttyS0",
        remedy="it needs CONFIG_SERIAL_8250=y and CONFIG_SERIAL_8250_CONSOLE=y; if it has them, it hangs before its "
        "first line: try it by hand with earlyprintk=serial",
    )
