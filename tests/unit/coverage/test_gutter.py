# SPDX-License-Identifier: GPL-2.0-only
"""What ran a line, beside the line: of a file, and of a patch."""

from __future__ import annotations

from harness.coverage.branches import BranchCoverage, Way
from harness.coverage.changes import ChangedLine
from harness.coverage.gutter import Mark, patch_lines, source_file
from harness.coverage.lines import LineCoverage

FILE = "kernel/a.c"
LINES = [
    LineCoverage(FILE, 2, ("s/a", "s/b"), True, ("f",)),
    LineCoverage(FILE, 3, (), True, ("f",)),
    LineCoverage(FILE, 4, (), False, ("f",)),
]
PATCH = """\
diff --git a/kernel/a.c b/kernel/a.c
--- a/kernel/a.c
+++ b/kernel/a.c
@@ -1,2 +1,5 @@ int f(void)
 one
-old
+two
+three
+four
+five
diff --git a/Makefile b/Makefile
--- a/Makefile
+++ b/Makefile
@@ -0,0 +1 @@
+++ counted
"""


def test_a_file_with_its_source() -> None:
    """Each line of the source has its number and its mark."""
    branch = BranchCoverage(FILE, 2, (Way.TAKEN, Way.NOT_TAKEN))
    shown = source_file(FILE, "one\ntwo\nthree\nfour\n", LINES, [branch])

    assert [one.mark for one in shown.lines] == [Mark.NONE, Mark.RUN, Mark.BOOT, Mark.NOT_RUN]
    assert (shown.lines[1].text, shown.lines[1].cases, shown.lines[1].ways) == ("two", ("s/a", "s/b"), (1, 2))
    assert shown.lines[1].is_one_way
    assert (shown.run, shown.code) == (1, 3)


def test_a_file_without_its_source() -> None:
    """Its lines with code are listed by their numbers."""
    assert [one.number for one in source_file(FILE, "", LINES).lines] == [2, 3, 4]


def test_a_patch() -> None:
    """Its own lines are marked; a line that the series does not keep is marked as such; a Makefile has no marks."""
    known = {
        (FILE, 2): ChangedLine(FILE, 12, True, ("s/a",), is_one_way=True),
        (FILE, 3): ChangedLine(FILE, 13, True),
        (FILE, 4): ChangedLine(FILE, 14),
    }
    shown = {one.text: one for one in patch_lines(PATCH, known)}

    marks = [shown[text].mark for text in (" one", "-old", "+two", "+three", "+four", "+five", "+++ counted")]
    assert marks == [Mark.NONE, Mark.NONE, Mark.RUN, Mark.NOT_RUN, Mark.NONE, Mark.CHANGED_AGAIN, Mark.NONE]
    assert shown["+two"].is_one_way
    assert [shown[text].number for text in (" one", "-old", "+two", "+five", "+++ counted")] == [1, 0, 2, 5, 1]
