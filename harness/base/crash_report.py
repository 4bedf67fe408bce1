# SPDX-License-Identifier: GPL-2.0-only
"""What nobody expected: the host out of something, or a defect of the harness; told in a few lines, not as a trace."""

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
    errno.EDQUOT: "the quota of the disk is used up",
    errno.ENOMEM: "no memory left",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open on this host",
    errno.EIO: "a disk does not answer",
    errno.EROFS: "a disk cannot be written",
    errno.EAGAIN: "no more processes or locks are to be had",
}
_PACKAGE = Path(__file__).resolve().parents[1]


def explain(error: Exception) -> HarnessError:
    """Return the error to show for an exception that no part of the harness handles.

    For a defect of the harness the whole trace is written to a file, which the error names.
    """
    if isinstance(error, MemoryError):
        return HostError("no memory left", remedy="let fewer cases run side by side: -n 1")
    if isinstance(error, FileNotFoundError) and not _is_somewhere():
        remedy = "change to a folder that is there, and run it again"
        return UsageError("the folder in which this was started is gone", evidence=str(error), remedy=remedy)
    if isinstance(error, OSError) and error.errno in _HOST:
        remedy = "mend that on this host, then run it again"
        return HostError(_HOST[error.errno], evidence=str(error), remedy=remedy)
    said = "".join(traceback.format_exception_only(error)).strip()
    file = _write_trace(error)
    remedy = f"report it, with {file}" if file else "report it; the trace could not be written to a file"
    return HostError(f"a defect of the harness: {said}", evidence=_place(error), remedy=remedy)


def _is_somewhere() -> bool:
    """Return whether the current folder still exists."""
    try:
        return Path.cwd().is_dir()
    except FileNotFoundError:
        return False


def _place(error: Exception) -> str:
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
