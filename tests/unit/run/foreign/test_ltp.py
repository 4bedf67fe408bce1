# SPDX-License-Identifier: GPL-2.0-only
"""Make suites of a tree of LTP: which tests, which files, and what is wrong with a tree."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, UsageError
from harness.base.store import Store
from harness.run.foreign import ltp as ltp_module
from harness.run.foreign.ltp import LtpWord
from harness.run.foreign.make import make_suite
from harness.suite.load import case_id, case_paths
from harness.suite.program_file import ProgramCase, parse_program


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Return a context with an empty store."""
    return Context(Store(tmp_path / "store"), Deadline.after(300.0))


def program(path: Path, text: str = "") -> None:
    """Write a script, or a real program if it has no text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if text:
        path.write_text(f"#!/bin/sh\n{text}\n")
    else:
        shutil.copyfile("/bin/true", path)
    path.chmod(0o755)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a source tree of LTP with some programs built in it."""
    root = tmp_path / "l:tp"
    program(root / "testcases/kernel/syscalls/open/open01")
    (root / "testcases/kernel/syscalls/open/open01.c").write_text("int main;")
    program(root / "testcases/kernel/fs/df01.sh", ". tst_test.sh\nhelper_02 | tst_cat")
    program(root / "testcases/lib/tst_test.sh", "true")
    program(root / "testcases/lib/tst_cat")
    program(root / "testcases/lib/helper_02", "helper_03")
    program(root / "testcases/lib/helper_03", "helper_02 unrelated")
    program(root / "testcases/lib/unrelated")
    (root / "runtest").mkdir()
    (root / "runtest/Makefile").write_text("")
    (root / "runtest/smoketest").write_text(
        "#DESCRIPTION:quick\n\nopen01 open01\n  df01_sh\tdf01.sh -a 'b c'  \ngone01 gone01\n"
    )
    (root / "runtest/more").write_text("open01_x open01 -x\nopen/1:2 open01 | cat\n")
    return root


def cases(context: Context, word: str) -> dict[str, ProgramCase]:
    """Return the cases of a suite by id."""
    suite = make_suite(context, word)
    found = {case_id(path, suite): path.read_text() for path in case_paths(suite)}
    return {name: parse_program(text, path=name) for name, text in found.items()}


def test_scenario_is_the_lines_of_its_file(context: Context, tree: Path) -> None:
    """A program that is not built is skipped with that, and is not gone."""
    found = cases(context, f"ltp:{tree}")

    assert set(found) == {"ltp/smoketest/open01", "ltp/smoketest/df01_sh", "ltp/smoketest/gone01"}
    assert found["ltp/smoketest/df01_sh"].command == "/usr/lib/harness/ltp-run 'df01.sh -a '\"'\"'b c'\"'\"''"
    assert found["ltp/smoketest/gone01"].unavailable == "the tree has no program gone01: it is not built"
    assert all(one.is_of_ltp and one.factor_variable == "LTP_TIMEOUT_MUL" for one in found.values())


def test_guest_gets_what_the_programs_name(context: Context, tree: Path) -> None:
    """Helpers come along, also those of helpers; without debug information and without the rest."""
    suite = make_suite(context, f"ltp:{tree}:smoketest:df*")
    names = {one.path.rpartition("/")[2] for one in suite.guest.files if one.path.startswith("/opt/ltp/testcases/bin/")}

    assert names == {"df01.sh", "tst_test.sh", "tst_cat", "helper_02", "helper_03"}
    assert any("libc.so" in one.path for one in suite.guest.files)


def test_tags_and_scenarios_are_chosen(context: Context, tree: Path) -> None:
    """A tag may be a pattern; what is no part of a file's name becomes a dash."""
    both = cases(context, f"ltp:{tree}:smoketest,more:open*")

    assert set(both) == {"ltp/smoketest/open01", "ltp/more/open01_x", "ltp/more/open-1-2"}
    assert make_suite(context, f"ltp:{tree}:more").argument == f"ltp:{tree}:more"


def test_metadata_give_limits_and_needs(context: Context, tree: Path) -> None:
    """A limit that is no number is not known; an expression is no option."""
    (tree / "metadata").mkdir()
    facts = {"timeout": "20", "runtime": "5", "needs_kconfigs": ["CONFIG_A=y", "CONFIG_B", "CONFIG_C|CONFIG_D"]}
    tests = {"open01": facts, "df01": {"timeout": "TST_UNLIMITED_TIMEOUT"}}
    (tree / "metadata/ltp.json").write_text(json.dumps({"tests": tests}))
    found = cases(context, f"ltp:{tree}")

    assert found["ltp/smoketest/open01"].seconds == 40
    assert found["ltp/smoketest/open01"].needs == ("CONFIG_A", "CONFIG_B")
    assert found["ltp/smoketest/df01_sh"].seconds == 300
    (tree / "metadata/ltp.json").write_text("{}")
    with pytest.raises(CaseError, match="is no metadata of LTP"):
        make_suite(context, f"ltp:{tree}")


def test_changed_program_is_another_case(context: Context, tree: Path) -> None:
    """Its digest tells a changed program from a changed kernel; that of other programs does not."""
    texts = []
    for text in ("echo 1", "echo 2"):
        program(tree / "testcases/lib/helper_03", text)
        suite = make_suite(context, f"ltp:{tree}")
        texts.append({case_id(path, suite): path.read_text() for path in case_paths(suite)})

    assert texts[0]["ltp/smoketest/df01_sh"] != texts[1]["ltp/smoketest/df01_sh"]
    assert texts[0]["ltp/smoketest/open01"] == texts[1]["ltp/smoketest/open01"]


@pytest.mark.parametrize(
    ("rest", "what"),
    [
        ("", "no folder"),
        ("/nonexistent:a", "no folder /nonexistent"),
        ("TREE:a:b:c", "too many parts"),
        ("TREE:other", "has no scenario other"),
        ("TREE:more:x*", "no tag of more is x"),
        ("/usr/lib", "is no tree of LTP"),
    ],
)
def test_wrong_argument_is_an_error(context: Context, tree: Path, rest: str, what: str) -> None:
    """Each names what there is instead."""
    with pytest.raises(UsageError, match=what) as caught:
        ltp_module.make_ltp(context, rest.replace("TREE", str(tree)))

    assert "ltp:" in caught.value.remedy or "name one of: more, smoketest" in caught.value.remedy


def test_tree_without_programs_names_the_commands(context: Context, tree: Path) -> None:
    """Sources alone are not enough."""
    for path in tree.rglob("*"):
        if path.is_file() and path.read_bytes()[:4] == b"\x7fELF":
            path.unlink()
    with pytest.raises(UsageError, match="nothing is built in") as caught:
        make_suite(context, f"ltp:{tree}")

    assert "make autotools" in caught.value.remedy


def test_too_many_programs_are_an_error(context: Context, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest holds them in memory."""
    monkeypatch.setattr(ltp_module, "_MOST_MEBIBYTES", 0)
    with pytest.raises(UsageError, match="MiB that a guest is given"):
        make_suite(context, f"ltp:{tree}")


def test_path_may_have_colons(tree: Path) -> None:
    """The longest part that is a folder is the path."""
    assert LtpWord.parse(f"{tree}:a,b,a:c") == LtpWord(tree, ("a", "b"), "c")
