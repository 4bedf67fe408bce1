# SPDX-License-Identifier: GPL-2.0-only
"""What ``scripts/checkpatch.pl`` of a tree says of a series; a small script in its place prints as it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.kernel.patches import checkpatch
from harness.kernel.patches.checkpatch import NO_SCRIPT, REFUSED, check_style, parse_complaints
from harness.kernel.patches.patched_tree import PatchedTree, unpatched
from harness.kernel.patches.series import Series, series_of_range
from harness.kernel.source.tree import source_tree
from harness.model.series_record import Level, StyleFinding
from tests.unit.kernel.user_tree import UserTree

SOON = Deadline.after(3600)
SCRIPT = r"""#!/usr/bin/perl
use strict; use warnings;
my ($file, $line, $name) = ("", 0, $ARGV[-1]);
open(my $in, "<", $name) or die "no $name";
while (<$in>) {
	$file = $1 if m{^\+\+\+ b/(.*)};
	$line = $1 - 1 if /^@@ -\S+ \+(\d+)/;
	print "$name:$.: WARNING:BAD_SIGN_OFF: no sign-off\n" if /^---$/;
	next unless /^[+ ]/ && !/^\+\+\+/;
	$line++;
	print "$file:$line: ERROR:TRAILING_WHITESPACE: trailing whitespace\n" if /^\+.*[ \t]$/;
	print "$file:$line: CHECK:CAMELCASE: Avoid CamelCase: <$1>\n" if /^\+.*\b([a-z]+[A-Z]\w*)/;
}
print `cat /etc/passwd 2>&1` if -e "/etc/passwd";
open(my $out, ">", "/src/written") and print "the tree can be written\n";
"""
"""Prints what it sees of the host, too."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def series_on(store: Store, tree: UserTree, script: str | None = SCRIPT) -> tuple[PatchedTree, Series]:
    """Two patches on a tree that has that script; the second one takes the script away."""
    if script is not None:
        tree.commit({"scripts/checkpatch.pl": script})
    tree.git("tag", "base")
    tree.commit({"kernel/cgroup.c": "int cgroup;\nint namespace; \nint camelCase;\n"})
    tree.commit({"scripts/checkpatch.pl": "print 'all is well';\n"})
    source = source_tree(Context(store, SOON), tree.folder, revision="base")
    return unpatched(source), series_of_range(source.repository, "base..master", head=source.commit, deadline=SOON)


def test_complaints_are_read() -> None:
    """Level, file, line and kind; what is said of the mail names no file, and what is no complaint is kept."""
    lines = (
        "kernel/x.c:12: WARNING:LONG_LINE: line length of 110 exceeds 100 columns",
        "patch:8: ERROR:GIT_COMMIT_ID: Please use git commit description style",
        ":3: CHECK:SPACING: spaces preferred",
        "kernel/x.c:99: ERROR:MISSING_SIGN_OFF: Missing Signed-off-by: line(s)",
        "Can't locate Foo.pm in @INC",
    )

    assert tuple(parse_complaints(lines)) == (
        StyleFinding(Level.WARNING, "kernel/x.c", 12, "line length of 110 exceeds 100 columns", "LONG_LINE"),
        StyleFinding(Level.ERROR, "", 0, "Please use git commit description style", "GIT_COMMIT_ID"),
        StyleFinding(Level.CHECK, "", 0, "spaces preferred", "SPACING"),
        StyleFinding(Level.ERROR, "", 0, "Missing Signed-off-by: line(s)", "MISSING_SIGN_OFF"),
        StyleFinding(Level.WARNING, "", 0, "scripts/checkpatch.pl printed: Can't locate Foo.pm in @INC"),
    )


def test_each_patch_is_asked_of_the_base_and_shut_in(store: Store, tree: UserTree) -> None:
    """The script of the base judges, also a patch that replaces it; it sees no file of the host and writes nothing."""
    base, series = series_on(store, tree)
    style = check_style(Context(store, SOON), base, series.patches)

    assert not isinstance(style, str)
    assert [one.render() for one in style[1]] == [
        "warning: no sign-off (BAD_SIGN_OFF)",
        "kernel/cgroup.c:2: error: trailing whitespace (TRAILING_WHITESPACE)",
        "kernel/cgroup.c:3: check: Avoid CamelCase: <camelCase> (CAMELCASE)",
    ]
    assert [one.kind for one in style[2]] == ["BAD_SIGN_OFF"]


def test_what_was_said_is_remembered(store: Store, tree: UserTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time nothing is checked out or run."""
    base, series = series_on(store, tree)
    first = check_style(Context(store, SOON), base, series.patches)
    monkeypatch.setattr(checkpatch, "checked_out", None)

    assert check_style(Context(store, SOON), base, series.patches) == first


def test_a_script_that_fails_is_told(store: Store, tree: UserTree) -> None:
    """A tree whose script does not run is no reason to say that the patch is well."""
    base, series = series_on(store, tree, "die 'not today';\n")
    style = check_style(Context(store, SOON), base, series.patches)

    assert (
        style == "perl does not run the base's scripts/checkpatch.pl: not today at /src/scripts/checkpatch.pl line 1."
    )


def test_a_tree_without_the_script(store: Store, tree: UserTree) -> None:
    """The reason is not the same as nothing to complain of."""
    base, series = series_on(store, tree, None)

    assert check_style(Context(store, SOON), base, series.patches) == NO_SCRIPT


def test_warnings_of_perl_about_the_script_are_no_findings(store: Store, tree: UserTree) -> None:
    """An old script has code that today's perl warns of; that says nothing about a patch."""
    old = 'warn "Unescaped left brace in regex is passed through in regex"; my $x; my $y = "a$x";\n'
    base, series = series_on(store, tree, SCRIPT.replace("use strict; use warnings;\n", f"use warnings;\n{old}"))
    style = check_style(Context(store, SOON), base, series.patches)

    assert not isinstance(style, str)
    assert [one.kind for one in style[2]] == ["BAD_SIGN_OFF"]


def test_a_script_that_perl_refuses_is_reported_once(store: Store, tree: UserTree) -> None:
    """The checkpatch.pl of Linux 3.18 is illegal for today's perl: the whole series is unchecked, with the reason."""
    base, series = series_on(store, tree, "my $x = '#define do {'; $x =~ m/do\\s{/;\n")
    style = check_style(Context(store, SOON), base, series.patches)

    assert isinstance(style, str)
    assert style.startswith(f"{REFUSED}: Unescaped left brace in regex is illegal here")
