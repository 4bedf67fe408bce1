# SPDX-License-Identifier: GPL-2.0-only
"""A fake run with every outcome, for the tests of all reports."""

from __future__ import annotations

from harness.model.origin import Origin, OriginKind
from harness.model.run_record import CaseRecord, KernelRecord, Problem, ProblemKind, RunRecord, TraitRecord
from harness.model.verdict import Outcome, SplatReport, TraitSighting
from harness.results.folder import case_folder_name

STARTED = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC

KERNEL = KernelRecord(
    spec="deb",
    origin="linux-image-6.1.0-56-cloud-amd64 6.1.192-2",
    release="6.1.0-56-cloud-amd64",
    architecture="x86_64",
    image_digest="9f" * 32,
    config_digest="c0" * 32,
    config_source="beside the image",
    came_from=Origin(OriginKind.IMAGE_PACKAGE, "linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
)

DIFF = """\
--- expected
+++ seen
@@ -3,4 +3,4 @@
 # mkdir -p /sys/fs/cgroup/freezer/sub2
 sh2# cat /proc/self/cgroup | grep freezer
-7:freezer:/
+7:freezer:/../../sub2
 sh2#
"""

TRANSCRIPT = """\
    # mkdir -p /sys/fs/cgroup/freezer/sub
    # echo $$ > /sys/fs/cgroup/freezer/sub/cgroup.procs
    # cat /proc/self/cgroup | grep freezer
    7:freezer:/sub
"""

SPLAT = SplatReport(
    kind="warning",
    title="WARNING: CPU: 0 PID: 312 at kernel/cgroup/cgroup.c:6643 cgroup_exit",
    fingerprint="4be0f7a1",
    text="""\
------------[ cut here ]------------
WARNING: CPU: 0 PID: 312 at kernel/cgroup/cgroup.c:6643 cgroup_exit+0x166/0x170
Call Trace:
 <TASK>
 do_exit+0x351/0xac0
 do_group_exit+0x2d/0x80
 </TASK>
---[ end trace 0000000000000000 ]---
""",
)


def case(
    path: str,
    outcome: Outcome = Outcome.MATCH,
    *,
    title: str = "",
    reason: str = "",
    diff: str = "",
    seconds: float = 1.0,
) -> CaseRecord:
    """Return a case with the folder and the JUnit name of its id."""
    before, mark, name = path.rpartition("::" if "::" in path else "/")
    return CaseRecord(
        id=path,
        classname=before.replace("/", ".") if mark else "",
        name=name,
        outcome=outcome,
        title=title,
        reason=reason,
        diff=diff,
        transcript=TRANSCRIPT if outcome is not Outcome.SKIPPED else "",
        seconds=seconds,
        started=STARTED + 3.0,
        machine="clone",
        folder=case_folder_name(path.removeprefix("cases/")),
        splats=(SPLAT,) if outcome is Outcome.KERNEL else (),
        sightings=(TraitSighting("outside_view", "relative", f"{path}:12"),) if outcome is Outcome.MATCH else (),
    )


CASES = (
    case("cases/views/manual_page.session", title="The session of cgroup_namespaces(7), verbatim", seconds=2.61),
    case("cases/views/siblings.session", title="A sibling's cgroup is shown relative to one's own root", seconds=1.23),
    case(
        "cases/views/from_outside.session",
        Outcome.MISMATCH,
        title="What a process outside the namespace reads of a member",
        reason="line 12: expected 7:freezer:/ but saw 7:freezer:/../../sub2",
        diff=DIFF,
        seconds=1.48,
    ),
    case("cases/setns/test_fds.py::test_own[v1]", title="setns(2) to one's own namespace", seconds=0.84),
    case(
        "cases/setns/test_fds.py::test_a_descriptor_that_was_opened_outside_the_namespace[v2-nested]",
        Outcome.TIMEOUT,
        title="A descriptor from outside can still be written inside",
        reason="line 31: 'cat /proc/self/mountinfo' did not return in 10 s; the shell lives, the command is in D state",
        seconds=11.9,
    ),
    case(
        "cases/release/agent.session",
        Outcome.KERNEL,
        title="release_agent is no way out",
        reason="the kernel warned: WARNING at kernel/cgroup/cgroup.c:6643 cgroup_exit",
        seconds=1.02,
    ),
    case("cases/selftest/qemu_killed.session", Outcome.LOST, reason="QEMU ended with signal 9 at line 7", seconds=0.4),
    case(
        "cases/unprivileged/v1.session",
        Outcome.SKIPPED,
        reason="needs CONFIG_CPUSETS_V1, which is not set",
        seconds=0.0,
    ),
    case("cases/nested/broken.session", Outcome.ERROR, reason="line 4: unknown header 'hierachy'", seconds=0.1),
)

TRAITS = (
    TraitRecord(
        "outside_view",
        "relative",
        "hidden",
        True,
        "What a process outside a cgroup namespace reads of a member's cgroup: the path from the reader's root, the "
        "path from the member's root, or nothing",
        ("cases/views/from_outside.session:12", "cases/views/siblings.session:9"),
    ),
    TraitRecord("pinning", "no", "no", True, "Whether a member is kept from leaving the root of its namespace"),
    TraitRecord("setns_needs_descendant", "yes", "no", False, "Whether setns(2) wants the caller below the new root"),
    TraitRecord("mountinfo_root_field", "/..", "/..", False, "The fourth field of mountinfo for a mount from outside"),
    TraitRecord(
        "unprivileged_creation_allowed", "", "refused", True, "Whether a user without CAP_SYS_ADMIN may unshare"
    ),
    TraitRecord("release_agent_path_view", "init-namespace", "", True, "Which root the release agent's argument has"),
)

RUN = RunRecord(
    suite="cgroupns",
    kernel=KERNEL,
    started=STARTED,
    seconds=41.2,
    complete=True,
    acceleration="tcg",
    acceleration_evidence="KVM reached no ready mark in 20.0 s, emulation did in 5.5 s",
    qemu="7.2.22",
    machine_type="q35",
    guest_image_digest="1e" * 32,
    profile="mainline-6.1",
    host="Debian 12, 2 cores, 8 GiB",
    hostname="builder7",
    command="harness run deb -n 2",
    harness_version="0.1.0",
    workers=2,
    boot_seconds=5.5,
    nearest=(
        "mainline-6.1: 2 of 4 traits differ (1 unconfirmed): outside_view, setns_needs_descendant (?)",
        "v4: 3 of 3 traits differ, 1 has no expectation: outside_view, pinning, mountinfo_root_field",
    ),
    notes=("booted afresh 1 time: the template of q35 could not be cloned after QEMU was killed",),
    problems=(
        Problem(
            ProblemKind.CONTRADICTION,
            "cases/views/a.session:3 and cases/views/b.session:8 contradict each other on pinning: yes, no",
        ),
    ),
    traits=TRAITS,
    cases=CASES,
)
