# SPDX-License-Identifier: GPL-2.0-only
"""Report unhandled exceptions in a few lines: a resource of the host that ran out, or a defect of the harness."""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import sys
import tempfile
import traceback
from pathlib import Path

from harness.base.errors import HarnessError, HostError, UsageError

_HOST = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "the disk quota is exceeded",
    errno.ENOMEM: "no memory left",
    errno.EMFILE: "too many open files",
    errno.ENFILE: "too many open files on this host",
    errno.EIO: "a disk reports I/O errors",
    errno.EROFS: "a file system is read-only",
    errno.EAGAIN: "the limit of processes or locks is reached",
}
_PACKAGE = Path(__file__).resolve().parents[1]


def explain(error: Exception) -> HarnessError:
    """Return the error to show for an exception that no part of the harness handles.

    For a defect of the harness the whole trace is written to a file, which the error names.
    """
    if isinstance(error, MemoryError):
        return HostError("no memory left", remedy="run fewer cases in parallel: -n 1")
    if isinstance(error, FileNotFoundError) and not _has_current_folder():
        remedy = "change to an existing folder and retry"
        return UsageError("the current folder was removed", evidence=str(error), remedy=remedy)
    if isinstance(error, OSError) and error.errno in _HOST:
        return HostError(_HOST[error.errno], evidence=str(error), remedy="fix this on the host and retry")
    summary = "".join(traceback.format_exception_only(error)).strip()
    file = _write_trace(error)
    remedy = f"report it, with {file}" if file else "report it; the trace could not be written to a file"
    return HostError(f"a defect of the harness: {summary}", evidence=_last_own_line(error), remedy=remedy)


def _has_current_folder() -> bool:
    """Return whether the current folder still exists."""
    try:
        return Path.cwd().is_dir()
    except FileNotFoundError:
        return False


def _last_own_line(error: Exception) -> str:
    """Return the last line of the harness in the trace."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or list(frames)
    return f"{ours[-1].filename}:{ours[-1].lineno} in {ours[-1].name}" if ours else ""


def _write_trace(error: Exception) -> Path | None:
    """Write the trace and the command to a new file; return None when the disk is full."""
    lines = [
        *traceback.format_exception(error),
        f"\ncommand: {sys.argv}\nfolder: {os.environ.get('PWD', '')}\n",
        f"Python {sys.version}\n{platform.platform()}\n",
    ]
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="harness-defect-", suffix=".txt")
        with os.fdopen(handle, "w", errors="backslashreplace") as file:
            file.writelines(lines)
        return Path(name)
    return None
