# SPDX-License-Identifier: GPL-2.0-only
"""What is shown of a patch that does not apply."""

from __future__ import annotations

from harness.kernel.patches.conflict import ApplyError, compare, explain, parse_complaints

SAID = """\
Checking patch kernel/fork.c...
error: while searching for:
	int a;
error: patch failed: kernel/fork.c:12
error: kernel/fork.c: patch does not apply
error: kernel/gone.c: does not exist in index
error: kernel/new.c: already exists in index
"""
PATCH = b"""\
diff --git a/kernel/fork.c b/kernel/fork.c
--- a/kernel/fork.c
+++ b/kernel/fork.c
@@ -2,3 +2,3 @@ first
 x
-y
+Y
 z
@@ -12,3 +12,3 @@ int fork(void)
 a
-b
+B
 c
"""


def test_what_git_complains_of_is_read() -> None:
    """Hunks by their first lines, and files that are missing or too many."""
    assert parse_complaints(SAID) == (
        ApplyError("kernel/fork.c", 12),
        ApplyError("kernel/gone.c", what="the tree has no such file"),
        ApplyError("kernel/new.c", what="the tree has that file already"),
    )


def test_a_hunk_is_shown_against_the_tree() -> None:
    """At the place where most of its lines stand, which need not be where it says."""
    has = [*"0123456789", "a", "other", "c", *"0123456789"]
    shown = explain(PATCH, (ApplyError("kernel/fork.c", 12),), {"kernel/fork.c": "\n".join(has).encode()})

    assert shown.splitlines() == [
        "kernel/fork.c, hunk 2 of 2 (@@ -12,3 +12,3 @@ int fork(void)):",
        "- is what the patch expects, + what the tree has from line 11 on:",
        "    11   a",
        "       - b",
        "    12 + other",
        "    13   c",
    ]


def test_a_hunk_of_which_nothing_is_there_is_shown_where_it_says() -> None:
    """The tree's lines by number; an empty or short file has none."""
    assert compare(["a"], [*"12345"], at=3)[1:] == ["       - a", "     3 + 3"]
    assert compare(["a"], [], at=3)[1:] == ["       - a"]
    assert compare(["a"], ["1"], at=300)[1:] == ["       - a", "     1 + 1"]


def test_what_the_eye_does_not_see_is_said() -> None:
    """Tabs that became blanks, carriage returns, and a hunk whose lines are there in a place that git does not take."""
    assert compare(["\ta"], ["        a"], at=1)[-1].startswith("(they differ in whitespace only")
    assert compare(["a"], ["a\r"], at=1)[1:3] == ["       - a", "     1 + a^M"]
    assert compare(["a"], ["a", "b"], at=1)[-1].startswith("(all lines match")
    assert compare(["a", "x"], ["a", "b"], at=1)[-1] == "     2 + b"


def test_of_equal_places_the_nearest_is_shown() -> None:
    """A line of many."""
    has = ["a", "x", "a", "y", "a", "z"]

    assert compare(["a", "b"], has, at=3)[0].endswith("from line 3 on:")


def test_long_and_many_complaints_are_bounded() -> None:
    """Nobody reads a thousand lines."""
    assert len(compare([*"abc"] * 40, [*"123"] * 40, at=1)) == 25
    shown = explain(PATCH, [ApplyError(f"f{at}", what="the tree has no such file") for at in range(5)], {})
    assert shown.splitlines()[-1] == "... and 2 more"


def test_a_hunk_that_cannot_be_found_is_still_named() -> None:
    """git and this parser may differ."""
    assert explain(PATCH, (ApplyError("other.c", 7),), {}) == "other.c: the hunk at line 7 does not match"
    assert explain(b"@@ -1,9 +1 @@\n", (ApplyError("a", 7),), {}) == "a: the hunk at line 7 does not match"
