# SPDX-License-Identifier: GPL-2.0-only
"""What no series may do."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from harness.base.errors import SeriesError
from harness.kernel.patches.safety import SERIES_LIMIT_BYTES, check_link, check_patch, check_size

HUNK = "@@ -0,0 +1 @@\n+a\n"


def change(path: str, *, hunk: str = HUNK) -> str:
    """A diff of one file."""
    return f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n{hunk}"


def link(path: str, target: str) -> str:
    """A diff that makes a symbolic link."""
    hunk = f"@@ -0,0 +1 @@\n+{target}\n\\ No newline at end of file\n"
    return f"diff --git a/{path} b/{path}\nnew file mode 120000\n--- /dev/null\n+++ b/{path}\n{hunk}"


def refusal(text: str | bytes, links: Collection[str] = ()) -> str:
    """The sentence that a patch is refused with."""
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(SeriesError) as raised:
        check_patch(data, links, called="patch 1/2 (a) of x.mbox")
    assert raised.value.what.startswith("patch 1/2 (a) of x.mbox ")
    return raised.value.what.removeprefix("patch 1/2 (a) of x.mbox ")


@pytest.mark.parametrize(
    "text",
    [
        change("../../etc/passwd"),
        change("kernel/../../x"),
        change("/etc/passwd"),
        "--- /etc/passwd\n+++ /etc/passwd\n" + HUNK,
        "--- ../x\n+++ ../x\n" + HUNK,
        "--- a/x\n+++ b/../x\n" + HUNK,
        '--- a/x\n+++ "b/\\056./x"\n' + HUNK,
        change("ok") + "@@ -1,0 +1,0 @@\n" + change("../x"),
        "diff --git a/x b/x\nrename from x\nrename to ../x\n",
        "diff --git a/x b/x\ncopy from x\ncopy to /x\n",
        "diff --git a/../x b/../x\nold mode 100644\nnew mode 100755\n",
    ],
)
def test_nothing_outside_the_tree_is_reached(text: str) -> None:
    """Not by any header, quoted or not, in a rename, or behind a hunk that says it holds nothing."""
    assert refusal(text).startswith("reaches outside the tree: ")


@pytest.mark.parametrize(
    "path",
    [
        *(".git/config", "sub/.git/hooks/post-checkout", ".GIT/config", ".git", "GIT~1/config", ".g\u200cit/x"),
        *(".git. /x", ".gitmodules", "sub/.gitattributes", ".GitModules", ".git::$INDEX_ALLOCATION/config"),
    ],
)
def test_gits_own_files_are_not_changed(path: str) -> None:
    """In any spelling that some file system takes for them."""
    assert refusal(change(path)) == f"changes git's own files: {path}"


@pytest.mark.parametrize(
    "path", [".gitignore", ".mailmap", "a/.gitkeep", "x.git/y", "drivers/git/x", "..a/..b", "a..b"]
)
def test_honest_paths_are_taken(path: str) -> None:
    """What only looks odd is a file like others."""
    assert check_patch(change(path).encode(), (), called="p") == ()


def test_a_symbolic_link_is_not_followed() -> None:
    """Neither one of the tree, nor one that the patch or an earlier one of the series makes."""
    made = check_patch(link("sub/here", "../kernel").encode(), (), called="p")

    assert made == ("sub/here",)
    assert refusal(change("sub/here/x"), made) == "reaches through a symbolic link: sub/here/x"
    assert refusal(link("l", "kernel") + change("l/x")) == "reaches through a symbolic link: l/x"
    assert check_patch(change("sub/hereby/x").encode(), made, called="p") == ()


@pytest.mark.parametrize("target", ["/etc", "../..", "../../x", "../.git/config", "x/../../../y"])
def test_no_symbolic_link_leaves_the_tree(target: str) -> None:
    """Neither in the patch nor, later, in the tree that it makes."""
    assert refusal(link("sub/l", target)).startswith("makes a symbolic link that leaves the tree: sub/l -> ")
    with pytest.raises(SeriesError, match="leaves the tree"):
        check_link("sub/l", target, called="p")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("diff --git a/i b/i\nindex 1..2 100644\nGIT binary patch\nliteral 1\n", "changes a file that is not text: i"),
        ("diff --git a/i b/i\nBinary files a/i and b/i differ\n", "changes a file that is not text: i"),
        (
            "diff --git a/s b/s\nnew file mode 160000\n--- /dev/null\n+++ b/s\n" + HUNK,
            "adds a submodule commit at s",
        ),
        (
            "diff --git a/s b/s\nold mode 100644\nnew mode 104755\n",
            "gives s the mode 104755, which no file of a tree has",
        ),
        (change("x", hunk="@@ -0,0 +1 @@\n+a\0b\n"), "holds NUL bytes: it is not text"),
        (change("x", hunk="@@ -1,3 +1,3 @@\n a\n-b\n+c\n"), "is damaged: a hunk ends before its @@ line says"),
        ('--- a/x\n+++ "b/x\\ny"\n' + HUNK, "has a path with control characters"),
    ],
)
def test_what_nobody_can_read_is_refused(text: str, what: str) -> None:
    """Binary parts, gitlinks, invalid modes and damaged hunks are refused."""
    assert refusal(text) == what


def test_a_message_may_speak_of_such_things() -> None:
    """Only the diff is judged, not the words above it or the text of the change."""
    text = "About /etc/passwd, ../x and .git:\n\n  Binary files a/x and b/x differ\nGIT binary patch\n---\n"

    assert check_patch((text + change("x", hunk="@@ -0,0 +1 @@\n+++ b/../x\n")).encode(), (), called="p") == ()


def test_absurd_size_is_refused() -> None:
    """In bytes or in patches."""
    with pytest.raises(SeriesError, match=r"x\.mbox is too large: 1 patches"):
        check_size([bytes(SERIES_LIMIT_BYTES + 1)], name="x.mbox")
    with pytest.raises(SeriesError, match="3000 patches"):
        check_size([b"a"] * 3000, name="x.mbox")
