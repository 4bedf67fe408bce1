# SPDX-License-Identifier: GPL-2.0-only
"""A patch's text, line by line as git-apply(1) reads it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.mail.diff import (
    Region,
    add_prefixes,
    diff_lines,
    has_diff,
    lacks_prefixes,
    read_changes,
    read_lines,
)

PATCH = b"""\
Why: - and + are in the text, too.
--- not a header
---
 kernel/fork.c | 2 +-

diff --git a/kernel/fork.c b/kernel/fork.c
index e8823e1..a86ab4f 100644
--- a/kernel/fork.c
+++ b/kernel/fork.c
@@ -2,4 +2,4 @@ long fork(void)
 2

--- a/../../etc/passwd
+++ b/../../etc/passwd
 5
\\ No newline at end of file
--\x20
2.39.5
"""


def regions(text: bytes) -> list[Region]:
    return [line.region for line in read_lines(text)]


def test_each_line_has_its_region() -> None:
    """The numbers of the @@ line decide where a hunk ends: what looks like a header within it is none."""
    text, header, body = Region.TEXT, Region.HEADER, Region.BODY

    assert regions(PATCH) == [text] * 5 + [header] * 4 + [Region.RANGE] + [body] * 6 + [text] * 2
    assert [change.files for change in read_changes(PATCH)] == [("kernel/fork.c",)]


def test_what_stands_behind_a_hunk_is_read_as_a_header() -> None:
    """A hunk that is over hides nothing, whatever the lines look like."""
    behind = PATCH.replace(b"-2,4 +2,4", b"-2,2 +2,2").replace(b" 5\n", b"@@ -1 +1 @@\n-a\n+b\n")

    assert [change.files for change in read_changes(behind)] == [("kernel/fork.c",), ("../../etc/passwd",)]


@pytest.mark.parametrize("numbers", [b"-2,5 +2,5", b"-2,9 +2,4"])
def test_a_hunk_that_is_too_short_is_damage(numbers: bytes) -> None:
    """A folded or a cut line leaves a hunk that does not hold what it says."""
    assert Region.DAMAGE in regions(PATCH.replace(b"-2,4 +2,4", numbers))


def test_renames_copies_and_modes_are_read() -> None:
    """Changes without a hunk, and names with blanks and quotes."""
    text = (
        b"diff --git a/a b.c b/a b.c\nold mode 100644\nnew mode 100755\n"
        b"diff --git a/x.c b/y.c\nsimilarity index 100%\nrename from x.c\nrename to y.c\n"
        b'diff --git "a/f\\303\\274\\"nf" "b/f\\303\\274\\"nf"\nnew file mode 120000\n'
        b'--- /dev/null\n+++ "b/f\\303\\274\\"nf"\n@@ -0,0 +1 @@\n+../x\n\\ No newline at end of file\n'
        b"diff --git a/i.png b/i.png\nindex 1..2 100644\nGIT binary patch\nliteral 3\n"
    )
    mode, rename, link, binary = read_changes(text)

    assert (mode.files, mode.modes) == (("a b.c",), ["100644", "100755"])
    assert rename.files == ("y.c", "x.c")
    assert (link.files, link.modes, link.added) == (('fü"nf',), ["120000"], [b"../x"])
    assert (binary.files, binary.binary) == (("i.png",), True)


def test_a_bare_diff_is_read() -> None:
    """As diff(1) writes it: folders of any name, times behind the names."""
    text = b"--- linux.orig/kernel/a.c\t2020-01-01 00:00\n+++ linux/kernel/a.c\t2020-01-01 00:01\n@@ -1 +1 @@\n-a\n+b\n"

    assert read_changes(text)[0].files == ("kernel/a.c",)
    assert not lacks_prefixes(text)


def test_text_is_no_diff() -> None:
    """A diffstat, a rule of dashes, and a quoted diff are none."""
    assert not has_diff(b"---\n x | 2 +-\n--- a\n> diff --git a/x b/x\n> --- a/x\n> +++ b/x\n")
    assert has_diff(PATCH)


def test_copies_compare_equal() -> None:
    """The message, a list's footer and blanks at the ends of lines make no difference; the diff does."""
    copy = b"[list] " + PATCH.replace(b" 2\n\n", b" 2\n \n") + b"_____\nfooter\n"

    assert diff_lines(copy) == diff_lines(PATCH)
    assert diff_lines(PATCH.replace(b"\n 5", b"\n 6")) != diff_lines(PATCH)


def test_missing_prefixes_are_added() -> None:
    """A diff for -p0 becomes one for -p1; what is in hunks stays."""
    bare = PATCH.replace(b" a/kernel", b" kernel").replace(b" b/kernel", b" kernel")

    assert (lacks_prefixes(bare), lacks_prefixes(PATCH)) == (True, False)
    assert add_prefixes(bare) == PATCH


@given(st.lists(st.sampled_from(PATCH.splitlines(keepends=True)), max_size=30).map(b"".join))
def test_every_line_is_read_once(text: bytes) -> None:
    """Whatever the order of the lines, none is lost, and reading ends."""
    found = [line for line in read_lines(text) if line.content or line.region is not Region.DAMAGE]

    assert b"".join(line.content + b"\n" for line in found) == text
    read_changes(text)


def test_a_hunk_has_the_lines_that_it_expects() -> None:
    """Counts that are left out are 1, an empty line is one of context, and the mark of a last line is none."""
    text = (
        b"diff --git a/f b/f\n--- a/f\n+++ b/f\n"
        b"@@ -3 +3,2 @@ int main(void)\n-old\n+new\n+more\n"
        b"@@ -9,2 +10,2 @@\n\n-x\n\\ No newline at end of file\n+y\n"
    )
    (change,) = read_changes(text)

    assert [hunk.heading for hunk in change.hunks] == ["@@ -3,1 +3,2 @@ int main(void)", "@@ -9,2 +10,2 @@"]
    assert [hunk.start for hunk in change.hunks] == [3, 9]
    assert [hunk.expected for hunk in change.hunks] == [["old"], ["", "x"]]
