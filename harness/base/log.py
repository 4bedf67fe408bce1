# SPDX-License-Identifier: GPL-2.0-only
"""Where the log goes: nowhere by default, to standard error with ``-v`` and ``-vv``, to a file with ``--log``.

Modules log what they decide with ``logging.getLogger(__name__)``: INFO says what was decided (made, found, chosen),
DEBUG says how (every program that is started). Only records of the harness are shown, not those of libraries.
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
    """What the command line asks for.

    :param verbosity: how often ``-v`` was given.
    :param file: an absolute path; empty for none. Records of every level are added to its end.
    """

    verbosity: int = 0
    file: str = ""


_current = LogSettings()


class _Formatter(logging.Formatter):
    """Shows control characters as ``\\x1b``: a command line may hold text of an untrusted series."""

    def format(self, record: logging.LogRecord) -> str:
        return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", super().format(record))


def set_up(settings: LogSettings) -> None:
    """Log as the settings say; what an earlier call set up ends.

    :raises UsageError: the file cannot be written.
    """
    global _current  # as handlers are: one a process
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
            remedy = "name a file in a folder that is there and can be written"
            raise UsageError(f"--log {settings.file} cannot be written", evidence=str(error), remedy=remedy) from None
    for handler, level, form in handlers:
        handler.setLevel(level)
        handler.setFormatter(_Formatter(form, datefmt="%Y-%m-%dT%H:%M:%S"))
        _HARNESS.addHandler(handler)
    _HARNESS.setLevel(min((level for _, level, _ in handlers), default=logging.NOTSET))
    # pytest, which runs the cases, collects what reaches the root.
    _HARNESS.propagate = not handlers
    _current = settings


def current() -> LogSettings:
    """Return what the last :func:`set_up` was given, for worker processes."""
    return _current


def is_on_terminal() -> bool:
    """Return whether records are written to a terminal, where they would break a display that redraws its lines."""
    return bool(_current.verbosity) and sys.stderr.isatty()


def absolute(file: Path | None) -> str:
    """Return a path as :class:`LogSettings` wants it: workers may have another current folder."""
    return str(file.absolute()) if file else ""
