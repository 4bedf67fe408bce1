# SPDX-License-Identifier: GPL-2.0-only
"""Templates with hierarchies: made at the second request, different by the mounts only, not made after failures."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness import pipeline
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.guest import prepared
from harness.guest.prepared import KIND, find_prepared
from harness.guest.template import Template, cloned
from harness.run.play import prepare_machine
from harness.session.console_name import ConsoleName
from harness.session.header import read_header
from harness.session.preparation import preparation_command
from harness.suite.load import default_suite

pytestmark = pytest.mark.guest

SOON = 60.0
HEADER = read_header(("hierarchies: v1:freezer v2", ""), path="a.session", preparations=default_suite().preparations)
MOUNT = preparation_command(HEADER.preparations)
STATE_OF_THE_GUEST = "cat /proc/mounts; ls /run /tmp; echo $BASHPID $! $?; sh -c 'echo $$'"


@pytest.fixture
def own(template: Template, tmp_path: Path) -> Template:
    """Return the template, in a store of the test."""
    folder = tmp_path / "store" / "template" / template.folder.name
    shutil.copytree(template.folder, folder)
    return replace(template, folder=folder)


def wish(template: Template, command: str = MOUNT) -> Template | None:
    """Request a machine with hierarchies."""
    return find_prepared(template, command, deadline=Deadline.after(SOON))


def state(template: Template, folder: Path, *, mount: str) -> str:
    """Return the state of a machine with the hierarchies."""
    folder.mkdir()
    deadline = Deadline.after(SOON)
    with cloned(template, folder=folder, deadline=deadline) as machine:
        machine.prepared = mount
        prepare_machine(machine, MOUNT, deadline=deadline)
        return machine.console(ConsoleName.ADMIN, deadline=deadline).run(STATE_OF_THE_GUEST, deadline=deadline).output


def test_a_template_is_made_at_the_second_request(own: Template, tmp_path: Path) -> None:
    """A machine from it has the same mounts, files and pids as a machine that has mounted the hierarchies itself."""
    first, second, third = wish(own), wish(own), wish(own)

    assert first is None
    assert second is not None
    assert second == third
    assert second.folder.parent.name == KIND
    by_itself = state(own, tmp_path / "a", mount="")
    assert "freezer" in by_itself
    assert "cgroup2" in by_itself
    assert state(second, tmp_path / "b", mount=MOUNT) == by_itself
    assert state(second, tmp_path / "c", mount=MOUNT) == by_itself


@pytest.mark.parametrize(
    "command",
    ["cgctl hierarchies /sys/fs/cgroup v1:nothing", "echo 512 >/proc/sys/kernel/tainted", "echo said", "kill -9 $$"],
)
def test_failed_preparations_are_not_kept(own: Template, command: str) -> None:
    """Failed mounts, a tainted kernel and a dead shell are repeated for each case."""
    wishes = [wish(own, command) for _ in range(3)]

    assert wishes == [None, None, None]
    assert not [path for path in (own.folder.parents[1] / KIND).iterdir() if path.is_dir()]


def test_a_case_without_hierarchies_uses_the_plain_template(own: Template) -> None:
    """A case without hierarchies needs no other template."""
    assert (wish(own, ""), wish(own, "")) == (None, None)


def test_the_least_recently_used_template_is_removed(own: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of templates in a store is limited; the most recently used ones stay."""
    monkeypatch.setattr(prepared, "_KEPT", 1)
    for command in ("true", "true", ": two", ": two"):
        wish(own, command)
    left = [path for path in (own.folder.parents[1] / KIND).iterdir() if path.is_dir()]

    assert left == [found.folder for found in [wish(own, ": two")] if found]


def test_a_template_removed_before_its_use_is_replaced(own: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run may remove a template after it was found and before it is marked as used."""
    wish(own), wish(own)
    monkeypatch.setattr(Store, "find", lambda *_: own.folder / "gone")

    assert wish(own) is None


def test_a_template_removed_before_the_start_is_replaced(
    own: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A template that is removed before QEMU has opened it only costs the mounts."""
    gone = replace(own, folder=tmp_path / "gone")
    monkeypatch.setattr(pipeline, "find_prepared", lambda *_, **__: gone)
    lease = pipeline._machine_of(
        own.request, own, preparation=MOUNT, folder=tmp_path / "machine", deadline=Deadline.after(SOON)
    )
    with lease as machine:
        said = machine.console(ConsoleName.ADMIN, deadline=Deadline.after(SOON)).run(
            "echo here", deadline=Deadline.after(SOON)
        )

        assert (machine.prepared, said.output.strip()) == ("", "here")
