# SPDX-License-Identifier: GPL-2.0-only
"""Several kernels in one run: what is shown at the end."""

from __future__ import annotations

import datetime
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from harness.base.errors import ExitStatus, HarnessError, HostError, NotInKernelError, SeriesError, UsageError
from harness.base.store import Store
from harness.model.run_record import RunRecord
from harness.model.variant import Variant
from harness.model.verdict import Outcome
from harness.pipeline import Options, Prepared
from harness.report.display.events import RunFinished, RunReport
from harness.report.display.plain import PlainDisplay
from harness.results.folder import RunFolder
from harness.results.known_failures import KnownFailures
from harness.run import several_kernels
from harness.run.one_kernel import Judging, RunSettings
from harness.run.selection import Selection
from harness.run.several_kernels import Ready, _slug, run_kernels
from harness.semantics.traits import load_semantics
from tests.unit.report.sample import RUN
from tests.unit.semantics.test_traits import SMALL

OF_SAMPLE = "Traits of 6.1.0-56-cloud-amd64"
OF_ALL = "Kernels of this run"


@pytest.mark.parametrize(
    ("records", "shown"),
    [([RUN], OF_SAMPLE), ([None, RUN], OF_SAMPLE), ([RUN, RUN], OF_ALL), ([None, None], "")],
)
def test_traits_are_shown_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, records: Sequence[RunRecord | None], shown: str
) -> None:
    """One table of all, or that of the one kernel which came so far; never none where there are traits."""
    left = list(records)

    @contextmanager
    def ready(options: Sequence[Options], asked: RunSettings, report: object) -> Iterator[Iterator[Ready]]:
        yield (Ready(one, RunFolder.create(tmp_path, "deb", 0.0)) for one in options)

    def run_one(one: Ready, asked: RunSettings, report: RunReport, tell: object) -> tuple[RunRecord | None, ExitStatus]:
        record = left.pop(0)
        if record is not None:
            report(RunFinished(record, None))
        return record, ExitStatus.AS_EXPECTED

    monkeypatch.setattr(several_kernels, "ready_kernels", ready)
    monkeypatch.setattr(several_kernels, "_run_one", run_one)
    monkeypatch.setattr(several_kernels, "remember_run", lambda *_: None)
    stream = io.StringIO()
    display = PlainDisplay(stream, is_for_several=len(records) > 1)
    semantics = load_semantics(SMALL, path="small.toml")
    judging = Judging(KnownFailures("known.toml", datetime.date(2026, 11, 22)))
    asked = RunSettings(Selection(), semantics, judging, tmp_path, Store(tmp_path), "harness run")
    run_kernels([Options()] * len(records), asked, report=display.show, tell=lambda _: ExitStatus.HOST)

    assert [text for text in (OF_SAMPLE, OF_ALL) if text in stream.getvalue()] == [text for text in [shown] if text]
    assert stream.getvalue().count(OF_SAMPLE) <= 1


def test_run_folder_of_a_tree_without_a_name_is_called_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``harness run .`` in ~/linux writes a folder that ends in linux."""
    (tmp_path / "linux/drivers").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "linux/drivers")

    assert [_slug(Options(word)) for word in (".", "..", "deb", "./x")] == ["drivers", "linux", "deb", "x"]


def test_variant_that_cannot_be_had_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A kernel without PREEMPT_RT and a host without clang do not fail the run; a variant that does not build does."""
    errors: dict[str, HarnessError] = {
        "rt": NotInKernelError("Linux 6.1 does not have the variant rt", remedy="leave out rt"),
        "clang": HostError("clang is not installed", remedy="install it: apt-get install clang", packages=("clang",)),
        "mine": UsageError("Linux 6.1 does not grant CONFIG_NONSENSE"),
        "up": SeriesError("the tree does not build"),
    }

    def prepare(context: object, options: Options, *, logs: Path) -> None:
        raise errors[options.variant.name]

    monkeypatch.setattr("harness.pipeline.prepare", prepare)
    stream = io.StringIO()
    display = PlainDisplay(stream, is_for_several=True)
    judging = Judging(KnownFailures("known.toml", datetime.date(2026, 11, 22)))
    semantics = load_semantics(SMALL, path="small.toml")
    asked = RunSettings(Selection(), semantics, judging, tmp_path, Store(tmp_path), "harness run")
    told: list[str] = []

    def tell(error: HarnessError) -> ExitStatus:
        told.append(error.what)
        return error.exit_status

    def run_of(*names: str) -> tuple[ExitStatus, list[Outcome]]:
        records: list[RunRecord] = []
        kernels = [Options("deb-src:6.1", variant=Variant(name)) for name in names]
        status = run_kernels(kernels, asked, report=display.show, tell=tell, on_record=records.append)
        assert [record.kernel.variant for record in records] == list(names)
        return status, [record.cases[0].outcome for record in records]

    assert run_of("rt", "clang") == (ExitStatus.AS_EXPECTED, [Outcome.SKIPPED, Outcome.SKIPPED])
    assert told == []
    assert "deb-src:6.1 (clang): not run: clang is not installed; install it: apt-get" in " ".join(
        stream.getvalue().split()
    )
    assert run_of("rt", "up") == (ExitStatus.DIFFERS, [Outcome.SKIPPED, Outcome.KERNEL])
    assert run_of("mine", "rt") == (ExitStatus.USAGE, [Outcome.ERROR, Outcome.SKIPPED])
    assert told == ["the tree does not build", "Linux 6.1 does not grant CONFIG_NONSENSE"]


def test_variant_is_measured_against_the_plain_kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The boot of the plain kernel before it is its measure; another plain kernel has none."""
    seen: list[tuple[str, float]] = []

    def prepare(options: Options, settings: object, report: object, *, name: str, **_: object) -> Ready:
        seen.append((options.variant.name, options.plain_seconds))
        return Ready(options, None, cast("Prepared", SimpleNamespace(guest_seconds=2.5)))

    monkeypatch.setattr(several_kernels, "_prepare", prepare)
    monkeypatch.setattr(several_kernels, "_discard_unused", lambda ready: None)
    judging = Judging(KnownFailures("known.toml", datetime.date(2026, 11, 22)))
    semantics = load_semantics(SMALL, path="small.toml")
    asked = RunSettings(Selection(), semantics, judging, tmp_path, Store(tmp_path), "harness run")
    kernels = [Options("a"), Options("a", variant=Variant("debug")), Options("b"), Options("b", variant=Variant("up"))]
    with several_kernels.ready_kernels(kernels, asked, lambda event: None) as ready:
        list(ready)

    assert seen == [("", 0.0), ("debug", 2.5), ("", 0.0), ("up", 2.5)]
