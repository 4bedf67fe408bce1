# SPDX-License-Identifier: GPL-2.0-only
"""Define the record of the checks of a series and its JSON form (``harness checks --json``). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.base.json_records import Seconds, dump_value
from harness.model.finding import CheckResult, StyleFinding

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class PatchChecks:
    """The checks of one patch.

    :param number: from 1.
    :param subject: its title.
    :param results: the result of each check, in the order of the list.
    :param message_id: Message-ID of its mail; empty when it is not known.
    :param does_not_apply: why no check could run: it, or a patch before it, does not apply; else empty.
    """

    number: int
    subject: str
    results: tuple[CheckResult, ...] = ()
    message_id: str = ""
    does_not_apply: str = ""

    @property
    def found(self) -> Iterator[tuple[CheckResult, StyleFinding]]:
        """Yield each finding with the result that it is part of."""
        return ((result, one) for result in self.results for one in result.findings)


@dataclass(frozen=True, slots=True)
class ChecksRecord:
    """The checks of a series on a base.

    :param title: title of the cover letter, else of the first patch.
    :param posted_as: the version as posted, such as ``v2``.
    :param base: the base, for people.
    :param base_commit: full hash of the base.
    :param patches: the patches in order.
    :param command: the command as typed.
    :param started: seconds since the epoch (UTC).
    :param seconds: time that it took.
    :param notes: notes for the user.
    :param harness_version: the version of the harness.
    """

    title: str
    posted_as: str
    base: str
    base_commit: str
    patches: tuple[PatchChecks, ...]
    command: str = ""
    started: Seconds = 0.0
    seconds: Seconds = 0.0
    notes: tuple[str, ...] = ()
    harness_version: str = ""
    format_version: int = field(default=FORMAT_VERSION)

    @property
    def is_clean(self) -> bool:
        """Return whether every patch applies and no check found anything."""
        return not any(patch.does_not_apply or any(patch.found) for patch in self.patches)


def dump_checks(record: ChecksRecord) -> str:
    """Return the record as JSON, ASCII only."""
    return dump_value(record)
