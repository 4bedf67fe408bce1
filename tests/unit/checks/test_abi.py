# SPDX-License-Identifier: GPL-2.0-only
"""What user space and modules rely on: each defect at its patch, and nothing about what the series adds itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.store import Store
from harness.checks.frame.c_types import prototype
from harness.checks.registry import choose_checks
from harness.checks.runner import run_checks
from tests.unit.checks.planted import Defect, Planted

HEADER = "include/uapi/linux/one.h"
UAPI = """#ifndef _UAPI_ONE_H
#define _UAPI_ONE_H
#define ONE_FLAG 0x1 /* a comment */
#define ONE_MAX 2
enum one_kind {
	ONE_A,
	ONE_B, /* more */
	__ONE_LAST,
};
struct one_args {
	__u64 flags;
	__u32 size;
};
#endif
"""
CODE = """#include <linux/export.h>
int one_get(struct one *one, int of)
{
	return of;
}
EXPORT_SYMBOL_GPL(one_get);

int two_get(void)
{
	return one_get(NULL, 2);
}
EXPORT_SYMBOL(two_get);
static struct ctl_table one_table[] = {
	{
		.procname	= "one_old",
	},
};
"""
BASE = {
    "kernel/user.c": "int user(void)\n{\n\treturn one_get(NULL, 1);\n}\n",
    HEADER: UAPI,
    "kernel/one.c": CODE,
    "Documentation/admin-guide/kernel-parameters.txt": "one.known=\tIt is known.\n",
}


def uapi(old: str, new: str) -> dict[str, str]:
    """Return the header with a change."""
    assert old in UAPI
    return {HEADER: UAPI.replace(old, new)}


def code(old: str, new: str) -> dict[str, str]:
    """Return the C file with a change."""
    assert old in CODE
    return {HEADER: UAPI, "kernel/one.c": CODE.replace(old, new)}


UNUSED = "two_get is not exported any more"
CASES = (
    ("uapi-types", uapi("__u64 flags;\n\t__u32 size;", "__u32 size;\n\t__u64 flags;"), '"__u64 flags" is not'),
    ("uapi-types", uapi("\t__u32 size;\n", "\t__u32 size;\n\t__u32 more;\n"), "struct one_args grows: __u32 more"),
    ("uapi-types", uapi("\tONE_A,\n", "\tONE_NEW,\n\tONE_A,\n"), "enum one_kind: the value of ONE_A changes"),
    ("", uapi("\tONE_B, /* more */\n", "\tONE_B,\n\tONE_C,\n"), ""),
    ("", uapi("#define ONE_MAX 2", "#define ONE_MAX 3"), ""),
    ("", uapi("#define ONE_FLAG 0x1 /* a comment */", "#define ONE_FLAG\t0x01\n#define ONE_MORE 2"), ""),
    ("uapi-types", uapi("0x1 /* a comment */", "0x4"), "the constant ONE_FLAG changes from 0x1 to 0x4"),
    ("uapi-types", uapi("#define ONE_FLAG 0x1 /* a comment */\n", ""), "the constant ONE_FLAG is gone"),
    (
        "exports",
        code("EXPORT_SYMBOL_GPL(one_get);\n", ""),
        "one_get is not exported any more; other files still call it",
    ),
    ("exports", code("EXPORT_SYMBOL(two_get);", "/* was two_get(). */\nstruct two_get;"), UNUSED),
    ("exports", code("EXPORT_SYMBOL(two_get);", "EXPORT_SYMBOL_GPL(two_get);"), "EXPORT_SYMBOL becomes"),
    ("exports", code("struct one *one, int of", "struct one *one, long of"), "of the exported one_get changes"),
    ("", code("int one_get(struct one *one, int of)", "int one_get(struct one *other,\n\t    int what)"), ""),
    (
        "documented",
        code('"one_old",', '"one_old",\n\t},\n\t{\n\t\t.procname\t= "one_new",'),
        "names the sysctl one_new",
    ),
    ("documented", code("int two_get", '__setup("one.new=", parse);\nint two_get'), "names the boot parameter one.new"),
    ("", code("int two_get", '__setup("one.known=", parse);\nint two_get'), ""),
    (
        "documented",
        code("int two_get", 'struct cftype files[] = {\n\t{\n\t\t.name = "one.stat",\n\t},\n};\nint two_get'),
        "names the cgroup file one.stat",
    ),
    ("", code("int two_get", 'struct driver files[] = {\n\t{\n\t\t.name = "one.stat",\n\t},\n};\nint two_get'), ""),
)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A tree on which each case is a patch, with one that takes it back after it."""
    folder = tmp_path_factory.mktemp("abi")
    made = Planted(folder / "tree", Store(folder / "store"), BASE, history=0)
    for _, files, _ in CASES:
        made.add([Defect("", files), Defect("", {HEADER: UAPI, "kernel/one.c": CODE})])
    return made


def test_each_defect_is_found_at_its_patch_and_nowhere_else(planted: Planted) -> None:
    """A patch that takes a change back has no finding: the base had it so."""
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("abi"))

    for number, (check, _, text) in enumerate(CASES):
        found = [(one.check, finding.text) for one in results[2 * number + 1] for finding in one.findings]
        assert [name for name, _ in found] == ([check] if check else []), (number, found)
        assert not check or text in found[0][1]
        assert text != UNUSED or found[0][1] == text
        assert [one for one in results[2 * number + 2] if one.findings] == []


def test_what_the_series_adds_itself_may_change(tmp_path: Path) -> None:
    """It is no ABI yet."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"), history=0)
    planted.add(
        [Defect("", BASE), Defect("", uapi("__u64 flags", "__u32 flags")), Defect("", {}, gone=["kernel/one.c"])]
    )
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("uapi-types,exports"))

    assert [one.findings for each in results.values() for one in each] == [()] * 6


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("int get(int a, struct x *b)\n{", "int get(int,struct x*)"),
        ("static const char *\nget(void)\n{", "static const char*get(void)"),
        ("int get(unsigned long, int (*f)(void))\n{", "int get(unsigned long,int(*)(void))"),
        ("int other(int a)\n{\n\treturn get(a);\n}", None),
    ],
)
def test_prototype(text: str, found: str | None) -> None:
    """Names of parameters are left out; what is not understood is not compared."""
    head = prototype(text, "get")

    assert (head[0] if head else None) == found
