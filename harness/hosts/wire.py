# SPDX-License-Identifier: GPL-2.0-only
"""Define what the submitting host and the workers of other hosts send each other: JSON, and logs as bytes. Pure.

Whatever comes from a worker is checked field by field when it is read. Nothing of the harness is pickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from harness.base.errors import UsageError
from harness.base.json_records import dump_value, from_table, parse_json

TOPIC = "harness"
"""The topic of the messages of workers."""
FETCH = "harness_fetch"
"""The name of the scheduler's handler that reads an artifact."""
SEND = "harness_send"
"""The name of the scheduler's handler that takes a part of what a host has made."""
BLOCK_BYTES = 4 << 20
"""The size of a part of an artifact that is sent at once."""
ALIVE = "alive"
"""The line that the submitting host sends to each agent again and again."""
ABORT = "abort"
"""The line that ends a batch, followed by its number."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The settings of a host's agent; it reads them from standard input, because they hold a key.

    :param host: the name of the host.
    :param scheduler: the address of the scheduler, as the host reaches it.
    :param contacts: an address for each worker; it only has to be different for each worker of the run, since nothing
        connects to workers.
    :param authority: the certificate that signed those of the run, as PEM.
    :param certificate: the certificate of the host, as PEM.
    :param key: its key, as PEM.
    :param silence_seconds: how long the submitting host may be silent before the workers end.
    :param trusts: whether QEMU may run without bubblewrap.
    """

    host: str
    scheduler: str
    contacts: tuple[str, ...]
    authority: str
    certificate: str
    key: str
    silence_seconds: float
    trusts: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """The facts about a kernel and its cases that all batches share.

    :param prepared: the prepared kernel as JSON, with the paths of the submitting host.
    :param shares_store: whether the worker uses the same store, so that these paths are its own.
    :param image: digest of the kernel image.
    :param initramfs: digest of the guest image's archive.
    :param disk: digest of the root file system of a guest that is a whole system; empty for the small guest.
    :param suite: the name of a shipped suite, or the folder of another one on the submitting host.
    :param suite_archive: digest of the archive of a suite that is not shipped; empty for a shipped one.
    :param accel: the accelerator that the user named; empty for the host's choice.
    """

    prepared: str
    shares_store: bool
    image: str = ""
    initramfs: str = ""
    suite: str = ""
    suite_archive: str = ""
    accel: str = ""
    disk: str = ""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A batch for a worker.

    :param number: the number of the batch.
    :param job: digest of the :class:`Job`, an artifact.
    :param ids: the ids of the cases in their order.
    :param files: the case files; relative to the suite's folder unless the store is shared.
    """

    number: int
    job: str
    ids: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """A build for a worker.

    :param number: the number of the build; batches and builds share their numbers.
    :param job: digest of the :class:`harness.hosts.builds.job.BuildJob`, an artifact.
    """

    number: int
    job: str


class MessageKind(StrEnum):
    """The kind of a worker's message."""

    CASE_STARTED = "case started"
    CASE_ENDED = "case ended"
    BATCH_ENDED = "batch ended"
    BUILD_EVENT = "build event"
    BUILD_ENDED = "build ended"
    NEED = "need"
    """From the process of a build to its worker: fetch the artifact ``case``; the answer is the path of its file."""
    GIVE = "give"
    """From the process of a build to its worker: send the file ``detail`` as ``case``; the answer is an empty line."""


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a host found out about itself while it prepared a kernel.

    :param acceleration: ``kvm`` or ``tcg``.
    :param evidence: why, in one line.
    :param qemu: the version line of QEMU.
    :param boot_seconds: boot time of the template.
    """

    acceleration: str = ""
    evidence: str = ""
    qemu: str = ""
    boot_seconds: float = 0.0


NO_FACTS = HostFacts()


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a worker.

    :param number: the number of the batch.
    :param case: the id of the case that started or ended; else empty.
    :param records: the records of a case that ended, as JSON: those of tests that it reported, then its own.
    :param problem: why a batch ended early; empty if it went through.
    :param facts: facts about the host, when a batch ends.
    :param detail: the event or the result of a build, as JSON.
    """

    kind: MessageKind
    number: int
    case: str = ""
    records: tuple[str, ...] = ()
    problem: str = ""
    facts: HostFacts = NO_FACTS
    detail: str = ""


def dump_message(message: Message, logs: bytes = b"") -> bytes:
    """Return a message and the archive of a case's logs as bytes.

    :param message: the message.
    :param logs: the archive; empty for none.
    """
    return dump_value(message, indent=None).encode() + logs


def load_message(data: object) -> tuple[Message, bytes]:
    """Read a message and the archive behind it.

    :param data: what a worker sent.
    :raises UsageError: it is damaged.
    """
    if not isinstance(data, bytes):
        raise UsageError("the message of a worker is damaged", evidence=f"it is a {type(data).__name__}, not bytes")
    head, _, logs = data.partition(b"\n")
    source = "the message of a worker"
    value = parse_json(head.decode(errors="replace"), source)
    return from_table(Message, value, name="message", source=source), logs
