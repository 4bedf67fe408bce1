# SPDX-License-Identifier: GPL-2.0-only
"""Lines of instructions, with a file compiled by this host's gcc and read by its binutils, as the harness does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run
from harness.coverage.bitmap import BASE
from harness.coverage.branches import BranchCoverage, Way
from harness.coverage.changes import changed_lines, judge_changes, summarize
from harness.coverage.functions import RunCoverage
from harness.coverage.lines import (
    LineCoverage,
    Unit,
    line_coverage,
    line_spans,
    locate,
    make_unit,
    parse_disassembly,
    parse_places,
)
from harness.coverage.symbols import Function, Symbols
from tests.unit.coverage.test_functions import bits

SOURCE = """\
static inline int twice(int a)
{
\treturn a * 17 + 1;
}

int first(int a);
int first(int a)
{
\tif (a > 5)
\t\treturn twice(a);
\treturn 3;
}

/* Nothing. */
__attribute__((section(".init.text"))) int once(int a);
__attribute__((section(".init.text"))) int once(int a)
{
\treturn a - 9;
}

int second(int a);
int second(int a)
{
\treturn a ^ 7;
}

int third(int a);
int third(int a)
{
\treturn a | 5;
}

__attribute__((weak)) int overridden(int a);
__attribute__((weak)) int overridden(int a)
{
\treturn a % 3;
}
"""


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Unit:
    """Return the line table of the source."""
    folder = tmp_path_factory.mktemp("unit")
    (folder / "small.c").write_text(SOURCE)
    deadline, within = Deadline.after(60), Surroundings(cwd=folder)
    flags = ("-O2", "-g1", "-fno-toplevel-reorder", "-c", "-o", "small.o")
    run(["cc", *flags, str(folder / "small.c")], deadline=deadline, within=within)
    sections = parse_disassembly(
        run(["objdump", "-t", "-d", "-w", "--no-show-raw-insn", "small.o"], deadline=deadline, within=within).text
    )
    places = {}
    for name, own in sections.items():
        asked = "".join(f"{start:x}\n" for start, _ in own.instructions).encode()
        argv = ["addr2line", "-a", "-i", "-j", name, "-e", "small.o"]
        text = run(argv, deadline=deadline, within=within, stdin=asked).text
        places[name] = parse_places(text, tree=str(folder))
    return make_unit("small.o", sections, places)


def offset(unit: Unit, name: str) -> int:
    """Return the offset of a function in its section."""
    return next(at for section in unit.sections for one, at in section.functions if one == name)


def kernel(unit: Unit, *, moved: int = 0, more: tuple[Function, ...] = ()) -> Symbols:
    """Return the functions of a kernel that holds the unit.

    :param moved: how far ``second`` lies from where it belongs.
    :param more: functions of other files.
    """
    text, init = BASE + 0x1000, BASE + 0x9000
    second = text + offset(unit, "second") + moved
    own = (
        Function("first", text + offset(unit, "first"), second),
        Function("second", second, text + offset(unit, "third")),
        Function("third", text + offset(unit, "third"), text + 0x100),
        Function("once", init, init + 0x10),
    )
    return Symbols(tuple(sorted((*own, *more), key=lambda one: one.start)))


def lines(unit: Unit, symbols: Symbols, *ranges: tuple[int, int]) -> dict[int, bool]:
    """Return which lines with code were run, when a case ran ranges of code."""
    coverage = RunCoverage(symbols, {"s/a": bits(*ranges)})
    return {one.line: one.is_run for one in line_coverage(coverage, [unit]) if one.file == "small.c"}


def test_an_inlined_line_counts_at_its_call_and_in_its_source(unit: Unit) -> None:
    """Line 3 is the body of ``twice``, line 10 its call; both are run with the code of ``first``."""
    symbols = kernel(unit)
    start = offset(unit, "first")

    nothing = lines(unit, symbols)
    assert {3, 9, 10, 18, 24} <= nothing.keys()
    assert not any(nothing.values())
    assert not {1, 2, 13, 14} & nothing.keys()
    everything = lines(unit, symbols, (0x1000 + start, offset(unit, "second") - start))
    assert everything[3]
    assert everything[10]
    assert not everything[24]


def test_sections_are_found_by_their_functions(unit: Unit) -> None:
    """Code of .init.text lies elsewhere in the kernel than .text."""
    symbols = kernel(unit)

    assert {one.name: locate(one, symbols) for one in unit.sections} == {
        ".text": BASE + 0x1000,
        ".init.text": BASE + 0x9000,
    }
    assert lines(unit, symbols, (0x9000, 0x10))[18]


def test_a_static_function_of_another_file_has_the_same_name(unit: Unit) -> None:
    """The other functions decide which of the two it is."""
    other = Function("second", BASE + 0x5000, BASE + 0x5010)

    assert {locate(one, kernel(unit, more=(other,))) for one in unit.sections} == {BASE + 0x1000, BASE + 0x9000}


def test_a_weak_function_may_be_another_one(unit: Unit) -> None:
    """The linker takes the strong one of another file, which lies elsewhere."""
    strong = Function("overridden", BASE + 0x7000, BASE + 0x7010)

    assert {locate(one, kernel(unit, more=(strong,))) for one in unit.sections} == {BASE + 0x1000, BASE + 0x9000}


def test_code_of_another_kernel_has_no_lines(unit: Unit) -> None:
    """Functions at other distances are not this code, and a file that is not in the kernel has no lines at all."""
    assert lines(unit, kernel(unit, moved=16)) == {}
    elsewhere = Symbols((Function("once", BASE + 0x9000, BASE + 0x9010),))
    assert lines(unit, elsewhere) == {}


def test_addresses_without_a_line_are_left_out() -> None:
    """The compiler writes line 0 for what belongs to none, addr2line ``??:0`` or ``?``; discriminators are no lines."""
    text = "0x0000000000000010\n/src/a.c:5 (discriminator 2)\n/src/./b.h:7\n0x12\n??:0\n0x14\n/src/a.c:?\n"

    assert parse_places(text, tree="/src") == {0x10: (("a.c", 5), ("b.h", 7)), 0x12: (), 0x14: ()}


DIFF = """\
diff --git a/kernel/a.c b/kernel/a.c
--- a/kernel/a.c
+++ b/kernel/a.c
@@ -3,0 +4,2 @@ int f(void)
+x
+y
@@ -9 +11 @@
-z
+zz
@@ -20,2 +21,0 @@
-gone
-gone
diff --git a/gone.c b/gone.c
--- a/gone.c
+++ /dev/null
@@ -1,2 +0,0 @@
-a
-b
"""


def test_changed_lines_of_a_diff() -> None:
    """Lines that are only removed are in no kernel."""
    assert changed_lines(DIFF) == {"kernel/a.c": frozenset({4, 5, 11})}


def test_changed_lines_are_judged() -> None:
    """Run by a case, by the boot only, by nothing, or without code."""
    code = [
        LineCoverage("kernel/a.c", 4, ("s/a", "s/b"), True, ("f",)),
        LineCoverage("kernel/a.c", 5, (), False, ("f",)),
        LineCoverage("kernel/a.c", 11, (), True, ("f",)),
        LineCoverage("kernel/a.c", 12, (), False, ("f",)),
    ]
    judged = judge_changes({"kernel/a.c": [4, 5, 11, 12, 13]}, code)
    whole = summarize(judged)

    assert (whole.changed, whole.code, whole.run, whole.cases) == (5, 4, 1, 2)
    assert [str(one) for one in whole.boot_only] == ["kernel/a.c:11"]
    assert [str(one) for one in whole.not_run] == ["kernel/a.c:5", "kernel/a.c:12"]
    assert str(summarize([replace(judged[1], line=6), replace(judged[1], line=7)]).not_run[0]) == "kernel/a.c:6-7"


def test_conditions_that_went_one_way() -> None:
    """They are named unless what follows is reported as not run."""
    code = [
        LineCoverage("kernel/a.c", line, cases, False, ("f",))
        for line, cases in ((4, ("s/a",)), (5, ("s/a",)), (6, ()))
    ]
    branches = [BranchCoverage("kernel/a.c", line, (Way.TAKEN, Way.NOT_TAKEN)) for line in (4, 5, 6)]
    whole = summarize(judge_changes({"kernel/a.c": [4, 6]}, code, branches))
    both = summarize(judge_changes({"kernel/a.c": [5, 6]}, code, branches))

    assert [str(one) for one in whole.one_way] == ["kernel/a.c:4"]
    assert str(whole) == "1 of 2 changed lines with code were run; not run: kernel/a.c:6; one way only: kernel/a.c:4"
    assert [str(one) for one in both.one_way] == ["kernel/a.c:5"]
    assert str(both) == "1 of 2 changed lines with code were run; not run: kernel/a.c:6"


def test_line_spans() -> None:
    """Runs of lines are shortened."""
    assert line_spans([5, 1, 2, 3, 9, 10]) == "1-3, 5, 9-10"
