"""Gathering what the page shows: records, the logs in the run folders, the semantics, the history."""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from harness.base.errors import HarnessError
from harness.guest.timestamps import TIMES_NAME, parse_moments
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.page.details import LaneReader, case_details, lane_limit
from harness.report.page.html import PageData
from harness.report.page.lanes import LANES, LaneLine, lanes_of
from harness.report.page.overview import Column, Overview, make_overview
from harness.report.page.stories import CASE, TRAIT, histories, line_histories, trait_stories
from harness.results.history import HISTORY_NAME, opened_history
from harness.results.kernel_line import kernel_line
from harness.results.selected import Reported
from harness.results.timeline import Entry, RunSummary
from harness.semantics.observers import find_observers
from harness.semantics.traits import Semantics
from harness.session.noise import NOISE, Noise

_LOG_BYTES = 256 * 1024
"""Of a log more is not read: the page shows its first and last lines only."""
_USUAL_BYTES = 8 * 1024
_HISTORY_RUNS = 240
"""So many runs of all kernel lines together are told of."""


def gather(
    reported: Sequence[Reported],
    *,
    semantics: Semantics,
    case_files: Mapping[str, str],
    results: Path,
    noise: Noise = NOISE,
) -> PageData:
    """What the page of these runs shows.

    :param case_files: the text of the cases of the suite, by what they are called.
    :param results: where the history is.
    :param noise: what differs from run to run in the output of the suite.
    """
    made = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    columns = [Column(one.name, one.run, one.config) for one in reported]
    of_harness = version("kernel-patch-harness")
    overview = make_overview(columns, semantics=semantics, made=made, version=of_harness, noise=noise)
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
    """The consoles and the kernel log in a case's folder; nothing where there are none."""
    if folder is None:
        return ()
    logs = {name: data for name in LANES if (data := _read(f"{folder}/{name}.log"))}
    return lanes_of(logs, parse_moments(_read(f"{folder}/{TIMES_NAME}").decode(errors="replace"))) if logs else ()


def _read(file: str) -> bytes:
    """The first bytes of a file; nothing when there is none. Not of a link: a run folder may be a stranger's."""
    try:
        # Of a FIFO, which nobody may write, nothing comes.
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        # Room for the longest log each time would cost ten times the reading: nearly all of them are short.
        data = os.read(descriptor, _USUAL_BYTES)
        return data + os.read(descriptor, _LOG_BYTES) if len(data) == _USUAL_BYTES else data
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _title(reported: Sequence[Reported]) -> str:
    """What the runs are of, for the window's title."""
    specs = list(dict.fromkeys(one.run.kernel.spec for one in reported))
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
        "case_history": histories(wanted, kind=CASE),
        "trait_history": histories(wanted, kind=TRAIT),
        "line_history": line_histories(runs, lines),
        "history_note": note,
    }


def _history(
    lines: Sequence[str], results: Path
) -> tuple[Mapping[tuple[str, str], Sequence[Entry]], Sequence[RunSummary], str]:
    """What the history knows of these kernel lines, and why it knows nothing. A page is no reason to mend or wait."""
    if not (results / HISTORY_NAME).exists():
        return {}, (), f"there is no history in {results}: harness history makes it"
    try:
        with opened_history(results, say=lambda text: None) as history:
            return history.newest(lines, max(10, _HISTORY_RUNS // max(1, len(lines)))), history.runs(), ""
    except HarnessError as error:
        return {}, (), f"the history cannot be read: {error.what}"
