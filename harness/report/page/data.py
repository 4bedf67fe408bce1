# SPDX-License-Identifier: GPL-2.0-only
"""Gather the data of the page: records, logs in the run folders, semantics, history."""

from __future__ import annotations

import datetime
import os
from collections.abc import Collection, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from harness.base.errors import HarnessError
from harness.guest.timestamps import TIMES_NAME, parse_moments
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.page.details import LaneReader, case_details, lane_limit
from harness.report.page.html import PageData
from harness.report.page.lanes import LANES, LaneLine, lanes_of
from harness.report.page.overview import Column, Overview, make_overview
from harness.report.page.stories import TRAIT, case_histories, line_histories, trait_histories, trait_stories
from harness.results.history import HISTORY_NAME, opened_history
from harness.results.kernel_line import kernel_line
from harness.results.selected import Reported
from harness.results.timeline import Entry, RunSummary
from harness.semantics.observers import find_observers
from harness.semantics.traits import Semantics
from harness.session.noise import NOISE, Noise

_LOG_BYTES = 256 * 1024
"""The part of a log that is read: the page shows only first and last lines."""
_USUAL_BYTES = 8 * 1024
_HISTORY_RUNS = 240
"""The number of runs in the history, of all kernel lines together."""


def gather(
    reported: Sequence[Reported],
    *,
    semantics: Semantics,
    case_files: Mapping[str, str],
    results: Path,
    noise: Noise = NOISE,
    needed: Collection[str] = (),
) -> PageData:
    """Return the data of a page.

    :param reported: the runs.
    :param semantics: the traits and profiles of the suite.
    :param case_files: the texts of the suite's cases, by id.
    :param results: the results folder, which has the history.
    :param noise: the output of the suite that differs from run to run.
    :param needed: options of the configuration that cases name.
    """
    made = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    columns = [Column(one.name, one.run, one.config) for one in reported]
    of_harness = version("kernel-patch-harness")
    overview = make_overview(columns, semantics=semantics, made=made, version=of_harness, noise=noise, needed=needed)
    records = [({case.id: case for case in one.run.cases}, one) for one in reported]
    limit = lane_limit(sum(len(by_id) for by_id, _ in records))
    details = [
        case_details(
            [_of(one, by_id.get(case_id)) for by_id, one in records],
            overview.likes[case_id],
            limit=limit,
            noise=noise,
        )
        for case_id in overview.ids
    ]
    return PageData(
        _title(reported), overview.value, details, _stories(reported, overview, semantics, case_files, results)
    )


def _of(one: Reported, case: CaseRecord | None) -> tuple[RunRecord, CaseRecord, LaneReader] | None:
    return (one.run, case, lambda record: _read_lanes(one.log_folder(record))) if case is not None else None


def _read_lanes(folder: Path | None) -> Sequence[LaneLine]:
    """Read the consoles and the kernel log in a case's folder; nothing if there are none."""
    if folder is None:
        return ()
    logs = {name: data for name in LANES if (data := _read(f"{folder}/{name}.log"))}
    return lanes_of(logs, parse_moments(_read(f"{folder}/{TIMES_NAME}").decode(errors="replace"))) if logs else ()


def _read(file: str) -> bytes:
    """Read the first bytes of a file; nothing if there is none. No links: a run folder may be untrusted."""
    try:
        # O_NONBLOCK: a FIFO without a writer must not block.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        # A buffer for the longest log would cost ten times as much: nearly all logs are short.
        data = os.read(descriptor, _USUAL_BYTES)
        return data + os.read(descriptor, _LOG_BYTES) if len(data) == _USUAL_BYTES else data
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _title(reported: Sequence[Reported]) -> str:
    """Return the title of the window: the kernels of the runs."""
    specs = list(dict.fromkeys(one.run.kernel.called for one in reported))
    more = f" and {len(specs) - 2} more" if len(specs) > 2 else ""
    return f"{', '.join(specs[:2])}{more}: kernel patch harness"


def _stories(
    reported: Sequence[Reported],
    overview: Overview,
    semantics: Semantics,
    case_files: Mapping[str, str],
    results: Path,
) -> dict[str, object]:
    names = list(dict.fromkeys(trait.trait for one in reported for trait in one.run.traits))
    lines = list(dict.fromkeys(kernel_line(one.run.kernel) for one in reported))
    entries, runs, note = _history(lines, results)
    ids = set(overview.ids)
    wanted = {key: found for key, found in entries.items() if key[0] == TRAIT or key[1] in ids}
    return {
        "traits": trait_stories(semantics, names, observers=find_observers(case_files, semantics.known_values)),
        "case_history": case_histories(wanted),
        "trait_history": trait_histories(wanted, semantics),
        "line_history": line_histories(runs, lines),
        "history_note": note,
    }


def _history(
    lines: Sequence[str], results: Path
) -> tuple[Mapping[tuple[str, str], Sequence[Entry]], Sequence[RunSummary], str]:
    """Return entries and runs of some kernel lines, or a note why there are none; never rebuild or wait."""
    if not (results / HISTORY_NAME).exists():
        return {}, (), f"no history in {results} (harness history makes one)"
    try:
        with opened_history(results, say=lambda text: None) as history:
            return history.newest(lines, max(10, _HISTORY_RUNS // max(1, len(lines)))), history.runs(), ""
    except HarnessError as error:
        return {}, (), f"the history cannot be read: {error.what}"
