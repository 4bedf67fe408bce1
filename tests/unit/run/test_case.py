# SPDX-License-Identifier: GPL-2.0-only
"""A case on one machine: its names, its needs, and the result of a Python case that raised an exception."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.errors import HostError
from harness.guest.acceleration import AccelerationVerdict
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration, parse_machine_type
from harness.model.run_record import BuildRecord, KernelRecord
from harness.model.verdict import Fate, Fault, Outcome
from harness.pipeline import Prepared, dump_prepared, load_prepared
from harness.run.case import CaseEnvironment, RunningCase, conclude, junit_names
from harness.run.play import CaseSkippedError, PreparationError
from harness.semantics.profile import Declaration
from harness.suite.load import default_suite, suite_semantics


@pytest.fixture
def prepared() -> Prepared:
    """A kernel that nobody boots."""
    machine_type = parse_machine_type((paths.MACHINE_TYPES / "q35.toml").read_text(), name="q35")
    request = BootRequest(Path("/qemu"), Path("/image"), Path("/initramfs"), machine_type, Acceleration.TCG)
    return Prepared(
        request=request,
        template=None,
        kernel=KernelRecord("deb", "package", "6.1.0", "x86_64", "abc", "def", "beside the image"),
        config_text="CONFIG_X=y\n",
        profile="mainline",
        acceleration=AccelerationVerdict(Acceleration.TCG, "no device"),
        qemu_version="7.2",
        guest_digest="123",
        notes=("a note",),
        lacking=("cgroup2",),
    )


@pytest.fixture
def case(prepared: Prepared, tmp_path: Path) -> RunningCase:
    """A case that has no machine."""
    semantics = suite_semantics(default_suite())
    environment = CaseEnvironment(prepared, semantics.profile("mainline", release="6.1"), None, tmp_path)
    return RunningCase(environment, "cases/x/test_y.py::test_z", folder="x")


@pytest.mark.parametrize(
    ("identity", "classname", "name"),
    [
        ("cases/views/siblings.session", "cases.views", "siblings.session"),
        ("cases/setns/test_fds.py::test_own[v2]", "cases.setns.test_fds", "test_own[v2]"),
        ("alone.session", "cases", "alone.session"),
    ],
)
def test_names_for_junit_are_two_parts(identity: str, classname: str, name: str) -> None:
    """classname and name together are the id, and GitLab shows them as suite and test."""
    assert junit_names(identity) == (classname, name)


@pytest.mark.parametrize(
    ("error", "outcome", "reason"),
    [
        (None, Outcome.MATCH, ""),
        (AssertionError("left is not right\nassert 1 == 2"), Outcome.MISMATCH, "left is not right"),
        (AssertionError(), Outcome.MISMATCH, "an assertion without a message"),
        (PreparationError("EINVAL"), Outcome.MISMATCH, "cannot be prepared: EINVAL"),
        (CaseSkippedError("this kernel has no rdma"), Outcome.SKIPPED, "this kernel has no rdma"),
        (HostError("QEMU is gone"), Outcome.ERROR, "QEMU is gone"),
        (ZeroDivisionError("division by zero"), Outcome.ERROR, "ZeroDivisionError: division by zero"),
    ],
)
def test_what_a_python_case_raised_decides(
    case: RunningCase, error: BaseException | None, outcome: Outcome, reason: str
) -> None:
    """An assertion is about the kernel, a fault of the host or of the case is not."""
    record = conclude(case, error, title="a title", trace="the trace")

    assert record.outcome is outcome
    assert record.reason.removeprefix("cases/x/test_y.py::test_z: ") == reason
    assert record.title == "a title"
    assert record.machine == ""


def test_what_is_prepared_survives_the_way_to_a_worker(prepared: Prepared) -> None:
    """A worker gets the very value that the controller prepared, also of a kernel that was built from a series."""
    built = replace(prepared.kernel, build=BuildRecord(commit="c0", patches=("one", "two"), warnings=("a.c:1: no",)))
    declared = Declaration("unscoped", {"mountinfo_root": "filesystem"}, "series.toml")
    of_series = replace(prepared, kernel=built, declared=declared, build_log=Path("build.log"))

    assert load_prepared(dump_prepared(prepared)) == prepared
    assert load_prepared(dump_prepared(of_series)) == of_series


def test_a_machine_that_got_no_processor_is_the_hosts_fault(case: RunningCase) -> None:
    """Who must act is in the record, by which a run ends with the status of a host that is at fault."""
    case.fate = Fate.STARVED
    record = conclude(case, None, title="", trace="")

    assert (record.outcome, record.fault) == (Outcome.ERROR, Fault.HOST)
    assert "this host is too busy" in record.reason
