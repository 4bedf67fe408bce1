# SPDX-License-Identifier: GPL-2.0-only
"""Move series through their states, each step one transaction; see ``harness/follow/state/rows.py``.

Nothing here starts a program: a kill between two steps leaves a state from which :meth:`Queue.recover` goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from harness.follow.state.config import DAY, HOUR, Config
from harness.follow.state.database import Database
from harness.follow.state.rows import SERIES_COLUMNS, AnswerState, SeriesRow, SeriesState, read_series_row
from harness.model.series_record import PatchState

KILLS = 20
"""How often the service may die while it tests a series, before that series counts as the cause."""
_LONGEST_WAIT = 6 * HOUR
_LEAP = 120.0
"""Seconds by which the clock may go back unnoticed."""
_TIMES = (
    ("topic", "due"),
    ("topic", "heard"),
    ("source", "next"),
    ("series", "next"),
    ("answer", "next"),
    ("base", "since"),
)
"""Columns with a time after which something happens."""


@dataclass(frozen=True, slots=True)
class NewSeries:
    """A series that is to become a row.

    :param key: digest of the names of its patches.
    :param topic: its topic.
    :param state: its first state.
    :param rule: the name of the rule; empty for none.
    :param note: why it is in that state.
    """

    key: str
    topic: int
    title: str
    version: str
    patches: int
    sender: str
    message_id: str
    content: str
    files: tuple[str, ...]
    recipients: tuple[str, ...]
    mails: tuple[str, ...]
    state: SeriesState
    rule: str = ""
    note: str = ""
    range: str = ""


@dataclass(slots=True)
class Queue:
    """The series of a service.

    :param database: the database.
    :param config: the configuration.
    :param clock: seconds since the epoch.
    """

    database: Database
    config: Config
    clock: Callable[[], float] = field(repr=False)

    def find(self, number: int) -> SeriesRow | None:
        """Return a series by its number; None for none."""
        row = self.database.row(f"SELECT {SERIES_COLUMNS} FROM series WHERE id = ?", number)
        return read_series_row(row) if row else None

    def in_state(self, *states: SeriesState, limit: int = -1) -> list[SeriesRow]:
        """Return the series in some states, oldest first."""
        marks = ",".join("?" * len(states))
        query = f"SELECT {SERIES_COLUMNS} FROM series WHERE state IN ({marks}) ORDER BY id LIMIT ?"
        return [read_series_row(row) for row in self.database.rows(query, *states, limit)]

    def of_topic(self, topic: int) -> list[SeriesRow]:
        """Return the series of a topic, oldest first."""
        query = f"SELECT {SERIES_COLUMNS} FROM series WHERE topic = ? ORDER BY id"
        return [read_series_row(row) for row in self.database.rows(query, topic)]

    def like(self, content: str) -> SeriesRow | None:
        """Return a series with these diffs that is, was, or will be tested; None for none."""
        query = f"SELECT {SERIES_COLUMNS} FROM series WHERE content = ? AND state IN (?, ?, ?, ?) ORDER BY id LIMIT 1"
        states = (SeriesState.WAITING, SeriesState.RUNNING, SeriesState.JUDGED, SeriesState.ANSWERED)
        row = self.database.row(query, content, *states)
        return read_series_row(row) if row else None

    def count_new(self, sender: str) -> int:
        """Return how many series of a sender were accepted in the last 24 hours."""
        query = "SELECT count(*) FROM series WHERE sender = ? AND arrived > ? AND state NOT IN (?, ?)"
        return self.database.number(query, sender, self.clock() - DAY, SeriesState.UNWANTED, SeriesState.REFUSED)

    def count_waiting(self) -> int:
        """Return how many series wait."""
        return self.database.number("SELECT count(*) FROM series WHERE state = ?", SeriesState.WAITING)

    def settle_topic(
        self,
        topic: int,
        new: Sequence[NewSeries],
        current: Collection[str],
        seen: Collection[str],
        *,
        due: float | None,
    ) -> None:
        """Add new series of a topic and drop those that a newer version replaces, in one transaction.

        :param new: the new series.
        :param current: the keys of the newest versions.
        :param seen: the names of the mails that were looked at.
        :param due: when to look at the topic again; None for not before its next mail.
        """
        with self.database.transaction():
            for row in self.of_topic(topic):
                if row.key not in current and set(row.mails) <= set(seen):
                    self._supersede(row)
            for one in new:
                self._add(one)
            self.database.change("UPDATE topic SET due = ? WHERE id = ?", due, topic)

    def replace_branch(self, new: NewSeries) -> None:
        """Add the series of a branch and drop the older ones of that branch, in one transaction."""
        with self.database.transaction():
            if self.database.row("SELECT 1 FROM series WHERE key = ?", new.key):
                return
            for row in self.of_topic(new.topic):
                self._supersede(row)
            self._add(new)

    def next(self) -> SeriesRow | None:
        """Return the series to test next: senders who used their time in the last 24 hours come last."""
        now, budget = self.clock(), self.config.limits.sender_hours * HOUR
        query = f"""SELECT {SERIES_COLUMNS} FROM series AS s WHERE state = ? AND next <= ? ORDER BY (SELECT
            coalesce(sum(ended - began), 0) > ? FROM series AS t WHERE t.sender = s.sender AND t.ended > ?), id
            LIMIT 1"""
        row = self.database.row(query, SeriesState.WAITING, now, budget, now - DAY)
        return read_series_row(row) if row else None

    def begin(self, number: int, *, base: str, folder: str) -> None:
        """Record that a test begins, with its base and folder, before it does."""
        with self.database.transaction():
            self._update(number, SeriesState.RUNNING, "", base=base, folder=folder, began=self.clock(), ended=0.0)

    def finish(self, number: int, verdict: PatchState, answers: Sequence[tuple[str, int]], note: str = "") -> None:
        """Record a verdict and the answers that it needs.

        :param answers: kind and part of each.
        """
        with self.database.transaction():
            state = SeriesState.JUDGED if answers else SeriesState.ANSWERED
            self._update(number, state, note, verdict=verdict.value, ended=self.clock())
            insert = "INSERT OR IGNORE INTO answer (series, verdict, kind, part, state) VALUES (?, ?, ?, ?, ?)"
            self.database.change_all(insert, [(number, verdict.value, *one, AnswerState.DUE) for one in answers])

    def retry(self, row: SeriesRow, note: str) -> SeriesState:
        """Record that the host failed: the series waits for a while, or has failed too often."""
        tries, now = row.tries + 1, self.clock()
        state = SeriesState.FAILED if tries >= self.config.limits.tries else SeriesState.WAITING
        wait = min(_LONGEST_WAIT, 60.0 * 4**tries)
        with self.database.transaction():
            self._update(row.id, state, note, tries=tries, next=now + wait, ended=now)
        return state

    def put_back(self, number: int, note: str = "") -> None:
        """Record that a test was interrupted: the series waits, as before."""
        with self.database.transaction():
            self._update(number, SeriesState.WAITING, note, ended=self.clock())

    def hold(self, number: int, note: str, seconds: float) -> None:
        """Record that a series cannot be tested now, through no fault of it or the host."""
        with self.database.transaction():
            self._update(number, SeriesState.WAITING, note, next=self.clock() + seconds)

    def release(self) -> None:
        """Let the series that were held wait no longer: the user may have fixed the configuration."""
        with self.database.transaction():
            self.database.change(
                "UPDATE series SET next = 0 WHERE state = ? AND tries = 0 AND next > 0", SeriesState.WAITING
            )

    def fail(self, number: int, note: str) -> None:
        """Record that a series cannot be tested."""
        with self.database.transaction():
            self._update(number, SeriesState.FAILED, note, ended=self.clock())

    def end(self, number: int) -> None:
        """Record that the test of a superseded series was ended."""
        with self.database.transaction():
            self._update(number, SeriesState.ENDED, "a newer version came while it was tested", ended=self.clock())

    def again(self, number: int) -> bool:
        """Let a series that has failed, or was never tested, wait; return False for any other state."""
        states = (SeriesState.FAILED, SeriesState.REFUSED, SeriesState.ENDED, SeriesState.SUPERSEDED)
        row = self.find(number)
        if row is None or row.state not in states or not row.rule:
            return False
        with self.database.transaction():
            self._update(number, SeriesState.WAITING, "requested by the user", tries=0, next=0.0, base="")
            self.database.change("DELETE FROM fact WHERE name = ?", f"kills {number}")
        return True

    def count_kill(self, number: int) -> int:
        """Count a death of the service while it tested a series; return the number of them."""
        name = f"kills {number}"
        kills = int(self.database.fact(name) or 0) + 1
        with self.database.transaction():
            self.database.set_fact(name, str(kills))
        return kills

    def mind_clock(self) -> bool:
        """Look whether the clock was set back; then nothing waits for a time of the old clock.

        :return: whether it was.
        """
        now = self.clock()
        known = float(self.database.fact("clock") or 0)
        is_back = now < known - _LEAP
        with self.database.transaction():
            if is_back:
                for table, column in _TIMES:
                    self.database.change(f"UPDATE {table} SET {column} = ? WHERE {column} > ?", now, now)
            if is_back or now > known + 1:
                self.database.set_fact("clock", repr(now))
        return is_back

    def _supersede(self, row: SeriesRow) -> None:
        if row.state is SeriesState.WAITING:
            self._update(row.id, SeriesState.SUPERSEDED, "a newer version came while it waited")
        elif row.state is SeriesState.RUNNING:
            self._update(row.id, SeriesState.ENDING, "a newer version came")

    def _add(self, new: NewSeries) -> None:
        columns = (
            "key, topic, title, version, patches, sender, message_id, content, files, recipients, mails, range, rule, "
            "arrived, state, note, changed"
        )
        lists = tuple(json.dumps(one) for one in (new.files, new.recipients, new.mails))
        self.database.change(
            f"INSERT OR IGNORE INTO series ({columns}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
            "(SELECT coalesce(max(changed), 0) + 1 FROM series))",
            *(new.key, new.topic, new.title, new.version, new.patches, new.sender, new.message_id, new.content),
            *lists,
            *(new.range, new.rule, self.clock(), new.state.value, new.note),
        )

    def _update(self, number: int, state: SeriesState, note: str, **values: str | int | float) -> None:
        columns = "".join(f", {name} = ?" for name in values)
        self.database.change(
            f"UPDATE series SET state = ?, note = ?, changed = (SELECT max(changed) + 1 FROM series){columns} "
            "WHERE id = ?",
            *(state, note, *values.values(), number),
        )
