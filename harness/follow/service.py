# SPDX-License-Identifier: GPL-2.0-only
"""Follow sources: take mails in, queue series, test them, answer; start here to read the code of the service.

One turn does what is due and takes no longer than its transactions, requests and programs; tests run beside it. All
that is known stands in the database, so a turn can be cut at any point, also by the loss of power.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import DiskFullError, HarnessError, SeriesError, UsageError
from harness.base.store import Store
from harness.follow.answers import Answerer, answers_for, remove_folder
from harness.follow.job import Command, harness_command, pin_base, read_result, series_job, write_b4
from harness.follow.page import write_page
from harness.follow.polling import Poller
from harness.follow.queue import KILLS, Queue
from harness.follow.retention import SERIES_FOLDER, missing_space, tidy
from harness.follow.runner import Ended, Runner
from harness.follow.state.config import HOUR, Rule
from harness.follow.state.place import MODE, ONCE, PAUSED
from harness.follow.state.rows import SeriesRow, SeriesState
from harness.follow.topics import read_raw_mails, settle_topics
from harness.follow.union import UnionTester
from harness.report.text import one_line

_LOG = logging.getLogger(__name__)
_HOLD_SECONDS = 600.0
_GIT_SECONDS = 60.0
_NOTE_LENGTH = 1000
_TIDY = "tidied"


@dataclass(slots=True)
class Service:
    """A service.

    :param queue: the series.
    :param folder: the folder of the state.
    :param store: the products of all tests.
    :param poller: looks at the sources.
    :param answerer: gives the answers.
    :param command: returns the whole command of a test.
    """

    queue: Queue
    folder: Path
    store: Store
    poller: Poller
    answerer: Answerer
    command: Command = harness_command
    runner: Runner = field(init=False)
    union: UnionTester = field(init=False)

    def __post_init__(self) -> None:
        """Begin without running tests."""
        self.runner = Runner(self.command)
        self.union = UnionTester(self.queue, self.folder)

    def run(self, *, is_once: bool, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Do what is due, again and again; with ``is_once`` until nothing is.

        :param goes_on: asked after each turn; tests end the service with it.
        :raises DiskFullError: no space is left, with ``is_once``.
        """
        with self.runner:
            try:
                with self.queue.database.transaction():
                    self.queue.database.set_fact(MODE, ONCE if is_once else "service")
                self._recover()
                self.poller.look(is_forced=True)
                while goes_on():
                    if self._turn(is_once) == 0.0:
                        continue
                    if is_once and not self.runner.numbers:
                        return
                    self.runner.wait(min(self.poller.seconds_left(), 60.0))
                    if not is_once:
                        self.poller.look(is_forced=False)
            finally:
                self._put_back()

    def _turn(self, is_once: bool) -> float:
        """Do what is due; return 0.0 when more is due now, else any other number."""
        try:
            with self.store.complaints():
                return self._do()
        except DiskFullError as error:
            if is_once:
                raise
            _LOG.error("%s", error)
            return 1.0

    def _do(self) -> float:
        if self.queue.mind_clock():
            _LOG.warning("the clock was set back")
        left = settle_topics(self.queue)
        for row in self.queue.in_state(SeriesState.ENDING):
            if row.id in self.runner.numbers:
                self.runner.end(row.id)
            self.queue.end(row.id)
        ended = list(self.runner.ended())
        for one in ended:
            self._take(one)
        due = self.answerer.give()
        self._tidy()
        started = self._start()
        write_page(self.queue, Path(self.queue.config.page or self.folder / "page"))
        return 0.0 if left or ended or due or started else 1.0

    def _recover(self) -> None:
        """Go on after a kill: take over a result that was complete, let the other tests wait again."""
        self.answerer.recover()
        self.queue.release()
        for row in self.queue.in_state(SeriesState.ENDING):
            self.queue.end(row.id)
        for row in self.queue.in_state(SeriesState.RUNNING):
            result = read_result(self.folder / row.folder, None)
            if result.record is not None:
                self._judge(row, Ended(row.id, 0))
            elif self.queue.count_kill(row.id) >= KILLS:
                self.queue.fail(row.id, f"the service died {KILLS} times while it tested this series")
            else:
                self.queue.put_back(row.id, "the service was killed while it was tested")

    def _put_back(self) -> None:
        """End the tests that run; they wait for the next start."""
        for number in self.runner.numbers:
            self.runner.end(number)
            if number > 0:  # a union begins the interrupted test again by itself
                self.queue.put_back(number, "the service ended while it was tested")

    def _tidy(self) -> None:
        database, now = self.queue.database, self.queue.clock()
        if abs(now - float(database.fact(_TIDY) or 0)) < HOUR:
            return
        tidy(self.queue, self.folder, self.store)
        with database.transaction():
            database.set_fact(_TIDY, repr(now))

    def _start(self) -> bool:
        """Start tests where there is room; return whether one was started or could not be."""
        if len(self.runner.numbers) >= self.queue.config.jobs:
            return False
        row = self.queue.next()
        if row is None or self._is_paused():
            return False
        rule = self.queue.config.rule(row.rule)
        if rule is None:
            self.queue.fail(row.id, f"the configuration has no rule {row.rule} any more")
            return True
        try:
            base = row.base or self._base(row, rule)
            if self.union.takes(row, rule):
                return self._start_union(rule, base)
        except HarnessError as error:
            _LOG.warning("series %d waits: %s", row.id, error)
            self.queue.hold(row.id, one_line(str(error), _NOTE_LENGTH), _HOLD_SECONDS)
            return True
        self._begin(row, rule, base)
        return True

    def _start_union(self, rule: Rule, base: str) -> bool:
        """Start the next test of a union, unless one runs; return whether there is more to do now."""
        if any(number < 0 for number in self.runner.numbers):
            return False
        if trial := self.union.next(rule, base):
            number, job = trial
            self.runner.start(-number, job, seconds=self.queue.config.limits.series_hours * HOUR)
        return True

    def _begin(self, row: SeriesRow, rule: Rule, base: str) -> None:
        parent = self.folder / SERIES_FOLDER / str(row.id)
        remove_folder(parent)
        name = f"{SERIES_FOLDER}/{row.id}/{int(self.queue.clock())}"
        (self.folder / name).mkdir(parents=True)
        try:
            job = series_job(row, rule, read_raw_mails(self.queue, row.mails), self.folder / name, base=base)
        except (SeriesError, UsageError) as error:
            self.queue.fail(row.id, one_line(str(error), _NOTE_LENGTH))
            return
        self.queue.begin(row.id, base=base, folder=name)
        _LOG.info("series %d begins: %s, %s", row.id, row.version, one_line(row.title))
        self.runner.start(row.id, job, seconds=self.queue.config.limits.series_hours * HOUR)

    def _base(self, row: SeriesRow, rule: Rule) -> str:
        """Return the base of a series; for a while, a rule has the same commit, so that series share its kernel.

        :raises UsageError: there is no such tree or revision.
        """
        if row.range:
            tree, _, between = row.range.rpartition(":")
            return f"{tree}@{between.partition('..')[0]}"
        database, now = self.queue.database, self.queue.clock()
        known = database.row("SELECT word, pinned, since FROM base WHERE rule = ?", rule.name)
        if known and known[0] == rule.base and now - float(known[2] or 0) < rule.base_hours * HOUR:
            return str(known[1])
        pinned = pin_base(rule.base, deadline=Deadline.after(_GIT_SECONDS))
        with database.transaction():
            database.change("INSERT OR REPLACE INTO base VALUES (?, ?, ?, ?)", rule.name, rule.base, pinned, now)
        return pinned

    def _is_paused(self) -> bool:
        """Return whether the disk is too full, and keep why."""
        database = self.queue.database
        why = missing_space(self.folder, self.queue.config.keep)
        if why and database.fact(PAUSED) != why:
            tidy(self.queue, self.folder, self.store)
            why = missing_space(self.folder, self.queue.config.keep)
        if database.fact(PAUSED) != why:
            if why:
                _LOG.error("paused: %s", why)
            with database.transaction():
                database.set_fact(PAUSED, why)
        return bool(why)

    def _take(self, ended: Ended) -> None:
        """Record the end of a test."""
        if ended.number < 0:
            self.union.take(-ended.number, ended.status, is_late=ended.is_late)
            return
        row = self.queue.find(ended.number)
        if row is None:
            return
        if row.state is SeriesState.ENDING:
            self.queue.end(row.id)
        elif ended.is_late:
            self.queue.fail(row.id, f"its test took longer than {self.queue.config.limits.series_hours} hours")
        else:
            self._judge(row, ended)

    def _judge(self, row: SeriesRow, ended: Ended) -> None:
        folder = self.folder / row.folder
        result = read_result(folder, ended.status)
        if result.record is not None:
            write_b4(result.record, folder)
            _LOG.info("series %d: %s", row.id, result.record.state)
            self.queue.finish(row.id, result.record.state, answers_for(result.record, self.queue.config.answers))
        elif result.is_interrupted:
            self.queue.put_back(row.id, "its test was interrupted")
        else:
            state = self.queue.retry(row, one_line(result.problem, _NOTE_LENGTH))
            _LOG.warning("series %d is %s: %s", row.id, state, result.problem)
