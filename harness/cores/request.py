# SPDX-License-Identifier: GPL-2.0-only
"""Define what a core is read with, and the answer of the program that reads it. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.core import CoreFacts


@dataclass(frozen=True, slots=True)
class CoreRequest:
    """The files that a core is read with, by their paths.

    :param core: the core.
    :param symbols: a text like that of /proc/kallsyms.
    :param debug_files: object files with debug information, for the types of a kernel that carries none.
    :param release: the kernel's release.
    """

    core: str
    symbols: str
    release: str
    debug_files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CoreAnswer:
    """What was read, or why nothing was.

    :param problem: the reason; empty if the core was read.
    """

    facts: CoreFacts | None = None
    problem: str = ""
