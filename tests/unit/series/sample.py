# SPDX-License-Identifier: GPL-2.0-only
"""Artificial kernels of a series and the record of a series, for tests of reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.model.origin import Origin, OriginKind
from harness.model.run_record import CaseRecord, KernelRecord, RunRecord, TraitRecord
from harness.model.series_record import (
    Broken,
    Declared,
    Effect,
    EffectKind,
    Expectedness,
    Level,
    PatchRecord,
    SeriesRecord,
    StyleFinding,
    Undelivered,
)
from harness.model.verdict import Outcome, SplatReport, TraitSighting
from harness.semantics.traits import load_semantics
from harness.series.effects import KnownResults
from tests.unit.semantics.test_traits import SMALL

SEMANTICS = load_semantics(SMALL, path="small.toml")
HOSTILE = "\x1b[2J\u202eevil | `rm` <img src=x> &lt; ::error::no, @you %0A::error::no"
"""A hostile title."""


def case(
    name: str,
    outcome: Outcome = Outcome.MATCH,
    *,
    shows: Mapping[str, str] | None = None,
    seconds: float = 1.0,
    diff: str = "",
    transcript: str = "",
    splats: tuple[SplatReport, ...] = (),
) -> CaseRecord:
    """Return a case; ``shows`` are values of traits."""
    path = f"cases/{name}.session"
    sightings = tuple(TraitSighting(trait, value, f"{path}:3") for trait, value in (shows or {}).items())
    return CaseRecord(
        path,
        "cases",
        f"{name}.session",
        outcome,
        reason="" if outcome is Outcome.MATCH else "it answered otherwise",
        diff=diff,
        transcript=transcript,
        seconds=seconds,
        splats=splats,
        sightings=sightings,
    )


def run(image: str, *cases: CaseRecord, expected: Mapping[str, str] | None = None) -> RunRecord:
    """Return a run of some cases on a kernel with an image."""
    traits = [TraitRecord(name, "", value, True, f"what {name} is") for name, value in (expected or {}).items()]
    kernel = KernelRecord("t", "t", "6.1.0", "x86_64", image * 16, "c", "beside the image")
    return RunRecord(
        kernel, 0.0, complete=True, profile="mainline-6.1", suite="cgroupns", cases=cases, traits=tuple(traits)
    )


def known(number: int, of: RunRecord) -> KnownResults:
    """Return the known results of a kernel on which all cases ran."""
    return KnownResults(number, of, {one.id: one for one in of.cases}, {one.id: number for one in of.cases})


BASE = PatchRecord(0, "linux-source-6.1 6.1.192-2", "deb-src:6.1", image_digest="a" * 64, run="r0", asked=220)
UNEXPECTED = Effect(
    EffectKind.TRAIT,
    "outside_view",
    "relative",
    "absolute",
    Expectedness.UNEXPECTED,
    "how a path outside is shown",
    ("cases/views/a.session", "cases/views/b.session"),
)
FINE = PatchRecord(
    1,
    "cgroup: prepare",
    "deb-src:6.1+topic.mbox?upto=1",
    "one@example.org",
    image_digest="a" * 64,
    same_as=0,
    run="r0",
    asked=220,
)
BREAKS = PatchRecord(
    2,
    "cgroup: show absolute paths to whoever asks, wherever they are",
    "deb-src:6.1+topic.mbox?upto=2",
    "two@example.org",
    style=(StyleFinding(Level.WARNING, "kernel/cgroup/cgroup.c", 12, "line length of 120 exceeds 100", "LONG_LINE"),),
    warnings=(StyleFinding(Level.WARNING, "kernel/cgroup/cgroup.c", 13, "unused variable 'x' [-Wunused-variable]"),),
    image_digest="b" * 64,
    run="r2",
    asked=41,
    failing=2,
    effects=(UNEXPECTED,),
)
STOPS = PatchRecord(
    3,
    "cgroup: forget a semicolon",
    "deb-src:6.1+topic.mbox?upto=3",
    "three@example.org",
    failed="build",
    what="patch 3/4 does not build: kernel/cgroup/cgroup.c:9: error: expected ';'",
    evidence="kernel/cgroup/cgroup.c:9: error: expected ';'\n    9 | int x",
)
MENDS = PatchRecord(
    4,
    "cgroup: show relative paths again",
    "deb-src:6.1+topic.mbox",
    "four@example.org",
    image_digest="c" * 64,
    run="r4",
    asked=220,
    effects=(replace(UNEXPECTED, before="absolute", after="relative", standing=Expectedness.MENDED),),
)
RECORD = SeriesRecord(
    title="cgroup: show other paths",
    version=2,
    origin="topic.mbox",
    base_word="/home/u/linux@0123456789abcdef",
    base="/home/u/linux at v6.6-12-g0123456789ab",
    base_origin=Origin(OriginKind.TREE, "/home/u/linux", "v6.6-12-g0123456789ab"),
    base_commit="0123456789abcdef" * 2 + "01234567",
    patches=(BASE, FINE, BREAKS, STOPS, MENDS),
    message_id="cover@example.org",
    command="harness series topic.mbox --base /home/u/linux@v6.6",
    started=1_790_000_000.0,
    declared=(Declared("outside_view", "hidden", 0, "harness.toml"),),
    missing=(Undelivered("outside_view", "outside_view = hidden, declared by harness.toml: it is relative"),),
    broken=(Broken("trait outside_view", 2, 4), Broken("the build", 3, 4)),
    harness_version="0.1.0",
)
GOOD = replace(RECORD, patches=(BASE, FINE), missing=(), broken=(), declared=())
"""A series of one patch that changes nothing."""
