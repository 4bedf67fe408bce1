# SPDX-License-Identifier: GPL-2.0-only
"""Report how a service does: for people, and as one JSON for monitoring; the database is only read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from harness.follow.state.config import DAY, Config
from harness.follow.state.database import Database
from harness.follow.state.place import MODE, ONCE, PAUSED, PROCESS, describe_process
from harness.follow.state.rows import SERIES_COLUMNS, AnswerState, MailKind, SeriesRow, SeriesState, read_series_row
from harness.report.text import elide, fold, one_line

FORMAT_VERSION = 1
_LISTED = 5
_OVERDUE_SECONDS = 3.0 * DAY
_TITLE_WIDTH = 200


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """A source.

    :param name: its name.
    :param kind: its kind.
    :param looked: when it was looked at, in seconds since the epoch; 0.0 for never.
    :param faults: how often in a row it could not be read.
    :param problem: why it could not be read the last time; empty when it could.
    """

    name: str
    kind: str
    looked: float
    faults: int
    problem: str


@dataclass(frozen=True, slots=True)
class SeriesStatus:
    """A series.

    :param id: its number here.
    :param title: its title.
    :param version: its version.
    :param state: its state.
    :param seconds: how long it has been tested; how long it waits.
    :param note: why it is in its state.
    """

    id: int
    title: str
    version: str
    state: SeriesState
    seconds: float
    note: str


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The status of a service.

    :param name: the name of the service.
    :param problems: what a person should look at; empty for a healthy service.
    :param process: the process that works on it; 0 for none.
    :param last_turn: when it last did something, in seconds since the epoch.
    :param paused: why nothing is tested; empty when it is.
    :param sources: the sources.
    :param series: the number of series by state.
    :param verdicts: the number of series by verdict.
    :param verdicts_of_a_day: those of the last 24 hours.
    :param answers: the number of answers by kind and state, as ``draft due``.
    :param mails: the number of mails by kind.
    :param incomplete: the number of threads that lack patches.
    :param running: the series that are tested.
    :param waiting: the first of those that wait.
    :param oldest_wait: how long the first one has waited, in seconds.
    :param failed: the newest of those that could not be tested.
    :param database_bytes: the size of the database.
    """

    name: str
    problems: tuple[str, ...]
    process: int
    last_turn: float
    paused: str
    sources: tuple[SourceStatus, ...]
    series: Mapping[str, int]
    verdicts: Mapping[str, int]
    verdicts_of_a_day: Mapping[str, int]
    answers: Mapping[str, int]
    mails: Mapping[str, int]
    incomplete: int
    running: tuple[SeriesStatus, ...]
    waiting: tuple[SeriesStatus, ...]
    oldest_wait: float
    failed: tuple[SeriesStatus, ...]
    database_bytes: int
    format_version: int = FORMAT_VERSION


def read_status(database: Database, config: Config, *, now: float) -> ServiceStatus:
    """Read the status of a service.

    :param now: seconds since the epoch.
    """
    process = database.fact(PROCESS)
    is_alive = bool(process) and describe_process(int(process.partition(" ")[0])) == process
    sources = tuple(_sources(database, config))
    answers = _counts(database, "SELECT kind || ' ' || state, count(*) FROM answer GROUP BY 1")
    failed = _newest(database, now, (SeriesState.FAILED,), is_newest_first=True)
    running = _newest(database, now, (SeriesState.RUNNING, SeriesState.ENDING))
    waiting = _newest(database, now, (SeriesState.WAITING,))
    paused = database.fact(PAUSED)
    problems = list(_absence(database, now)) if not is_alive else []
    problems += [f"paused: {paused}"] if paused else []
    problems += [f"source {one.name}: {one.problem}" for one in sources if one.problem]
    for state in (AnswerState.FAILED, AnswerState.UNCERTAIN):
        if number := sum(count for name, count in answers.items() if name.endswith(f" {state}")):
            problems.append(f"{number} answers are {state}")
    problems += [f"series {one.id} failed: {one.note}" for one in failed[:1]]
    verdicts = "SELECT verdict, count(*) FROM series WHERE verdict <> ''{} GROUP BY 1"
    return ServiceStatus(
        name=config.name,
        problems=tuple(problems),
        process=int(process.partition(" ")[0]) if is_alive else 0,
        last_turn=float(database.fact("clock") or 0),
        paused=paused,
        sources=sources,
        series=_counts(database, "SELECT state, count(*) FROM series GROUP BY 1"),
        verdicts=_counts(database, verdicts.format("")),
        verdicts_of_a_day=_counts(database, verdicts.format(f" AND ended > {float(now - DAY)!r}")),
        answers=answers,
        mails=_counts(database, "SELECT kind, count(*) FROM mail GROUP BY 1"),
        incomplete=database.number("SELECT count(*) FROM topic WHERE note <> ''"),
        running=running,
        waiting=waiting,
        oldest_wait=waiting[0].seconds if waiting else 0.0,
        failed=failed,
        database_bytes=database.path.stat().st_size,
    )


def _absence(database: Database, now: float) -> Iterator[str]:
    """Yield that no process works on the state, if one should: a timer starts one now and then."""
    last = float(database.fact("clock") or 0)
    if database.fact(MODE) != ONCE:
        yield "the service does not run"
    elif now - last > _OVERDUE_SECONDS:
        yield f"it was last started {_ago(now, last)}"


def dump_status(status: ServiceStatus) -> str:
    """Return the status as JSON, ASCII only; a report for each minute need not import the library of records."""
    return json.dumps(asdict(status), indent=1, allow_nan=False) + "\n"


def status_lines(status: ServiceStatus, *, width: int, now: float) -> Iterator[str]:
    """Yield the status for people.

    :param width: columns.
    :param now: seconds since the epoch.
    """
    state = f"runs as process {status.process}" if status.process else "does not run"
    yield f"{status.name} {state}; last turn {_ago(now, status.last_turn)}"
    for problem in status.problems:
        yield from _folded(f"problem: {problem}", width)
    yield ""
    for source in status.sources:
        looked = _ago(now, source.looked)
        yield f"  source {source.name:<20} {source.kind:<13} {'FAILS, ' if source.problem else ''}looked at {looked}"
    yield ""
    for label, counts in (("series", status.series), ("verdicts", status.verdicts), ("answers", status.answers)):
        yield from _folded(f"  {label:<9} {_listed(counts)}", width)
    others = {str(name): status.mails.get(name, 0) for name in MailKind}
    yield from _folded(f"  {'mails':<9} {_listed(others)}; {status.incomplete} threads lack patches", width)
    for label, some in (("running", status.running), ("waiting", status.waiting), ("failed", status.failed)):
        if some:
            yield ""
            yield f"{label}:"
        for one in some:
            text = f"  {one.id:>5} {_span(one.seconds):>7}  {one.version:<4} {one.title}"
            yield elide(text, width)
            if one.note:
                yield from (f"                     {line}" for line in fold(one.note, max(20, width - 21)))


def _folded(text: str, width: int) -> Iterator[str]:
    first, *rest = fold(text, width)
    yield first
    yield from (line for part in rest for line in (f"    {line}" for line in fold(part, width - 4)))


def _sources(database: Database, config: Config) -> Iterator[SourceStatus]:
    rows = {str(row[0]): row for row in database.rows("SELECT name, looked, faults, problem FROM source")}
    for one in config.sources:
        _, looked, faults, problem = rows.get(one.name, ("", 0.0, 0, ""))
        yield SourceStatus(one.name, one.kind, float(looked or 0), int(faults or 0), str(problem))


def _counts(database: Database, query: str) -> dict[str, int]:
    return {str(name): int(count or 0) for name, count in database.rows(query)}


def _newest(
    database: Database, now: float, states: tuple[SeriesState, ...], *, is_newest_first: bool = False
) -> tuple[SeriesStatus, ...]:
    marks, order = ",".join("?" * len(states)), "DESC" if is_newest_first else "ASC"
    query = f"SELECT {SERIES_COLUMNS} FROM series WHERE state IN ({marks}) ORDER BY id {order} LIMIT ?"
    return tuple(_shown(read_series_row(row), now) for row in database.rows(query, *states, _LISTED))


def _shown(row: SeriesRow, now: float) -> SeriesStatus:
    since = row.began if row.state is SeriesState.RUNNING else row.ended or row.arrived
    title = one_line(row.title, _TITLE_WIDTH)
    return SeriesStatus(row.id, title, row.version, row.state, max(0.0, now - since), one_line(row.note))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _ago(now: float, then: float) -> str:
    return f"{_span(max(0.0, now - then))} ago" if then else "never"


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
