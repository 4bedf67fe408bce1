# SPDX-License-Identifier: GPL-2.0-only
"""What a case needs: options and features, when a lack is a reason to skip, and what is said of it."""

from __future__ import annotations

import pytest

from harness.base.errors import CaseError
from harness.kernel.config.kconfig import ConfigSource, parse_config
from harness.kernel.needs import check_need, excused, missing_feature_notes, missing_needs
from harness.semantics.traits import Semantics
from harness.session.transcript import parse
from harness.suite.load import default_suite, suite_semantics

FEATURES = default_suite().features
WORDS = [feature.word for feature in FEATURES]
NAMESPACES = "cgroup-namespaces"
SESSIONS = sorted(default_suite().folder.rglob("*.session"))
OF_ALL_KERNELS = {
    "cover_letter/flag.session",
    "delegation/opened-by-user.session",
    "delegation/remount.session",
    "mounts/development-option.session",
    "mounts/remount-v2.session",
    "mounts/v1-without-files.session",
    "ns_cgroup/mount.session",
    "ns_cgroup/unmounted.session",
    "views/before-first-mount.session",
    "views/default-line.session",
    "views/no-namespace.session",
}
"""What is asked also of kernels without cgroup namespaces."""


@pytest.fixture(scope="module")
def semantics() -> Semantics:
    """The traits and profiles that the harness ships with."""
    return suite_semantics(default_suite())


def test_options_are_held_against_the_configuration() -> None:
    """What is not built in is a reason to skip that names the option; an unknown configuration is none."""
    config = parse_config("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n", ConfigSource.BESIDE)

    assert missing_needs(["CONFIG_A"], config) == ""
    assert "CONFIG_B" in missing_needs(["CONFIG_A", "CONFIG_B"], config)
    assert "CONFIG_C" in missing_needs(["CONFIG_C"], config)
    assert missing_needs(["CONFIG_B"], None) == ""


def test_features_are_held_against_what_the_kernel_showed() -> None:
    """A missing feature is a reason to skip, with or without a config, beside missing options."""
    config = parse_config("# CONFIG_B is not set\n", ConfigSource.BESIDE)
    lacking = {NAMESPACES, "clone3"}

    assert missing_needs(["cgroup-namespaces"], None, features=FEATURES) == ""
    assert missing_needs(["cgroup2"], None, features=FEATURES, lacking=lacking) == ""
    assert missing_needs(["cgroup-namespaces"], None, features=FEATURES, lacking=lacking) == (
        "this kernel has no cgroup namespaces: there is no /proc/self/ns/cgroup"
    )
    assert missing_needs(["CONFIG_B", "clone3"], config, features=FEATURES, lacking=lacking) == (
        "CONFIG_B is not set; this kernel has no system call clone3"
    )


def test_a_parameter_is_needed_on_the_command_line() -> None:
    """A case that needs a parameter is skipped without it, and the reason has the option to type."""
    quiet, value = "append:quiet", "append:cgroup_v1_proc=1"

    assert missing_needs([quiet, value], None, parameters=["quiet", "cgroup_v1_proc=1"]) == ""
    assert missing_needs([value], None, parameters=["cgroup_v1_proc=0"]) == (
        "booted without the parameter cgroup_v1_proc=1 (--append cgroup_v1_proc=1)"
    )
    with pytest.raises(CaseError, match="is not a valid requirement"):
        check_need("append:", FEATURES)


def test_what_is_no_need_says_what_is() -> None:
    """A word that is neither option nor feature is the case's fault; the error lists both kinds."""
    with pytest.raises(CaseError) as caught:
        missing_needs(["cgroup-namespace"], None, features=FEATURES)

    assert "cgroup-namespace" in caught.value.what
    assert all(word in caught.value.evidence for word in WORDS)
    assert "CONFIG_X!=VALUE" in caught.value.evidence


@pytest.mark.parametrize("text", [*WORDS, "CONFIG_X", "CONFIG_X!=m"])
def test_each_kind_of_need_passes(text: str) -> None:
    """Every feature and every form of an option may stand in a header."""
    check_need(text, FEATURES)


@pytest.mark.parametrize(
    ("profile", "is_excused"),
    [("mainline-4.4", True), ("mainline-3.18", True), ("auto", True), ("mainline-6.1", False), ("v4", False)],
)
def test_a_broken_kernel_is_not_excused(semantics: Semantics, profile: str, is_excused: bool) -> None:
    """Cases are skipped on a kernel that is too old for them; one that should have the feature is asked, and fails."""
    found = excused([NAMESPACES], FEATURES, semantics.profile(profile, release=None))

    assert (NAMESPACES in found) is is_excused


def test_a_lack_is_said_with_what_follows(semantics: Semantics) -> None:
    """One line for each feature that is not there; none for a kernel that has all."""
    older = semantics.profile("mainline-4.4", release=None)
    newer = semantics.profile("mainline-6.1", release=None)

    no_namespaces = "this kernel has no cgroup namespaces: there is no /proc/self/ns/cgroup; "

    assert missing_feature_notes([], FEATURES, older) == ()
    assert [note.partition("; ")[2] for note in missing_feature_notes(WORDS, FEATURES, older)] == [
        "cases that need them are skipped",
        "the default hierarchy is mounted by -t cgroup -o __DEVEL__sane_behavior",
        "cases that need it are skipped",
        "cases that read it are skipped",
        "the case that mounts the type cpuset is skipped",
        "the case that looks cgroups up by number is skipped",
    ]
    assert missing_feature_notes([NAMESPACES], FEATURES, older) == (f"{no_namespaces}cases that need them are skipped",)
    assert missing_feature_notes([NAMESPACES], FEATURES, newer) == (
        f"{no_namespaces}the profile mainline-6.1 expects the feature, so all cases are run",
    )


def test_sessions_say_that_they_need_namespaces() -> None:
    """Every shipped session is skipped on a kernel without cgroup namespaces, but for those that know what it does."""
    parsed = {
        path: parse(path.read_text(), path=path.name, preparations=default_suite().preparations) for path in SESSIONS
    }
    excusing = {NAMESPACES, "CONFIG_CGROUP_NS"}  # the ns controller was there long before
    asked = {path for path, transcript in parsed.items() if not excusing & set(transcript.needs)}

    assert {path.relative_to(default_suite().folder).as_posix() for path in asked} == OF_ALL_KERNELS
