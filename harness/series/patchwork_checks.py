# SPDX-License-Identifier: GPL-2.0-only
"""Post the result of a series as checks of its patches on a Patchwork server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.base.errors import HarnessError, UsageError
from harness.base.events import Note, Report
from harness.model.series_record import PatchRecord, PatchState, SeriesRecord
from harness.series.patchwork_server import Check, CheckState

if TYPE_CHECKING:
    from harness.series.patchwork import Patchwork

_STATES = {
    PatchState.SUCCESS: CheckState.SUCCESS,
    PatchState.WARNING: CheckState.WARNING,
    PatchState.FAIL: CheckState.FAIL,
    PatchState.UNKNOWN: CheckState.WARNING,
}


def pending_checks(record: SeriesRecord, *, context: str, target_url: str) -> Iterator[tuple[PatchRecord, Check]]:
    """Yield a pending check for each patch."""
    for patch in record.posted:
        yield patch, Check(CheckState.PENDING, context, "being tested", target_url)


def final_checks(record: SeriesRecord, *, context: str, target_url: str) -> Iterator[tuple[PatchRecord, Check]]:
    """Yield a check with the result of each patch; the last one includes missing changes of the series."""
    for patch in record.posted:
        state = _STATES[patch.state]
        if state is CheckState.WARNING and patch.state is PatchState.WARNING and record.is_strict:
            state = CheckState.FAIL
        text = str(patch) if patch.state is not PatchState.UNKNOWN else f"not tested: {patch.what}"
        if patch is record.posted[-1] and record.missing:
            state, text = CheckState.FAIL, f"declared but missing: {record.missing[0]}; {text}"
        broken = [one.render() for one in record.broken if patch.number in (one.by, one.mended)]
        yield patch, Check(state, context, "; ".join([text, *broken]), target_url)


def abandoned_checks(
    record: SeriesRecord, what: str, *, context: str, target_url: str
) -> Iterator[tuple[PatchRecord, Check]]:
    """Yield a check for each patch that replaces the pending one, after a fault of the base or the host."""
    for patch in record.posted:
        yield patch, Check(CheckState.WARNING, context, f"not tested: {what}", target_url)


class Poster:
    """Posts checks of one series; looks up each patch once.

    :param server: the server.
    :param numbers: the server's numbers of the patches, in their order; empty to look them up by Message-ID.
    """

    def __init__(self, server: Patchwork, *, numbers: Sequence[int] = ()) -> None:
        self._server = server
        self._numbers = dict(enumerate(numbers, 1))

    def post(self, checks: Iterator[tuple[PatchRecord, Check]], *, report: Report) -> None:
        """Post some checks; a rejected check does not stop the others.

        :param checks: the checks.
        :param report: receives a note for each check that was rejected.
        :raises UsageError: a check was rejected; raised after all others have been tried.
        :raises HostError: the server does not answer; the other checks are not tried.
        """
        first: HarnessError | None = None
        for patch, check in checks:
            try:
                self._server.post(self._number(patch), check)
            except UsageError as error:
                report(Note(f"patch {patch.number}: {error.what}"))
                first = first or error
        if first is not None:
            raise first

    def _number(self, patch: PatchRecord) -> int:
        if patch.number not in self._numbers:
            if not patch.message_id:
                raise UsageError(
                    f"patch {patch.number} has no Message-ID, so it cannot be found on the server",
                    remedy="give the mailbox of the list, or the numbers of all patches with --patch",
                )
            self._numbers[patch.number] = self._server.find_patch(patch.message_id)
        return self._numbers[patch.number]
