# SPDX-License-Identifier: GPL-2.0-only
"""The choice of the accelerator: forced, the only one, remembered, or by a race of real boots."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.process import Surroundings, run
from harness.base.store import Store
from harness.guest.acceleration import AccelerationVerdict, choose_acceleration, forget_verdict, race
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration, parse_machine_type
from harness.pipeline import Prepared
from tests.privileges import READ_ALL, without
from tests.unit.kernel.images import bzimage

QEMU = "QEMU emulator version 7.2.22"
NOTHING = BootRequest(
    Path("/no/such/qemu"),
    Path("/no/such/kernel"),
    Path("/no/such/guest"),
    parse_machine_type((paths.MACHINE_TYPES / "q35.toml").read_text(), name="q35"),
    Acceleration.TCG,
)
"""What must not be booted."""


def choose(
    folder: Path, request: BootRequest = NOTHING, *, device: Path, forced: Acceleration | None = None
) -> AccelerationVerdict:
    """The choice, with a store of the test's own."""
    return choose_acceleration(
        Context(Store(folder / "store"), Deadline.after(120)),
        request,
        forced=forced,
        qemu_version=QEMU,
        folder=folder / "race",
        device=device,
    )


@pytest.fixture
def device(tmp_path: Path) -> Path:
    """A device that opens, which proves nothing."""
    device = tmp_path / "kvm"
    device.touch()
    return device


@pytest.fixture
def silent(prepared: Prepared, tmp_path: Path) -> BootRequest:
    """A machine that opens and on which no kernel ever comes up."""
    image = tmp_path / "silent"
    image.write_bytes(bzimage())
    return replace(prepared.request, image=image, acceleration=Acceleration.TCG)


def test_choose_uses_tcg_without_device(tmp_path: Path) -> None:
    """Without the device there is no race: emulation is chosen, with the reason."""
    verdict = choose(tmp_path, device=tmp_path / "none")

    assert verdict == AccelerationVerdict(Acceleration.TCG, f"{tmp_path / 'none'} does not exist")


def test_choose_uses_tcg_if_device_does_not_open(tmp_path: Path) -> None:
    """A device that cannot be opened is not used, and the reason is the system's error."""
    folder = tmp_path / "kvm"
    folder.mkdir()
    verdict = choose(tmp_path, device=folder)

    assert verdict == AccelerationVerdict(Acceleration.TCG, f"{folder} cannot be opened: Is a directory")


def test_choose_uses_tcg_without_permission(device: Path, tmp_path: Path) -> None:
    """A device that the user may not open is the reason for emulation."""
    device.chmod(0)
    program = (
        f"from {__name__} import Path, choose; print(choose(Path({str(tmp_path)!r}), device=Path({str(device)!r})))"
    )
    said = run(
        [*without(*READ_ALL), sys.executable, "-c", program],
        deadline=Deadline.after(60),
        within=Surroundings(cwd=paths.ROOT),
    )

    assert "Permission denied" in said.text


@pytest.mark.parametrize("forced", Acceleration)
def test_choose_uses_the_forced_accelerator(forced: Acceleration, device: Path, tmp_path: Path) -> None:
    """The forced accelerator is used without a race, and nothing is remembered."""
    verdict = choose(tmp_path, device=device, forced=forced)

    assert verdict == AccelerationVerdict(forced, f"set by --accel {forced}")
    assert not (tmp_path / "store").exists()


def test_choose_refuses_forced_kvm_without_device(tmp_path: Path) -> None:
    """Forcing KVM without the device is a usage error; emulation is always available."""
    with pytest.raises(UsageError, match="--accel kvm") as caught:
        choose(tmp_path, device=tmp_path / "none", forced=Acceleration.KVM)
    forced = choose(tmp_path, device=tmp_path / "none", forced=Acceleration.TCG)

    assert "does not exist" in caught.value.evidence
    assert "omit --accel" in caught.value.remedy
    assert forced.acceleration is Acceleration.TCG


def test_choose_uses_tcg_if_qemu_does_not_start(device: Path, tmp_path: Path) -> None:
    """If nothing boots, emulation is used, so that the next boot shows the reason; nothing is remembered."""
    verdict = choose(tmp_path, device=device)
    again = choose(tmp_path, device=device)

    assert verdict.acceleration is Acceleration.TCG
    assert verdict.evidence.startswith("no kernel booted in the race: ")
    assert "tcg: the program /no/such/qemu cannot be started" in verdict.evidence
    assert again == verdict


def test_race_is_lost_without_a_log_folder(tmp_path: Path) -> None:
    """A candidate whose log folder cannot be made loses, and does not win or block the race."""
    (tmp_path / "file").touch()
    candidates = dict.fromkeys(Acceleration, NOTHING)
    with pytest.raises(HostError) as caught:
        race(candidates, folder=tmp_path / "file", deadline=Deadline.after(20))

    assert caught.value.evidence.count("Not a directory") == 2


@pytest.mark.guest
@pytest.mark.parametrize("sound", Acceleration)
def test_race_is_won_by_the_kernel_that_boots(
    sound: Acceleration, prepared: Prepared, silent: BootRequest, tmp_path: Path
) -> None:
    """A candidate on which no kernel boots loses to the other one, and is killed."""
    candidates = {one: prepared.request if one is sound else silent for one in Acceleration}
    (other,) = set(Acceleration) - {sound}
    verdict = race(candidates, folder=tmp_path / "race", deadline=Deadline.after(60))

    assert verdict.acceleration is sound
    assert verdict.evidence == (
        f"{sound} won the race and booted in {verdict.seconds:.1f} s; {other} had not booted by then"
    )
    assert 0 < verdict.seconds < 60
    assert "Linux version" in (tmp_path / "race" / sound / "kernel.log").read_text()
    assert not list((tmp_path / "race").glob("*/memory"))


@pytest.mark.guest
def test_race_fails_if_nothing_boots(silent: BootRequest, tmp_path: Path) -> None:
    """If no candidate boots in time, the error has the reason of each, and the path of the logs."""
    candidates = dict.fromkeys(Acceleration, silent)
    with pytest.raises(HostError, match="no kernel boots") as caught:
        race(candidates, folder=tmp_path / "race", deadline=Deadline.after(1))

    assert sorted(caught.value.evidence.splitlines()) == [
        "kvm: no prompt after 1 s (command hung)",
        "tcg: no prompt after 1 s (command hung)",
    ]
    assert str(tmp_path / "race") in caught.value.remedy


@pytest.mark.guest
def test_choose_remembers_the_verdict(device: Path, prepared: Prepared, tmp_path: Path) -> None:
    """A race is run once; its verdict is known afterwards without booting anything, until it is forgotten.

    Where QEMU cannot use what the device promises, its own words are the evidence.
    """
    verdict = choose(tmp_path, prepared.request, device=device)
    known = choose(tmp_path, device=device)
    other = replace(NOTHING, machine_type=parse_machine_type(NOTHING.machine_type.text + "\n", name="q35"))
    elsewhere = choose(tmp_path, other, device=device)
    forget_verdict(Store(tmp_path / "store"), NOTHING, qemu_version=QEMU, device=device)
    forgotten = choose(tmp_path, device=device)

    assert verdict.evidence.startswith(f"{verdict.acceleration} won the race and booted in ")
    if not Path("/dev/kvm").exists():
        assert "kvm: no prompt after 0 s (machine lost): " in verdict.evidence
        assert "failed to initialize kvm" in verdict.evidence
    assert known == verdict
    assert elsewhere.evidence.startswith("no kernel booted in the race")
    assert forgotten.evidence.startswith("no kernel booted in the race")
