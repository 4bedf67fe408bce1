# SPDX-License-Identifier: GPL-2.0-only
"""Golden files: what a report looked like when a person last looked at it."""

from __future__ import annotations

import importlib.resources
import os

REWRITE_VARIABLE = "HARNESS_REWRITE_GOLDEN"


def assert_golden(name: str, text: str) -> None:
    """``tests/data/report/<name>`` holds that text.

    With ``HARNESS_REWRITE_GOLDEN=1`` the file is written instead; look at its difference before it is committed.
    """
    with importlib.resources.as_file(importlib.resources.files("tests") / "data" / "report" / name) as file:
        if os.environ.get(REWRITE_VARIABLE):
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{file} differs; {REWRITE_VARIABLE}=1 writes it anew"
