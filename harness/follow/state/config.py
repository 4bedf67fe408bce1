# SPDX-License-Identifier: GPL-2.0-only
"""Define the configuration of a service: sources, rules, limits, what to keep, answers; read from one TOML file. Pure.

Only its author is trusted: options of commands, programs and paths come from this file, never from a mail.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePath

from harness.base.errors import UsageError
from harness.base.toml_table import Table

HOUR = 3600
DAY = 24 * HOUR
VERDICTS = ("success", "warning", "fail")
"""The verdicts that are answered by mail: states of ``harness/model/series_record.py``, as text: see ``state.py``."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_ADDRESS = re.compile(r"[^<>\s]+@[^<>\s]+|[^<>\r\n]{1,80} <[^<>\s]+@[^<>\s]+>")


class SourceKind(StrEnum):
    """The kind of a source."""

    PUBLIC_INBOX = "public-inbox"
    HTTP = "http"
    MAILDIR = "maildir"
    PATCHWORK = "patchwork"
    BRANCHES = "branches"


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One source of series.

    :param name: its name, unique in the file.
    :param kind: its kind.
    :param place: a folder, or the address of a server.
    :param project: the link name of the project, for Patchwork.
    :param branches: patterns of branches, for a tree.
    :param onto: the revision that the branches leave, for a tree.
    :param since_days: how old mails of the first round may be.
    """

    name: str
    kind: SourceKind
    place: str
    project: str = ""
    branches: tuple[str, ...] = ()
    onto: str = "HEAD"
    since_days: int = 7


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a series must have, or must not have; an empty criterion holds for every series.

    :param paths: paths of files (``mm/*.c``) or folders (``mm/``), one of which it touches.
    :param lists: mailing lists, one of which it was sent to.
    :param authors: addresses (``*@example.org``), one of which sent it.
    :param keywords: texts, one of which is in the subject of a patch or the cover letter; case is ignored.
    """

    paths: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """How a series that matches is tested.

    :param name: its name, unique in the file.
    :param base: the argument of ``--base``.
    :param options: further arguments of ``harness series``.
    :param union_options: further arguments of ``harness run``, for a union.
    :param wanted: what a series must have.
    :param unwanted: what it must not have.
    :param base_hours: for how long a revision of a tree stays the same commit.
    :param is_union: whether series that wait are first tested all together.
    """

    name: str
    base: str
    options: tuple[str, ...] = ()
    wanted: Pattern = Pattern()
    unwanted: Pattern = Pattern()
    base_hours: int = 24
    is_union: bool = False
    union_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds for untrusted mails.

    :param mail_bytes: the size of one mail.
    :param patches: the patches of one series.
    :param topic_mails: the mails of one thread that may hold patches.
    :param sender_series: the new series of one sender in 24 hours.
    :param sender_hours: the hours of testing for one sender in 24 hours, after which others go first.
    :param series_hours: the hours for testing one series.
    :param waiting: the series that wait.
    :param tries: how often a series is tried on a host that fails.
    :param settle_seconds: how long a thread is quiet before a partial reroll counts as whole.
    """

    mail_bytes: int = 1 << 20
    patches: int = 100
    topic_mails: int = 1000
    sender_series: int = 30
    sender_hours: int = 12
    series_hours: int = 8
    waiting: int = 5000
    tries: int = 3
    settle_seconds: int = 600


@dataclass(frozen=True, slots=True)
class Keep:
    """Bounds of the disk, in bytes and days.

    :param results: all results together; the oldest go first.
    :param results_days: the results of one series.
    :param logs_days: the logs of cases and builds in results.
    :param mails_days: mails that are no longer needed.
    :param store: the products of the store: images, objects, work trees, templates.
    :param free: space that must be free before a series is tested.
    """

    results: int = 5 << 30
    results_days: int = 90
    logs_days: int = 30
    mails_days: int = 90
    store: int = 20 << 30
    free: int = 5 << 30


@dataclass(frozen=True, slots=True)
class Answers:
    """Where results go.

    :param files: a folder with a folder for each series and version: the text, JUnit, JSON; empty for none.
    :param drafts: a Maildir for the answers as drafts; empty for none.
    :param sender: the From header of answers.
    :param send: a command that gets an answer as a mail on its standard input; empty for none.
    :param patchwork: the address of a Patchwork server for checks; empty for none.
    :param project: the link name of the project there.
    :param context: the name of the check.
    :param target_url: the page of the check; ``{id}`` is the number of the series here.
    :param verdicts: the verdicts that are answered by draft and command.
    """

    files: str = ""
    drafts: str = ""
    sender: str = ""
    send: tuple[str, ...] = ()
    patchwork: str = ""
    project: str = ""
    context: str = "harness"
    target_url: str = ""
    verdicts: tuple[str, ...] = VERDICTS


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration of a service.

    :param name: the name of its state in the store.
    :param sources: the sources.
    :param rules: the rules; the first one that matches counts.
    :param interval: the seconds between two looks at a source.
    :param jobs: the series that are tested at once.
    :param limits: the bounds for mails.
    :param keep: the bounds of the disk.
    :param answers: where results go.
    :param page: the folder of the static page; empty for the folder of the state.
    """

    name: str
    sources: tuple[SourceConfig, ...]
    rules: tuple[Rule, ...]
    interval: int = 300
    jobs: int = 1
    limits: Limits = field(default_factory=Limits)
    keep: Keep = field(default_factory=Keep)
    answers: Answers = field(default_factory=Answers)
    page: str = ""

    def rule(self, name: str) -> Rule | None:
        """Return the rule of that name; None when the file has it no more."""
        return next((one for one in self.rules if one.name == name), None)


def parse_config(text: str, *, path: str, folder: Path) -> Config:
    """Read a configuration.

    :param text: the TOML.
    :param path: the name of the file, for errors.
    :param folder: the folder that relative paths start from.
    :raises UsageError: it is not TOML, or a key is missing, unknown or of another type.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML", evidence=str(error), remedy="fix the line that it names") from None
    table = Table(content, path=path, kind=UsageError)
    reader = _Reader(folder)
    sources = tuple(reader.source(one) for one in table.table_list("source"))
    rules = tuple(reader.rule(one) for one in table.table_list("rule"))
    for what, names in (("source", [one.name for one in sources]), ("rule", [one.name for one in rules])):
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise table.error(f"two tables [[{what}]] have the name {twice}", remedy="give each a name of its own")
    name = table.text("name", default=PurePath(path).stem.lower())
    found = Config(
        _checked_name(table, name),
        sources,
        rules,
        max(1, table.count("interval", default=300)),
        max(1, table.count("jobs", default=1)),
        _numbers(_part(table, "limits"), Limits()),
        _keep(_part(table, "keep")),
        reader.answers(_part(table, "answers")),
        reader.path(table.text("page", default="")),
    )
    table.close()
    return found


def _part(table: Table, key: str) -> Table:
    """Return the table below a key; an empty one when it is missing."""
    return table.table(key) if key in table.names() else Table({}, path="", kind=UsageError)


def _checked_name(table: Table, name: str) -> str:
    if not _NAME.fullmatch(name):
        raise table.error(f"the name {name!r} is not valid", remedy="write lower case letters, digits and -")
    return name


def _numbers(table: Table, default: Limits) -> Limits:
    """Read numbers from 1 by the names of the fields."""
    values = {name: max(1, table.count(name, default=getattr(default, name))) for name in Limits.__slots__}
    table.close()
    return Limits(**values)


def _keep(table: Table) -> Keep:
    default, values = Keep(), dict[str, int]()
    for name in Keep.__slots__:
        if name.endswith("_days"):
            values[name] = table.count(name, default=getattr(default, name))
            continue
        values[name] = table.size(name, default=getattr(default, name))
    table.close()
    return Keep(**values)


def _flag(table: Table, key: str) -> bool:
    return key in table.names() and table.flag(key)


def _pattern(table: Table, prefix: str) -> Pattern:
    return Pattern(**{name: table.texts(f"{prefix}{name}", default=()) for name in Pattern.__slots__})


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads tables with paths.

    :param folder: the folder that relative paths start from.
    """

    folder: Path

    def path(self, text: str) -> str:
        """Return a path of the file as an absolute one; empty for none."""
        if not text:
            return ""
        return str(self.folder / Path(text).expanduser())

    def base(self, word: str) -> str:
        """Return an argument of ``--base`` that means the same in any folder, as ``~/linux@origin/master`` does not."""
        place = word.partition("@")[0]
        return self.path(word) if place.startswith("~") or (self.folder / place).exists() else word

    def option(self, word: str) -> str:
        """Return an argument of ``harness series`` with ``~`` as the home folder."""
        return self.path(word) if word.startswith("~/") else word

    def source(self, table: Table) -> SourceConfig:
        """Read a table ``[[source]]``."""
        kinds = {str(one): one for one in SourceKind}
        if (word := table.text("kind")) not in kinds:
            raise table.error(f"kind {word!r} is unknown", remedy=f"write one of: {', '.join(kinds)}")
        kind = kinds[word]
        place = table.text("url", default="").rstrip("/") or self.path(table.text("path", default=""))
        if kind in (SourceKind.HTTP, SourceKind.PATCHWORK) and not place.startswith(("http://", "https://")):
            raise table.error(f"a source of kind {kind} needs a url", remedy='add: url = "https://..."')
        if not place:
            raise table.error("the source has neither path nor url", remedy='add: path = "/srv/inbox"')
        found = SourceConfig(
            _checked_name(table, table.text("name")),
            kind,
            place,
            table.text("project", default=""),
            table.texts("branches", default=()),
            table.text("onto", default="HEAD"),
            table.count("since_days", default=7),
        )
        if kind is SourceKind.PATCHWORK and not found.project:
            raise table.error("a source of kind patchwork needs a project", remedy='add: project = "NAME"')
        if kind is SourceKind.BRANCHES and not found.branches:
            raise table.error("a source of kind branches needs branches", remedy='add: branches = ["topic/*"]')
        table.close()
        return found

    def rule(self, table: Table) -> Rule:
        """Read a table ``[[rule]]``."""
        options = tuple(map(self.option, table.texts("options", default=())))
        found = Rule(
            _checked_name(table, table.text("name")),
            self.base(table.text("base")),
            options,
            _pattern(table, ""),
            _pattern(table, "not_"),
            table.count("base_hours", default=24),
            _flag(table, "union"),
            tuple(map(self.option, table.texts("union_options", default=options))),
        )
        table.close()
        return found

    def answers(self, table: Table) -> Answers:
        """Read the table ``[answers]``."""
        verdicts = table.texts("verdicts", default=VERDICTS)
        if unknown := [one for one in verdicts if one not in VERDICTS]:
            raise table.error(f"verdict {unknown[0]!r} is unknown", remedy=f"write one of: {', '.join(VERDICTS)}")
        found = Answers(
            self.path(table.text("files", default="")),
            self.path(table.text("drafts", default="")),
            table.text("from", default=""),
            table.texts("send", default=()),
            table.text("patchwork", default="").rstrip("/"),
            table.text("project", default=""),
            table.text("context", default="harness"),
            table.text("target_url", default=""),
            verdicts,
        )
        if (found.drafts or found.send) and not _ADDRESS.fullmatch(found.sender):
            raise table.error("drafts and send need a sender", remedy='add: from = "CI <ci@example.org>"')
        table.close()
        return found
