"""Which features of a suite a kernel lacks: asked once, of a machine."""

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


def read_lacking(console: Console, features: Sequence[Feature], *, deadline: Deadline) -> tuple[str, ...]:
    """Ask the running kernel which features it lacks.

    :return: their words, in the order of the suite.
    :raises Unanswered: as a command.
    """
    if not features:
        return ()
    # Each line names the feature when the kernel does not have it.
    command = "; ".join(f"{{ {feature.probe}; }} || echo lacking:{feature.word}" for feature in features)
    said = console.run(command, deadline=deadline).output.split()
    return tuple(feature.word for feature in features if f"lacking:{feature.word}" in said)


def find_lacking(
    context: Context, key: str, features: Sequence[Feature], lease: AbstractContextManager[Machine]
) -> tuple[str, ...]:
    """Ask a kernel which features it lacks; remembered for the same kernel, guest image and probes.

    A kernel that does not answer at all is taken to lack nothing: what ails it is for the cases to tell.

    :param key: of the kernel image and the guest image, whose programs a probe may use.
    :param lease: gives a machine that runs the kernel; not entered when the answer is known.
    :return: the words of the features, in the order of the suite.
    :raises CaseError: a probe did not return, on a kernel whose shell answers.
    :raises HarnessError: what the lease raises.
    """
    words = [feature.word for feature in features]
    fact = digest_of(key, *(part for feature in features for part in (feature.word, feature.probe)))
    known = context.store.recall(_FACT, fact) if features else {"lacking": []}
    if known is None:
        with lease as machine:
            try:
                soon = context.deadline.sooner(_SECONDS)
                lacking = read_lacking(machine.console(ConsoleName.ADMIN, deadline=soon), features, deadline=soon)
            except Unanswered:
                _blame_probe(machine, features, context.deadline)
                return ()
        known = {"lacking": list(lacking)}
        context.store.remember(_FACT, fact, known)
    said = known.get("lacking")
    return tuple(word for word in words if isinstance(said, list) and word in said)


def _blame_probe(machine: Machine, features: Sequence[Feature], deadline: Deadline) -> None:
    """Find the probe that does not return, by asking another console for each alone.

    :raises CaseError: there is one, and the kernel is alive.
    """
    soon = deadline.sooner(_SECONDS)
    try:
        machine.console(ConsoleName.INSIDE, deadline=soon).run("true", deadline=soon)
    except Unanswered:
        return
    console = machine.console(ConsoleName.INSIDE, deadline=soon)
    for feature in features:
        try:
            console.run(f"{{ {feature.probe}; }} >/dev/null 2>&1", deadline=deadline.sooner(_SECONDS / 3))
        except Unanswered:
            raise CaseError(
                f"the probe of the feature {feature.word} does not return",
                evidence=f"[feature.{feature.word}] probe = {feature.probe!r}, after {_SECONDS:g} s",
                remedy="write a command that ends by itself; timeout(1) is in the guest",
            ) from None
