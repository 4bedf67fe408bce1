"""The configuration of a kernel: reading a ``.config``, what a case needs of it, what the guest needs. Pure.

The format is that of scripts/kconfig/confdata.c: ``CONFIG_X=y``, ``=m``, a number, a quoted string, or the comment
``# CONFIG_X is not set``. An option whose dependencies are not met, or that this release does not know, is absent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from harness.base.errors import CaseError

_LINE = re.compile(r"^(?:(CONFIG_\w+)=([^\r\n]*)|# (CONFIG_\w+) is not set)", re.MULTILINE)
_VERSION = re.compile(r"^# Linux/\S+ (\S+) Kernel Configuration", re.MULTILINE)
_NEED = re.compile(r'(CONFIG_[A-Za-z0-9_]+)(?:(!?=)("[^"]*"|[A-Za-z0-9._/+-]+))?')
_CONSOLES = 4


class ConfigSource(Enum):
    """Where a config was found."""

    BESIDE = "beside the image"
    IN_IMAGE = "IKCONFIG in the image"
    IN_GUEST = "/proc/config.gz in the guest"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """A kernel's configuration.

    :param digest: sha256 of the text, as ``sha256sum`` says it.
    :param version: the version in the comment at its top, e.g. ``6.1.192``; empty when there is none.
    :param text: the whole, as it was read.
    """

    source: ConfigSource
    digest: str
    version: str
    options: Mapping[str, str] = field(repr=False, compare=False)
    text: str = field(default="", repr=False, compare=False)

    def value(self, option: str) -> str | None:
        """``y``, ``m``, ``n`` for "is not set", a number or the text of a string; None when it is absent."""
        return self.options.get(option)


def parse_config(text: str, source: ConfigSource) -> KernelConfig:
    """Read the text of a ``.config``; the last line of an option counts, as for kconfig itself."""
    options = {}
    for name, value, unset in _LINE.findall(text):
        options[unset or name] = "n" if unset else _unquote(value) if value.startswith('"') else value
    version = _VERSION.search(text)
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    return KernelConfig(source, digest, version.group(1) if version else "", options, text)


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a case needs of the config: ``CONFIG_X`` (built in), ``CONFIG_X=VALUE`` or ``CONFIG_X!=VALUE``.

    :param value: ``n`` also stands for an absent option.
    """

    option: str
    value: str = "y"
    negated: bool = False

    def render(self) -> str:
        """The text again: ``parse_need(need.render()) == need``."""
        if self.value == "y" and not self.negated:
            return self.option
        value = self.value if _NEED.fullmatch(f"CONFIG_X={self.value}") else f'"{self.value}"'
        return f"{self.option}{'!=' if self.negated else '='}{value}"

    def missing(self, config: KernelConfig | None) -> str | None:
        """Why the config does not meet the need; None when it does, or when the config is not known."""
        if config is None:
            return None
        value = config.value(self.option)
        seen = "n" if value is None else value
        if (seen == self.value) != self.negated:
            return None
        if seen == "n":
            return f"{self.option} is not set"
        if seen == "m" and self.value == "y":
            return f"{self.option} is a module (=m), and the guest loads no modules"
        return f"{self.option} is {seen}" + ("" if self.negated else f", not {self.value}")


def parse_need(text: str) -> Need:
    """Read one need, as the header of a case writes it.

    :raises CaseError: it is none.
    """
    found = _NEED.fullmatch(text)
    if found is None:
        raise CaseError(
            f"{text!r} is no need of a kernel config",
            evidence="CONFIG_X          built in\nCONFIG_X=VALUE    that value; n is also an absent option\n"
            "CONFIG_X!=VALUE   any other",
            remedy="write one of these",
        )
    option, relation, value = found.groups()
    return Need(option, (value or "y").strip('"'), relation == "!=")


@dataclass(frozen=True, slots=True)
class UnmetNeed:
    """An option that the guest needs otherwise than the config has it, and what it is needed for."""

    option: str
    state: str
    why: str

    def __str__(self) -> str:
        return f"{self.state}: {self.why}"


# DEVTMPFS is not here: the guest's init makes the nodes itself. Nor is FUTEX, EPOLL, ...: no program of the guest
# asks for them before its first prompt.
GUEST_NEEDS = (
    (Need("CONFIG_64BIT"), "the guest's programs are 64-bit"),
    (Need("CONFIG_BLK_DEV_INITRD"), "the guest image is an initramfs"),
    (Need("CONFIG_BINFMT_ELF"), "every program of the guest is an ELF file"),
    (Need("CONFIG_BINFMT_SCRIPT"), "the guest's init is a script"),
    (Need("CONFIG_TTY"), "the consoles are terminals"),
    (Need("CONFIG_PRINTK"), "the kernel log tells when the guest is ready, and what went wrong"),
    (Need("CONFIG_SERIAL_8250_CONSOLE"), "the kernel log goes to a serial console"),
    (Need("CONFIG_CMDLINE_OVERRIDE", "y", negated=True), "the kernel ignores the command line of the harness"),
    (Need("CONFIG_PROC_FS"), "programs of the guest read /proc"),
    (Need("CONFIG_SYSFS"), "the guest's init mounts it on /sys"),
    (Need("CONFIG_TMPFS"), "the guest's init mounts one on /run and one on /tmp"),
)
"""What no guest can do without, each with the reason."""
_PORT_LIMITS = ("CONFIG_SERIAL_8250_NR_UARTS", "CONFIG_SERIAL_8250_RUNTIME_UARTS")


@dataclass(frozen=True, slots=True)
class SuiteConfig:
    """What a suite asks of a kernel's configuration, beside what every guest needs.

    :param folder: where it keeps fragments; None for a suite without any.
    :param names: the fragments that its kernels are built with, in the folder or shipped with the harness.
    :param needs: options that no guest of the suite can do without, each with the reason.
    """

    folder: Path | None = None
    names: tuple[str, ...] = ()
    needs: tuple[tuple[Need, str], ...] = ()


NO_SUITE = SuiteConfig()


def unset_options(options: Iterable[str], config: KernelConfig | None) -> str:
    """Say which of those options a config has and leaves off; empty when it says so of none.

    An older kernel does not know an option that came later, and may have what the option stands for now.
    """
    return "; ".join(f"{option} is not set" for option in options if config and config.value(option) == "n")


def check_bootable(config: KernelConfig, suite: SuiteConfig = NO_SUITE) -> tuple[UnmetNeed, ...]:
    """What the guest lacks to come up and be used under this config, told before a boot; empty when nothing."""
    needs = (*GUEST_NEEDS, *suite.needs)
    lacks = [UnmetNeed(need.option, reason, why) for need, why in needs if (reason := need.missing(config))]
    for option in _PORT_LIMITS:
        ports = config.value(option) or ""
        if ports.isdecimal() and int(ports) < _CONSOLES:
            why = f"the kernel log and three shells need {_CONSOLES} serial ports"
            lacks.append(UnmetNeed(option, f"{option} is {ports}", why))
    # Since v4.1 (commit 2813893f8b19, "kernel: conditionally support non-root users, groups and capabilities"); an
    # older kernel does not know the option and always has it.
    if config.value("CONFIG_MULTIUSER") == "n":
        lacks.append(UnmetNeed("CONFIG_MULTIUSER", "CONFIG_MULTIUSER is not set", "cases run commands as uid 9000"))
    return tuple(lacks)


def _unquote(value: str) -> str:
    r"""The text of a quoted value; confdata.c escapes ``"`` and ``\`` by a backslash."""
    return re.sub(r"\\(.)", r"\1", value.removeprefix('"').removesuffix('"'))
