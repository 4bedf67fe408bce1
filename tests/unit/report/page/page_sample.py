# SPDX-License-Identifier: GPL-2.0-only
"""Run folders for the page: three kernels with regressions on the second, logs, and a hostile case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.guest.timestamps import TIMES_NAME, Moments
from harness.model.run_record import BuildRecord, CaseRecord, OutcomeCount, RunRecord, TraitRecord
from harness.model.verdict import FAILED, Outcome, TraitSighting
from harness.results.folder import CONFIG_NAME, RunFolder
from harness.results.history import opened_history
from tests.unit.report.sample import KERNEL, RUN, SPLAT, STARTED, case

HOSTILE_ID = "cases/hostile/output.session"
HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<!-- \x1b[31mred\x1b]0;owned\x07 \u202egnp.exe \u2028 &lt;b&gt; {{ 7*7 }} ${7*7} ]]>"
)
"""Hostile output of a guest: markup, escape sequences, bidirectional controls, template syntax."""
PLAIN = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "<!-- red <U+202E>gnp.exe <U+2028> &lt;b&gt; {{ 7*7 }} ${7*7} ]]>"
)
"""The hostile output as the page must show it."""

BUILT = BuildRecord(
    source="linux-source-6.1 6.1.192-2",
    base="a1" * 20,
    commit="b2" * 20,
    series="cgroup: show the real path",
    series_version=2,
    patches=("cgroup: show the real path", "cgroup: and in mountinfo"),
    compiler="gcc 12.2.0",
)
IMAGES = ("1a" * 32, "2b" * 32, "3c" * 32)
SPECS = ("deb-src:6.1", "series:real-path", "series:hidden-path")


def session(identity: str, outcome: Outcome, *, path: str = "/../b", **fields: object) -> CaseRecord:
    """Return a case with a transcript, a diff and a sighting."""
    seen = f"    ns# cat /proc/412/cgroup\n    0::{path}\n"
    text = (
        f"title: {identity}\nvaries: 412\n\nA sibling's path, as seen from inside.\n\n    # mkdir -p /sys/fs/cgroup/a\n"
        f"    # sleep 1000 &\n    [1] 412\n{seen}"
    )
    failed = outcome is Outcome.MISMATCH
    one = replace(
        case(identity, outcome, title="a sibling's path as seen from inside", seconds=0.9),
        reason=f"{identity}:9: expected 0::/../b but saw 0::{path}" if outcome in FAILED else "",
        transcript=text,
        diff=f"--- expected\n+++ seen\n@@ -9,1 +9,1 @@\n ns# cat /proc/412/cgroup\n-0::/../b\n+0::{path}\n"
        if failed
        else "",
        sightings=(TraitSighting("outside_view", "absolute" if failed else "relative", f"{identity}:9"),),
        digest="d0",
    )
    return replace(one, **fields)  # type: ignore[arg-type]  # as a test names them


def cases_of(kernel: int) -> tuple[CaseRecord, ...]:
    """Return the cases of one of the three kernels."""
    good, bad = Outcome.MATCH, Outcome.MISMATCH
    worse = bad if kernel == 1 else good
    hostile = session(HOSTILE_ID, Outcome.KERNEL, path=HOSTILE, reason=HOSTILE, diff=f"-{HOSTILE}\n+{HOSTILE}\n")
    splat = replace(SPLAT, title=HOSTILE, fingerprint="bad0bad0", text=HOSTILE)
    return (
        session("cases/views/siblings.session", worse, path="/b" if kernel == 1 else "/../b"),
        session("cases/views/children.session", good),
        session("cases/views/v1.session", Outcome.SKIPPED, transcript="", reason="needs CONFIG_CPUSETS_V1"),
        session("cases/mounts/root.session", bad if kernel == 0 else good, path="/x" if kernel == 0 else "/../b"),
        session("cases/setns/test_fds.py::test_own[v2]", Outcome.TIMEOUT if kernel == 2 else good),
        session(
            "cases/lifetime/gone.session", bad, path="/gone", known="known until 2027-03-01: not yet merged (mail)"
        ),
        session(
            "cases/stress/many.session",
            bad if kernel == 2 else good,
            tries=(OutcomeCount(good, 9), OutcomeCount(bad, 1)) if kernel == 2 else (),
        ),
        replace(hostile, splats=(splat,)),
        *(() if kernel == 0 else (session("cases/views/new.session", good),)),
    )


def traits_of(kernel: int) -> tuple[TraitRecord, ...]:
    """Return the traits of one of the three kernels."""
    view = ("relative", "absolute", "hidden")[kernel]
    meaning = "what /proc/PID/cgroup shows for a task outside of the reader's root"
    return (
        TraitRecord("outside_view", view, "relative", True, meaning, ("cases/views/siblings.session:9",)),
        TraitRecord("pinned_against_member", "no", "no", True, "whether a member can be kept", ("cases/a.session:3",)),
        TraitRecord("hostile", HOSTILE, "", False, HOSTILE, (HOSTILE,)),
        TraitRecord("never_seen", "", "", False, "nothing is known of it"),
    )


def runs() -> tuple[RunRecord, ...]:
    """Return the runs of the three kernels."""
    return tuple(
        replace(
            RUN,
            kernel=replace(KERNEL, spec=SPECS[at], image_digest=IMAGES[at], build=BUILT if at else KERNEL.build),
            started=STARTED + 100 * at,
            problems=(),
            notes=(HOSTILE,),
            traits=traits_of(at),
            cases=cases_of(at),
        )
        for at in range(3)
    )


def save_logs(folder: Path, case_record: CaseRecord) -> None:
    """Write the logs of a case with their times: two consoles and the kernel log."""
    moments, logs, now = Moments(STARTED), {"kernel": b"", "admin": b"", "inside": b"", "observer": b""}, 0
    told: Sequence[tuple[str, bytes, int, bool]] = (
        ("admin", b"HARNESS_NONCE=77aa\n", 100, True),
        ("admin", b"\x1b]133;D;0;77aa;98;# \x07# ", 20, False),
        ("admin", b"mkdir -p /sys/fs/cgroup/a\n", 10, True),
        ("admin", b"\x1b]133;C;77aa\x07\x1b]133;D;0;77aa;98;# \x07# ", 30, False),
        ("inside", b"cat /proc/412/cgroup\n", 15, True),
        ("kernel", b"[   17.027758] cgroup: a line of the kernel\r\n", 8, False),
        ("inside", b"0::/../b\r\n", 40, False),
        ("kernel", f"[   18.5] {HOSTILE}\r\n".encode(), 1900, False),
        ("inside", b"# ", 5, False),
    )
    for port, data, later, is_typed in told:
        now += later
        logs[port] += data
        moments.add(port, len(data), milliseconds=now, is_typed=is_typed)
    folder.mkdir(parents=True, exist_ok=True)
    for port, data in logs.items():
        (folder / f"{port}.log").write_bytes(data)
    (folder / TIMES_NAME).write_text(moments.render())


def rerun() -> RunRecord:
    """Return another run of the first kernel with another outcome: a flake."""
    return replace(runs()[0], started=STARTED + 900, cases=cases_of(1), traits=traits_of(1))


def save_runs(results: Path, *more: RunRecord) -> list[str]:
    """Write the three run folders, more runs and their history; return the names of the folders."""
    names = []
    for at, run in enumerate((*runs(), *more)):
        folder = RunFolder.create(results, f"kernel-{'abcd'[at]}", run.started)
        folder.write(run)
        differing = "m" if at == 1 else "y"
        folder.write_file(CONFIG_NAME, f"CONFIG_A=y\nCONFIG_B={differing}\nCONFIG_CPUSETS_V1={differing}\n")
        for one in run.cases:
            if one.outcome is not Outcome.SKIPPED:
                save_logs(folder.path / one.folder, one)
        names.append(folder.path.name)
    with opened_history(results, say=lambda text: None) as history:
        history.bring_up_to_date(results)
    return names
