# SPDX-License-Identifier: GPL-2.0-only
"""Each text check finds its defect at the patch that has it, and nothing at the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.store import Store
from harness.checks.registry import choose_checks
from harness.checks.runner import run_checks
from tests.unit.checks.planted import CGROUP, DOCUMENTED, FORK, SIGNED, STRING, Defect, Planted

CLEAN = Defect("", {"kernel/fork.c": f"{FORK}/* 12 */\n"})
DEFECTS = (
    CLEAN,
    Defect("checkpatch", {"kernel/fork.c": f"{FORK}/* 13 */ \n"}),
    Defect("fixes", {"kernel/fork.c": f"{FORK}/* 14 */\n"}, trailers=['Fixes: 123456789abc ("fork: no such")', SIGNED]),
    Defect("signoff", {"kernel/fork.c": f"{FORK}/* 15 */\n"}, trailers=["Signed-off-by: Other <other@example.org>"]),
    Defect("stable", {"kernel/fork.c": f"{FORK}/* 16 */\n"}, trailers=["Cc: stable@vger.kernel.org 5.10+", SIGNED]),
    Defect("trailers", {"kernel/fork.c": f"{FORK}/* 17 */\n"}, trailers=["Acked-by: A <a@b.org>"] * 2 + [SIGNED]),
    Defect("links", {"kernel/fork.c": f"{FORK}/* 18 */\n"}, trailers=["Closes: the report", SIGNED]),
    Defect("prefix", {"kernel/fork.c": f"{FORK}/* 19 */\n"}, subject="gadget: count once more"),
    Defect("maintainers", {"kernel/cgroup/cgroup.c": f"{CGROUP}/* 20 */\n"}, subject="cgroup: count once more"),
    Defect(
        "kernel-doc",
        {"lib/string.c": "#include <linux/kernel.h>\n\n" + DOCUMENTED + STRING.partition("\n")[2]
            + "\n/**\n * more - no\n * @wrong: is new\n */\nint more(int of)\n{\n\treturn of;\n}\n"},
        subject="lib: count once more",
    ),
    Defect("spelling", {"kernel/fork.c": f"{FORK}/* we recieve it */\n"}),
    Defect("doc-links", {"kernel/fork.c": f"{FORK}/* see Documentation/nothing.rst */\n"}),
    Defect("abi-files", {
        "Documentation/ABI/testing/sysfs-old":
            "What:\t\t/sys/old\nDate:\t\tMay 2020\nDescription:\tNo contact.\n\nWhat:\t\t/sys/new\nDescription:\tNew.\n"
    }, subject="docs: an entry"),
)  # fmt: skip


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A tree with the series."""
    folder = tmp_path_factory.mktemp("planted")
    made = Planted(folder / "tree", Store(folder / "store"))
    made.add(DEFECTS)
    return made


def test_each_defect_is_found_at_its_patch_and_nowhere_else(planted: Planted) -> None:
    """No patch has a finding of another check, and what the base has already is not reported."""
    with planted.bench("cgroups@example.org") as bench:
        results = run_checks(bench, choose_checks("text"))

    found = {number: [one.check for one in each if one.findings] for number, each in results.items()}
    assert found == {number: [one.check] if one.check else [] for number, one in enumerate(DEFECTS, 1)}
    assert not [one for each in results.values() for one in each if one.not_run]
    findings = {one.check: one.findings for each in results.values() for one in each if one.findings}
    assert [one.render() for one in findings["maintainers"]] == [
        "warning: not posted to tj@example.org (maintainer:CGROUP)"
    ]
    assert [one.line for one in findings["kernel-doc"]] == [16]
    assert [len(one) for one in findings.values()] == [1] * len(findings)


def test_without_recipients_the_maintainers_are_not_checked(planted: Planted) -> None:
    """A patch that was not posted has no addresses to compare with."""
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("maintainers"))

    assert {one.not_run for each in results.values() for one in each} == {"the mail has no To: or Cc: header"}


OTHER = ["Co-developed-by: B <b@c.org>", "Signed-off-by: B <b@c.org>"]
TRAILERS = (
    ("signoff", [SIGNED, "Co-developed-by: B <b@c.org>", SIGNED], "no Signed-off-by: of the same person follows"),
    ("signoff", [*OTHER, SIGNED], ""),
    ("signoff", ["Reviewed-by: B <b@c.org>"], "there is no Signed-off-by: line"),
    ("signoff", ["Signed-off-by: test <other@example.org>"], "but signed off as"),
    ("signoff", ["Signed-off-by: Test <Test+x@localhost>"], ""),
    ("stable", ["Cc: stable@vger.kernel.org", SIGNED], ""),
    ("stable", ["Cc: <stable@vger.kernel.org> # 5.10.x: abc: needed", SIGNED], ""),
    ("stable", ["CC: <stable@vger.kernel.org>\t[4.9+]", SIGNED], ""),
    ("stable", ["Cc: <stable+noautosel@kernel.org> # it needs more", SIGNED], ""),
    ("stable", ["Cc: Stable Reader <stable@stable.example.org>", SIGNED], ""),
    ("stable", ["Cc: stable@vger.kernal.org", SIGNED], "the address for stable trees is"),
    ("stable", ["Cc: stable@kernel.com", SIGNED], "the address for stable trees is"),
    ("stable", ["Cc-stable: <stable@vger.kernel.org>", SIGNED], "the tag for stable trees is"),
    ("stable", ["Stable: 5.10+", SIGNED], "the tag for stable trees is"),
    ("links", ["Link: https://lore.kernel.org/r/a@b [1]", SIGNED], ""),
    ("links", ["Link: https://lore.kernel.org/r/a@b # v1", "Closes: <https://a.org/1>", SIGNED], ""),
    ("links", ["Link: <20260101.1@example.org>", SIGNED], "has no URL"),
    ("links", ["Link: https://a.org/1 and another one", SIGNED], "has text after the URL"),
)


def test_forms_of_trailers(tmp_path: Path) -> None:
    """Every form that the documentation of the kernel has passes, and mistakes in it are found."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"))
    planted.add(
        [
            Defect(check, {"kernel/fork.c": f"{FORK}/* x{at} */\n"}, trailers=trailers)
            for at, (check, trailers, _) in enumerate(TRAILERS)
        ]
    )
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("signoff,stable,links"))

    for number, (check, trailers, found) in enumerate(TRAILERS, 1):
        texts = {one.check: [finding.text for finding in one.findings] for one in results[number]}
        assert [found in text for text in texts[check]] == ([True] if found else []), trailers
        assert not [text for name, other in texts.items() if name != check for text in other], trailers


def test_fixes_of_the_history(tmp_path: Path) -> None:
    """The commit exists, its subject is compared, and short names are reported."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"))
    commit = planted.repository.commits[5]
    subject = planted.repository.git("log", "-1", "--format=%s", commit)
    lines = (
        f'Fixes: {commit[:12]} ("{subject}")',
        f'Fixes: {commit[:12]} ("another subject")',
        f'Fixes: {commit[:8]} ("{subject}")',
        f"Fixes: {commit[:12]} {subject}",
    )
    planted.add(
        [Defect("", {"kernel/fork.c": f"{FORK}/* x{at} */\n"}, trailers=[one, SIGNED]) for at, one in enumerate(lines)]
    )
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("fixes"))

    texts = [[finding.text for one in results[number] for finding in one.findings] for number in range(1, 5)]
    assert texts[0] == []
    assert texts[1] == [f'the subject of {commit[:12]} is "{subject}", not "another subject"']
    assert texts[2] == [f"Fixes: {commit[:8]} has 8 digits, not 12"]
    assert len(texts[3]) == 1
    assert "is not of the form" in texts[3][0]


def test_a_removed_document_that_is_named(tmp_path: Path) -> None:
    """A patch that removes a document leaves no reference to it."""
    planted = Planted(tmp_path / "tree", Store(tmp_path / "store"))
    planted.repository.commit({"kernel/fork.c": f"{FORK}/* Documentation/old.rst */\n"}, subject="fork: name it")
    planted.repository.git("tag", "--force", "base")
    planted.add([Defect("", {"Documentation/index.rst": "Nothing.\n"}, gone=["Documentation/old.rst"])])
    with planted.bench() as bench:
        results = run_checks(bench, choose_checks("doc-links"))

    texts = [one.render() for one in results[1][0].findings]
    assert texts == ["kernel/fork.c: warning: names Documentation/old.rst, which this patch removes"]
