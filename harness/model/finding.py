# SPDX-License-Identifier: GPL-2.0-only
"""Define a finding about a patch: of checkpatch.pl, of the compiler or of another check. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The level of a finding of a check, of checkpatch.pl or of the compiler."""

    ERROR = "error"
    WARNING = "warning"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class StyleFinding:
    """A finding of checkpatch.pl or of the compiler about a patch.

    :param level: its level.
    :param file: path in the tree; empty when it is about the mail.
    :param line: from 1; 0 without a line.
    :param text: the message.
    :param kind: checkpatch.pl's name for it, such as ``LONG_LINE``; empty for one of the compiler.
    """

    level: Level
    file: str
    line: int
    text: str
    kind: str = ""

    def render(self) -> str:
        """Return one line: ``kernel/x.c:12: warning: ... (LONG_LINE)``."""
        place = f"{self.file}:{self.line}: " if self.line else f"{self.file}: " if self.file else ""
        return f"{place}{self.level}: {self.text}" + (f" ({self.kind})" if self.kind else "")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check of one patch.

    :param check: the name of the check.
    :param findings: what it found that the base does not have.
    :param not_run: why it was not run; empty when it was.
    :param packages: the Debian packages that have what this host is missing.
    """

    check: str
    findings: tuple[StyleFinding, ...] = ()
    not_run: str = ""
    packages: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Return why it was not run, with the packages to install: ``sparse is missing: apt install sparse``."""
        return f"{self.not_run}: apt install {' '.join(self.packages)}" if self.packages else self.not_run
