# SPDX-License-Identifier: GPL-2.0-only
"""A small kernel tree with a history, and a series on it with one planted defect a patch.

The scripts of the tree are small ones that print as the kernel's own do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.checks.frame.bench import Bench, read_patches
from harness.kernel.patches.apply import patch_tree
from harness.kernel.patches.patched_tree import unpatched
from harness.kernel.patches.series import read_series
from harness.kernel.source.tree import source_tree
from tests.unit.kernel.fake_tree import FILES as TREE
from tests.unit.kernel.fake_tree import FakeRepository, write_tree

SOON = Deadline.after(3600)
WHO = "Test <test@localhost>"
AUTHOR = "test@localhost <test@localhost>"
SIGNED = f"Signed-off-by: {AUTHOR}"

CHECKPATCH = r"""#!/usr/bin/env perl
my ($file, $line) = ("", 0);
open(my $in, "<", $ARGV[-1]);
while (<$in>) {
	$file = $1 if m{^\+\+\+ b/(.*)};
	$line = $1 - 1 if /^@@ -\S+ \+(\d+)/;
	next unless /^[+ ]/ && !/^\+\+\+/;
	$line++;
	print "$file:$line: ERROR:TRAILING_WHITESPACE: trailing whitespace\n" if /^\+.*[ \t]$/;
}
"""
GET_MAINTAINER = r"""#!/usr/bin/env perl
-f "MAINTAINERS" or die "not the top of a tree";
open(my $in, "<", $ARGV[-1]);
my $mail = join("", <$in>);
print "Tejun <tj\@example.org> (maintainer:CGROUP)\n" if $mail =~ m{^\+\+\+ b/kernel/cgroup/}m;
print "cgroups\@example.org (open list:CGROUP)\n" if $mail =~ m{^\+\+\+ b/kernel/cgroup/}m;
print "linux-kernel\@vger.kernel.org (open list)\n";
"""
KERNEL_DOC = r"""#!/usr/bin/env perl
for my $file (grep { !/^-/ } @ARGV) {
	open(my $in, "<", $file);
	my %described = ();
	while (<$in>) {
		$described{$1} = 1 if /^ \* \@(\w+):/;
		next unless /^int \w+\((?:int|const char \*)\s?(\w+)\)$/ && %described;
		print "$file:$.: warning: Function parameter or member '$1' not described\n" unless $described{$1};
		%described = ();
	}
}
"""
DOCUMENTED = """/**
 * length - count
 * @other: is wrong already in the base
 */
"""
SCRIPTS = {
    "scripts/checkpatch.pl": CHECKPATCH,
    "scripts/get_maintainer.pl": GET_MAINTAINER,
    "scripts/kernel-doc": KERNEL_DOC,
    "scripts/spelling.txt": "# a list\nrecieve||receive\n",
    "Documentation/index.rst": "A document, see Documentation/missing-already.rst.\n",
    "Documentation/old.rst": "An old document.\n",
    "Documentation/ABI/testing/sysfs-old": "What:\t\t/sys/old\nDate:\t\tMay 2020\nDescription:\tNo contact.\n",
    "lib/string.c": "#include <linux/kernel.h>\n" + DOCUMENTED + TREE["lib/string.c"].partition("\n")[2],
}
FORK, CGROUP, STRING = (TREE[one] for one in ("kernel/fork.c", "kernel/cgroup/cgroup.c", "lib/string.c"))


@dataclass(frozen=True)
class Defect:
    """A patch with one defect.

    :param check: the check that finds it.
    :param files: the files that the patch writes.
    :param subject: its title.
    :param trailers: the lines at its end.
    :param body: its text.
    :param gone: files that it removes.
    """

    check: str
    files: Mapping[str, str]
    subject: str = "fork: count once more"
    trailers: Sequence[str] = (SIGNED,)
    body: str = "There is a reason for it."
    gone: Sequence[str] = ()


@dataclass
class Planted:
    """The tree, and the patches on it.

    :param path: the folder of the tree.
    :param store: a store of its own.
    :param files: further files of the tree.
    :param history: number of commits to each of two files.
    """

    path: Path
    store: Store
    files: Mapping[str, str] = field(default_factory=dict)
    history: int = 12
    repository: FakeRepository = field(init=False)

    def __post_init__(self) -> None:
        write_tree(self.path, {**SCRIPTS, **self.files})
        self.repository = FakeRepository(self.path)
        self.repository.git("init", "--quiet", "--initial-branch=main")
        self.repository.commit({}, subject="the tree")
        for number in range(self.history):
            self.repository.commit({"kernel/fork.c": f"{FORK}/* {number} */\n"}, subject=f"fork: change {number}")
            self.repository.commit(
                {"kernel/cgroup/cgroup.c": f"{CGROUP}/* {number} */\n"}, subject=f"cgroup: change {number}"
            )
        self.repository.git("tag", "base")

    def add(self, defects: Sequence[Defect]) -> None:
        """Commit the patches of a series."""
        for one in defects:
            for name in one.gone:
                (self.path / name).unlink()
            lines = [one.subject, "", one.body, "", *one.trailers]
            self.repository.commit(dict(one.files), subject="\n".join(lines))

    def mailbox(self, *recipients: str) -> Path:
        """Write the commits after the tag ``base`` to a mailbox, as git-format-patch(1) does."""
        sent = [f"--to={one}" for one in recipients]
        text = self.repository.git("format-patch", "--stdout", *sent, "base..main")
        file = self.path.parent / "series.mbx"
        file.write_text(text + "\n")
        return file

    def bench(self, *recipients: str) -> Bench:
        """Apply the mailbox to the base."""
        context = Context(self.store, SOON)
        source = source_tree(context, self.path, revision="base")
        series = read_series(self.mailbox(*recipients), store=self.store, deadline=SOON)
        tree = patch_tree(context, source, series, is_revision_given=True)
        base = unpatched(source)
        return Bench(context, base, read_patches(context, base, series.patches, tree.commits))
