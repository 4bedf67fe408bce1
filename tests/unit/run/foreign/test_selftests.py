# SPDX-License-Identifier: GPL-2.0-only
"""Build selftests of a small kernel tree, and make their suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.store import Store
from harness.run.foreign.make import make_suite
from harness.run.foreign.selftests import SelftestsWord, fragment_of, time_limit
from harness.suite.check import check_suite
from harness.suite.load import case_id, case_paths
from harness.suite.program_file import ProgramCase, parse_program

TREE = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 1\nheaders:\n\tmkdir -p $(O)/usr/include\n",
    "Kconfig": "",
    "tools/testing/selftests/kselftest/helpers.sh": "true",
    "tools/testing/selftests/lib.mk": """\
TEST_GEN_PROGS := $(patsubst %,$(OUTPUT)/%,$(TEST_GEN_PROGS))
TEST_GEN_FILES := $(patsubst %,$(OUTPUT)/%,$(TEST_GEN_FILES))
LDFLAGS += $(USERLDFLAGS)
all: $(TEST_GEN_PROGS) $(TEST_GEN_FILES)
$(OUTPUT)/%: %.c
\t$(CC) $(LDFLAGS) -o $@ $<
""",
    "tools/testing/selftests/one/Makefile": """\
TEST_GEN_PROGS = good bad
TEST_PROGS = run.sh tool.py lost.sh
TEST_FILES = data
TEST_GEN_FILES = helper
include ../lib.mk
""",
    "tools/testing/selftests/one/good.c": "int main(void) { return 0; }\n",
    "tools/testing/selftests/one/helper.c": "int main(void) { return 0; }\n",
    "tools/testing/selftests/one/bad.c": "#include <missing_header.h>\nint main(void) { return 0; }\n",
    "tools/testing/selftests/one/run.sh": "#!/bin/sh\ntrue\n",
    "tools/testing/selftests/one/tool.py": "#!/usr/bin/env python3\n",
    "tools/testing/selftests/one/data": "data",
    "tools/testing/selftests/one/config": "# why\nCONFIG_ONE=y\nCONFIG_TWO=m\nCONFIG_ONE=y\n",
    "tools/testing/selftests/one/settings": "timeout=90\n",
    "tools/testing/selftests/files/Makefile": "TEST_GEN_FILES = only\ninclude ../lib.mk\n",
    "tools/testing/selftests/files/only.c": "int main(void) { return 0; }\n",
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with two targets of selftests."""
    folder = tmp_path_factory.mktemp("tree")
    for name, text in TREE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "tools/testing/selftests/one/data").unlink()
    (folder / "tools/testing/selftests/one/data").symlink_to("/etc/hostname")
    return folder


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Return a context whose store the tests of this file share."""
    return Context(Store(tmp_path_factory.mktemp("store")), Deadline.after(600.0))


@pytest.fixture(scope="module")
def programs(tree: Path, context: Context) -> dict[str, ProgramCase]:
    """Return the program files of the suite of both targets, by id."""
    suite = make_suite(context, "selftests:one,files", kernels=[str(tree)])
    assert check_suite(suite.folder)[1] == ()
    files = {case_id(path, suite): path for path in case_paths(suite)}
    return {name: parse_program(path.read_text(), path=name) for name, path in files.items()}


def test_every_program_of_the_makefile_is_a_case(programs: dict[str, ProgramCase]) -> None:
    """Nothing is gone in silence: what does not build, does not exist or cannot run has a reason."""
    reasons = {name: one.unavailable.partition("\n")[0] for name, one in programs.items()}

    assert reasons == {
        "selftests/files/only": "",
        "selftests/one/bad": "not built: bad.c:1:10: fatal error: missing_header.h: No such file or directory",
        "selftests/one/good": "",
        "selftests/one/lost.sh": "not built: the Makefile of one names lost.sh, which does not exist",
        "selftests/one/run.sh": "",
        "selftests/one/tool.py": "needs python3, which the guest does not have",
    }


def test_program_has_limit_and_options_of_its_target(programs: dict[str, ProgramCase]) -> None:
    """They are those of the files settings and config; another target has its own."""
    good, only = programs["selftests/one/good"], programs["selftests/files/only"]

    assert (good.seconds, good.options, good.directory) == (
        90.0,
        ("CONFIG_ONE", "CONFIG_TWO"),
        "/usr/lib/kselftest/one",
    )
    assert (only.seconds, only.options) == (45.0, ())


def test_files_are_laid_out_as_make_install_does(tree: Path, context: Context) -> None:
    """Helpers are there, programs are static; a link out of the tree brings no file of this host."""
    suite = make_suite(context, "selftests:one", kernels=[str(tree)])
    paths = {one.path for one in suite.guest.files}

    assert {
        *("/usr/lib/kselftest/kselftest/helpers.sh", "/usr/lib/kselftest/one/good", "/usr/lib/kselftest/one/helper"),
        *("/usr/lib/kselftest/one/config", "/usr/lib/kselftest/one/run.sh"),
    } <= paths
    assert "/usr/lib/kselftest/one/data" not in paths
    assert not any("libc" in path for path in paths)
    assert suite.config.names == ("selftests-one",)
    assert (suite.folder / "kconfigs/selftests-one.config").read_text() == "CONFIG_ONE=y\nCONFIG_TWO=y\n"
    assert suite.is_compared


def test_one_program_of_a_target(tree: Path, context: Context) -> None:
    """Its id is the same as in a run of the whole target."""
    suite = make_suite(context, "selftests:one:run.sh", kernels=[str(tree)])

    assert [case_id(path, suite) for path in case_paths(suite)] == ["selftests/one/run.sh"]


def test_tests_of_another_source(tree: Path, context: Context) -> None:
    """Those of --selftests replace the kernel's own, whatever the kernel is."""
    suite = make_suite(context, "selftests:files", kernels=["/boot/vmlinuz"], selftests=str(tree))

    assert str(tree) in suite.title


@pytest.mark.parametrize(
    ("word", "kernel", "what"),
    [
        ("selftests:nothing", "", "no target nothing"),
        ("selftests:../../..", "", "is not a target"),
        ("selftests:one:nothing", "", "no program one:nothing"),
        ("selftests:,", "", "not a target"),
        ("selftests:one:a:b", "", "not a target"),
        ("selftests:one", "host", "the source of host is not known"),
    ],
)
def test_arguments_that_name_no_tests(tree: Path, context: Context, word: str, kernel: str, what: str) -> None:
    """The message has the hint for the argument."""
    with pytest.raises(UsageError, match=what):
        make_suite(context, word, kernels=[kernel or str(tree)])


@pytest.mark.parametrize(
    ("settings", "seconds"), [("", 45.0), ("timeout=300\n", 300.0), ("# x\n timeout = 7", 7.0), ("timeout=0", 3600.0)]
)
def test_time_limit(settings: str, seconds: float) -> None:
    """Without a line there is the limit of the kernel's runner; 0 means none."""
    assert time_limit(settings) == seconds


def test_fragment_has_no_modules() -> None:
    """The guest loads none; lines that set nothing are left out."""
    text = 'CONFIG_A=m\n# CONFIG_B is not set\nCONFIG_C="x"\n  CONFIG_D=10\nnonsense\n'

    assert fragment_of(text) == 'CONFIG_A=y\nCONFIG_C="x"\nCONFIG_D=10\n'


def test_argument_has_targets_and_a_program() -> None:
    """Each target is named once."""
    assert SelftestsWord.parse("a,b/c,a:p") == SelftestsWord(("a", "b/c"), "p")
