# SPDX-License-Identifier: GPL-2.0-only
"""The steps of a transcript as a script plays them: what the profile expects, as POSIX regular expressions."""

from __future__ import annotations

import re

import pytest

from harness.base.errors import UsageError
from harness.export.steps import ExportedStep, compile_steps
from harness.session.transcript import parse

TOKENS = ("7", "412")


def steps(body: str, **expected: str) -> tuple[ExportedStep, ...]:
    """Compile the lines of a transcript."""
    used = [token for token in TOKENS if re.search(rf"\b{token}\b", body)]
    varies = f"varies: {' '.join(used)}\n" if used else ""
    text = f"title: t\n{varies}\n" + "".join(f"    {line}\n" for line in body.strip().splitlines())
    return compile_steps(parse(text, path="s/a.session"), expected)


def expressions(body: str, **expected: str) -> list[str]:
    """Return the expressions of the first step."""
    return [one.expression for one in steps(body, **expected)[0].expectations]


def test_literal_text_is_escaped_and_tokens_are_groups() -> None:
    """Characters with a meaning in expressions stand for themselves; each line ends with a newline."""
    [step] = steps("# cat a\n7:freezer:/a.b (x)* [412]")

    assert step.expectations[0].expression == "^(@{7}):freezer:/a\\.b \\(x\\)\\* \\[(@{412})\\]\n$"
    assert step.expectations[0].tokens == ("7", "412")
    assert (step.line, step.console, step.prompt) == (4, "admin", "# ")


def test_token_in_a_command_is_marked() -> None:
    """The script types the number that an output has shown."""
    first, second = steps("# sleep 9 &\n[1] 412\n# kill 412; echo 4120")

    assert first.command == "sleep 9 &"
    assert second.command == "kill @{412}; echo 4120"


def test_ellipses_match_rest_of_line_and_any_lines() -> None:
    """Groups without a token are counted."""
    [step] = steps("# a\nmount: ...\n...\n412")

    assert step.expectations[0].expression == "^mount:( [^\n]*)?\n([^\n]*\n)*(@{412})\n$"
    assert step.expectations[0].tokens == ("-", "-", "412")


def test_profile_decides_between_alternatives() -> None:
    """Only the output of the expected value matches; without a value in the profile each one does."""
    body = "# a\n(view = own) /\n(view = host) /..\n"

    assert expressions(body, view="host") == ["^/\\.\\.\n$"]
    assert expressions(body) == ["^/\n$", "^/\\.\\.\n$"]
    assert expressions(body, view="absent") == []


def test_guarded_command_follows_the_profile() -> None:
    """It is left out under another value, with what depends on it; without a value the case cannot be exported."""
    body = "# a\n(view = own) /\n(view = own)# b\n(deep = yes) 1\n(deep = yes)# c\n# d"
    body = body.replace(")#", ") #")

    assert [step.command for step in steps(body, view="own", deep="yes")] == ["a", "b", "c", "d"]
    assert [step.command for step in steps(body, view="host", deep="yes")] == ["a", "d"]
    with pytest.raises(UsageError, match="cannot be exported") as caught:
        steps(body)
    assert "depends on view" in caught.value.evidence


def test_exit_may_print_its_farewell() -> None:
    """bash prints the word when an interactive shell ends; without output in the file, both match."""
    assert expressions("# exit") == ["^(exit\n)?$"]
    assert expressions("# true") == ["^$"]
