# SPDX-License-Identifier: GPL-2.0-only
"""Exceptions that no part of the harness handles: resources of the host, and defects of the harness."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import pytest

from harness.base.crash_report import explain
from harness.base.errors import ExitStatus, HarnessError, HostError, UsageError
from harness.base.process import Surroundings, run
from tests.program import environment, harness
from tests.unit.base.test_process import FAR


def explained(error: Exception) -> HarnessError:
    """Raise an exception, as the harness would have, and return its explanation."""
    try:
        raise error
    except Exception as raised:
        return explain(raised)


@pytest.mark.parametrize(
    ("number", "what"),
    [
        (errno.ENOSPC, "no space left on the disk"),
        (errno.EDQUOT, "the disk quota is exceeded"),
        (errno.EMFILE, "too many open files"),
        (errno.EROFS, "a file system is read-only"),
        (errno.EAGAIN, "the limit of processes or locks is reached"),
    ],
)
def test_explain_names_an_exhausted_resource(number: int, what: str) -> None:
    """An exhausted resource is the host's, and its file is the evidence."""
    error = explained(OSError(number, os.strerror(number), "/some/file"))

    assert isinstance(error, HostError)
    assert error.what == what
    assert "/some/file" in error.evidence
    assert error.exit_status is ExitStatus.HOST


def test_explain_names_exhausted_memory() -> None:
    """Without memory, fewer cases at once are proposed."""
    assert "-n 1" in explained(MemoryError()).remedy


def test_explain_writes_the_trace_of_a_defect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defect names the line of the harness, and the file with the whole trace."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    error = explained(_defect())

    assert (
        error.what == "a defect of the harness: json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)"
    )
    (file,) = tmp_path.iterdir()
    assert str(file) in error.remedy
    assert "JSONDecodeError" in file.read_text()
    assert re.search(r"\.py:\d+ in \w+$", error.evidence)


def _defect() -> Exception:
    try:
        json.loads("x")
    except ValueError as error:
        return error
    raise AssertionError


def test_explain_survives_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file can be written the error says so."""
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")

    assert "could not be written" in explained(_defect()).remedy


def test_a_removed_current_folder_is_a_usage_error(tmp_path: Path) -> None:
    """A command that is started in a removed folder reports it, with the status of a usage error."""
    gone = tmp_path / "gone"
    gone.mkdir()
    words = ["sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *harness("history", "--results", "results")]
    done = run(words, deadline=FAR, check=False, within=Surroundings(cwd=gone, env=environment()))

    assert done.status in (ExitStatus.USAGE, ExitStatus.AS_EXPECTED)
    assert "Traceback" not in done.stderr.decode()


def test_explain_a_removed_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is missing since the current folder is gone is the user's to fix."""
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # the report of a defect stays there
    monkeypatch.chdir(folder)
    folder.rmdir()
    error = explained(FileNotFoundError(errno.ENOENT, "No such file", "results"))
    monkeypatch.chdir(tmp_path)

    assert isinstance(error, UsageError)
    assert error.what == "the current folder was removed"
    assert "defect" in explained(FileNotFoundError(errno.ENOENT, "No such file", "results")).what
