# SPDX-License-Identifier: GPL-2.0-only
"""The shipped series: readable data, patches in mail format, and traits that change."""

from __future__ import annotations

import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run
from harness.base.store import Store
from harness.base.suites_file import default_name
from harness.kernel.git.worktree import check_out_sparsely
from harness.kernel.patches.shipped import ShippedSeries, find_shipped, shipped_names
from harness.kernel.source.tree import Source, source_package
from harness.model.kernel_spec import SpecKind, parse_spec
from harness.semantics.profile import Declaration
from harness.semantics.traits import Semantics
from harness.suite.load import default_suite, find_suite, suite_semantics

SERIES = paths.SERIES
NAMES = sorted(path.parent.name for path in SERIES.glob("*/series.toml"))
OF_2007 = {name: f"ns_cgroup-{name.removeprefix('ns-cgroup-')}" for name in ("ns-cgroup-2.6.30", "ns-cgroup-2.6.37")}
OF_2007["ns-cgroup"] = "ns_cgroup-2.6.24"
"""The series that re-create the controller ns, each with the profile of its release."""
UNDOING = (
    "before-namespaces",
    "before-4.9",
    "mountinfo-unscoped",
    "move-judged-by-writer",
    "named-hierarchy-allowed",
    "release-agent-unchecked",
    "timens-5.6",
)
"""Controls that restore the behavior of an older release."""
INVENTED = (
    "looser-rules",
    "other-views",
    "stricter-rules",
    "timens-offsets-always-writable",
    "timens-offsets-from-zero",
)
"""Controls with behavior of no release."""
CONTROLS = (*UNDOING, *INVENTED)
OF_BASE = {name: {"dead_root_mount", "recreated_root_mount"} for name in ("cgroupns-v3", "cgroupns-v4")}
"""Traits of a posting that Linux 6.1 decides, whatever the profile of the version says."""
POSTED = {"cgroupns-rfc": "v0", "cgroupns-v1": "v1", "cgroupns-v2": "v2", "cgroupns-v3": "v3", "cgroupns-v4": "v4"}
"""The series that re-create a posted version, each with the profile of that version."""
RELEASE = "6.1.192"
"""What the kernel of deb-src:6.1 calls itself: some changes of later releases were backported to it."""
PATCHES = sorted(SERIES.glob("*/*.patch"))
CHANGED_LINES = re.compile(
    r"^ \d+ files? changed(?:, (\d+) insertions?\(\+\))?(?:, (\d+) deletions?\(-\))?$", re.MULTILINE
)


CHECKPATCH = ("perl", "scripts/checkpatch.pl", "--strict", "--quiet", "--ignore", "UNKNOWN_COMMIT_ID")
"""Why that one is ignored stands in series/README.md."""


def soon() -> Deadline:
    """Return a deadline that is long enough to check out a kernel tree on a busy host."""
    return Deadline.after(600)


@pytest.fixture(scope="module")
def source() -> Source:
    """Return the base of the controls from the user's store, so that it is imported once."""
    return source_package(Context(Store.default(), soon()), "6.1")


@pytest.fixture(scope="module")
def semantics() -> Semantics:
    """Return the traits and profiles of the default suite."""
    return suite_semantics(default_suite())


def read_patch(path: Path) -> EmailMessage:
    """Read a patch as mail; the line before the header is the separator of mbox."""
    text = path.read_text(encoding="ascii")
    assert text.startswith(f"From {'0' * 40} Mon Sep 17 00:00:00 2001\n")
    return email.message_from_string(text.partition("\n")[2], policy=email.policy.default)


def checkpatch_needs(source: Source) -> list[str]:
    """Return the files that checkpatch.pl reads: its own data, and those by which it recognizes a kernel tree."""
    listed = source.repository.git("ls-tree", "-r", "-z", "--name-only", source.commit, deadline=soon()).stdout
    names = [name for name in listed.decode(errors="surrogateescape").split("\0") if name]
    tops = {name.partition("/")[0]: name for name in names}
    return [*tops.values(), *(name for name in names if name.startswith("scripts/") and name.count("/") == 1)]


def find(name: str) -> ShippedSeries:
    """Find a series like the harness does."""
    return find_shipped(name, deadline=Deadline.after(60))


def test_the_controls_exist() -> None:
    """A missing negative control makes every suite look better than it is."""
    assert set(CONTROLS) <= set(NAMES)
    assert tuple(NAMES) == shipped_names()
    assert sorted(path.name for path in SERIES.iterdir() if path.is_dir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_declared_traits_differ_from_the_profile(name: str) -> None:
    """Each declared trait of its suite differs from the profile; postings may declare none."""
    shipped = find(name)
    semantics = suite_semantics(find_suite(shipped.suite or default_name()))
    base = semantics.profile(shipped.profile, release=RELEASE)
    if shipped.below:
        base = semantics.changed(base, shipped.below.declaration)
    traits = shipped.traits
    changed = semantics.changed(base, Declaration(name, traits, "series.toml"))

    assert traits or name in POSTED
    assert {trait for trait in changed.values if changed.values[trait] != base.values.get(trait)} == set(traits)


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_is_a_series_on_a_source_package(name: str) -> None:
    """Its base is a public package, its profile is strict, and it does not change common headers."""
    shipped = find(name)
    files = {file for patch in shipped.series.patches for file in patch.files}

    assert parse_spec(shipped.base).kind is SpecKind.SOURCE_PACKAGE
    assert (shipped.profile, shipped.confirmed) == ("mainline", True)
    assert all(file.endswith(".c") or file.startswith("kernel/cgroup/") for file in files)
    assert len(shipped.title.splitlines()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_lists_each_series(name: str) -> None:
    """Its row in series/README.md names every declared trait."""
    rows = (SERIES / "README.md").read_text().splitlines()
    (row,) = [row for row in rows if row.startswith(f"| `{name}` |")]

    assert set(re.findall(r"`(\w+)`", row.split("|")[-2])) == set(find(name).traits)


@pytest.mark.parametrize("name", NAMES)
def test_patches_are_numbered(name: str) -> None:
    """The patches of a series are 0001, 0002, ... without a gap; its folder has no files of other kinds."""
    files = sorted(path.name for path in (SERIES / name).iterdir())
    patches = [file for file in files if file.endswith(".patch")]

    assert set(files) == {"series.toml", *patches, *(fragment.name for fragment in find(name).fragments)}
    assert [patch[:5] for patch in patches] == [f"{number:04}-" for number in range(1, len(patches) + 1)]
    assert patches


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.parent.name)
def test_a_patch_has_mail_headers(path: Path) -> None:
    """It has a signed-off author, a fixed date and a subject, as git format-patch writes them, all in ASCII."""
    mail = read_patch(path)
    message, cut, rest = mail.get_content().partition("\n---\n")

    assert cut
    assert mail["Subject"].startswith("[PATCH")
    assert mail["Date"].datetime is not None
    assert message.rstrip().endswith(f"\nSigned-off-by: {mail['From']}")
    assert "\ndiff --git a/" in rest


@pytest.mark.parametrize("path", PATCHES, ids=lambda path: path.parent.name)
def test_the_diffstat_matches_the_diff(path: Path) -> None:
    """A patch edited by hand would have wrong numbers."""
    stat, _, diff = read_patch(path).get_content().partition("\n---\n")[2].partition("\ndiff --git ")
    lines = diff.splitlines()
    added = sum(line.startswith("+") and not line.startswith("+++ ") for line in lines)
    removed = sum(line.startswith("-") and not line.startswith("--- ") for line in lines)
    (counted,) = CHANGED_LINES.findall(stat)

    assert tuple(int(number or 0) for number in counted) == (added, removed)


@pytest.mark.parametrize(("name", "profile"), OF_2007.items())
def test_the_controller_of_2007_matches_its_profile(semantics: Semantics, name: str, profile: str) -> None:
    """The stack declares all traits of the profile, and one more that only exists on 6.1."""
    declared = find(name).declaration
    said = semantics.postings[profile].values

    assert declared.confirmed
    assert {trait: declared.traits[trait] for trait in said} == said
    assert declared.traits.keys() - said.keys() <= {"ns_clone_children"}


@pytest.mark.parametrize(("name", "profile"), POSTED.items())
def test_a_posting_is_a_series_on_a_source_package(semantics: Semantics, name: str, profile: str) -> None:
    """Its profile is that of its version, traits without a value fail nothing, and it does not change headers."""
    shipped = find(name)
    confirmed = [trait for trait, value in semantics.postings[profile].expectations.items() if value.confirmed]

    assert parse_spec(shipped.base).kind is SpecKind.SOURCE_PACKAGE
    assert shipped.profile == profile
    of_base = OF_BASE.get(name, set())
    assert not shipped.confirmed or set(shipped.traits) == of_base
    assert set(confirmed) & set(shipped.traits) <= of_base
    assert not [file for patch in shipped.series.patches for file in patch.files if file.startswith("include/")]


def test_shared_patches_of_postings_are_identical() -> None:
    """Each series is complete, so patches of the same subject are copies, bit for bit."""
    copies: dict[str, set[bytes]] = {}
    folders: dict[str, set[str]] = {}
    for path in (path for name in POSTED for path in (SERIES / name).glob("*.patch")):
        subject = read_patch(path)["Subject"]
        copies.setdefault(subject, set()).add(path.read_bytes())
        folders.setdefault(subject, set()).add(path.parent.name)

    assert {subject for subject, found in copies.items() if len(found) > 1} == set()
    assert sum(found == set(POSTED) for found in folders.values()) >= 8


@pytest.mark.parametrize("name", POSTED)
def test_a_posting_describes_itself(name: str) -> None:
    """Each patch says that it re-creates an old version, and that it must not be merged anywhere."""
    for path in sorted((SERIES / name).glob("*.patch")):
        message = " ".join(read_patch(path).get_content().partition("\n---\n")[0].split())

        assert re.search(r"\b(This|this|It) re-creates\b", message)
        assert "not meant for any tree that people run" in message


@pytest.mark.network
@pytest.mark.parametrize("name", NAMES)
def test_git_am_and_checkpatch_accept_the_patches(name: str, source: Source, tmp_path: Path) -> None:
    """git am applies each patch on the base without white space errors, and checkpatch --strict has no findings."""
    stack = find(name).stack
    touched = [file for one in stack for patch in one.series.patches for file in patch.files]
    tree = check_out_sparsely(
        source.repository, source.commit, [*touched, *checkpatch_needs(source)], folder=tmp_path, deadline=soon()
    )
    for below in stack[:-1]:
        for path in sorted((SERIES / below.name).glob("*.patch")):
            tree.git("am", "--quiet", str(path), deadline=soon())
    patches = sorted((SERIES / name).glob("*.patch"))
    tree.git("am", "--quiet", "--whitespace=error-all", *map(str, patches), deadline=soon())
    said = run([*CHECKPATCH, *patches], within=Surroundings(cwd=tree.path), check=False, deadline=soon())

    assert (said.stdout.decode(), said.stderr.decode(), said.status) == ("", "", 0)
    assert not tree.git("status", "--porcelain", deadline=soon()).stdout


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_describes_itself(name: str) -> None:
    """Each patch says that it must not be merged anywhere, and which commit it reverts."""
    for path in (SERIES / name).glob("*.patch"):
        message = " ".join(read_patch(path).get_content().partition("\n---\n")[0].split())

        assert "negative control" in message
        assert "not meant for any tree that people run" in message
        assert re.search(r'[Cc]ommit [0-9a-f]{12} \(".+?"\)', message)
        assert re.search(r"\bv\d\.\d+\b", message)
        assert (name in INVENTED) == bool(re.search(r"no release ever|never done so", message, re.IGNORECASE))
