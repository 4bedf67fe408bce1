# SPDX-License-Identifier: GPL-2.0-only
"""Look at the sources when they are due; one that fails is looked at again later, and hinders no other one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import DiskFullError, HarnessError
from harness.base.store import digest_of
from harness.follow.intake import read_arrival, take_batch
from harness.follow.queue import NewSeries, Queue
from harness.follow.sources.batch import Batch, BranchTip, Source
from harness.follow.state.config import DAY, SourceConfig, SourceKind
from harness.follow.state.rows import SeriesState
from harness.follow.state.rules import SeriesFacts, find_rule
from harness.report.text import one_line

_LOG = logging.getLogger(__name__)
_LONGEST_WAIT = 3600.0
_SOURCE_SECONDS = 3600.0
_TITLE_LENGTH = 200
_NOTE_LENGTH = 500


@dataclass(slots=True)
class Poller:
    """Looks at sources.

    :param queue: the series.
    :param folder: the folder of the state, for mirrors.
    :param wait: waits between retries of a request; tests replace it.
    """

    queue: Queue
    folder: Path
    wait: Callable[[float], object] | None = None

    def look(self, *, is_forced: bool) -> None:
        """Look at the sources that are due; with ``is_forced`` at all."""
        for config in self.queue.config.sources:
            if is_forced or self._next(config) <= self.queue.clock():
                self._look_at(config)

    def seconds_left(self) -> float:
        """Return how long no source is due."""
        left = [self._next(config) - self.queue.clock() for config in self.queue.config.sources]
        return max(0.0, min(left, default=60.0))

    def _next(self, config: SourceConfig) -> float:
        row = self.queue.database.row("SELECT next FROM source WHERE name = ?", config.name)
        return float(row[0] or 0) if row else 0.0

    def _look_at(self, config: SourceConfig) -> None:
        row = self.queue.database.row("SELECT cursor, faults FROM source WHERE name = ?", config.name)
        cursor, faults = (str(row[0]), int(row[1] or 0)) if row else ("", 0)
        try:
            new, note = 0, ""
            for batch in self._open(config).read(cursor):
                new += self._take(config, batch)
                note = note or batch.note
        except DiskFullError:
            raise
        except (HarnessError, OSError) as error:
            _LOG.warning("source %s: %s", config.name, error)
            self._note(config, faults + 1, one_line(str(error), _NOTE_LENGTH))
            return
        if note:
            _LOG.warning("source %s: %s", config.name, note)
        if new:
            _LOG.info("source %s: %d new", config.name, new)
        self._note(config, 0, "")

    def _note(self, config: SourceConfig, faults: int, problem: str) -> None:
        now, interval = self.queue.clock(), float(self.queue.config.interval)
        wait = min(max(interval, _LONGEST_WAIT), interval * 2 ** min(faults, 10))
        with self.queue.database.transaction():
            self.queue.database.change("INSERT OR IGNORE INTO source (name) VALUES (?)", config.name)
            self.queue.database.change(
                "UPDATE source SET looked = ?, next = ?, faults = ?, problem = ? WHERE name = ?",
                *(now, now + wait, faults, problem, config.name),
            )

    def _take(self, config: SourceConfig, batch: Batch) -> int:
        """Keep a batch, and the cursor after it; return the number of new mails or branches."""
        for tip in batch.tips:
            self._take_tip(config, tip)
        arrivals = [read_arrival(raw, self.queue.config.limits) for raw in batch.mails]
        now = self.queue.clock()
        return take_batch(self.queue.database, config.name, arrivals, batch.cursor, now=now) + len(batch.tips)

    def _take_tip(self, config: SourceConfig, tip: BranchTip) -> None:
        """Queue the commits of a branch as a series."""
        database = self.queue.database
        name = f"branch:{config.name}:{tip.branch}"
        row = database.row("SELECT topic FROM link WHERE sender = '' AND name = ?", name)
        if row is None:
            with database.transaction():
                topic = database.change("INSERT INTO topic (sender, heard) VALUES ('', ?)", self.queue.clock())
                database.change("INSERT INTO link (sender, name, topic) VALUES ('', ?, ?)", name, topic)
        else:
            topic = int(row[0] or 0)
        rule = find_rule(self.queue.config.rules, SeriesFacts(tip.files, (), tip.author, (tip.branch, *tip.subjects)))
        version = f"v{database.number('SELECT count(*) FROM series WHERE topic = ?', topic) + 1}"
        self.queue.replace_branch(
            NewSeries(
                key=digest_of(config.place, tip.branch, tip.start, tip.tip),
                topic=topic,
                title=tip.branch[:_TITLE_LENGTH],
                version=version,
                patches=len(tip.subjects),
                sender=tip.author,
                message_id="",
                content=digest_of(tip.start, tip.tip),
                files=tip.files,
                recipients=(),
                mails=(),
                state=SeriesState.WAITING if rule else SeriesState.UNWANTED,
                rule=rule.name if rule else "",
                note="" if rule else "no rule matches",
                range=f"{config.place}:{tip.start}..{tip.tip}",
            )
        )

    def _open(self, config: SourceConfig) -> Source:
        """Return the reader of a source; only what this kind needs is imported."""
        limits, deadline = self.queue.config.limits, Deadline.after(_SOURCE_SECONDS)
        since, place = self.queue.clock() - config.since_days * DAY, Path(config.place)
        match config.kind:
            case SourceKind.MAILDIR:
                from harness.follow.sources.maildir import Maildir

                return Maildir(place, limits.mail_bytes, since)
            case SourceKind.PUBLIC_INBOX:
                from harness.follow.sources.public_inbox import PublicInbox

                mirror = self.folder / "inbox" / config.name
                return PublicInbox(config.place, mirror, limits.mail_bytes, since, deadline)
            case SourceKind.BRANCHES:
                from harness.follow.sources.branches import Branches

                return Branches(place, config.branches, config.onto, limits.patches, deadline)
            case SourceKind.HTTP:
                from harness.follow.sources.web_archive import WebArchive
                from harness.series.web_client import WebClient, WebServer

                client = WebClient(WebServer(config.place, "a public-inbox"), deadline=deadline, wait=self.wait)
                return WebArchive(client, limits.mail_bytes, since)
            case SourceKind.PATCHWORK:
                from harness.follow.sources.patchwork_project import PatchworkProject
                from harness.series.patchwork import Patchwork
                from harness.series.patchwork_server import Server

                server = Server(config.place, "", config.project)
                return PatchworkProject(
                    Patchwork(server, deadline=deadline, wait=self.wait), limits.mail_bytes, limits.patches
                )
