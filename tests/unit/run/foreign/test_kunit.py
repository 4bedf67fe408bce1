# SPDX-License-Identifier: GPL-2.0-only
"""Choose KUnit suites and their options, and make their cases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.base.errors import UsageError
from harness.kernel.config.fragment import parse_fragment
from harness.kernel.config.kconfig import ConfigSource, KernelConfig, parse_config
from harness.run.foreign.draft import program_text
from harness.run.foreign.kunit import Listed, fragment_of, missing_programs, no_match, parse_patterns, suite_programs
from harness.run.foreign.kunit_options import KunitTest, options_of_tests, setup_of, sources_of, suite_names
from harness.suite.generated import kind_of
from harness.suite.program_file import parse_program

LIST = KunitTest("CONFIG_LIST_KUNIT_TEST", ("list-kunit-test", "hlist"))
EXT4 = KunitTest("CONFIG_EXT4_KUNIT_TESTS", ("ext4_inode_test",), ("CONFIG_EXT4_FS=y", "CONFIG_EXT4_KUNIT_TESTS=y"))
DAMON = KunitTest("CONFIG_DAMON_KUNIT_TEST")
MAKEFILE = """\
obj-$(CONFIG_LIST_KUNIT_TEST) += list-test.o
obj-$(CONFIG_NET_KUNIT_TEST) += net-test.o \\
\tmore_test.o # as well
net-test-y := one.o two.o
obj-$(CONFIG_NET) += net.o
obj-$(CONFIG_DRM_KUNIT_TEST) += tests/
"""


@pytest.mark.parametrize(
    ("word", "kind"), [("kunit", "kunit"), ("kunit:list*", "kunit"), ("kunit:", ""), ("program", ""), ("./kunit", "")]
)
def test_kind_of_an_argument(word: str, kind: str) -> None:
    """KUnit alone needs no name behind it."""
    assert kind_of(word) == kind


def test_patterns_name_suites() -> None:
    """Without any, all suites are chosen; tests of a suite are chosen by -k."""
    assert parse_patterns("") == ("*",)
    assert parse_patterns("list*,hash") == ("list*", "hash")
    with pytest.raises(UsageError, match="names tests of a suite") as caught:
        parse_patterns("list.list_*")
    assert "--suite kunit:list -k NAME" in caught.value.remedy
    with pytest.raises(UsageError, match="no pattern"):
        parse_patterns(",")


@pytest.mark.parametrize(
    ("pattern", "chosen"),
    [("*", [LIST, EXT4, DAMON]), ("hlist", [LIST]), ("list-kunit*", [LIST]), ("damon*", [DAMON]), ("ext4*", [EXT4])],
)
def test_a_pattern_chooses_by_suite_or_option(pattern: str, chosen: list[KunitTest]) -> None:
    """The names of some suites are in no source that the Makefiles name; their option is."""
    assert [one for one in (LIST, EXT4, DAMON) if one.is_chosen((pattern,))] == chosen


def test_fragment_requests_what_a_chosen_test_depends_on() -> None:
    """As the tree's .kunitconfig says; each of it may be refused. All tests are those that the kernel has anyway."""
    found = parse_fragment(fragment_of([EXT4], is_all=False), name="kunit").requests
    needed = {one.option for one in found if not one.is_optional}

    assert needed == {"CONFIG_KUNIT"}
    assert {"CONFIG_EXT4_FS", "CONFIG_EXT4_KUNIT_TESTS", "CONFIG_KUNIT_DEBUGFS"} <= {one.option for one in found}
    every = {one.option for one in parse_fragment(fragment_of([EXT4], is_all=True), name="kunit").requests}
    assert "CONFIG_KUNIT_ALL_TESTS" in every
    assert "CONFIG_EXT4_FS" not in every


def test_a_suite_that_cannot_run_again_is_booted() -> None:
    """With a pattern that the kernel's command line can hold; the file names no folder."""
    again, booted, odd, fault = suite_programs(
        ["one", "two", "RFC 3962/a suite", "kunit_fault"], Listed(("one", "two"), ("one", "kunit_fault"))
    )

    assert (again.command, again.append) == ("/usr/lib/harness/kunit again one", ())
    assert (booted.command, booted.append) == (
        "/usr/lib/harness/kunit boot two",
        ("kunit.enable=1", "kunit.autorun=1", "kunit.filter_glob=two", "log_buf_len=4M"),
    )
    assert (odd.name, odd.kunit, odd.append[2]) == (
        "RFC-3962-a-suite",
        "RFC 3962/a suite",
        "kunit.filter_glob=RFC?3962?a?suite",
    )
    assert fault.splats
    for one in (again, booted, odd, fault):
        read = parse_program(program_text(one, {}), path="kunit/a")
        assert (read.append, read.kunit, read.splats, read.command) == (one.append, one.kunit, one.splats, one.command)


def test_names_of_files_are_unique() -> None:
    """Two suites may differ in what a file name cannot hold."""
    assert [one.name for one in suite_programs(["a b", "a/b", "a-b"], Listed(()))] == ["a-b", "a-b-2", "a-b-2-2"]


def config(text: str) -> KernelConfig:
    """Return a configuration."""
    return parse_config(text, ConfigSource.BESIDE)


def test_a_test_that_the_kernel_does_not_have_is_a_case() -> None:
    """It needs its option, which says why; one whose suite is missing all the same says that."""
    off = missing_programs([LIST, DAMON], ("hlist",), config("CONFIG_KUNIT=y\n"))
    on = missing_programs([LIST, DAMON], ("hlist",), config("CONFIG_LIST_KUNIT_TEST=y\nCONFIG_DAMON_KUNIT_TEST=y\n"))

    assert [(one.name, one.needs) for one in off] == [
        ("list-kunit-test", ("CONFIG_LIST_KUNIT_TEST",)),
        ("damon_kunit_test", ("CONFIG_DAMON_KUNIT_TEST",)),
    ]
    assert [one.unavailable for one in on] == [
        "CONFIG_LIST_KUNIT_TEST is set, but the kernel has no suite list-kunit-test"
    ]


def test_no_match_names_the_nearest() -> None:
    """With a command, and all names if there are few."""
    error = no_match("lost", ["list", "hash", "list"])

    assert error.what == "no KUnit suite matches lost"
    assert error.evidence == "similar: list\nsuites: hash, list"
    assert error.remedy == "name one of them: --suite kunit:list"


def test_options_of_a_tree() -> None:
    """Those whose entry names KUNIT_ALL_TESTS."""
    lines = ["config KUNIT_ALL_TESTS", "\tdefault KUNIT_ALL_TESTS", "config LIST_KUNIT_TEST"]
    lines += ["\ttristate 'x' if !KUNIT_ALL_TESTS", "\tdefault KUNIT_ALL_TESTS", "config KUNIT_DEBUGFS", "config NET"]

    assert options_of_tests({"lib/Kconfig": lines}) == ("LIST_KUNIT_TEST",)


def test_sources_and_suites_of_an_option() -> None:
    """Of single objects, of those in a further line, and of the parts of one."""
    sources = sources_of(
        ["LIST_KUNIT_TEST", "NET_KUNIT_TEST", "DRM_KUNIT_TEST"], {"lib/Makefile": MAKEFILE.split("\n")}
    )
    source = [
        'static struct kunit_suite a = {\n\t.test_cases = x,\n\t.name = "one",\n};',
        'struct x y = { .name = "z" };',
    ]

    assert sources["LIST_KUNIT_TEST"] == ("lib/list-test.c",)
    assert set(sources["NET_KUNIT_TEST"]) == {"lib/net-test.c", "lib/one.c", "lib/two.c", "lib/more_test.c"}
    assert suite_names({"lib/one.c": "\n".join(source).split("\n")}) == {"lib/one.c": ("one",)}


def test_setup_is_that_of_the_smallest_file() -> None:
    """Without the options of the framework."""
    small = ["CONFIG_KUNIT=y", "CONFIG_EXT4_FS=y", "CONFIG_EXT4_KUNIT_TESTS=y"]

    assert setup_of(EXT4.option, {"all": [*small, "CONFIG_NET=y"], "fs/ext4": small}) == EXT4.setup
    assert setup_of("CONFIG_X", {"fs/ext4": small}) == ()
    assert replace(EXT4, setup=()).is_chosen(("ext4_inode_test",))
