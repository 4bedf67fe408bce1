# SPDX-License-Identifier: GPL-2.0-only
"""Describe a build for a host, and its result: JSON, each field checked when it is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.base import errors
from harness.base.errors import HarnessError, HostError, Stage, UsageError
from harness.base.events import HostBusy, Note, PhaseStarted, Progress, StageEvent
from harness.base.json_records import from_table, parse_json, to_table
from harness.kernel.config.inputs import ConfigInputs
from harness.kernel.patches.series import Series
from harness.model.origin import Origin

CONFIG_FILE, BUILD_FILE = "config", "build"
"""Ends of the names of the two archives that a build sends back: the product of Kconfig, and that of make."""
_LOG_CHARACTERS = 1 << 20
_EVENTS: dict[str, type[StageEvent]] = {one.__name__: one for one in (PhaseStarted, Progress, Note, HostBusy)}
_ERRORS = (
    errors.UsageError,
    errors.NotInKernelError,
    errors.CaseError,
    errors.SeriesError,
    errors.HostError,
    errors.DiskFullError,
)
_KINDS: dict[str, type[HarnessError]] = {one.__name__: one for one in _ERRORS}


@dataclass(frozen=True, slots=True)
class BuildJob:
    """A kernel to build.

    :param origin: the source, for people.
    :param base: the commit that the series was applied to, or the commit to build.
    :param commits: a commit for each patch of the series.
    :param series: the series; None without one.
    :param object_format: ``sha1`` or ``sha256``, of the hashes.
    :param git_dir: the repository, for a worker of the submitting host; empty to receive the files.
    :param config: the inputs of the config, with its key.
    :param toolchain: the versions of compiler and linker that the host needs, so that the kernel is the same anywhere.
    :param is_trusted: whether make runs without the sandbox.
    :param seconds: the time limit of the build.
    """

    origin: Origin
    base: str
    commits: tuple[str, ...]
    series: Series | None
    object_format: str
    git_dir: str
    config: ConfigInputs
    toolchain: str
    is_trusted: bool
    seconds: float

    @property
    def commit(self) -> str:
        """Return the commit to build."""
        return self.commits[-1] if self.commits else self.base


@dataclass(frozen=True, slots=True)
class ErrorRecord:
    """An error of a build.

    :param kind: the name of its class.
    :param stage: the stage; empty if it is not known.
    :param log: the whole log.
    """

    kind: str
    what: str
    evidence: str = ""
    remedy: str = ""
    packages: tuple[str, ...] = ()
    stage: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The result of a build.

    :param digests: the digests of the archives, by the ends of their names; empty if the store is shared.
    :param error: why there is no kernel; None for a built one.
    :param is_other_compiler: whether the host was refused because it has another compiler.
    """

    digests: tuple[tuple[str, str], ...] = ()
    error: ErrorRecord | None = None
    is_other_compiler: bool = False


def record_error(error: HarnessError) -> ErrorRecord:
    """Return an error with its log as a record.

    :param error: the error.
    """
    log = ""
    if error.log is not None:
        try:
            log = error.log.read_text(errors="replace")[-_LOG_CHARACTERS:]
        except OSError as problem:
            log = f"the log cannot be read: {problem}\n"
    kind = type(error).__name__ if type(error).__name__ in _KINDS else HostError.__name__
    stage = error.stage.value if error.stage else ""
    return ErrorRecord(kind, error.what, error.evidence, error.remedy, error.packages, stage, log)


def error_of(record: ErrorRecord, log: Path | None) -> HarnessError:
    """Return the error of a record.

    :param record: the record.
    :param log: the file with the log on this host; None for none.
    :raises UsageError: the record is none of a build.
    """
    if record.kind not in _KINDS or record.stage not in ("", *Stage):
        raise UsageError("the result of a build is damaged", evidence=f"{record.kind!r:.60} {record.stage!r:.60}")
    error = _KINDS[record.kind](
        record.what, evidence=record.evidence, remedy=record.remedy, log=log, packages=record.packages
    )
    error.stage = Stage(record.stage) if record.stage else None
    return error


def dump_event(event: StageEvent) -> str:
    """Return an event of a build as JSON.

    :param event: the event.
    """
    return json.dumps({"kind": type(event).__name__, "event": to_table(event)})


def load_event(text: str) -> StageEvent:
    """Read the event that :func:`dump_event` wrote.

    :param text: the JSON.
    :raises UsageError: it is damaged.
    """
    source = "an event of a build"
    value = parse_json(text, source)
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(kind, str) or kind not in _EVENTS:
        raise UsageError(f"{source} is damaged", evidence=f"{kind!r:.60}")
    return from_table(_EVENTS[kind], value.get("event"), name="event", source=source)


def load_job(text: str) -> BuildJob:
    """Read a build.

    :param text: the JSON.
    :raises UsageError: it is damaged.
    """
    return from_table(BuildJob, parse_json(text, "the build"), name="build", source="the build")


def load_result(text: str) -> BuildResult:
    """Read the result of a build.

    :param text: the JSON.
    :raises UsageError: it is damaged.
    """
    source = "the result of a build"
    return from_table(BuildResult, parse_json(text, source), name="result", source=source)
