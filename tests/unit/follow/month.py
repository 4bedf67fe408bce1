# SPDX-License-Identifier: GPL-2.0-only
"""A made-up month of a mailing list, with what must come of it, and a program that follows it day by day.

The diffs are those of the series that ship, cut to a patch each, so that they differ and touch real paths. Titles,
versions, partial rerolls, resends, replies, and broken mails are drawn at random from a seed.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from harness.base import paths
from harness.follow.state.config import DAY
from tests.unit.follow.inboxes import LIST, Post, series
from tests.unit.follow.lab import CONFIG, Lab

ANSWERS = '[answers]\nfrom = "CI <ci@host.example>"\ndrafts = "drafts"\nfiles = "out"\n'
TEXT = CONFIG.replace('paths = ["kernel/cgroup/"]\n', "")
LIMITS = "[limits]\nsender_series = 1000\n"
SENDERS = [f"Author {at} <author{at}@host.example>" for at in range(40)]


@cache
def shipped_diffs() -> tuple[str, ...]:
    """Return the diffs of the patches that ship."""
    texts = (one.read_text(errors="replace") for one in sorted(paths.SERIES.glob("*/0*.patch")))
    return tuple(text[text.index("diff --git") :] for text in texts if "diff --git" in text)


@dataclass(frozen=True)
class Patch(Post):
    """A mail with a diff of a shipped series.

    :param diff: its diff.
    """

    diff: str = ""

    def _diff(self) -> str:
        return f"---\n{self.diff}"


@dataclass
class Month:
    """The mails of some days.

    :param seed: of the random numbers.
    :param topics: the number of series.
    :param days: the number of days.
    """

    seed: int
    topics: int
    days: int
    mails: dict[int, list[bytes]] = field(default_factory=dict)
    expected: dict[str, str] = field(default_factory=dict)
    """The newest whole version of each series, by its title."""

    def __post_init__(self) -> None:
        """Make the mails."""
        self._luck = random.Random(self.seed)
        for topic in range(self.topics):
            self._post_topic(topic)
        for day in range(self.days):
            self._disturb(day)

    def _put(self, day: int, posts: list[Post]) -> None:
        self.mails.setdefault(min(day, self.days - 1), []).extend(one.render() for one in posts)

    def _post_topic(self, topic: int) -> None:
        """Post a series, then perhaps newer versions of it on later days."""
        luck, name = self._luck, f"t{topic}"
        title = f"cgroup: topic {topic}{luck.choice(['', '', '', ' breaks', ' warns'])}"
        sender, count = luck.choice(SENDERS), luck.choice([1, 1, 2, 3, 5, 8])
        titles = [f"{title}, part {at}" for at in range(count)] if count > 1 else [title]
        cover = title if count > 1 else ""
        day, version, above = luck.randrange(self.days), 1, ""
        self._put(day, self._version(name, titles, version, above, sender, cover))
        self.expected[title] = "v1"
        while luck.random() < 0.4 and day + 1 < self.days:
            day, version = day + luck.randint(0, 2), version + 1
            above = f"{name}-v1-{0 if cover else 1}@host" if luck.random() < 0.5 else ""
            posts = self._version(name, titles, version, above, sender, cover)
            if luck.random() < 0.2 and count > 2:
                # A patch was lost: the version before stays the newest whole one. Without its cover letter it is whole.
                posts.remove(next(one for one in reversed(posts) if not one.name.endswith("-0@host")))
                self._put(day, posts)
                break
            self._put(day, posts)
            self.expected[title] = f"v{version}"

    def _version(self, name: str, titles: list[str], version: int, above: str, sender: str, cover: str) -> list[Post]:
        posts = series(name, titles, version=version, answers=above, cover=cover, sender=sender)
        diffs = shipped_diffs()
        made: list[Post] = []
        for post in posts:
            # The first added line ends with the name of the mail, so that no two patches are the same.
            marked = rf"+\1 /* {post.name} */"
            diff = re.sub(r"^\+(.*)$", marked, self._luck.choice(diffs), count=1, flags=re.MULTILINE)
            made.append(Patch(post.subject, post.name, post.answers, sender, post.file, diff=diff))
        if self._luck.random() < 0.3:
            self._luck.shuffle(made)
        return made

    def _disturb(self, day: int) -> None:
        """Add what else comes on a list: replies, mails without a patch, broken ones, and the same mail twice."""
        luck, mails = self._luck, self.mails.setdefault(day, [])
        for at in range(luck.randrange(10)):
            text = "> looks good\n\nReviewed-by: Bob <bob@host.example>\n"
            mails.append(Post(f"Re: [PATCH] {at}", f"re-{day}-{at}@host", "t0-v1-1@host", file="", text=text).render())
        mails.append(b"\xff\xfe broken %d" % day)
        mails.append(f"From: \xff\nSubject: =?utf-8?q?=ff?= {day}\nTo: {LIST}\n\n\0\0".encode("latin-1"))
        if len(mails) > 3:
            mails.append(mails[0])


def make_lab(folder: Path) -> Lab:
    """Return the service of a month."""
    return Lab(folder, TEXT + LIMITS + ANSWERS)


def days(month: Month, lab: Lab) -> Iterator[int]:
    """Deliver the mails of each day and set the clock; the caller lets the service run."""
    start = lab.now
    for day in range(month.days):
        lab.inbox.add(month.mails.get(day, []))
        lab.now = start + day * DAY
        yield day


def open_lab(folder: Path, now: float) -> Lab:
    """Return the service of a month whose folder exists."""
    lab = Lab.__new__(Lab)
    lab.folder, lab.text, lab.now, lab.environment = folder, TEXT + LIMITS + ANSWERS, now, {}
    lab.store = type(lab).store_of(folder)
    return lab


if __name__ == "__main__":
    open_lab(Path(sys.argv[1]), float(sys.argv[2])).run()
