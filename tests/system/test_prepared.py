"""Templates with hierarchies: made at the second wish, pristine but for the mounts, and not made of what went wrong."""

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
    """The template, in a store of the test's own."""
    folder = tmp_path / "store" / "template" / template.folder.name
    shutil.copytree(template.folder, folder)
    return replace(template, folder=folder)


def wish(template: Template, command: str = MOUNT) -> Template | None:
    """Want hierarchies."""
    return find_prepared(template, command, deadline=Deadline.after(SOON))


def state(template: Template, folder: Path, *, mount: str) -> str:
    """What a machine that has the hierarchies says of itself."""
    folder.mkdir()
    deadline = Deadline.after(SOON)
    with cloned(template, folder=folder, deadline=deadline) as machine:
        machine.prepared = mount
        prepare_machine(machine, MOUNT, deadline=deadline)
        return machine.console(ConsoleName.ADMIN, deadline=deadline).run(STATE_OF_THE_GUEST, deadline=deadline).output


def test_made_at_the_second_wish(own: Template, tmp_path: Path) -> None:
    """A machine from it is as one that has mounted the hierarchies itself: same mounts, files and process numbers."""
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
def test_what_goes_wrong_is_not_kept(own: Template, command: str) -> None:
    """Hierarchies that cannot be mounted, a kernel that becomes tainted or a shell that dies are each case's to see."""
    wishes = [wish(own, command) for _ in range(3)]

    assert wishes == [None, None, None]
    assert not [path for path in (own.folder.parents[1] / KIND).iterdir() if path.is_dir()]


def test_no_hierarchies_no_wish(own: Template) -> None:
    """A case without hierarchies has the template itself."""
    assert (wish(own, ""), wish(own, "")) == (None, None)


def test_the_least_used_make_room(own: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store does not fill up with them; what was used last stays."""
    monkeypatch.setattr(prepared, "_KEPT", 1)
    for command in ("true", "true", ": two", ": two"):
        wish(own, command)
    left = [path for path in (own.folder.parents[1] / KIND).iterdir() if path.is_dir()]

    assert left == [found.folder for found in [wish(own, ": two")] if found]


def test_one_that_is_gone_when_it_is_wanted_is_not_missed(own: Template, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another run may make room after a template was found, and before it is marked as used."""
    wish(own), wish(own)
    monkeypatch.setattr(Store, "find", lambda *_: own.folder / "gone")

    assert wish(own) is None


def test_a_machine_is_had_although_its_template_went_away(
    own: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is removed before QEMU has opened it costs nothing but the mounts."""
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
