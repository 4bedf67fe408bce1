# SPDX-License-Identifier: GPL-2.0-only
"""Test a series with artificial kernels: which cases run on which patch, and how faults are handled."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.base.errors import ExitStatus, HarnessError, HostError, SeriesError, Stage, UsageError
from harness.base.store import Store
from harness.guest.acceleration import AccelerationVerdict
from harness.guest.machine import BootRequest
from harness.guest.qemu import Acceleration
from harness.kernel.git.repository import Repository
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.patches.series import Patch, Series
from harness.kernel.source.tree import Source
from harness.model.origin import Origin, OriginKind
from harness.model.run_record import BuildRecord, CaseRecord, Problem, ProblemKind, RunRecord
from harness.model.series_record import Declared, Expectedness, PatchState, dump_series
from harness.model.verdict import Outcome
from harness.pipeline import Options, Prepared, read_machine_type
from harness.report.display.plain import PlainDisplay
from harness.report.formats.forge import render_summary
from harness.report.formats.series_junit import render_series_junit
from harness.report.formats.series_mail import render_mail
from harness.report.tables.series import series_lines
from harness.results.folder import RunFolder
from harness.results.known_failures import KnownFailures
from harness.results.records import load_series
from harness.run.one_kernel import Judging, RunSettings
from harness.run.selection import Selection
from harness.run.several_kernels import Ready
from harness.series import runner, walk
from harness.series.applied import AppliedSeries
from harness.series.declared import NOTHING, Declarations
from harness.series.walk import SeriesOutcome, Walk
from tests.unit.series.sample import SEMANTICS, case, run

COMMIT = "c" * 40
SERIES = Series("a topic", 1, tuple(Patch(n, 4, f"patch {n}", "A", f"id{n}", (), b"") for n in range(1, 5)))
GROUND = AppliedSeries(
    "t@c",
    PatchedTree(Source(Repository(Path("/nowhere")), COMMIT, Origin(OriginKind.FILES, "a tree")), None, COMMIT),
    "m",
    SERIES,
    4,
)

Cases = Mapping[str, CaseRecord]


@dataclass
class World:
    """Artificial kernels.

    :param images: the image of each kernel by patch, or an error.
    :param answers: of each image, case by case; a list answers one after the other.
    :param base: the commit that each kernel says it stands on.
    :param asked: the cases that were run for each patch.
    """

    folder: Path
    images: dict[int, str | HarnessError]
    answers: dict[str, Mapping[str, CaseRecord | list[CaseRecord]]]
    base: dict[int, str] = field(default_factory=dict)
    asked: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    interrupt_at: int = -1
    cut_short_at: int = -1
    problems: tuple[Problem, ...] = ()

    @contextmanager
    def ready(
        self, kernels: Sequence[Options], asked: RunSettings, report: object, *, names: Sequence[str]
    ) -> Iterator[Iterator[Ready]]:
        """Replace ``ready_kernels``."""
        yield (self._one(options, name) for options, name in zip(kernels, names, strict=True))

    def _one(self, options: Options, name: str) -> Ready:
        number = int(name.split()[1].partition("/")[0]) if name != "the base" else 0
        image = self.images[number]
        folder = RunFolder.create(self.folder, f"kernel-{number}", 0.0)
        if isinstance(image, HarnessError):
            return Ready(options, folder, error=image)
        return Ready(options, folder, self._prepared(number, image))

    def _prepared(self, number: int, image: str) -> Prepared:
        build = BuildRecord(base=self.base.get(number, COMMIT), commit=str(number))
        kernel = replace(run(image).kernel, build=build, spec=str(number))
        nothing = Path("/nowhere/image")
        request = BootRequest(nothing, nothing, nothing, read_machine_type("q35"), Acceleration.TCG, 1.0)
        verdict = AccelerationVerdict(Acceleration.TCG, "made up")
        return Prepared(request, None, kernel, "", "auto", verdict, "", "", ())

    def run_cases(
        self, prepared: Prepared, settings: RunSettings, *, folder: RunFolder, **_: object
    ) -> tuple[RunRecord, ExitStatus]:
        """Replace the function of that name."""
        number = int(prepared.kernel.spec)
        if number == self.interrupt_at:
            raise KeyboardInterrupt
        image = prepared.kernel.image_digest[0]
        names = [path.name.removesuffix(".session") for path in settings.selection.paths] or list(self.answers[image])
        self.asked.append((number, tuple(names)))
        found = []
        for name in names:
            answer = self.answers[image][name]
            found.append(answer.pop(0) if isinstance(answer, list) else answer)
        record = replace(run(image, *found, expected={"view": "relative"}), kernel=prepared.kernel)
        record = replace(record, problems=self.problems)
        if number == self.cut_short_at:
            record = replace(record, complete=False, cases=record.cases[:1])
            return record, ExitStatus.INTERRUPTED
        folder.write(record)
        return record, ExitStatus.CASE_BROKEN if self.problems else ExitStatus.AS_EXPECTED

    def judge(
        self, declared: Declarations = NOTHING, *, is_full: bool = False, ground: AppliedSeries = GROUND
    ) -> SeriesOutcome:
        """Test the series."""
        judging = Judging(KnownFailures("known.toml", datetime.date(2026, 11, 22)))
        asked = RunSettings(Selection(), SEMANTICS, judging, self.folder, Store(self.folder), "harness series")
        display = PlainDisplay(io.StringIO())
        return Walk(ground, Options(), asked, declared, {}, is_full, False, display.show).go()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return four patches: the second changes a view, the fourth changes it back, the first changes nothing."""
    good = {
        "view": case("view", shows={"view": "relative"}),
        "more": case("more", shows={"view": "relative"}, seconds=9.0),
        "agent": case("agent", shows={"agent": "refused"}),
        "slow": case("slow", shows={"agent": "refused"}, seconds=9.0),
        "plain": case("plain"),
    }
    bad = {
        **good,
        "view": case("view", Outcome.MISMATCH, shows={"view": "absolute"}),
        "more": case("more", Outcome.MISMATCH, shows={"view": "absolute"}),
    }
    made = World(tmp_path, {0: "a", 1: "a", 2: "b", 3: "c", 4: "d"}, {"a": good, "b": bad, "c": bad, "d": good})
    monkeypatch.setattr(walk, "ready_kernels", made.ready)
    monkeypatch.setattr(walk, "remember_run", lambda *_: None)
    monkeypatch.setattr(runner, "run_cases", made.run_cases)
    return made


ALL = ("view", "more", "agent", "slow", "plain")


def test_cases_of_each_patch(world: World) -> None:
    """The ends come first with all cases; no case runs on an equal image; the others get one case per trait.

    If a trait differs, all cases that show it run, and new failures are rerun.
    """
    judged = world.judge()

    assert world.asked == [
        (0, ALL),
        (4, ALL),
        (2, ("agent", "view")),
        (2, ("view",)),
        (2, ("more",)),
        (3, ("agent", "more", "view")),
    ]
    assert [patch.same_as for patch in judged.record.patches] == [-1, 0, -1, -1, -1]
    assert [patch.state for patch in judged.record.posted] == [
        PatchState.SUCCESS,
        PatchState.FAIL,
        PatchState.SUCCESS,
        PatchState.SUCCESS,
    ]
    assert [one.render() for one in judged.record.broken] == ["patch 2 breaks trait view, patch 4 fixes it"]
    assert judged.record.net == ()
    assert load_series((judged.folder.path / "series.json").read_text(), source="x") == judged.record


def test_full_runs_all_cases_on_all_patches(world: World) -> None:
    """No case runs on an image that was tested before."""
    world.judge(is_full=True)

    assert [one for one in world.asked if one[1] == ALL] == [(0, ALL), (4, ALL), (2, ALL), (3, ALL)]


def test_case_that_fails_once_is_a_flake(world: World) -> None:
    """Another outcome in a rerun on the same image is not an effect of the patch."""
    failing = case("agent", Outcome.TIMEOUT)
    world.answers["b"] = {**world.answers["a"], "agent": [failing, case("agent", shows={"agent": "refused"})]}
    world.answers["c"] = world.answers["a"]
    judged = world.judge()
    (effect,) = judged.record.patches[2].effects

    assert (effect.name, effect.standing) == ("cases/agent.session", Expectedness.ALLOWED)
    assert judged.record.state is PatchState.SUCCESS


def test_declared_change_is_reported_once(world: World) -> None:
    """It is intended in the patch that makes it, and later patches have no effect."""
    world.answers["d"] = world.answers["b"]
    judged = world.judge(Declarations((Declared("view", "absolute", 2, "--expect"),)))

    assert judged.record.state is PatchState.SUCCESS
    assert [[one.standing for one in patch.effects] for patch in judged.record.posted] == [
        [],
        [Expectedness.INTENDED],
        [],
        [],
    ]
    assert [(one.name, one.standing) for one in judged.record.net] == [("view", Expectedness.INTENDED)]


@pytest.mark.parametrize(
    ("error", "failed", "state", "status"),
    [
        (SeriesError("no semicolon"), "boot", PatchState.FAIL, ExitStatus.AS_EXPECTED),
        (UsageError("CONFIG_X is not granted"), "configure", PatchState.FAIL, ExitStatus.AS_EXPECTED),
        (HostError("no space left"), "boot", PatchState.UNKNOWN, ExitStatus.HOST),
    ],
)
def test_missing_kernel_does_not_stop_the_others(
    world: World, error: HarnessError, failed: str, state: PatchState, status: ExitStatus
) -> None:
    """A fault of the host, a fault of the patch and a removed option are distinguished."""
    world.images[3] = error
    world.answers["b"] = world.answers["a"]
    judged = world.judge()

    assert (judged.record.patches[3].failed, judged.record.patches[3].state) == (failed, state)
    assert judged.status == status
    assert judged.record.patches[4].asked == 5


def test_stage_is_that_of_the_error(world: World) -> None:
    """The stage of the error is recorded; a build that is broken and fixed again is reported."""
    error = SeriesError("no semicolon", evidence="x.c:1")
    error.stage = Stage.BUILD
    world.images[2], world.answers["c"] = error, world.answers["a"]
    judged = world.judge()

    assert judged.record.patches[2].failed == "build"
    assert [one.render() for one in judged.record.broken] == ["patch 2 breaks the build, patch 3 fixes it"]


def test_last_patch_that_does_not_boot(world: World) -> None:
    """The cases in between are then chosen by the base alone."""
    world.images[4] = SeriesError("it does not come up")
    judged = world.judge(Declarations((Declared("view", "absolute", 0, "--expect"),)))

    assert [number for number, _ in world.asked] == [0, 2, 3]
    assert judged.record.patches[4].failed == "boot"
    assert judged.record.missing == ()


def test_untestable_base_is_an_error(world: World) -> None:
    """The error names the base, and no folder of a series is left."""
    world.images[0] = SeriesError("kernel/x.c:1: error")
    with pytest.raises(SeriesError, match="its base cannot"):
        world.judge()

    assert not list(world.folder.glob("*series*"))


def test_moved_tree_ends_the_test(world: World) -> None:
    """A tree that changes during the builds is an error, and the results so far are kept."""
    world.base[2] = "d" * 40
    judged = world.judge(ground=replace(GROUND, may_move=True))

    assert isinstance(judged.error, UsageError)
    assert "changed during the test" in judged.error.what
    assert judged.record.patches[4].asked == 5
    assert judged.record.state is PatchState.UNKNOWN


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (None, ExitStatus.AS_EXPECTED),
        (Problem(ProblemKind.BROKEN_FILE, "cases contradict each other"), ExitStatus.CASE_BROKEN),
    ],
)
def test_problem_of_a_run_fails_a_series(world: World, problem: Problem | None, status: ExitStatus) -> None:
    """A mixed trait is no problem and is compared with the results before; a problem sets the status."""
    world.problems = (problem,) if problem else ()

    assert world.judge().status is status


def test_interrupted_test_keeps_its_results(world: World) -> None:
    """After Ctrl-C the record shows which patches were not tested."""
    world.interrupt_at = 3
    judged = world.judge()

    assert judged.status is ExitStatus.INTERRUPTED
    assert [patch.failed for patch in judged.record.patches] == ["", "", "", "not judged", ""]


def test_interrupted_test_says_so_in_every_form(world: World) -> None:
    """Cases that were not run on a patch are neither changed nor missing, and no form calls the patch tested."""
    world.cut_short_at = 4
    judged = world.judge(Declarations((Declared("view", "absolute", 0, "--expect"),)))
    record = judged.record
    forms = (render_mail(record), render_summary(record), render_series_junit(record, judged.runs))
    text = "\n".join(line.text for line in series_lines(record, 80))

    assert judged.status is ExitStatus.INTERRUPTED
    assert record.is_interrupted
    assert record.patches[4].failed == "not judged"
    assert (record.missing, record.net) == ((), ())
    assert forms[0].startswith("Interrupted before its end; ")
    assert all("nterrupted before its end" in form for form in (*forms, text))
    assert json.loads(dump_series(record))["is_interrupted"] is True


def test_conflict_keeps_the_patches_before_it(world: World) -> None:
    """Patches that apply are tested; the one that does not is at fault, and those after it are not tested."""
    conflict = SeriesError("patch 3/4 does not apply", evidence="x.c")
    judged = world.judge(ground=replace(GROUND, applied=2, conflict=conflict))

    assert [number for number, _ in world.asked] == [0, 2, 2]
    assert [patch.failed for patch in judged.record.patches] == ["", "", "", "apply", "not judged"]
    assert "patch 3 does not apply" in judged.record.patches[4].what


def test_without_traits_all_cases_run(world: World) -> None:
    """Without a basis for a choice, the selected cases of the ends run on every patch."""
    world.answers = {image: {"plain": case("plain")} for image in "abcd"}
    world.judge()

    assert world.asked == [(number, ("plain",)) for number in (0, 4, 2, 3)]
