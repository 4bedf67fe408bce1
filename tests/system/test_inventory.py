# SPDX-License-Identifier: GPL-2.0-only
"""The inventory of a real kernel: the same at each boot, and right about what it lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from tests.program import environment, harness

pytestmark = pytest.mark.guest
SECTIONS = r"""
[inventory.tmp]
before = '''
mkdir /tmp/a /tmp/a/below; echo 100 > /tmp/a/plain; chmod 600 /tmp/a/plain; ln -s x /tmp/a/link; : > /tmp/a/empty; \
printf "a 1\nb 2\n" > /tmp/a/flat; printf "8:0 r=1 w=2\n" > /tmp/a/nested; chown 9000:7 /tmp/a/flat'''
command = "inventory files /tmp/a; inventory names /tmp/a/../a; inventory mount tmpfs size=1m no_such_option"

[inventory.not-there]
before = "echo no such thing; (exit 4)"
command = "false"
"""


def start(*words: str | Path, cwd: Path) -> process.Completed:
    """Run the harness in a folder."""
    within = process.Surroundings(env=environment(), cwd=cwd)
    return process.run(harness(*words), deadline=Deadline.after(600.0), check=False, within=within)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a suite that has an inventory."""
    desk = tmp_path_factory.mktemp("desk")
    assert start("suite", "new", "mine", cwd=desk).status == ExitStatus.AS_EXPECTED
    with (desk / "mine/suite.toml").open("a") as file:
        file.write(SECTIONS)
    return desk


def test_entries_are_what_is_there(desk: Path) -> None:
    """Modes, owners, formats and defaults of files, names below a folder, and answers of mount(2)."""
    done = start("inventory", "deb", "--suite", "mine", "--output", "a.json", cwd=desk)
    assert done.status == ExitStatus.AS_EXPECTED, done.complaint
    content = json.loads((desk / "a.json").read_text())
    facts = {one["key"]: one["facts"] for one in content["entries"]}
    usual = "owner=0:0 read=ok write=ok seek=ok"

    assert facts["tmp: /tmp/a/plain"] == f'mode=0600 {usual} content=value default="100"'
    assert facts["tmp: /tmp/a/flat"] == "mode=0644 owner=9000:7 read=ok write=ok seek=ok content=flat-keyed"
    assert facts["tmp: /tmp/a/nested"] == f"mode=0644 {usual} content=nested-keyed"
    assert facts["tmp: /tmp/a/empty"] == f"mode=0644 {usual} content=empty"
    assert facts["tmp: /tmp/a/../a/link"] == "link mode=0777 owner=0:0"
    assert facts["tmp: /tmp/a/../a/below"] == "directory mode=0755 owner=0:0"
    assert facts["tmp: mount -t tmpfs -o size=1m"] == "ok"
    assert facts["tmp: mount -t tmpfs -o no_such_option"] == "EINVAL"
    assert content["missing"] == [{"name": "not-there", "reason": "no such thing"}]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ('[inventory.bad]\ncommand = "echo nonsense"\n', "[inventory.bad]: a line has no entry"),
        ('[inventory.bad]\ncommand = "inventory files"\n', "[inventory.bad]: a command ended with status 64"),
        ('[inventory.bad]\ncommand = "echo a = 1; echo a = 2"\n', "[inventory.bad] lists a twice"),
    ],
)
def test_broken_section_is_named(section: str, problem: str, desk: Path) -> None:
    """The error shows the section and what its command printed."""
    file = desk / "mine/suite.toml"
    before = file.read_text()
    file.write_text(before + section)
    try:
        done = start("inventory", "deb", "--suite", "mine", cwd=desk)
    finally:
        file.write_text(before)

    assert done.status == ExitStatus.CASE_BROKEN
    assert problem in done.complaint


def test_two_boots_of_a_kernel_do_not_differ(tmp_path: Path) -> None:
    """The shipped suite: nothing that it lists depends on the boot, and a change of one fact is found."""
    assert start("inventory", "deb", "--output", "a.json", cwd=tmp_path).status == ExitStatus.AS_EXPECTED
    same = start("inventory", "a.json", "deb", cwd=tmp_path)
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "b.json").write_text(text.replace("mode=0200", "mode=0222", 1))
    other = start("inventory", "a.json", "b.json", cwd=tmp_path)

    assert same.status == ExitStatus.AS_EXPECTED, same.text
    assert "0 added, 0 removed, 0 changed" in same.text
    assert other.status == ExitStatus.DIFFERS
    assert "mode=0200 -> mode=0222" in other.text
    assert "0 added, 0 removed, 1 changed" in other.text
