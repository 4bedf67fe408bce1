# SPDX-License-Identifier: GPL-2.0-only
"""The page about the config file lists exactly what a project's file may set."""

from __future__ import annotations

import re

from harness.base import paths
from harness.commands import defaults

PAGE = paths.ROOT / "docs" / "reference" / "config-file.md"


def test_the_page_lists_what_a_project_may_set() -> None:
    """The list in the page is the list in the code."""
    sentence = re.search(r"It may set (.+?);", PAGE.read_text(encoding="utf-8"), re.DOTALL)

    assert sentence
    assert set(re.findall(r"`([a-z-]+)`", sentence[1])) == defaults._PROJECT_KEYS
