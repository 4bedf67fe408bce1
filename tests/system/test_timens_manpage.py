# SPDX-License-Identifier: GPL-2.0-only
"""The session printed in time_namespaces(7), taken from the page that is installed here, is a case of the suite."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from harness.base import paths
from tests.unit.session.manpage_examples import extract_examples

PAGE = Path("/usr/share/man/man7/time_namespaces.7.gz")
CASE = paths.SUITES / "timens" / "manpage" / "session.session"
COMMAND = re.compile(r"(?:\([^)]*\) )?((?:\$|ns2#) .*)")
OURS = ("ns2# exit",)
"""Lines of the case that the page has as prose: "Returning to the shell in the initial time namespace"."""


@pytest.fixture(scope="module")
def page() -> list[str]:
    """The lines of the page's examples."""
    return extract_examples(gzip.decompress(PAGE.read_bytes()).decode()).splitlines()


@pytest.fixture(scope="module")
def case() -> list[str]:
    """The lines of the case's transcript."""
    _, _, body = CASE.read_text().partition("\n\n")
    return [line[4:] for line in body.splitlines() if line.startswith("    ")]


def commands(lines: list[str]) -> list[str]:
    """Take the commands out of a transcript: lines behind a prompt, without the guard that a case may put before it."""
    return [found[1] for line in lines if (found := COMMAND.fullmatch(line))]


def test_the_case_has_the_commands_of_the_page(page: list[str], case: list[str]) -> None:
    """Every command of the page is in the case, verbatim and in order, and no other one but ours."""
    printed = commands(page)

    assert len(printed) == 16
    assert [command for command in commands(case) if command not in OURS] == printed


def test_the_case_has_the_output_of_the_page(page: list[str], case: list[str]) -> None:
    """What the page prints and what does not depend on the time of day is expected to the letter."""
    printed = {line for line in page if re.match(r"monotonic |boottime |bash: |time:", line)}
    expected = {re.sub(r"^\([^)]*\) ", "", line) for line in case}

    assert len(printed) == 7
    assert printed <= expected


def test_every_clock_of_the_page_is_in_the_case(page: list[str], case: list[str]) -> None:
    """The rows of the clocks differ from the page's in what follows the name only."""
    rows = [line.partition(":")[0] for line in page if line.startswith("CLOCK_")]
    expected = [line.partition(":")[0] for line in case if "allowed" not in line and "CLOCK_" in line]

    assert [row.rpartition(") ")[2] for row in expected] == rows
