# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness bisect`` as a command."""

from __future__ import annotations

from harness.base.errors import ExitStatus
from tests.command_line import call


def test_all_is_accepted_and_not_in_the_help() -> None:
    """--all, an old option for the default, is accepted; the help does not show it."""
    call("bisect", "/nowhere", "--all", "--good", "v1").require_error(ExitStatus.USAGE, "/nowhere")
    assert "--all" not in call("bisect", "--help").text
