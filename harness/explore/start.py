# SPDX-License-Identifier: GPL-2.0-only
"""Prepare one kernel or two, and the model of the suite, and explore."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness import pipeline
from harness.base.context import Context
from harness.base.events import Note
from harness.coverage.bitmap import NOTHING, Bitmap
from harness.explore.explore import Exploration, Explorer, ExploreRequest
from harness.explore.guest import GuestRunner, requests_of
from harness.explore.load import check_profile, exploration_of, load_model
from harness.explore.steer import code_of
from harness.explore.trial import Sides
from harness.guest.coverage.facts import read_functions
from harness.pipeline import Options, Prepared
from harness.run.case import make_environment
from harness.suite.load import suite_semantics


@dataclass(frozen=True, slots=True)
class ExploreOptions:
    """The options of an exploration; see :class:`~harness.explore.explore.ExploreRequest`.

    :param kernels: the kernel, and the second one of ``--diff``.
    :param keeps: whether kept findings are replayed, and new ones kept.
    """

    kernels: tuple[Options, ...]
    seed: int
    seconds: float
    folder: Path
    most: int
    workers: int
    keeps: bool = True


def start_exploration(context: Context, options: ExploreOptions, *, logs: Path) -> Exploration:
    """Prepare and explore.

    :param logs: folder for the logs of boots and machines.
    :raises HarnessError: a kernel or the suite cannot be prepared, or the model is broken.
    """
    suite = options.kernels[0].suite
    exploration_of(suite)
    requests_of(suite)
    semantics = suite_semantics(suite)
    model = load_model(suite, semantics)
    runners = []
    for number, one in enumerate(options.kernels):
        folder = logs / str(number)
        folder.mkdir(parents=True)
        runners.append(GuestRunner(pipeline.prepare(context, one, logs=folder), folder))
    prepared = runners[0].prepared
    profile = make_environment(prepared, semantics, folder=logs).profile
    check_profile(model, profile.values, profile=profile.name)
    by = f"profile {profile.name}" if len(runners) == 1 else f"compared with {options.kernels[1].kernel}"
    text = f"exploring {prepared.kernel.spec} ({prepared.kernel.release}), {by}, seed {options.seed}"
    context.report(Note(text))
    request = ExploreRequest(
        Sides(suite, model, profile.values, *runners),
        profile.name,
        options.seed,
        options.seconds,
        options.folder,
        options.most,
        options.workers,
        _subject(context, prepared),
        options.keeps,
    )
    return Explorer(context, request).explore()


def _subject(context: Context, prepared: Prepared) -> Bitmap:
    """Return the code about the subject; none where the code that is run is not noted."""
    pattern = exploration_of(prepared.suite).functions
    if not prepared.coverage.template or prepared.template is None or not pattern:
        return NOTHING
    return code_of(read_functions(context, prepared.template).functions, pattern)
