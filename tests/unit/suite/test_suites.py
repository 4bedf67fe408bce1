# SPDX-License-Identifier: GPL-2.0-only
"""Suites: found by name or folder, read with everything that is wrong, written new, and distinguished by name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.errors import CaseError, ExitStatus, HarnessError, UsageError
from harness.base.suites_file import default_name, legacy_name
from harness.guest.definition import GuestFile
from harness.session.header import read_header
from harness.session.preparation import preparation_command
from harness.session.transcript import parse
from harness.suite.check import check_suite
from harness.suite.definition import SUITE_NAME, Suite
from harness.suite.load import (
    case_id,
    default_suite,
    find_suite,
    locate,
    read_suite,
    shared_suite,
    shipped_names,
    suite_of_file,
    suite_semantics,
)
from harness.suite.needed_options import needed_options
from harness.suite.parse import LEFTOVERS_PATH
from harness.suite.template import write_suite
from tests.command_line import call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A suite as ``harness suite new`` writes it."""
    write_suite(tmp_path / "mine")
    return tmp_path / "mine"


def change(folder: Path, old: str, new: str, name: str = SUITE_NAME) -> None:
    """Replace a text in a file of a suite, which is there."""
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def test_each_shipped_suite_is_named_by_its_folder() -> None:
    """So that a name is found without reading all, and the default and the legacy one are there."""
    assert {name: find_suite(name).name for name in shipped_names()} == {name: name for name in shipped_names()}
    assert {default_name(), legacy_name()} <= {*shipped_names()}
    assert default_suite() == find_suite(default_name())


@pytest.mark.parametrize("name", shipped_names())
def test_nothing_is_wrong_with_a_shipped_suite(name: str) -> None:
    """Every case, trait, fragment and helper of it."""
    assert check_suite(paths.SUITES / name)[1] == ()


def test_nothing_is_wrong_with_a_new_suite(folder: Path) -> None:
    """It shows every mechanism that there is."""
    suite, faults = check_suite(folder)

    assert faults == ()
    assert suite is not None
    assert suite == read_suite(folder) == find_suite(str(folder))
    assert (suite.name, len(suite.features), len(suite.preparations), len(suite.noise_patterns)) == ("mine", 1, 1, 1)
    assert suite.config.names
    assert suite.config.needs
    assert suite.guest.helpers
    assert suite.guest.packages
    assert suite.guest.files
    assert suite_semantics(suite).traits
    assert (
        suite.noise.line("a ticket-77") == suite.noise.line("a ticket-123") != default_suite().noise.line("a ticket-77")
    )


def mechanisms(suite: Suite) -> dict[str, bool]:
    """What a ``suite.toml`` can say, and whether this one says it and a case of the suite makes use of it."""
    sessions = [
        parse(path.read_text(), path=path.name, preparations=suite.preparations)
        for path in suite.folder.rglob("*.session")
    ]
    needs = {need for session in sessions for need in session.needs}
    own_fragments = {path.stem for path in (suite.folder / "kconfigs").glob("*.config")}
    return {
        "a word of needs, with a feature probe": any(one.probe and one.word in needs for one in suite.features),
        "an option as a need of a case": any(need.startswith("CONFIG_") for need in needs),
        "an option as a need of every guest": bool(suite.config.needs),
        "a preparation before the first step": any(session.preparations for session in sessions),
        "a noise pattern": bool(suite.noise_patterns),
        "a fragment that ships": bool({*suite.config.names} - own_fragments),
        "a fragment of the suite": bool({*suite.config.names} & own_fragments),
        "a guest program": any(one.programs for one in suite.guest.packages),
        "a guest file": bool(suite.guest.files),
        "a helper": bool(suite.guest.helpers),
        "traits": bool(suite_semantics(suite).traits),
    }


def test_time_namespaces_and_a_new_suite_use_every_mechanism(folder: Path) -> None:
    """What suites can say is shown by the second suite that ships and by the template, together."""
    shipped, new = mechanisms(find_suite("timens")), mechanisms(find_suite(str(folder)))

    assert not [name for name, is_used in shipped.items() if not is_used and not new[name]]
    assert shipped["a word of needs, with a feature probe"]
    assert shipped["a helper"]


def test_a_header_of_the_suite_is_its_command(folder: Path) -> None:
    """The words and the path arrive in the command."""
    preparations = read_suite(folder).preparations
    header = read_header(("files: a b", "at: /run/x", ""), path="a.session", preparations=preparations)

    assert preparation_command(header.preparations) == "minectl files /run/x a b"


def test_a_new_suite_is_not_written_over_anything(folder: Path, tmp_path: Path) -> None:
    """Nor with an invalid name, or one that a shipped suite has."""
    with pytest.raises(UsageError, match="is not empty"):
        write_suite(folder)
    with pytest.raises(UsageError, match="is not a valid suite name"):
        write_suite(tmp_path / "2nd")
    with pytest.raises(UsageError, match="the name of a shipped suite"):
        write_suite(tmp_path / default_name())

    assert write_suite(tmp_path / "2nd", "second")


def test_a_folder_without_a_suite_toml_is_told(tmp_path: Path) -> None:
    """The message says what is missing and how to begin."""
    with pytest.raises(UsageError, match=r"is not a suite: it has no suite\.toml") as caught:
        find_suite(str(tmp_path))

    assert "harness suite new" in caught.value.remedy


def test_an_unknown_suite_is_told_with_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shipped ones are listed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no suite cgroupnss") as caught:
        find_suite("cgroupnss")

    assert "cgroupns" in caught.value.remedy


def test_a_suite_for_a_newer_harness_is_told(folder: Path) -> None:
    """By its format, before any of its keys is called unknown."""
    change(folder, "format = 1", 'format = 99\nfrom_the_future = "yes"')
    with pytest.raises(UsageError, match="needs a newer harness") as caught:
        read_suite(folder)

    assert "format = 99" in caught.value.evidence


def test_two_suites_with_one_name_are_told(folder: Path) -> None:
    """A copy of a shipped suite needs a name of its own: results could not tell their cases apart."""
    change(folder, 'name = "mine"', f'name = "{default_name()}"')
    with pytest.raises(UsageError, match="two suites have the name") as caught:
        read_suite(folder)

    assert str(folder) in caught.value.evidence
    assert str(paths.SUITES / default_name()) in caught.value.evidence


def test_script_that_counts_what_is_left_is_a_program_of_the_guest(folder: Path) -> None:
    """Init runs it at its path, so it must be executable."""
    (folder / "left.sh").write_text("#!/bin/sh\necho things: 1\n")
    change(folder, 'helpers = ["minectl.c"]', 'helpers = ["minectl.c"]\nleftovers = "left.sh"')

    assert GuestFile(LEFTOVERS_PATH, folder / "left.sh", 0o755) in read_suite(folder).guest.files
    assert LEFTOVERS_PATH in paths.GUEST_INIT.read_text()


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("title = ", "titel = ", "titel is not a known key (hint: did you mean title?)"),
        ('name = "mine"', 'name = "My suite"', "name is 'My suite'"),
        ('fragments = ["mine"]', 'fragments = ["nosuch"]', "no config fragment nosuch"),
        ('helpers = ["minectl.c"]', 'helpers = ["nosuch.c"]', "guest.helpers: no file"),
        (
            'helpers = ["minectl.c"]',
            'helpers = ["minectl.c"]\nleftovers = "nosuch.sh"',
            "guest.file for /usr/lib/harness/leftovers: no file",
        ),
        ('helpers = ["minectl.c"]', 'helpers = "minectl.c"', "guest.helpers is not a list of strings"),
        ("CONFIG_PROC_FS =", "PROC_FS =", "guest.needs 'PROC_FS' is not a valid config requirement"),
        ('source = "guest/names"', 'source = "guest/nosuch"', "guest.file for /usr/share/mine/names: no file"),
        ('path = "/usr/share/mine/names"', 'path = "names"', "guest.file[1].path is 'names', not the absolute path"),
        ("mode = 0o644", "mode = 99999", "guest.file[1].mode is 99999, not permissions"),
        ("probe = ", "prob = ", "feature.uts-namespaces.prob is not a known key (hint: did you mean probe?)"),
        ('words = "[a-z]+"', 'words = "[a-z"', "prepare.files.words has '[a-z', which is not a regular expression"),
        ("{at} {words}", "{words}", "prepare.files.command has no {at}, but there is an 'at'"),
        ("[prepare.files]", "[prepare.title]", "'title' is not a valid header name"),
        ("(?P<ticket>[0-9]+)", "[0-9]+", "noise[1].pattern does not have one named group"),
        ("[feature.uts-namespaces]", "[feature]\nuts = 1\n[feature.uts-namespaces]", "feature.uts is not a table"),
    ],
)
def test_check_suite_finds_each_fault(folder: Path, old: str, new: str, fault: str) -> None:
    """By file and key; using the suite says the same as checking it."""
    change(folder, old, new)
    _, faults = check_suite(folder)
    with pytest.raises(HarnessError) as caught:
        read_suite(folder)

    assert [one for one in faults if fault in one], faults
    assert fault in str(caught.value)
    assert caught.value.exit_status is ExitStatus.CASE_BROKEN


def test_a_text_that_is_not_toml_is_told(folder: Path) -> None:
    """With the line."""
    (folder / SUITE_NAME).write_text("format = \n")
    with pytest.raises(CaseError, match="is not TOML") as caught:
        read_suite(folder)

    assert "line 1" in caught.value.evidence


def test_checking_tells_all_faults_at_once(folder: Path) -> None:
    """A key, a fragment, a helper that does not compile, a trait of another suite, a need, a Python file, a feature."""
    change(folder, "title = ", "titel = ")
    change(folder, 'value = "own" }', 'value = "none" }')
    change(folder, "int main", "int main(", "minectl.c")
    change(folder, "(name_of_child = own)", "(newcgroup_flag = accepted)", "first.session")
    (folder / "second.session").write_text("needs: nonsense\n\n    # true\n")
    (folder / "test_broken.py").write_text("def test_a(:\n")
    (folder / "kconfigs" / "mine.config").write_text("CONFIG_X is on\n#CONFIG_Y is not set\n")
    result = call("suite", "check", folder)

    assert result.status is ExitStatus.CASE_BROKEN
    for fault in (
        "titel is not a known key",
        "name_of_child has no value none",
        "minectl.c does not compile",
        "error:",  # gcc's own words
        ": unknown trait 'newcgroup_flag'",
        f"newcgroup_flag is a trait of the suite {default_name()}, and this is a case of mine",
        "'nonsense' is not a valid requirement of a case",
        "mine/test_broken.py: ",
        "mine.config:",
    ):
        assert fault in result.text, (fault, result.text)


def test_checking_a_suite_without_faults_says_so(folder: Path) -> None:
    """With its name and its cases; of a name, too."""
    result = call("suite", "check", folder)

    assert result.status is ExitStatus.AS_EXPECTED
    assert result.text.startswith("mine: ")
    assert "2 case files, no faults" in result.text
    call("suite", "check", "/nosuch").require_error(ExitStatus.USAGE, "no suite /nosuch")


def test_a_case_has_one_id_whatever_the_way_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By path, by id, by the path in the suite and by its name of before; a file of the user's goes first."""
    monkeypatch.chdir(tmp_path)
    suite = default_suite()
    there = suite.folder / "views/zombie-v2.session"
    words = (there, "views/zombie-v2.session", f"{suite.name}/views/zombie-v2.session", "cases/views/zombie-v2.session")

    assert {locate(str(word), suite) for word in words} == {there}
    assert locate("cases/views", suite) == suite.folder / "views"
    assert locate("views/nosuch.session", suite) is None
    assert case_id(there, suite) == f"{suite.name}/views/zombie-v2.session"
    (tmp_path / "views").mkdir()
    (tmp_path / "views/zombie-v2.session").write_text("    # true\n")
    assert locate("views/zombie-v2.session", suite) == tmp_path / "views/zombie-v2.session"
    assert case_id(tmp_path / "views/zombie-v2.session", suite) == "views/zombie-v2.session"


def test_cases_choose_their_suite(folder: Path) -> None:
    """Files in one suite are run with that; files of two, or of another one than is named, are refused."""
    chosen, mine = default_suite(), read_suite(folder)
    own, strange = chosen.folder / "views/zombie-v2.session", folder / "first.session"

    assert suite_of_file(strange) == mine
    assert suite_of_file(folder.parent / "loose.session") is None
    assert shared_suite([strange], chosen=chosen, is_named=False) == mine
    assert shared_suite([own, folder.parent], chosen=chosen, is_named=False) == chosen
    with pytest.raises(UsageError, match="the cases are of several suites"):
        shared_suite([own, strange], chosen=chosen, is_named=False)
    with pytest.raises(UsageError, match="the cases are of another suite than"):
        shared_suite([strange], chosen=chosen, is_named=True)


def test_a_renamed_copy_is_a_suite_of_its_own(tmp_path: Path) -> None:
    """With the name in its suite.toml changed; its ids start with that."""
    folder = tmp_path / "copied"
    shutil.copytree(default_suite().folder, folder)
    change(folder, f'name = "{default_name()}"', 'name = "another"')
    suite = read_suite(folder)

    assert suite.case_id(folder / "views/zombie-v2.session") == "another/views/zombie-v2.session"
    assert suite_semantics(suite) == suite_semantics(default_suite())


def test_options_that_a_suite_names_are_found(tmp_path: Path) -> None:
    """In headers of case files, in suite.toml and in its fragments."""
    found = needed_options(default_suite())

    assert {"CONFIG_CGROUPS", "CONFIG_MEMCG_V1", "CONFIG_USER_NS", "CONFIG_CGROUP_NS"} <= found
    assert "CONFIG_E1000" not in found


def test_suite_names_its_guest_and_packages(folder: Path) -> None:
    """The guest is a whole system then, with these packages besides its own."""
    change(folder, "format = 1", 'format = 1\nguests = ["debian"]\npackages = ["runc", "lib++1"]')
    suite = read_suite(folder)
    assert (suite.guests, suite.packages) == (("debian",), ("runc", "lib++1"))


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ('packages = ["runc"]', "packages has no use: the small guest is not made of packages"),
        ('guests = ["debian"]\npackages = ["runc --yes"]', "packages names 'runc --yes', which is not a package"),
        ('guests = ["fedora"]', "guests names fedora, which is not a guest"),
    ],
)
def test_guest_and_packages_are_checked(folder: Path, keys: str, fault: str) -> None:
    """What could reach a command line, or has no effect, is a fault of the suite."""
    change(folder, "format = 1", f"format = 1\n{keys}")
    assert any(fault in one for one in check_suite(folder)[1])
