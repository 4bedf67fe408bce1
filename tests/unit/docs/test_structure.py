# SPDX-License-Identifier: GPL-2.0-only
"""The form of README, pages and decisions."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from harness.base import paths

DOCS = paths.ROOT / "docs"
README = paths.ROOT / "README.md"
ROOT_PAGES = [README, paths.ROOT / "CONTRIBUTING.md", paths.ROOT / "SECURITY.md"]
DECISIONS = sorted((DOCS / "explanation" / "decisions").glob("[0-9]*.md"))
MOST_LINES = 150
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
_HEAD = re.compile(r"# (\d{4}): (.+)\n\n\| date \| status \|\n\|---\|---\|\n\| (\S+) \| (.+) \|\n\n")
_STATUS = re.compile(r"accepted(; revised \d{4}-\d\d-\d\d)?|superseded by \d{4}")


def test_the_readme_is_short() -> None:
    """A reader takes it in at once."""
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", [*ROOT_PAGES, *sorted(DOCS.rglob("*.md"))], ids=lambda path: path.name)
def test_each_link_leads_somewhere(path: Path) -> None:
    """Relative links are to files that exist, as GitHub follows them."""
    targets = [target for target in _LINK.findall(path.read_text(encoding="utf-8")) if "://" not in target]

    assert not [target for target in targets if not (path.parent / target).exists()]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.name)
def test_a_decision_has_number_title_date_and_status(path: Path) -> None:
    """The number is that of the file's name; the date is one."""
    found = _HEAD.match(path.read_text(encoding="utf-8"))

    assert found
    number, title, date, status = found.groups()
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower().replace("`", "")).strip("-")
    assert path.stem == f"{number}-{slug}"
    assert datetime.date.fromisoformat(date)
    assert _STATUS.fullmatch(status)


def test_decisions_are_numbered_without_a_gap() -> None:
    """A number names one decision."""
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
