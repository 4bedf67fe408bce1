"""What the page shows of one case when it is opened: transcript, difference, logs, commands, of all kernels. Pure.

Each case is a text of its own in the page, compressed, and read when it is opened: the kernels of a case say nearly the
same, so together they take little more room than one.
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
from harness.report.page.rerun_command import commands_again
from harness.report.text import bound, one_line, plain_text
from harness.session.noise import NOISE, Noise

_LANE_LINES = 400
_ALL_LANE_LINES = 600_000
"""Of all cases together: the page has to stay below the size that people can mail and CI servers keep."""
_TEXT_LENGTH = 40_000
_COMPARED = 6
"""No more answers to one case are held against each other; ``harness diff`` does it for any two runs."""

LaneReader = Callable[[CaseRecord], Sequence[LaneLine]]


def pack(value: object) -> str:
    """A value as JSON, compressed (zlib), in base64: for the page, which has it read by ``DecompressionStream``."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(errors="backslashreplace"), 6)).decode()


def lane_limit(cells: int) -> int:
    """How many lines of logs are kept of each of so many cases."""
    return max(60, min(_LANE_LINES, _ALL_LANE_LINES // max(1, cells)))


def case_details(
    records: Sequence[tuple[RunRecord, CaseRecord, LaneReader] | None],
    likes: Sequence[CaseRecord],
    *,
    limit: int,
    noise: Noise = NOISE,
) -> Value:
    """All that is to be told of one case.

    :param records: for each kernel its run, the record, and what reads its logs; None where it has no such case.
    :param likes: one record for each answer that differs from the others.
    :param limit: of lines of logs.
    :param noise: what differs from run to run in the output of the suite.
    """
    texts = Texts()
    kernels = [_on_kernel(*one, texts=texts, limit=limit) if one else None for one in records]
    return {"kernels": kernels, "diffs": dict(_diffs(likes, texts, noise)), "texts": texts.list}


def _on_kernel(run: RunRecord, case: CaseRecord, read_lanes: LaneReader, *, texts: Texts, limit: int) -> Value:
    lines, cut = bound_lanes(read_lanes(case), limit)
    again, shell = commands_again(run, case)
    place = texts.place
    value: Value = {
        "reason": plain_text(case.reason).strip(),
        "why": one_line(case.why_not_failed),
        "seconds": round(case.seconds, 3),
        "started": case.started,
        "machine": case.machine,
        "folder": one_line(case.folder),
        "transcript": texts.place(_bounded(case.transcript)),
        "again": again,
        "shell": shell,
        "traits": [[one_line(one.trait), one_line(one.value), one_line(one.where)] for one in case.sightings],
        # One list of numbers, three a line: moment, track, place of the text (report/lanes.py).
        "lanes": [n for moment, track, text in lines for n in (moment, track, place(text))],
    }
    if cut:
        value["cut"] = [cut, len(lines) - limit // 3]
    if case.diff:
        value["diff"] = texts.place(_bounded(case.diff))
    if case.splats:
        value["splats"] = [
            [one_line(one.kind), one_line(one.title), one_line(one.fingerprint), texts.place(_bounded(one.text))]
            for one in case.splats
        ]
    if case.tries:
        value["tries"] = [[str(one.outcome), one.times] for one in case.tries]
    return value


def _bounded(text: str) -> str:
    return bound(plain_text(text), _TEXT_LENGTH)


def _diffs(likes: Sequence[CaseRecord], texts: Texts, noise: Noise) -> Iterator[tuple[str, int]]:
    """The transcripts of each two answers against each other, ``"0 1"`` from the first to the second."""
    for (at, one), (other_at, other) in combinations(list(enumerate(likes))[:_COMPARED], 2):
        patch = noise.diff(one.transcript, other.transcript, names=("before", "after"))
        if patch:
            yield f"{at} {other_at}", texts.place(_bounded(patch))
