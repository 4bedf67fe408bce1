# SPDX-License-Identifier: GPL-2.0-only
"""Read known failures: expected failures, each with a reason, a link and an expiry date.

Pure: text in, frozen values out. An entry names a case, or a trait whose value differs. A failure that an entry covers
is shown as known and does not fail the run. An expired entry fails every run, and an entry whose case did not fail is
reported, so that the file does not go stale.

    [[known]]
    case = "SUITE/views/x.session"
    reason = "mountinfo shows the wrong root since 6.12"
    link = "https://lore.kernel.org/..."
    expires = 2027-03-01
    outcome = "mismatch"              # optional; without it any failure is known
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.base.errors import CaseError
from harness.base.toml_table import Table
from harness.model.run_record import CaseRecord, KnownNote, Problem, ProblemKind, TraitRecord
from harness.model.verdict import FAILED, Outcome
from harness.semantics.profile import Profile
from harness.semantics.traits import Semantics


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """One entry of the file.

    :param case: id of a case; empty if the entry is about a trait.
    :param trait: name of a trait; empty if the entry is about a case.
    :param reason: why it fails.
    :param link: a discussion of the failure.
    :param expires: the last day on which the entry is valid.
    :param outcome: the outcome that the entry covers; None for any failure.
    :param value: the value of the trait that the entry covers; empty for any value.
    """

    case: str
    trait: str
    reason: str
    link: str
    expires: datetime.date
    outcome: Outcome | None = None
    value: str = ""

    @property
    def name(self) -> str:
        """Return the id of the case or the name of the trait."""
        return self.case or self.trait

    @property
    def note(self) -> KnownNote:
        """Return the entry in the form of a run record."""
        return KnownNote(self.trait, self.reason, self.link, self.expires)

    def __str__(self) -> str:
        """Return the entry without its name: ``known until 2027-03-01: why (https://...)``."""
        return str(replace(self.note, trait=""))


@dataclass(frozen=True, slots=True)
class KnownFailures:
    """The entries of a file on a given day.

    :param path: the file, as errors name it.
    :param today: the day of the run, UTC.
    """

    path: str
    today: datetime.date
    entries: tuple[KnownFailure, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Return a problem for each expired entry."""
        return tuple(
            Problem(
                ProblemKind.EXPIRED,
                f"{self.path}: the known failure of {one.name} expired on {one.expires}\n{one.reason} ({one.link})\n"
                "hint: fix it, remove the entry, or set a later date in expires if the reason still holds",
            )
            for one in self.entries
            if one.expires < self.today
        )

    @property
    def _valid(self) -> tuple[KnownFailure, ...]:
        return tuple(one for one in self.entries if one.expires >= self.today)

    def marked(self, case: CaseRecord, profile: Profile) -> CaseRecord:
        """Return the case, marked with the entries that cover its failure, if any do.

        An entry for a trait covers a case that failed only because of values of such traits.
        """
        if case.outcome not in FAILED:
            return case
        for one in self._valid:
            if one.case == case.id and one.outcome in (None, case.outcome):
                return _known(case, [one])
        if case.outcome is Outcome.MISMATCH and not case.diff:
            covering = [self._covering(trait, value) for trait, value in _denied(case, profile)]
            if covering and all(covering):
                return _known(case, filter(None, covering))
        return case

    def marked_traits(self, traits: Iterable[TraitRecord]) -> tuple[TraitRecord, ...]:
        """Return the traits, each marked with the entry that covers its unexpected value, if one does."""
        return tuple(
            replace(trait, known=str(known))
            if trait.seen
            and trait.expected not in ("", trait.seen)
            and (known := self._covering(trait.trait, trait.seen))
            else trait
            for trait in traits
        )

    def idle(self, cases: Sequence[CaseRecord], traits: Sequence[TraitRecord], *, whole: bool) -> tuple[str, ...]:
        """Return a line for each entry that no failure of a run needs.

        :param cases: the cases of the run.
        :param traits: the traits of the run.
        :param whole: whether all cases were run; entries for cases that do not exist are reported then, too.
        """
        outcomes = {case.id: case.outcome for case in cases}
        seen = {trait.trait: trait for trait in traits}
        lines = []
        for one in self._valid:
            if one.case and outcomes.get(one.case) is Outcome.MATCH:
                lines.append(f"{self.path}: {one.case} is a known failure but did not fail; remove the entry")
            elif one.case and whole and one.case not in outcomes:
                lines.append(f"{self.path}: {one.case} is a known failure but not a case of this run")
            elif one.trait in seen and seen[one.trait].seen and not seen[one.trait].known:
                lines.append(f"{self.path}: {one.trait} is known to differ but did not; remove the entry")
        return tuple(lines)

    def _covering(self, trait: str, value: str) -> KnownFailure | None:
        return next((one for one in self._valid if one.trait == trait and one.value in ("", value)), None)


def load_known(text: str, *, path: str, today: datetime.date, semantics: Semantics) -> KnownFailures:
    """Read a file of known failures.

    :param text: the content of the file.
    :param path: the name of the file in errors.
    :param today: the day of the run, UTC.
    :param semantics: the traits and values that entries may name.
    :raises CaseError: the file is not TOML, has an unknown or missing key, names an unknown trait, value or outcome, or
        has an entry twice; the message names file and key.
    """
    try:
        top = Table(tomllib.loads(text), path=path, kind=CaseError)
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"{path} is not TOML", evidence=str(error), remedy="fix that line") from None
    entries: list[KnownFailure] = []
    for table in top.table_list("known") if "known" in top.names() else ():
        one = _read(table, semantics)
        if any(_key(one) == _key(other) for other in entries):
            raise table.error(f"{one.name} has two entries", remedy="merge them into one")
        entries.append(one)
        table.close()
    top.close()
    return KnownFailures(path, today, tuple(entries))


def _read(table: Table, semantics: Semantics) -> KnownFailure:
    given = [key for key in ("case", "trait") if key in table.names()]
    if len(given) != 1:
        raise table.error("an entry names either a case or a trait", remedy='write case = "..." or trait = "..."')
    name = table.text(given[0])
    value = table.text("value") if "value" in table.names() and given == ["trait"] else ""
    outcome = table.text("outcome") if "outcome" in table.names() and given == ["case"] else ""
    if given == ["trait"]:
        known = semantics.traits.get(name)
        complaint = semantics.complaint(name, value or next(iter(known.values)) if known else "")
        if complaint:
            raise table.error(complaint, remedy="name a trait of the suite's semantics.toml and one of its values")
    if outcome and outcome not in list(FAILED):
        raise table.error(f"{outcome} is not a failure outcome", remedy=f"write one of {', '.join(sorted(FAILED))}")
    return KnownFailure(
        case=name if given == ["case"] else "",
        trait=name if given == ["trait"] else "",
        reason=table.text("reason"),
        link=table.text("link"),
        expires=datetime.date.fromisoformat(table.date("expires")[:10]),
        outcome=Outcome(outcome) if outcome else None,
        value=value,
    )


def _known(case: CaseRecord, entries: Iterable[KnownFailure]) -> CaseRecord:
    """Return the case marked as known to fail, with the entries as records and in one line."""
    notes = tuple(dict.fromkeys(one.note for one in entries))
    return replace(case, known="; ".join(map(str, notes)), known_failures=notes)


def _key(one: KnownFailure) -> tuple[str, str, Outcome | None, str]:
    return one.case, one.trait, one.outcome, one.value


def _denied(case: CaseRecord, profile: Profile) -> list[tuple[str, str]]:
    """Return the traits and values that the case showed and that contradict a confirmed expectation."""
    expected = profile.expectations
    return [
        (one.trait, one.value)
        for one in case.sightings
        if (wanted := expected.get(one.trait)) is not None and wanted.confirmed and wanted.value != one.value
    ]
