# SPDX-License-Identifier: GPL-2.0-only
"""Ways of conditional jumps, with a file compiled by this host's gcc and read by its binutils, as the harness does."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run
from harness.coverage.bitmap import BASE
from harness.coverage.branches import BranchCoverage, Jump, Way, judge_jump, parse_jumps
from tests.unit.coverage.test_functions import bits

BOTH_END = """\
first:
\ttest %edi, %edi
\tje 1f
\tmov $1, %eax
\tret
1:\tmov $2, %eax
\tret
"""
JOINED = """\
first:
\ttest %edi, %edi
\tje 1f
\tmov $1, %eax
1:\tadd $2, %eax
\tret
"""
SWITCHED = """\
first:
\ttest %edi, %edi
\tje 1f
\tjmp *%rax
\tret
1:\tmov $2, %eax
\tret
"""
LABELED = """\
first:
\ttest %edi, %edi
\tje 1f
\tmov $1, %eax
\tret
1:\tmov $2, %eax
\tret
.section __jump_table, "aw"
\t.long 1b - .
"""
CHECKED = """\
first:
\ttest %edi, %edi
\tjne 1f
\tret
1:\tud2
"""
ELSEWHERE = """\
first:
\ttest %edi, %edi
\tje cold
\tret
.section .text.unlikely, "ax"
cold:
\tret
"""


def jumps(folder: Path, code: str) -> dict[str, tuple[Jump, ...]]:
    """Assemble code and read its jumps."""
    (folder / "a.s").write_text(f".text\n.type first, @function\n{code}")
    deadline, within = Deadline.after(60), Surroundings(cwd=folder)
    run(["as", "-o", "a.o", "a.s"], deadline=deadline, within=within)
    listed = [
        run(["objdump", *flags, "a.o"], deadline=deadline, within=within).text
        for flags in (("-t", "-d", "-r", "-w", "--no-show-raw-insn"), ("-r", "-w"))
    ]
    return parse_jumps("".join(listed))


def ways(folder: Path, code: str, *cases: tuple[int, ...]) -> tuple[Way, Way] | None:
    """Return the ways of the jump of some code, when cases have run bytes at some offsets."""
    (jump,) = jumps(folder, code)[".text"]
    bitmaps = [bits(*((offset, 1) for offset in case)) for case in cases]
    known = [(one, BASE + one.offset if one.section == ".text" else None) for one in jump.ways]
    return judge_jump(BASE + jump.offset, known, bitmaps)


JUMP, AFTER = 2, 4


def target(folder: Path, code: str) -> int:
    """Return the offset of the target of the jump."""
    return jumps(folder, code)[".text"][0].ways[1].offset


def test_a_jump_with_two_blocks_of_its_own(tmp_path: Path) -> None:
    """Each block that was run was reached by this jump."""
    there = target(tmp_path, BOTH_END)

    assert ways(tmp_path, BOTH_END, (JUMP, AFTER)) == (Way.TAKEN, Way.NOT_TAKEN)
    assert ways(tmp_path, BOTH_END, (JUMP, there)) == (Way.NOT_TAKEN, Way.TAKEN)
    assert ways(tmp_path, BOTH_END, (JUMP, AFTER, there)) == (Way.TAKEN, Way.TAKEN)
    assert ways(tmp_path, BOTH_END, (0,), (AFTER,)) is None


def test_a_block_that_other_code_reaches_shows_nothing_by_itself(tmp_path: Path) -> None:
    """The statement after an ``if`` is run either way; a case that did not run its body has skipped it."""
    there = target(tmp_path, JOINED)

    assert ways(tmp_path, JOINED, (JUMP, AFTER, there)) == (Way.TAKEN, Way.UNKNOWN)
    assert ways(tmp_path, JOINED, (JUMP, there)) == (Way.NOT_TAKEN, Way.TAKEN)
    assert ways(tmp_path, JOINED, (JUMP, AFTER, there), (JUMP, there)) == (Way.TAKEN, Way.TAKEN)


@pytest.mark.parametrize("code", [SWITCHED, LABELED], ids=["register", "jump label"])
def test_code_that_no_listed_jump_reaches(tmp_path: Path, code: str) -> None:
    """A jump through a register, or one that is patched in at run time, may lead to the block."""
    there = target(tmp_path, code)

    judged = ways(tmp_path, code, (JUMP, AFTER, there))
    assert judged is not None
    assert judged[1] is Way.UNKNOWN


def test_a_block_in_another_section(tmp_path: Path) -> None:
    """Without the address of that section, the way that is known decides."""
    (jump,) = jumps(tmp_path, ELSEWHERE)[".text"]

    assert (jump.ways[1].section, jump.ways[1].offset, jump.ways[1].is_only) == (".text.unlikely", 0, True)
    assert ways(tmp_path, ELSEWHERE, (JUMP,)) == (Way.NOT_TAKEN, Way.TAKEN)
    assert ways(tmp_path, ELSEWHERE, (JUMP, jump.ways[0].offset)) == (Way.TAKEN, Way.UNKNOWN)


def test_a_check_that_did_not_fail_is_not_one_way(tmp_path: Path) -> None:
    """The way to ``BUG`` is not taken on a correct kernel."""
    (jump,) = jumps(tmp_path, CHECKED)[".text"]
    traps = (jump.ways[0].is_trap, jump.ways[1].is_trap)

    assert traps == (False, True)
    assert not BranchCoverage("a.c", 1, (Way.TAKEN, Way.NOT_TAKEN), traps).is_one_way
    assert BranchCoverage("a.c", 1, (Way.NOT_TAKEN, Way.TAKEN), traps).is_one_way
