# SPDX-License-Identifier: GPL-2.0-only
"""Check that the traits in a case file are traits of its suite."""

from __future__ import annotations

from harness.base.errors import CaseError, HarnessError
from harness.semantics.traits import Semantics
from harness.session.transcript import Transcript, check_traits, guards
from harness.suite.definition import Suite
from harness.suite.load import find_suite, shipped_names, suite_semantics


def check_case_traits(transcript: Transcript, suite: Suite, semantics: Semantics) -> None:
    """Check that every guard of a session file names a trait of its suite, and one of the trait's values.

    :raises CaseError: a guard names an unknown trait or value; the message names a shipped suite that has the trait.
    """
    try:
        check_traits(transcript, semantics.known_values)
    except CaseError as error:
        strange = {guard.trait for _, guard in guards(transcript)} - semantics.traits.keys()
        owners = _owners(strange, suite) if strange else []
        if not owners:
            raise
        trait, owner = owners[0]
        raise CaseError(
            error.what,
            evidence=f"{error.evidence}\n{trait} is a trait of the suite {owner}, and this is a case of {suite.name}",
            remedy=f"name a trait of {suite.semantics_file}, or move the case into the suite {owner}",
        ) from None


def _owners(traits: set[str], suite: Suite) -> list[tuple[str, str]]:
    """Find the shipped suites that have these traits, as pairs of trait and suite."""
    found = []
    for name in shipped_names():
        try:
            known = suite_semantics(find_suite(name)).traits if name != suite.name else {}
        except HarnessError:  # a broken suite is skipped
            continue
        found += [(trait, name) for trait in sorted(traits) if trait in known]
    return found
