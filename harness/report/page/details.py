# SPDX-License-Identifier: GPL-2.0-only
"""Make the details of one case for the page: transcript, diff, logs and commands of all kernels. Pure.

Each case is a separate compressed text in the page, which is read when the case is opened. The results of a case on
several kernels are similar, so together they need little more space than one.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

from harness.model.run_record import CaseRecord, RunRecord
from harness.report.page.lanes import LaneLine, bound_lanes
from harness.report.page.overview import Texts, Value
from harness.report.page.rerun_command import rerun_commands
from harness.report.text import bound, one_line, plain_text
from harness.session.noise import NOISE, Noise

_LANE_LINES = 400
_ALL_LANE_LINES = 600_000
"""The limit for all cases together: the page must be small enough for mails and CI servers."""
_TEXT_LENGTH = 40_000
_COMPARED = 6
"""The number of different results of a case that are compared; ``harness diff`` compares any two runs."""

LaneReader = Callable[[CaseRecord], Sequence[LaneLine]]


def pack(value: object) -> str:
    """Return a value as JSON, compressed with zlib, in base64; the page reads it with ``DecompressionStream``."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(errors="backslashreplace"), 6)).decode()


def lane_limit(cells: int) -> int:
    """Return the number of log lines to keep for each of a number of cases."""
    return max(60, min(_LANE_LINES, _ALL_LANE_LINES // max(1, cells)))


def case_details(
    records: Sequence[tuple[RunRecord, CaseRecord, LaneReader] | None],
    likes: Sequence[CaseRecord],
    *,
    limit: int,
    noise: Noise = NOISE,
) -> Value:
    """Return the details of one case.

    :param records: for each kernel its run, the record, and the reader of its logs; None if it has no such case.
    :param likes: one record for each result that differs by more than noise.
    :param limit: the number of log lines.
    :param noise: the output of the suite that differs from run to run.
    """
    texts = Texts()
    kernels = [_on_kernel(*one, texts=texts, limit=limit) if one else None for one in records]
    return {"kernels": kernels, "diffs": dict(_diffs(likes, texts, noise)), "texts": texts.list}


def _on_kernel(run: RunRecord, case: CaseRecord, read_lanes: LaneReader, *, texts: Texts, limit: int) -> Value:
    lines, cut = bound_lanes(read_lanes(case), limit)
    rerun, shell = rerun_commands(run, case)
    value: Value = {
        "reason": plain_text(case.reason).strip(),
        "why": one_line(case.why_not_failed),
        "seconds": round(case.seconds, 3),
        "started": case.started,
        "machine": case.machine,
        "folder": one_line(case.folder),
        "transcript": texts.add(_bounded(case.transcript)),
        "rerun": rerun,
        "shell": shell,
        "traits": [[one_line(one.trait), one_line(one.value), one_line(one.where)] for one in case.sightings],
        # One list with three numbers per line: moment, track, index of the text (lanes.py).
        "lanes": [n for moment, track, text in lines for n in (moment, track, texts.add(text))],
    }
    if cut:
        value["cut"] = [cut, len(lines) - limit // 3]
    if case.diff:
        value["diff"] = texts.add(_bounded(case.diff))
    if case.splats:
        value["splats"] = [
            [one_line(one.kind), one_line(one.title), one_line(one.fingerprint), texts.add(_bounded(one.text))]
            for one in case.splats
        ]
    if case.tries:
        value["tries"] = [[str(one.outcome), one.times] for one in case.tries]
    return value


def _bounded(text: str) -> str:
    return bound(plain_text(text), _TEXT_LENGTH)


def _diffs(likes: Sequence[CaseRecord], texts: Texts, noise: Noise) -> Iterator[tuple[str, int]]:
    """Yield the diff of the transcripts of each two results, ``"0 1"`` from the first to the second."""
    for (at, one), (other_at, other) in combinations(list(enumerate(likes))[:_COMPARED], 2):
        patch = noise.diff(one.transcript, other.transcript, names=("before", "after"))
        if patch:
            yield f"{at} {other_at}", texts.add(_bounded(patch))
