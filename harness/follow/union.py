# SPDX-License-Identifier: GPL-2.0-only
"""Test the series that wait for a rule all together, on one kernel, and find those that break it.

The base is run once, then kernels with several series, each compared with the run of the base. A series that passed
with others has a verdict; the others are tested one by one, patch by patch.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.base.errors import ExitStatus, HarnessError
from harness.follow.job import ANSWERS_NAME, RESULTS_NAME, Job, write_b4
from harness.follow.queue import Queue
from harness.follow.state.config import Rule
from harness.follow.state.rows import SeriesRow, SeriesState
from harness.follow.state.union_plan import Members, UnionPlan, plan_union
from harness.follow.topics import read_raw_mails
from harness.kernel.mail.mailbox import Mail, read_mailbox
from harness.kernel.mail.mbox import join_mailbox
from harness.kernel.mail.posting import choose_posting
from harness.kernel.mail.subject import Subject
from harness.model.series_record import SERIES_NAME, PatchRecord, SeriesRecord, dump_series
from harness.report.formats.series_junit import render_series_junit
from harness.report.formats.series_mail import render_mail
from harness.results.compare import has_verdict
from harness.results.folder import JUNIT_NAME, LATEST_NAME, load_run

_LOG = logging.getLogger(__name__)
UNION_FOLDER = "union"
MOST = 32
"""The series of one union."""
_PATCHES = "patches"
_BASE: Members = ()
"""The members of the run of the base."""
_RUNNING, _DONE, _GIVEN_UP = "running", "done", "given up"


@dataclass(slots=True)
class UnionTester:
    """Tests unions.

    :param queue: the series.
    :param folder: the folder of the state.
    """

    queue: Queue
    folder: Path

    def takes(self, row: SeriesRow, rule: Rule) -> bool:
        """Return whether a series is tested in a union, and not one by one."""
        return rule.is_union and not row.range and not self.queue.database.fact(_alone(row.id))

    def next(self, rule: Rule, base: str) -> tuple[int, Job] | None:
        """Return the number and the command of the next test of a rule's union; None when nothing is to be started.

        :param base: the base, pinned to a commit.
        """
        union = self._union(rule, base)
        if union is None:
            return None
        identity, members, base = union
        known = self._tested(identity)
        if _BASE not in known:
            return self._trial(identity, rule, base, _BASE)
        plan = plan_union(members, {one: passed for one, passed in known.items() if one != _BASE})
        if plan.next:
            return self._trial(identity, rule, base, plan.next)
        self._conclude(identity, rule, base, plan)
        return None

    def take(self, number: int, status: int, *, is_late: bool) -> None:
        """Record the end of a test."""
        row = self.queue.database.row("SELECT union_id, members, tries FROM trial WHERE id = ?", number)
        if row is None:
            return
        members, tries = _members(str(row[1])), int(row[2] or 0) + 1
        if status == ExitStatus.INTERRUPTED or (status < 0 and not is_late):
            return
        is_judged = status in (ExitStatus.AS_EXPECTED, ExitStatus.DIFFERS) and not is_late
        if members == _BASE and is_judged:
            is_judged = (self._place(number) / RESULTS_NAME / LATEST_NAME).exists()
        state = _DONE if is_judged else _GIVEN_UP if tries >= self.queue.config.limits.tries else _RUNNING
        note = str(status)
        with self.queue.database.transaction():
            self.queue.database.change(
                "UPDATE trial SET state = ?, tries = ?, note = ? WHERE id = ?", state, tries, note, number
            )

    def _union(self, rule: Rule, base: str) -> tuple[int, Members, str] | None:
        """Return the union of a rule that is being tested, or make one of the series that wait."""
        database, fact = self.queue.database, f"union {rule.name}"
        if text := database.fact(fact):
            identity, members, base = json.loads(text)
            return int(identity), tuple(map(int, members)), str(base)
        waiting = [row for row in self.queue.in_state(SeriesState.WAITING) if row.rule == rule.name]
        members = tuple(row.id for row in waiting if self.takes(row, rule) and row.next <= self.queue.clock())[:MOST]
        with database.transaction():
            if len(members) < 2:
                for one in members:
                    database.set_fact(_alone(one), "1")
                return None
            identity = database.number("SELECT coalesce(max(union_id), 0) + 1 FROM trial")
            database.set_fact(fact, json.dumps([identity, members, base]))
        return identity, members, base

    def _tested(self, identity: int) -> dict[Members, bool]:
        rows = self.queue.database.rows(
            "SELECT members, note, state FROM trial WHERE union_id = ? AND state IN (?, ?)", identity, _DONE, _GIVEN_UP
        )
        return {_members(str(members)): state == _DONE and note == "0" for members, note, state in rows}

    def _trial(self, identity: int, rule: Rule, base: str, members: Members) -> tuple[int, Job] | None:
        """Record a test before it begins, and return it."""
        database = self.queue.database
        with database.transaction():
            insert = "INSERT OR IGNORE INTO trial (rule, base, union_id, members, state) VALUES (?, ?, ?, ?, ?)"
            database.change(insert, rule.name, base, identity, json.dumps(members), _RUNNING)
        query = "SELECT id FROM trial WHERE union_id = ? AND members = ?"
        number = database.number(query, identity, json.dumps(members))
        place = self._place(number)
        place.mkdir(parents=True, exist_ok=True)
        words = ["run", base, "--results", str(place / RESULTS_NAME), *rule.union_options]
        if members != _BASE:
            base_number = database.number(query, identity, json.dumps(_BASE))
            baseline = self._place(base_number) / RESULTS_NAME / LATEST_NAME
            self._write_patches(members, place / _PATCHES)
            words[1] = f"{base}+{place / _PATCHES}"
            words += ["--baseline", str(baseline.resolve())]
        _LOG.info("union of %s: series %s", rule.name, ", ".join(map(str, members)) or "none, the base")
        return number, Job(tuple(words), place)

    def _write_patches(self, members: Members, folder: Path) -> None:
        """Write the patches of several series as one, numbered through."""
        folder.mkdir(exist_ok=True)
        mails = [mail for number in members for mail in self._mails(number)]
        for at, mail in enumerate(mails, 1):
            subject = Subject(mail.subject.title or "(no subject)", at, len(mails))
            text = replace(mail.resolve(), subject=subject)
            write_whole(folder / f"{at:04}.patch", text.render_as_sent() or text.render(), mode=0o644)

    def _mails(self, number: int) -> Sequence[Mail]:
        row = self.queue.find(number)
        if row is None:
            return ()
        data = join_mailbox(read_raw_mails(self.queue, row.mails))
        return choose_posting(read_mailbox(data), name=f"series {number}").mails

    def _conclude(self, identity: int, rule: Rule, base: str, plan: UnionPlan) -> None:
        """Give a verdict to the series that passed, and let the others be tested one by one."""
        database = self.queue.database
        for number in plan.good:
            row = self.queue.find(number)
            if row is not None and row.state is SeriesState.WAITING:
                self._judge(row, identity, base, plan.good)
        with database.transaction():
            for number in plan.alone:
                database.set_fact(_alone(number), "1")
            database.change("DELETE FROM fact WHERE name = ?", f"union {rule.name}")
        for clash in plan.clashes:
            _LOG.warning("union of %s: series %s fail only together", rule.name, ", ".join(map(str, clash)))

    def _judge(self, row: SeriesRow, identity: int, base: str, members: Members) -> None:
        """Write the outputs of a series that passed with others."""
        from harness.follow.answers import answers_for

        name = f"{UNION_FOLDER}/of-{row.id}/1"
        place = self.folder / name / ANSWERS_NAME
        place.mkdir(parents=True, exist_ok=True)
        record = self._record(row, identity, base, members)
        for file, text in (("answer.txt", render_mail(record)), (SERIES_NAME, dump_series(record))):
            write_whole(place / file, text.encode(errors="backslashreplace"), mode=0o644)
        write_whole(place / JUNIT_NAME, render_series_junit(record, {}).encode(), mode=0o644)
        write_b4(record, place.parent)
        self.queue.begin(row.id, base=base, folder=name)
        note = f"tested together with {len(members) - 1} other series"
        self.queue.finish(row.id, record.state, answers_for(record, self.queue.config.answers), note)

    def _record(self, row: SeriesRow, identity: int, base: str, members: Members) -> SeriesRecord:
        mails = self._mails(row.id)
        asked = self._asked(identity)
        patches = [PatchRecord(0, base, base, asked=asked)]
        for at, mail in enumerate(mails, 1):
            patches.append(PatchRecord(at, mail.subject.title, base, mail.message_id, asked=asked))
        others = ", ".join(str(one) for one in members if one != row.id)
        return SeriesRecord(
            title=row.title,
            version=mails[-1].subject.version,
            suffix=mails[-1].subject.suffix,
            origin=f"series {row.id}",
            base_word=base,
            base=base,
            base_commit=base.rpartition("@")[2],
            patches=tuple(patches),
            message_id=row.message_id,
            started=self.queue.clock(),
            notes=(f"tested as a whole, together with series {others}; not patch by patch",),
        )

    def _asked(self, identity: int) -> int:
        """Return the number of cases with a verdict on the base."""
        number = self.queue.database.number(
            "SELECT id FROM trial WHERE union_id = ? AND members = ?", identity, json.dumps(_BASE)
        )
        try:
            run = load_run(self._place(number) / RESULTS_NAME / LATEST_NAME)
        except (HarnessError, OSError):
            return 0
        return sum(has_verdict(case) for case in run.cases)

    def _place(self, number: int) -> Path:
        return self.folder / UNION_FOLDER / str(number)


def _alone(number: int) -> str:
    """Name the fact that a series is tested one by one."""
    return f"alone {number}"


def _members(text: str) -> Members:
    return tuple(map(int, json.loads(text)))
