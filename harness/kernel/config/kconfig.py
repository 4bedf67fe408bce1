# SPDX-License-Identifier: GPL-2.0-only
"""Parse a ``.config`` and check it for the needs of cases and of the guest. Pure.

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
_NEED = re.compile(r'(CONFIG_[A-Za-z0-9_]+)(?:(!?=)("[^"]*"|[A-Za-z0-9._/+-]+))?(\??)')
_CONSOLES = 4


class ConfigSource(Enum):
    """The source of a config."""

    BESIDE = "beside the image"
    IN_IMAGE = "IKCONFIG in the image"
    IN_GUEST = "/proc/config.gz in the guest"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KernelConfig:
    """A kernel's configuration.

    :param source: where it was found.
    :param digest: sha256 of the text, as ``sha256sum`` prints it.
    :param version: the version in the comment at its top, e.g. ``6.1.192``; empty without such a comment.
    :param options: the values by option.
    :param text: the whole text, unchanged.
    """

    source: ConfigSource
    digest: str
    version: str
    options: Mapping[str, str] = field(repr=False, compare=False)
    text: str = field(default="", repr=False, compare=False)

    def value(self, option: str) -> str | None:
        """Return ``y``, ``m``, ``n`` for "is not set", a number or the text of a string; None for an absent option."""
        return self.options.get(option)


def parse_config(text: str, source: ConfigSource) -> KernelConfig:
    """Parse the text of a ``.config``; the last line of an option counts, as for kconfig itself."""
    options = {}
    for name, value, unset in _LINE.findall(text):
        options[unset or name] = "n" if unset else _unquote(value) if value.startswith('"') else value
    version = _VERSION.search(text)
    digest = hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
    return KernelConfig(source, digest, version.group(1) if version else "", options, text)


@dataclass(frozen=True, slots=True)
class Need:
    """One config requirement of a case: ``CONFIG_X`` (built in), ``CONFIG_X=VALUE`` or ``CONFIG_X!=VALUE``.

    With a ``?`` at the end it holds for kernels that have the option; older ones have the feature without an option.

    :param value: the required value; ``n`` also stands for an absent option.
    :param negated: any value but this one meets the need.
    :param if_known: whether a config without the option meets the need.
    """

    option: str
    value: str = "y"
    negated: bool = False
    if_known: bool = False

    def render(self) -> str:
        """Return the text of the need: ``parse_need(need.render()) == need``."""
        mark = "?" if self.if_known else ""
        if self.value == "y" and not self.negated:
            return f"{self.option}{mark}"
        value = self.value if _NEED.fullmatch(f"CONFIG_X={self.value}") else f'"{self.value}"'
        return f"{self.option}{'!=' if self.negated else '='}{value}{mark}"

    def missing(self, config: KernelConfig | None) -> str | None:
        """Return why the config does not meet the need; None when it does, or when the config is unknown."""
        if config is None:
            return None
        value = config.value(self.option)
        if value is None and self.if_known:
            return None
        seen = "n" if value is None else value
        if (seen == self.value) != self.negated:
            return None
        if seen == "n":
            return f"{self.option} is not set"
        if seen == "m" and self.value == "y":
            return f"{self.option} is a module (=m), which the guest does not load"
        return f"{self.option} is {seen}" + ("" if self.negated else f", not {self.value}")


def parse_need(text: str) -> Need:
    """Parse one need from the header of a case.

    :raises CaseError: the text is not a valid need.
    """
    found = _NEED.fullmatch(text)
    if found is None:
        raise CaseError(
            f"{text!r} is not a valid config requirement",
            evidence="CONFIG_X          built in\nCONFIG_X=VALUE    that value; n also for an absent option\n"
            "CONFIG_X!=VALUE   any other value\nCONFIG_X?         one of these, on kernels that have the option",
            remedy="use one of these forms",
        )
    option, relation, value, mark = found.groups()
    return Need(option, (value or "y").strip('"'), relation == "!=", bool(mark))


@dataclass(frozen=True, slots=True)
class UnmetNeed:
    """An option whose value in the config does not meet a need of the guest.

    :param state: the value that the option has, as a clause.
    :param why: the reason for the need.
    """

    option: str
    state: str
    why: str

    def __str__(self) -> str:
        return f"{self.state}: {self.why}"


# DEVTMPFS is left out: the guest's init makes the nodes itself. So are FUTEX, EPOLL, ...: no program of the guest
# uses them before its first prompt.
GUEST_NEEDS = (
    (Need("CONFIG_64BIT"), "the guest's programs are 64-bit"),
    (Need("CONFIG_BLK_DEV_INITRD"), "the guest image is an initramfs"),
    (Need("CONFIG_BINFMT_ELF"), "every program of the guest is an ELF file"),
    (Need("CONFIG_BINFMT_SCRIPT"), "the guest's init is a script"),
    (Need("CONFIG_TTY"), "the consoles are terminals"),
    (Need("CONFIG_PRINTK"), "the kernel log shows when the guest is ready, and what failed"),
    (Need("CONFIG_SERIAL_8250_CONSOLE"), "the kernel log goes to a serial console"),
    (Need("CONFIG_CMDLINE_OVERRIDE", "y", negated=True), "the kernel ignores the command line of the harness"),
    (Need("CONFIG_PROC_FS"), "programs of the guest read /proc"),
    (Need("CONFIG_SYSFS"), "the guest's init mounts it on /sys"),
    (Need("CONFIG_TMPFS"), "the guest's init mounts one on /run and one on /tmp"),
)
"""The options that every guest needs, each with the reason."""
_PORT_LIMITS = ("CONFIG_SERIAL_8250_NR_UARTS", "CONFIG_SERIAL_8250_RUNTIME_UARTS")


@dataclass(frozen=True, slots=True)
class SuiteConfig:
    """The config requirements of a suite, in addition to those of every guest.

    :param folder: the folder of its fragments; None for a suite without fragments.
    :param names: the fragments that its kernels are built with, from the folder or shipped with the harness.
    :param needs: options that every guest of the suite needs, each with the reason.
    :param argument: the argument of ``--suite`` that the suite was made for; empty for a folder that a user wrote.
    """

    folder: Path | None = None
    names: tuple[str, ...] = ()
    needs: tuple[tuple[Need, str], ...] = ()
    argument: str = ""


NO_SUITE = SuiteConfig()


def unset_options(options: Iterable[str], config: KernelConfig | None) -> str:
    """Return which of the options the config sets to off, as a clause; empty for none.

    An absent option does not count: an older kernel may have the feature without the option.
    """
    return "; ".join(f"{option} is not set" for option in options if config and config.value(option) == "n")


def check_bootable(config: KernelConfig, suite: SuiteConfig = NO_SUITE) -> tuple[UnmetNeed, ...]:
    """Return the needs of the guest and the suite that a config does not meet; empty for a bootable kernel."""
    needs = (*GUEST_NEEDS, *suite.needs)
    unmet = [UnmetNeed(need.option, reason, why) for need, why in needs if (reason := need.missing(config))]
    for option in _PORT_LIMITS:
        ports = config.value(option) or ""
        if ports.isdecimal() and int(ports) < _CONSOLES:
            why = f"the kernel log and three shells need {_CONSOLES} serial ports"
            unmet.append(UnmetNeed(option, f"{option} is {ports}", why))
    # Since v4.1 (commit 2813893f8b19, "kernel: conditionally support non-root users, groups and capabilities"); an
    # older kernel does not know the option and always has it.
    if config.value("CONFIG_MULTIUSER") == "n":
        unmet.append(UnmetNeed("CONFIG_MULTIUSER", "CONFIG_MULTIUSER is not set", "cases run commands as uid 9000"))
    return tuple(unmet)


def _unquote(value: str) -> str:
    r"""Return the text of a quoted value; confdata.c escapes ``"`` and ``\`` with a backslash."""
    return re.sub(r"\\(.)", r"\1", value.removeprefix('"').removesuffix('"'))
