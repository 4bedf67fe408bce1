# SPDX-License-Identifier: GPL-2.0-only
"""``harness bisect`` on the command line."""

from __future__ import annotations

from harness.base.errors import ExitStatus
from tests.command_line import call


def test_all_is_accepted_and_not_shown() -> None:
    """It was an option that said what is the default; scripts that give it go on to work."""
    call("bisect", "/nowhere", "--all", "--good", "v1").require_error(ExitStatus.USAGE, "/nowhere")
    assert "--all" not in call("bisect", "--help").text
