# SPDX-License-Identifier: GPL-2.0-only
"""Recognize the arguments of ``--suite`` for which a suite is made, such as ``program:FILE``. Pure."""

from __future__ import annotations

from pathlib import Path

from harness.suite.definition import Suite

TITLES = {
    "program": "programs of this host",
    "script": "scripts of this host",
    "repro": "C reproducers of this host",
    "selftests": "selftests of the kernel",
    "kunit": "KUnit tests of the kernel",
    "ltp": "tests of the Linux Test Project",
}
"""Each kind of argument, and the title of its suites."""
_ALONE = "kunit"
"""The kind that needs nothing behind it."""
NOWHERE = Path("/nonexistent")
"""The folder of a suite that is named by a record, and not made."""


def kind_of(word: str) -> str:
    """Return the kind of an argument for which a suite is made; empty for the name or folder of a suite."""
    kind, mark, rest = word.partition(":")
    return kind if kind in TITLES and ((mark and rest) or word == _ALONE) else ""


def named_suite(word: str) -> Suite:
    """Return what reports need of the suite of a record, without making it: such suites have no traits.

    :param word: an argument with a kind.
    """
    kind = kind_of(word)
    return Suite(NOWHERE / kind, kind, TITLES[kind], argument=word)
