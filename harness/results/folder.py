# SPDX-License-Identifier: GPL-2.0-only
"""Write and read the run folder, ``results/<time>-<kernel>/``; it is valid at any moment the run may be killed.

    run.json        the whole record, replaced by rename
    cases.jsonl     one line a case, appended as it ends; removed when run.json is complete
    traits.json     what the kernel does, trait by trait
    kernel.config   the config of the kernel under test
    build.log       the output of make, for a kernel that was built
    junit.xml       written last
    cases/...       one folder a case, for its logs, ``actual.session`` and ``diff``

Writing the whole of ``run.json`` at the end of each case would cost the square of their number. A case is appended to
``cases.jsonl`` instead, and ``run.json`` follows when enough time has passed; :func:`load_run` reads both. SIGKILL can
cut only the last line, and a cut line is ignored.
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
    """Return the folder of a case, relative to the run folder: ``cases/`` and the id, if that is a safe path.

    The name consists of letters, digits, ``/`` and ``._+@=,-``, has at most 220 characters, and is unique for each id.
    If the id had to be changed (``[v2]``, very long), the name ends with a digest of the id.
    """
    # The folder of a test in a Python file is inside the folder of the file; other paths of that form are changed.
    path = case_id.replace(".py::", ".py/", 1)
    parts = [_UNSAFE.sub("-", part).lstrip(".-")[:_COMPONENT_LENGTH].rstrip(".-") for part in path.split("/")]
    name = "/".join(part for part in parts if part)[:_NAME_LENGTH].rstrip("/")
    if name != path or not name or ".py/" in case_id:
        name += "-" + hashlib.sha256(case_id.encode(errors="surrogatepass")).hexdigest()[:10]
    return f"cases/{name}"


class RunFolder:
    """A run folder that is being written by one process; workers may open the same path for case folders.

    :param path: the existing folder, see :meth:`create`.
    :param clock: seconds that only increase.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._written: dict[str, CaseRecord] = {}
        self._next_write = -1.0

    @classmethod
    def create(cls, results: Path, kernel_slug: str, started: float) -> RunFolder:
        """Make a new folder in ``results`` and point ``results/latest`` to it.

        :param kernel_slug: a name of the kernel, e.g. its release; made safe and short here.
        :param started: seconds since the epoch; the folder name shows it in UTC.
        :raises UsageError: ``results`` is not writable.
        :raises HostError: the disk is full or failing.
        """
        slug = _UNSAFE.sub("-", kernel_slug)[:_COMPONENT_LENGTH].strip(".-") or "kernel"
        with _complaints(results):
            path = _make_folder(results, slug, started)
            _point(results / LATEST_NAME, path.name)
        return cls(path)

    @classmethod
    def joint(cls, results: Path, kernels: int, started: float, *, name: str = "") -> RunFolder:
        """Make a new folder for a report on several runs; it has no run record, so it is never the latest run.

        :param kernels: the number of kernels.
        :param started: seconds since the epoch; the folder name shows it in UTC.
        :param name: a name for the folder; empty for the number of kernels.
        :raises UsageError: ``results`` is not writable.
        :raises HostError: the disk is full or failing.
        """
        slug = _UNSAFE.sub("-", name)[:_COMPONENT_LENGTH].strip(".-") or f"{kernels}-kernels"
        with _complaints(results):
            return cls(_make_folder(results, slug, started))

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """Open a folder that is kept from one command to the next; it is made if missing.

        :raises UsageError: the folder is not writable.
        :raises HostError: the disk is full or failing.
        """
        with _complaints(path):
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @property
    def has_record(self) -> bool:
        """Return whether a record was written."""
        return (self.path / RUN_NAME).exists()

    def discard(self) -> None:
        """Remove a folder without a record and point ``results/latest`` to the previous run."""
        shutil.rmtree(self.path, ignore_errors=True)
        results = self.path.parent
        with _complaints(results):
            before = sorted(one.parent.name for one in results.glob(f"*/{RUN_NAME}") if one.parent.name != LATEST_NAME)
            if before:
                _point(results / LATEST_NAME, before[-1])
            else:
                (results / LATEST_NAME).unlink(missing_ok=True)

    def write(self, run: RunRecord) -> None:
        """Update the files to this record; called at the start, at the end of each case and at the end of the run.

        New and changed cases are on disk when it returns. ``run.json`` and ``traits.json`` are written when the run is
        complete, else at most once a second, and less often if writing takes long: at most a twentieth of the time is
        spent on it.

        :raises UsageError: the folder is not writable.
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
        """Write a file of the run folder atomically: ``JUNIT_NAME``, ``CONFIG_NAME``, ...

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
            # A partial line must not precede the next one.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
        finally:
            os.close(descriptor)
        self._written.update((case.id, case) for case in cases)


def _make_folder(results: Path, name: str, started: float) -> Path:
    """Make a folder with a name that is not in use."""
    moment = datetime.datetime.fromtimestamp(started, datetime.UTC).strftime(_TIME_FORMAT)
    results.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        path = results / (f"{moment}-{name}" if number == 1 else f"{moment}-{name}-{number}")
        with contextlib.suppress(FileExistsError):
            path.mkdir()
            return path
    raise FileExistsError(errno.EEXIST, "1000 runs have this name", str(path))


def load_run(folder: Path) -> RunRecord:
    """Read the record of the run in a folder; the record of a killed run has every case that had ended.

    :raises UsageError: the folder holds no run, or a damaged one.
    """
    file = folder / RUN_NAME
    try:
        run = load_run_record(file.read_text(encoding="utf-8"), source=str(file))
        if run.complete:
            return current_run(run)
        appended = (folder / CASES_NAME).read_text(encoding="utf-8") if (folder / CASES_NAME).exists() else ""
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is damaged", evidence=str(error), remedy="run the cases again: harness run") from None
    except OSError as error:
        raise UsageError(
            f"{folder} holds no readable run",
            evidence=str(error),
            remedy=f"name a folder of results/ that holds {RUN_NAME}, e.g. results/{LATEST_NAME}",
        ) from None
    # Text after the last newline was being written when the run was killed.
    lines = appended.split("\n")[:-1]
    cases = {case.id: case for case in run.cases}
    for number, line in enumerate(lines, start=1):
        case = loads_case(line, source=f"{folder / CASES_NAME}, line {number}")
        cases[case.id] = case
    return current_run(replace(run, cases=tuple(cases.values())))


def _traits(run: RunRecord) -> str:
    """Return the text of ``traits.json``, the behavior of the kernel for comparison with another."""
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
    """Replace a file atomically: a reader sees all of the old text or all of the new."""
    write_whole(file, text.encode(errors="backslashreplace"), mode=0o644)


def _point(link: Path, target: str) -> None:
    """Make ``link`` a symbolic link to its sibling ``target``, replacing an older link atomically."""
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
                f"writing the results in {folder} failed", evidence=str(error), remedy="check the disk and retry"
            ) from None
        raise UsageError(
            f"the results folder {folder} cannot be written",
            evidence=str(error),
            remedy="make it writable, or name a writable folder with --results",
        ) from None
