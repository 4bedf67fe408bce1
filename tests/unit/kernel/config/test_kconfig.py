# SPDX-License-Identifier: GPL-2.0-only
"""Configs: reading them, the needs of cases, what the guest needs."""

from __future__ import annotations

import hashlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import CaseError
from harness.kernel.config.kconfig import (
    ConfigSource,
    KernelConfig,
    Need,
    SuiteConfig,
    check_bootable,
    parse_config,
    parse_need,
    unset_options,
)

TEXT = """\
#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.192 Kernel Configuration
#
CONFIG_CC_VERSION_TEXT="gcc-12 (Debian) \\"12\\" C:\\\\x"
CONFIG_LOCALVERSION=""
CONFIG_HZ=250
CONFIG_ILLEGAL_POINTER_VALUE=0xdead000000000000
CONFIG_CGROUPS=y
CONFIG_CGROUP_FREEZER=m
# CONFIG_EXPERT is not set
# CONFIG_COMMENTED=y
CONFIG_TWICE=m
CONFIG_TWICE=y
"""

BOOTABLE = """\
CONFIG_64BIT=y
CONFIG_BLK_DEV_INITRD=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_TTY=y
CONFIG_PRINTK=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_SERIAL_8250_NR_UARTS=32
CONFIG_SERIAL_8250_RUNTIME_UARTS=4
CONFIG_PROC_FS=y
CONFIG_SYSFS=y
CONFIG_TMPFS=y
CONFIG_MULTIUSER=y
"""


def config(text: str = TEXT) -> KernelConfig:
    """A config that stood beside the image."""
    return parse_config(text, ConfigSource.BESIDE)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("CONFIG_CC_VERSION_TEXT", 'gcc-12 (Debian) "12" C:\\x'),
        ("CONFIG_LOCALVERSION", ""),
        ("CONFIG_HZ", "250"),
        ("CONFIG_ILLEGAL_POINTER_VALUE", "0xdead000000000000"),
        ("CONFIG_CGROUPS", "y"),
        ("CONFIG_CGROUP_FREEZER", "m"),
        ("CONFIG_EXPERT", "n"),
        ("CONFIG_COMMENTED", None),
        ("CONFIG_ABSENT", None),
        ("CONFIG_TWICE", "y"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_each_form_of_a_value_is_read(option: str, value: str | None, end: str) -> None:
    """Tristates, numbers, strings, "is not set" and absence are distinguished, with any line end."""

    assert config(TEXT.replace("\n", end)).value(option) == value


def test_a_config_tells_its_version_source_and_digest() -> None:
    """The version is that of the comment; the digest is what sha256sum says; values survive pickling."""
    one = config()

    assert one.version == "6.1.192"
    assert one.text == TEXT
    assert one.source is ConfigSource.BESIDE
    assert one.digest == hashlib.sha256(TEXT.encode()).hexdigest()
    assert config("").version == ""
    assert pickle.loads(pickle.dumps(one)).options == one.options


@pytest.mark.parametrize(
    ("need", "reason"),
    [
        ("CONFIG_CGROUPS", None),
        ("CONFIG_CGROUPS=y", None),
        ("CONFIG_CGROUP_FREEZER", "CONFIG_CGROUP_FREEZER is a module (=m), which the guest does not load"),
        ("CONFIG_CGROUP_FREEZER=m", None),
        ("CONFIG_CGROUPS=m", "CONFIG_CGROUPS is y, not m"),
        ("CONFIG_EXPERT", "CONFIG_EXPERT is not set"),
        ("CONFIG_ABSENT", "CONFIG_ABSENT is not set"),
        ("CONFIG_EXPERT=n", None),
        ("CONFIG_ABSENT=n", None),
        ("CONFIG_CGROUPS=n", "CONFIG_CGROUPS is y, not n"),
        ("CONFIG_CGROUP_FREEZER=n", "CONFIG_CGROUP_FREEZER is m, not n"),
        ("CONFIG_CGROUPS!=y", "CONFIG_CGROUPS is y"),
        ("CONFIG_CGROUP_FREEZER!=y", None),
        ("CONFIG_ABSENT!=y", None),
        ("CONFIG_ABSENT!=n", "CONFIG_ABSENT is not set"),
        ("CONFIG_CGROUP_FREEZER!=n", None),
        ("CONFIG_ABSENT?", None),
        ("CONFIG_ABSENT=m?", None),
        ("CONFIG_EXPERT?", "CONFIG_EXPERT is not set"),
        ("CONFIG_CGROUPS?", None),
        ("CONFIG_CGROUPS!=y?", "CONFIG_CGROUPS is y"),
        ("CONFIG_HZ=250", None),
        ("CONFIG_HZ=1000", "CONFIG_HZ is 250, not 1000"),
        ('CONFIG_LOCALVERSION=""', None),
        ('CONFIG_CC_VERSION_TEXT="gcc"', 'CONFIG_CC_VERSION_TEXT is gcc-12 (Debian) "12" C:\\x, not gcc'),
    ],
)
def test_a_need_is_met_or_says_why_not(need: str, reason: str | None) -> None:
    """A need that is not met gives the reason; a module does not count as built in."""

    assert parse_need(need).missing(config()) == reason


def test_an_unknown_config_says_nothing() -> None:
    """Without a config nothing can be said to be missing."""

    assert parse_need("CONFIG_ABSENT").missing(None) is None


@given(
    st.builds(
        Need,
        st.from_regex(r"CONFIG_[A-Z0-9_]{1,20}", fullmatch=True),
        st.sampled_from(["y", "m", "n", "", "250", "0xdead", "a b", "(none)", "?"]),
        st.booleans(),
        st.booleans(),
    )
)
def test_a_need_survives_rendering_and_parsing(need: Need) -> None:
    """A need is read back from what it renders to."""

    assert parse_need(need.render()) == need


@pytest.mark.parametrize(
    "text", ["", "FREEZER", "CONFIG_", "CONFIG_X=", "CONFIG_X==y", "CONFIG_X y", "CONFIG_X??", "?", 'CONFIG_X="']
)
def test_what_is_no_need_is_a_fault_of_the_case(text: str) -> None:
    """Who wrote the case is shown the words that there are."""
    with pytest.raises(CaseError, match="is not a valid config requirement") as caught:
        parse_need(text)

    assert "CONFIG_X=VALUE" in caught.value.evidence


def test_a_sufficient_config_lacks_nothing() -> None:
    """With all that the guest needs there is no lack, and no other option is asked for."""

    assert check_bootable(config(BOOTABLE)) == ()


@pytest.mark.parametrize("option", [line.partition("=")[0] for line in BOOTABLE.splitlines() if line.endswith("=y")])
def test_each_need_of_the_guest_is_seen(option: str) -> None:
    """Each option that the guest needs is reported by name and reason when it is off."""
    (lack,) = check_bootable(config(BOOTABLE.replace(f"{option}=y", f"# {option} is not set")))

    assert lack.option == option
    assert str(lack) == f"{option} is not set: {lack.why}"


def test_the_needs_of_a_suite_are_seen() -> None:
    """The needs of a suite are reported like those of every guest, and only for that suite."""
    suite = SuiteConfig(needs=((parse_need("CONFIG_X"), "there is nothing to test"),))

    assert [str(lack) for lack in check_bootable(config(BOOTABLE), suite)] == [
        "CONFIG_X is not set: there is nothing to test"
    ]
    assert check_bootable(config(f"{BOOTABLE}CONFIG_X=y\n"), suite) == ()


def test_only_an_option_that_is_known_and_off_is_unset() -> None:
    """An older kernel does not know the option, and may have what it stands for now."""
    known = config("# CONFIG_A is not set\nCONFIG_B=y\n")

    assert unset_options(["CONFIG_A", "CONFIG_B", "CONFIG_C"], known) == "CONFIG_A is not set"
    assert unset_options(["CONFIG_A"], None) == ""


@pytest.mark.parametrize("option", ["CONFIG_SERIAL_8250_NR_UARTS=32", "CONFIG_SERIAL_8250_RUNTIME_UARTS=4"])
def test_too_few_serial_ports_are_seen(option: str) -> None:
    """Fewer than four ports leave a shell without a console."""
    name = option.partition("=")[0]
    (lack,) = check_bootable(config(BOOTABLE.replace(option, f"{name}=3")))

    assert str(lack) == f"{name} is 3: the kernel log and three shells need 4 serial ports"


def test_a_kernel_older_than_an_option_does_not_lack_it() -> None:
    """CONFIG_MULTIUSER is of v4.1: a config of an older kernel does not mention it."""

    assert check_bootable(config(BOOTABLE.replace("CONFIG_MULTIUSER=y\n", ""))) == ()


def test_a_kernel_that_ignores_its_command_line_is_seen() -> None:
    """With CONFIG_CMDLINE_OVERRIDE the console is not where the harness says."""
    (lack,) = check_bootable(config(BOOTABLE + "CONFIG_CMDLINE_OVERRIDE=y\n"))

    assert str(lack) == "CONFIG_CMDLINE_OVERRIDE is y: the kernel ignores the command line of the harness"
