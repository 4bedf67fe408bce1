# SPDX-License-Identifier: GPL-2.0-only
"""Find out on a running machine which features of a suite a kernel does not have."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError
from harness.base.store import digest_of
from harness.guest.console import Console, Unanswered
from harness.guest.machine import Machine
from harness.kernel.needs import Feature
from harness.session.console_name import ConsoleName

_FACT = "guest-features"
_SECONDS = 30.0


def read_missing(console: Console, features: Sequence[Feature], *, deadline: Deadline) -> tuple[str, ...]:
    """Run the probes of features on a console, and return the features that are missing.

    :return: names of the missing features, in the order of the suite.
    :raises Unanswered: the probes did not return.
    """
    if not features:
        return ()
    # Each line of the output names a missing feature.
    command = "; ".join(f"{{ {feature.probe}; }} || echo missing:{feature.word}" for feature in features)
    printed = console.run(command, deadline=deadline).output.split()
    return tuple(feature.word for feature in features if f"missing:{feature.word}" in printed)


def find_missing(
    context: Context, key: str, features: Sequence[Feature], lease: AbstractContextManager[Machine]
) -> tuple[str, ...]:
    """Find the features that a kernel does not have; remembered for the same kernel, guest image and probes.

    For a kernel that does not answer at all, no feature is missing: the cases then show what is wrong with it.

    :param context: its store remembers the result.
    :param key: digest of the kernel image and the guest image, whose programs a probe may use.
    :param features: the features of the suite.
    :param lease: yields a machine that runs the kernel; not entered when the result is known.
    :return: names of the missing features, in the order of the suite.
    :raises CaseError: a probe did not return, on a kernel whose shell answers.
    :raises HarnessError: the lease failed.
    """
    names = [feature.word for feature in features]
    fact = digest_of(key, *(part for feature in features for part in (feature.word, feature.probe)))
    known = context.store.recall(_FACT, fact) if features else {"lacking": []}
    if known is None:
        with lease as machine:
            try:
                soon = machine.deadline(_SECONDS)
                missing = read_missing(machine.console(ConsoleName.ADMIN, deadline=soon), features, deadline=soon)
            except Unanswered:
                _blame_probe(machine, features)
                return ()
        known = {"lacking": list(missing)}
        context.store.remember(_FACT, fact, known)
    remembered = known.get("lacking")
    return tuple(name for name in names if isinstance(remembered, list) and name in remembered)


def _blame_probe(machine: Machine, features: Sequence[Feature]) -> None:
    """Find the probe that does not return, by running each alone on another console.

    :raises CaseError: a probe does not return although the kernel is alive.
    """
    soon = machine.deadline(_SECONDS)
    try:
        machine.console(ConsoleName.INSIDE, deadline=soon).run("true", deadline=soon)
    except Unanswered:
        return
    console = machine.console(ConsoleName.INSIDE, deadline=soon)
    for feature in features:
        try:
            console.run(f"{{ {feature.probe}; }} >/dev/null 2>&1", deadline=machine.deadline(_SECONDS / 3))
        except Unanswered:
            raise CaseError(
                f"the probe of the feature {feature.word} does not return",
                evidence=f"[feature.{feature.word}] probe = {feature.probe!r}, after {_SECONDS:g} s",
                remedy="write a command that ends by itself; timeout(1) is in the guest",
            ) from None
