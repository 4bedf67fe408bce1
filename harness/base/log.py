# SPDX-License-Identifier: GPL-2.0-only
"""Set up the log: none by default, to standard error with ``-v`` and ``-vv``, to a file with ``--log``.

Modules use ``logging.getLogger(__name__)``: INFO for decisions (made, found, chosen), DEBUG for details (every program
that is started). Only records of the harness are shown, not those of libraries.
"""

from __future__ import annotations

import logging
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.base.errors import UsageError

_HARNESS = logging.getLogger("harness")
_ON_STDERR = {1: logging.INFO, 2: logging.DEBUG}
_SHORT = "%(levelname).1s %(name)s: %(message)s"
_FULL = "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s: %(message)s"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The log options of the command line.

    :param verbosity: number of ``-v``.
    :param file: an absolute path; empty for none. Records of every level are appended.
    """

    verbosity: int = 0
    file: str = ""


_current = LogSettings()


class _Formatter(logging.Formatter):
    """Shows control characters as ``\\x1b``: a command line may hold text of an untrusted series."""

    def format(self, record: logging.LogRecord) -> str:
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", super().format(record))


def set_up(settings: LogSettings) -> None:
    """Install the handlers of the settings in place of those of an earlier call.

    :raises UsageError: the file cannot be written.
    """
    global _current  # handlers are global too
    for handler in [one for one in _HARNESS.handlers if isinstance(one.formatter, _Formatter)]:
        _HARNESS.removeHandler(handler)
        handler.close()
    handlers: list[tuple[logging.Handler, int, str]] = []
    if settings.verbosity:
        handlers.append((logging.StreamHandler(), _ON_STDERR.get(settings.verbosity, logging.DEBUG), _SHORT))
    if settings.file:
        try:
            handlers.append((logging.FileHandler(settings.file, encoding="utf-8"), logging.DEBUG, _FULL))
        except OSError as error:
            remedy = "name a file in an existing, writable folder"
            raise UsageError(f"--log {settings.file} cannot be written", evidence=str(error), remedy=remedy) from None
    for handler, level, form in handlers:
        handler.setLevel(level)
        handler.setFormatter(_Formatter(form, datefmt="%Y-%m-%dT%H:%M:%S"))
        _HARNESS.addHandler(handler)
    _HARNESS.setLevel(min((level for _, level, _ in handlers), default=logging.NOTSET))
    # pytest, which runs the cases, collects the records that reach the root logger.
    _HARNESS.propagate = not handlers
    _current = settings


def current() -> LogSettings:
    """Return the settings of the last :func:`set_up`, for worker processes."""
    return _current


def is_on_terminal() -> bool:
    """Return whether records are written to a terminal, where they would break a display that redraws its lines."""
    return bool(_current.verbosity) and sys.stderr.isatty()


def absolute(file: Path | None) -> str:
    """Return an absolute path for :class:`LogSettings`: workers may have another current folder."""
    return str(file.absolute()) if file else ""
