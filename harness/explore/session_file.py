# SPDX-License-Identifier: GPL-2.0-only
"""Write a divergence as a session file, with the answers of both sides: a case that can be run and posted. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from harness.explore.model import ANSWER, SEPARATOR, Divergence

_WIDTH = 110
_QUOTE = "'\\''"


def session_text(
    divergence: Divergence,
    expected: Sequence[tuple[str, ...]],
    *,
    command: str,
    headers: Sequence[tuple[str, str]],
    sides: tuple[str, str],
    source: str,
) -> str:
    """Return the text of a session file that shows a divergence.

    :param expected: the expected answers of each operation.
    :param command: the guest program.
    :param headers: the headers of the suite that prepare the machine.
    :param sides: who expects, and who differs: the model by a profile, or a kernel.
    :param source: how it was found.
    """
    last = divergence.operations[-1]
    lines = [f"title: explored: {last}", *(f"{name}: {value}" for name, value in headers), f"source: {source}", ""]
    wanted = " or ".join(divergence.expected) or "any answer"
    got = divergence.problem or divergence.answer
    lines += textwrap.wrap(f"The last line is the finding. {sides[0]}: {wanted}. {sides[1]}: {got}.", _WIDTH)
    lines += ["", *_command(command, divergence.operations)]
    for operation, answers in zip(divergence.operations, expected, strict=False):
        lines.append(f"    {operation}{ANSWER}{answers[0] if len(answers) == 1 else '...'}")
    if divergence.problem and divergence.evidence:
        lines += ["", "The kernel log:", "", *(f"| {line}" for line in divergence.evidence.splitlines())]
    return "\n".join(lines) + "\n"


def _command(command: str, operations: Sequence[str]) -> list[str]:
    """Return the command line; a long one continues in lines of some operations each."""
    quoted = SEPARATOR.join(operations).replace("'", _QUOTE)
    whole = f"    # {command} '{quoted}'"
    if len(whole) <= _WIDTH:
        return [whole]
    parts = textwrap.wrap(quoted, _WIDTH - 10, break_long_words=False, break_on_hyphens=False)
    return [f"    # {command} '{parts[0]}", *(f"    > {part}" for part in parts[1:-1]), f"    > {parts[-1]}'"]
