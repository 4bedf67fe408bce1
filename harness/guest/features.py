"""Which features a kernel lacks that no option of its configuration stands for: asked once, of a machine."""

from __future__ import annotations

from contextlib import AbstractContextManager

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.guest.console import Console, Unanswered
from harness.guest.machine import Machine
from harness.kernel.needs import Feature
from harness.session.console_name import ConsoleName

_FACT = "guest-features"
_SECONDS = 30.0
# Each line names the feature when the kernel has it not. A system call that is not there is ENOSYS, whatever its
# arguments; any other error is the case's business.
_QUESTIONS = {
    Feature.CGROUP_NAMESPACES: "[ -e /proc/self/ns/cgroup ]",
    Feature.CGROUP2: "grep -qsw cgroup2 /proc/filesystems",
    Feature.CLONE3: "! nsctl clone3 0 { pid } | grep -qs ENOSYS",
}


def read_lacking(console: Console, *, deadline: Deadline) -> tuple[Feature, ...]:
    """The features that the running kernel lacks, in the order of :class:`Feature`.

    :raises Unanswered: as a command.
    """
    command = "; ".join(f"{question} || echo {feature}" for feature, question in _QUESTIONS.items())
    said = console.run(command, deadline=deadline).output.split()
    return tuple(feature for feature in Feature if feature in said)


def find_lacking(context: Context, image_digest: str, lease: AbstractContextManager[Machine]) -> tuple[Feature, ...]:
    """The same of a kernel, asked once for an image.

    A kernel that does not answer is taken to lack nothing: what ails it is for the cases to tell.

    :param lease: gives a machine that runs the kernel; not entered when the answer is known.
    :raises HarnessError: what the lease raises.
    """
    known = context.store.recall(_FACT, image_digest)
    if known is None or known.get("asked") != list(Feature):
        with lease as machine:
            try:
                soon = context.deadline.sooner(_SECONDS)
                lacking = read_lacking(machine.console(ConsoleName.ADMIN, deadline=soon), deadline=soon)
            except Unanswered:
                return ()
        known = {"asked": list(Feature), "lacking": list(lacking)}
        context.store.remember(_FACT, image_digest, known)
    said = known.get("lacking")
    return tuple(feature for feature in Feature if isinstance(said, list) and feature in said)
