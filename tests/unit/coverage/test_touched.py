# SPDX-License-Identifier: GPL-2.0-only
"""Functions that a change touches, places that leave a doubt, and the cases that reach the change."""

from __future__ import annotations

import difflib

import pytest

from harness.coverage.lines import LineCoverage
from harness.coverage.touched import Edit, Reach, Span, Touched, find_reach, function_spans, touched_functions

OLD = """\
/* A file. */
#include <linux/kernel.h>

static int limit = 4;

static struct ops these = {
\t.run = first,
};

static int
first(int a)
{
\tif (a)
\t\treturn limit;

\treturn 2;
}

SYSCALL_DEFINE2(second, int, a,
\t\tint, b)
{
\treturn a + b;
}
module_init(third);
"""
FIRST, SECOND = Span(10, 17, "first"), Span(19, 23, "SYSCALL_DEFINE2(second)")


def touch(old: str, new: str) -> Touched:
    """Return what a change of the file touches; difflib writes the hunks as git does."""
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), "a/x.c", "b/x.c", lineterm="", n=0)
    return touched_functions("x.c", old, new, "\n".join(lines))


def test_functions_begin_with_their_type() -> None:
    """A type on a line of its own, arguments on two lines, and a macro that defines a function."""
    assert function_spans(OLD) == [FIRST, SECOND]


@pytest.mark.parametrize(
    ("before", "after", "functions", "doubts"),
    [
        ("return 2;", "return 3;", {FIRST}, ()),
        ("\treturn 2;\n", "", {FIRST}, ()),
        ("\treturn a + b;", "\ta++;\n\treturn a + b;", {SECOND}, ()),
        ("SYSCALL_DEFINE2(second", "SYSCALL_DEFINE2(zweite", {SECOND}, ()),
        ("SYSCALL", "static int fresh(void)\n{\n\treturn 1;\n}\n\nSYSCALL", set(), ()),
        ("/* A file. */", "/* The file. */", set(), ()),
        ("limit = 4;", "limit = 5;", set(), ("x.c:4",)),
        (".run = first,", ".run = other,", set(), ("x.c:7",)),
        ("module_init(third);\n", "", set(), ("x.c:24",)),
        ("module_init", "module_exit(a);\nmodule_init", set(), ("x.c:24",)),
    ],
)
def test_what_a_change_touches(before: str, after: str, functions: set[Span], doubts: tuple[str, ...]) -> None:
    """A new function alone is reached by nothing; data and what registers code are doubts."""
    assert before in OLD
    touched = touch(OLD, OLD.replace(before, after, 1))

    assert touched.functions == functions
    assert touched.doubts == doubts


def code(line: int, *cases: str, is_boot: bool = False, file: str = "x.c") -> LineCoverage:
    """Return a line with code."""
    return LineCoverage(file, line, cases, is_boot, ("f",))


def reach(edit: Edit, *lines: LineCoverage) -> Reach:
    """Return the cases that reach one edit of the file."""
    return find_reach({"x.c": Touched(frozenset({edit}), ())}, lines, [])


@pytest.mark.parametrize(
    ("before", "after", "edit"),
    [
        ("\treturn 2;", "\treturn 3;", Edit(FIRST, 16, 16)),
        ("\treturn 2;", "\ta++;\n\treturn 2;", Edit(FIRST, 16, 15)),
        ("\treturn 2;", "out:\n\treturn 2;", Edit(FIRST, 16, 15, is_label=True)),
        ("\treturn 2;", "\tswitch (a) {\n\tdefault:\n\t\treturn 2;\n\t}", Edit(FIRST, 16, 16, is_label=True)),
        ("\treturn 2;", "#ifdef X\n\treturn 2;\n#endif", Edit(FIRST, 16, 15, is_label=True)),
        ("\tif (a)\n\t\treturn limit;\n", "", Edit(FIRST, 13, 14)),
    ],
)
def test_where_a_change_is(before: str, after: str, edit: Edit) -> None:
    """Lines that are removed, or the place between two lines; labels and the preprocessor are marked."""
    assert edit in touch(OLD, OLD.replace(before, after, 1)).edits


LINES = [code(12, "s/a", "s/b", "s/c", "s/d"), code(13, "s/a", "s/b", "s/c"), code(14, "s/a"), code(16, "s/b", "s/c")]
ELSEWHERE = code(21, "s/z")


@pytest.mark.parametrize(
    ("edit", "cases"),
    [
        (Edit(FIRST, 14, 14), {"s/a"}),
        (Edit(FIRST, 13, 14), {"s/a", "s/b", "s/c"}),
        (Edit(FIRST, 15, 14), {"s/a", "s/b", "s/c"}),
        (Edit(FIRST, 15, 15), {"s/a", "s/b", "s/c"}),
        (Edit(FIRST, 15, 16), {"s/a", "s/b", "s/c"}),
        (Edit(FIRST, 17, 16), {"s/b", "s/c"}),
        (Edit(FIRST, 16, 16, is_label=True), {"s/a", "s/b", "s/c", "s/d"}),
    ],
    ids=["rewritten", "two lines", "added", "no code of its own", "begins without code", "at the end", "a label"],
)
def test_the_cases_that_reach_a_change(edit: Edit, cases: set[str]) -> None:
    """The changed lines count, their neighbors where they have no code, and the whole function with a label."""
    assert reach(edit, *LINES, ELSEWHERE) == Reach(frozenset(cases), ())


def test_a_function_that_nothing_runs_needs_no_case() -> None:
    """No case can show its change."""
    assert reach(Edit(FIRST, 12, 12), code(12), ELSEWHERE) == Reach(frozenset(), ())


@pytest.mark.parametrize(
    ("touched", "lines", "others", "doubt"),
    [
        (Touched(frozenset(), ("x.c:4",)), [code(12)], [], "x.c:4"),
        (
            Touched(frozenset({Edit(FIRST, 12, 12)}), ()),
            [code(12, "s/a", is_boot=True)],
            [],
            "x.c:12: run by the boot as well",
        ),
        (
            Touched(frozenset({Edit(FIRST, 12, 12)}), ()),
            [code(12, "s/a", file="y.c")],
            [],
            "x.c: no code of its own in the kernel",
        ),
        (Touched(frozenset(), ()), [code(12)], ["include/linux/x.h"], "include/linux/x.h"),
    ],
)
def test_doubts(touched: Touched, lines: list[LineCoverage], others: list[str], doubt: str) -> None:
    """Data, code of the boot, files that others include, headers: any case may reach them."""
    assert find_reach({"x.c": touched}, lines, others).doubts == (doubt,)
