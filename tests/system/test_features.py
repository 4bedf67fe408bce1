# SPDX-License-Identifier: GPL-2.0-only
"""Probes for missing features of a kernel, run once in a guest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness import pipeline
from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HostError
from harness.base.store import Store, digest_of
from harness.guest import features
from harness.guest.features import find_missing, read_missing
from harness.guest.machine import BootRequest, Machine
from harness.guest.qemu import Acceleration, parse_machine_type
from harness.guest.template import Template, cloned
from harness.kernel.needs import Feature
from harness.pipeline import Prepared
from harness.session.console_name import ConsoleName
from harness.suite.load import default_suite

FEATURES = default_suite().features


@pytest.mark.guest
def test_the_distributions_kernel_has_all_features(machine: Machine) -> None:
    """A current kernel has every feature that a case may need."""
    deadline = Deadline.after(120)

    assert read_missing(machine.console(ConsoleName.ADMIN, deadline=deadline), FEATURES, deadline=deadline) == ()


@pytest.mark.guest
def test_missing_features_are_found(machine: Machine) -> None:
    """Without files of /proc, the file system type, the system call and the iterator, all features are missing."""
    deadline = Deadline.after(120)
    admin = machine.console(ConsoleName.ADMIN, deadline=deadline)
    hide = (
        "mkdir /run/proc /run/proc/self && echo 'nodev cgroup' > /run/proc/filesystems "
        "&& printf 'cpuset\\t0\\t1\\t0\\n' > /run/proc/cgroups && mount --bind /run/proc /proc"
    )
    admin.run(hide, deadline=deadline)
    admin.run('nsctl() { echo "$1(0) = -1 ENOSYS"; }', deadline=deadline)
    admin.run('cgctl() { echo "btf(bpf_iter_cgroup) = -1 ENOENT"; }', deadline=deadline)

    assert read_missing(admin, FEATURES, deadline=deadline) == tuple(one.word for one in FEATURES)


@pytest.mark.guest
def test_a_kernel_is_probed_once(prepared: Prepared, tmp_path: Path) -> None:
    """The result is stored under the image's digest; the second time no machine is started."""
    store = Store(tmp_path / "store")
    for name in ("first", "second"):
        lease = pipeline.machine(prepared, folder=tmp_path / name, deadline=Deadline.after(60))

        assert find_missing(Context(store, Deadline.after(60)), "abc", FEATURES, lease) == prepared.lacking == ()
    assert (tmp_path / "first").is_dir()
    assert not (tmp_path / "second").exists()


@pytest.mark.guest
def test_a_kernel_without_template_is_probed_with_one_boot(prepared: Prepared, tmp_path: Path) -> None:
    """Without a template to clone, one boot runs the probes."""
    lease = pipeline.machine(replace(prepared, template=None), folder=tmp_path / "boot", deadline=Deadline.after(120))

    assert find_missing(Context(Store(tmp_path / "store"), Deadline.after(120)), "abc", FEATURES, lease) == ()


def test_results_of_other_probes_are_not_used(tmp_path: Path) -> None:
    """Known results need no machine; with other probes the image is probed again."""
    store = Store(tmp_path / "store")
    machine_type = parse_machine_type((paths.MACHINE_TYPES / "q35.toml").read_text(), name="q35")
    request = BootRequest(Path("/qemu"), Path("/image"), Path("/initramfs"), machine_type, Acceleration.TCG)
    gone = Template(request, tmp_path / "gone", boot_seconds=1.0, attempts=1, taint=0)
    lease = cloned(gone, folder=tmp_path, deadline=Deadline.after(120))
    questions = [part for one in FEATURES for part in (one.word, one.probe)]
    store.remember("guest-features", digest_of("abc", *questions), {"lacking": ["clone3", "from the future"]})

    assert find_missing(Context(store, Deadline.after(120)), "abc", FEATURES, lease) == ("clone3",)
    assert find_missing(Context(store, Deadline.after(120)), "other", (), lease) == ()
    with pytest.raises(HostError):
        find_missing(Context(store, Deadline.after(120)), "abc", FEATURES[:2], lease)


@pytest.mark.guest
def test_a_probe_that_never_returns_is_the_suites_fault(
    prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel still answers, and the message names the probe."""
    monkeypatch.setattr(features, "_SECONDS", 3.0)
    wrong = (FEATURES[0], Feature("stuck", "cat /dev/ttyS0", "never known", "nothing"))
    lease = pipeline.machine(prepared, folder=tmp_path / "machine", deadline=Deadline.after(60))

    with pytest.raises(CaseError, match="the probe of the feature stuck does not return"):
        find_missing(Context(Store(tmp_path / "store"), Deadline.after(60)), "abc", wrong, lease)
