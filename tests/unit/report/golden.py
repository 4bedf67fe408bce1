# SPDX-License-Identifier: GPL-2.0-only
"""Compare reports with golden files, which a person has reviewed."""

from __future__ import annotations

import importlib.resources
import os

REWRITE_VARIABLE = "HARNESS_REWRITE_GOLDEN"


def assert_golden(name: str, text: str) -> None:
    """Check that ``tests/data/report/<name>`` holds a text.

    With ``HARNESS_REWRITE_GOLDEN=1`` the file is written instead; review its diff before committing it.
    """
    with importlib.resources.as_file(importlib.resources.files("tests") / "data" / "report" / name) as file:
        if os.environ.get(REWRITE_VARIABLE):
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8"), f"{file} differs; {REWRITE_VARIABLE}=1 writes it again"
