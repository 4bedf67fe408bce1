# SPDX-License-Identifier: GPL-2.0-only
"""Each way to compile finds what only it can find, at the patch that brings it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.process import find_program
from harness.base.store import Store
from harness.checks.frame.bench import MOST_COMPILED
from harness.checks.frame.builds import KIND
from harness.checks.registry import choose_checks
from harness.checks.runner import run_checks
from tests.unit.checks.building_tree import BUILDING, KCONFIG, UAPI
from tests.unit.checks.planted import CGROUP, FORK, STRING, Defect, Planted

pytestmark = pytest.mark.build

CHECKS = "warnings,size,w1,stack,allno,allmod,x86-32"


def fork(more: str) -> dict[str, str]:
    """Return a file with one more function than the base has."""
    return {"kernel/fork.c": f"{FORK}{more}\n"}


LONG = "\n".join("\tvalue += of * 7 + 3;" for _ in range(200))
DEFECTS = (
    Defect("", fork("/* clean */")),
    Defect("warnings", fork("int one(void)\n{\n\tint unused;\n\n\treturn 1;\n}")),
    Defect("w1", fork("int two(int of)\n{\n\treturn of < 2u;\n}")),
    Defect("x86-32", fork('_Static_assert(sizeof(long) == 8, "no 32 bits");')),
    Defect("allmod", fork("#ifdef CONFIG_ONLY_ALL\nint three = missing;\n#endif")),
    Defect("allno", fork("#ifndef CONFIG_EXPERT\nint four = missing;\n#endif")),
    Defect("size", fork(f"int five(int of)\n{{\n\tint value = 0;\n\n{LONG}\n\treturn value;\n}}")),
    Defect("stack", fork("int six(int of)\n{\n\tvolatile char most[1024];\n\n\tmost[of] = 1;\n\treturn most[0];\n}")),
    Defect("", {**fork(""), "kernel/cgroup/cgroup.c": f"{CGROUP}/* clean */\n"}),
)


def test_each_defect_is_found_at_its_patch_and_nowhere_else(tmp_path: Path) -> None:
    """What one way reports, the others do not repeat; the folders of the builds are removed."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), BUILDING, history=0)
    planted.add(DEFECTS)
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks(CHECKS))

    assert not [one for each in results.values() for one in each if one.not_run]
    found = {number: [one.check for one in each if one.findings] for number, each in results.items()}
    assert found == {number: [one.check] if one.check else [] for number, one in enumerate(DEFECTS, 1)}
    texts = {one.check: one.findings[0].render() for each in results.values() for one in each if one.findings}
    assert texts["warnings"] == "kernel/fork.c:8: warning: unused variable 'unused' [-Wunused-variable]"
    assert texts["stack"].startswith("kernel/fork.c:6: warning: six uses ")
    assert "five +" in texts["size"]
    assert [path for path in (tmp_path / "store" / KIND).iterdir() if path.is_dir()] == []


def test_each_value_of_a_touched_symbol(tmp_path: Path) -> None:
    """The code behind a new option is compiled, though the config of the base does not have the option."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), BUILDING, history=0)
    code = fork("#ifdef CONFIG_NEW\nint one = missing;\n#endif")
    planted.add([Defect("", {**code, "Kconfig": f'{KCONFIG}config NEW\n\tbool "z"\n'})])
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("kconfig,warnings"))

    found = {one.check: [finding.render() for finding in one.findings] for one in results[1]}
    assert found["warnings"] == []
    assert found["kconfig"] == [
        "kernel/fork.c:7: error: with CONFIG_NEW=y: 'missing' undeclared here (not in a function)"
    ]


@pytest.mark.skipif(find_program("g++") is None, reason="g++ is not installed")
def test_a_header_for_user_space_alone(tmp_path: Path) -> None:
    """What is missing in the base already is not reported; a member that C++ forbids is."""
    header = "include/uapi/linux/one.h"
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), BUILDING, history=0)
    planted.add(
        [
            Defect("", {header: UAPI.replace("int first", "u32 first")}),
            Defect("", {header: UAPI.replace("int first", "int private")}),
            Defect("", {header: UAPI.replace("int first", "/* the first */ int first")}),
        ]
    )
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("uapi-headers"))

    assert [one.not_run for each in results.values() for one in each] == [""] * 3
    found = [[finding.render() for one in each for finding in one.findings] for each in results.values()]
    assert len(found[0]) == 2
    assert all("u32" in one and one.startswith(f"{header}:4: error: ") for one in found[0])
    assert found[1]
    assert all("in C++" in one for one in found[1])
    assert found[2] == []


@pytest.mark.skipif(find_program("pahole") is None, reason="pahole is not installed")
def test_a_struct_that_grows(tmp_path: Path) -> None:
    """Sizes and holes of a touched struct are compared."""
    old = "struct one {\n\tlong a;\n\tint b;\n\tint c;\n} one;"
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), BUILDING, history=0)
    planted.repository.commit(fork(old), subject="fork: a struct")
    planted.repository.git("tag", "--force", "base")
    planted.add([Defect("", fork(old.replace("int c;", "long c;")))])
    with planted.bench() as bench:
        (result,) = run_checks(bench, choose_checks("structs"))[1]

    assert [one.text for one in result.findings] == [
        "struct one grows from 16 to 24 bytes",
        "struct one has 1 holes, before 0",
    ]


def test_a_file_that_the_config_does_not_build(tmp_path: Path) -> None:
    """It is said, as nothing was compiled; a patch without code has nothing to compile."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), BUILDING, history=0)
    planted.add(
        [Defect("", {"lib/string.c": f"{STRING}int more;\n"}), Defect("", {"Documentation/index.rst": "A document.\n"})]
    )
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("warnings"))

    assert results[1][0].not_run == "the config of the base builds none of the touched files, such as lib/string.c"
    assert results[2][0].not_run == ""
    assert results[2][0].findings == ()


def test_a_warning_of_the_base_is_not_reported(tmp_path: Path) -> None:
    """Also where the patch moves it to another line, and where a later patch touches the file again."""
    old = "int one(void)\n{\n\tint unused;\n\n\treturn 1;\n}\n"
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), BUILDING, history=0)
    planted.repository.commit(fork(old), subject="fork: warn")
    planted.repository.git("tag", "--force", "base")
    planted.add([Defect("", fork(f"/* first */\n\n{old}")), Defect("", fork(f"/* second */\n\n\n{old}"))])
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("warnings,w1,allno"))

    assert [one.findings for each in results.values() for one in each] == [()] * 6


def test_a_patch_that_breaks_and_one_that_fixes_the_build(tmp_path: Path) -> None:
    """The first one is reported: bisection stops there."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), BUILDING, history=0)
    planted.add([Defect("", fork("int broken = missing;")), Defect("", fork("int broken;"))])
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("warnings"))

    assert [[one.level.value for one in each[0].findings] for each in results.values()] == [["error"], []]


def test_a_patch_of_many_files_is_not_compiled(tmp_path: Path) -> None:
    """It is said; the next patch is compiled."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), BUILDING, history=0)
    many = {f"kernel/many{number}.c": "int one = missing;\n" for number in range(MOST_COMPILED + 1)}
    planted.add([Defect("", many), Defect("", fork("/* clean */"))])
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("warnings,links"))

    assert [one.not_run for one in results[1]] == ["", f"the patch changes {len(many)} files, more than 200"]
    assert [one.not_run for one in results[2]] == ["", ""]
