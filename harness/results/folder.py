"""The run folder, ``results/<time>-<kernel>/``: written as the run goes, valid whenever the run is killed.

    run.json        the whole record, replaced by rename
    cases.jsonl     one line a case, appended as it ends; removed when run.json is complete
    traits.json     what the kernel does, trait by trait
    kernel.config   the config of the kernel under test
    build.log       what make said, for a kernel that was built
    junit.xml       written last
    cases/...       one folder a case, for its logs, ``actual.session`` and ``diff``

Writing the whole of ``run.json`` at each case end costs the square of their number. So a case is appended to
``cases.jsonl`` when it ends, and ``run.json`` follows when enough time went by; :func:`load_run` takes both together.
What SIGKILL can cut is the last line, and such a line is left out.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.base.errors import HostError, UsageError
from harness.base.json_records import to_table
from harness.model.run_record import (
    CaseRecord,
    RunRecord,
    dump_run,
    dumps_case,
)
from harness.results.case_ids import current_run
from harness.results.records import load_run_record, loads_case

RUN_NAME = "run.json"
CASES_NAME = "cases.jsonl"
TRAITS_NAME = "traits.json"
CONFIG_NAME = "kernel.config"
BUILD_LOG_NAME = "build.log"
JUNIT_NAME = "junit.xml"
LATEST_NAME = "latest"

_SECONDS_BETWEEN_WRITES = 1.0
_SHARE_OF_TIME = 0.05
_TRAITS_FORMAT = 1
_UNSAFE = re.compile(r"[^A-Za-z0-9._+@=,-]+")
_COMPONENT_LENGTH = 80
_NAME_LENGTH = 200
_TIME_FORMAT = "%Y-%m-%dT%H%M%SZ"  # sorts by time; no colon, which artifact stores refuse


def case_folder_name(case_id: str) -> str:
    """The folder of a case, relative to the run folder: ``cases/`` and the id, where that is a safe path.

    Made of letters, digits, ``/`` and ``._+@=,-`` only, at most 220 characters; no two ids have the same one. An id
    that had to be changed for this (``[v2]``, very long) carries a digest of itself at the end.
    """
    # The test of a Python case is a folder below its file's; a path that only looks like that is changed.
    path = case_id.replace(".py::", ".py/", 1)
    parts = [_UNSAFE.sub("-", part).lstrip(".-")[:_COMPONENT_LENGTH].rstrip(".-") for part in path.split("/")]
    name = "/".join(part for part in parts if part)[:_NAME_LENGTH].rstrip("/")
    if name != path or not name or ".py/" in case_id:
        name += "-" + hashlib.sha256(case_id.encode(errors="surrogatepass")).hexdigest()[:10]
    return f"cases/{name}"


class RunFolder:
    """A run folder that is being written; live, one writer. Workers may make one of the same path for case folders.

    :param path: the folder, which exists. See :meth:`create`.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._written: dict[str, CaseRecord] = {}
        self._next_write = -1.0

    @classmethod
    def create(cls, results: Path, kernel_slug: str, started: float) -> RunFolder:
        """A new folder in ``results``, and ``results/latest`` pointing to it.

        :param kernel_slug: what to call the kernel, e.g. its release; made safe and short here.
        :param started: seconds since the epoch; the folder is named in UTC.
        :raises UsageError: ``results`` cannot be written.
        :raises HostError: the disk is full or failing.
        """
        slug = _UNSAFE.sub("-", kernel_slug)[:_COMPONENT_LENGTH].strip(".-") or "kernel"
        with _complaints(results):
            path = _make_folder(results, slug, started)
            _point(results / LATEST_NAME, path.name)
        return cls(path)

    @classmethod
    def joint(cls, results: Path, kernels: int, started: float, *, name: str = "") -> RunFolder:
        """A new folder for what is said of several runs together; it holds no record, so it is never the latest run.

        :param kernels: how many.
        :param name: what to call them; empty for their number. :raises UsageError, HostError: as :meth:`create`.
        """
        slug = _UNSAFE.sub("-", name)[:_COMPONENT_LENGTH].strip(".-") or f"{kernels}-kernels"
        with _complaints(results):
            return cls(_make_folder(results, slug, started))

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """A folder that is kept from one command to the next, made when it is not there.

        :raises UsageError, HostError: as :meth:`create`.
        """
        with _complaints(path):
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @property
    def has_record(self) -> bool:
        """Whether a record was written."""
        return (self.path / RUN_NAME).exists()

    def discard(self) -> None:
        """Remove a folder that no record was written to; ``results/latest`` points to the run before it again."""
        shutil.rmtree(self.path, ignore_errors=True)
        results = self.path.parent
        with _complaints(results):
            before = sorted(one.parent.name for one in results.glob(f"*/{RUN_NAME}") if one.parent.name != LATEST_NAME)
            if before:
                _point(results / LATEST_NAME, before[-1])
            else:
                (results / LATEST_NAME).unlink(missing_ok=True)

    def write(self, run: RunRecord) -> None:
        """Bring the disk up to this record: call it at the start, at each case end and at the end of the run.

        Cases that are new or changed are on disk when it returns. ``run.json`` and ``traits.json`` follow when the run
        is complete, or a second after they were last written (later when writing takes long: never more than a
        twentieth of the time goes into it).

        :raises UsageError: the folder cannot be written.
        :raises HostError: the disk is full or failing.
        """
        began = self._clock()
        whole = run.complete or began >= self._next_write
        with _complaints(self.path):
            if not run.complete:
                self._append([case for case in run.cases if self._written.get(case.id) is not case])
            if whole:
                _replace(self.path / TRAITS_NAME, _traits(run))
                _replace(self.path / RUN_NAME, dump_run(run))
                took = self._clock() - began
                self._next_write = self._clock() + max(_SECONDS_BETWEEN_WRITES, took / _SHARE_OF_TIME)
            if run.complete:
                (self.path / CASES_NAME).unlink(missing_ok=True)

    def write_file(self, name: str, text: str) -> Path:
        """Write a file of the run folder at once, whole or not at all: ``JUNIT_NAME``, ``CONFIG_NAME``, ...

        :return: its path.
        :raises UsageError: as :meth:`write`.
        :raises HostError: as :meth:`write`.
        """
        with _complaints(self.path):
            _replace(self.path / name, text)
        return self.path / name

    def _append(self, cases: list[CaseRecord]) -> None:
        if not cases:
            return
        lines = "".join(map(dumps_case, cases)).encode()
        descriptor = os.open(self.path / CASES_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        size = os.fstat(descriptor).st_size
        try:
            while lines:
                lines = lines[os.write(descriptor, lines) :]
        except OSError:
            # Half a line must not stay before the next one.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        self._written.update((case.id, case) for case in cases)


def _make_folder(results: Path, name: str, started: float) -> Path:
    """A folder that was not there before."""
    moment = datetime.datetime.fromtimestamp(started, datetime.UTC).strftime(_TIME_FORMAT)
    results.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        path = results / (f"{moment}-{name}" if number == 1 else f"{moment}-{name}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise FileExistsError(errno.EEXIST, "1000 runs have this name", str(path))


def load_run(folder: Path) -> RunRecord:
    """The record of the run in that folder, also of one that was killed: then every case that had ended is in it.

    :raises UsageError: the folder holds no run, or a damaged one.
    """
    file = folder / RUN_NAME
    try:
        run = load_run_record(file.read_text(encoding="utf-8"), source=str(file))
        if run.complete:
            return current_run(run)
        appended = (folder / CASES_NAME).read_text(encoding="utf-8") if (folder / CASES_NAME).exists() else ""
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is damaged", evidence=str(error), remedy="run again") from None
    except OSError as error:
        raise UsageError(
            f"{folder} holds no run that can be read",
            evidence=str(error),
            remedy=f"name a folder of results/ that holds {RUN_NAME}, e.g. results/{LATEST_NAME}",
        ) from None
    # What comes after the last newline was being written when the run was killed.
    lines = appended.split("\n")[:-1]
    cases = {case.id: case for case in run.cases}
    for number, line in enumerate(lines, start=1):
        case = loads_case(line, source=f"{folder / CASES_NAME}, line {number}")
        cases[case.id] = case
    return current_run(replace(run, cases=tuple(cases.values())))


def _traits(run: RunRecord) -> str:
    """``traits.json``: what is compared when two kernels are."""
    value = {
        "format_version": _TRAITS_FORMAT,
        "kernel": run.kernel.release,
        "complete": run.complete,
        "profile": run.profile,
        "nearest": run.nearest,
        "traits": [to_table(trait) for trait in run.traits],
    }
    return json.dumps(value, indent=1) + "\n"


def _replace(file: Path, text: str) -> None:
    """Write the file beside its place and rename it there: a reader sees the old text or the new, whole."""
    write_whole(file, text.encode(errors="backslashreplace"), mode=0o644)


def _point(link: Path, target: str) -> None:
    """Make ``link`` a symbolic link to ``target`` beside it, replacing an older one at once."""
    new = link.with_name(f".{link.name}-{target}")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    try:
        new.replace(link)
    except OSError:
        new.unlink()
        raise


@contextlib.contextmanager
def _complaints(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise HostError(
                f"no space left for the results in {folder}",
                evidence=str(error),
                remedy="free some space (old runs may be removed), or name a folder on a larger disk with --results",
            ) from None
        if error.errno in (errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE):
            raise HostError(
                f"writing the results in {folder} failed", evidence=str(error), remedy="run again"
            ) from None
        raise UsageError(
            f"the results folder {folder} cannot be written",
            evidence=str(error),
            remedy="make it writable, or name a folder that is with --results",
        ) from None
