# SPDX-License-Identifier: GPL-2.0-only
"""Make lines of a display: plain text with a tone, which a terminal shows as a color.

Pure.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from harness.report.text import fold

FACT_WIDTH = 14


class Tone(Enum):
    """The tone of a line or of its beginning; the text has the same information."""

    PLAIN = auto()
    STRONG = auto()
    FAINT = auto()
    GOOD = auto()
    BAD = auto()
    WARNING = auto()


class Line(NamedTuple):
    """One line of a display, without a newline. (Importing a NamedTuple costs a sixth of a dataclass.)

    :param text: plain text (see ``report/text.py``).
    :param tone: the tone of the first ``lead`` characters.
    :param lead: a number of characters; 0 for the whole line.
    """

    text: str
    tone: Tone = Tone.PLAIN
    lead: int = 0


def fold_line(line: Line, width: int, *, indent: int = 0) -> list[Line]:
    """Indent a line and fold it to at most ``width`` columns; it is not folded if ``width`` is 0."""
    if not width:
        return [Line(" " * indent + line.text if line.text else "", line.tone)]
    texts = fold(line.text.expandtabs(), max(8, width - indent))
    return [Line(" " * indent + text if text else "", line.tone) for text in texts]


def fact_lines(name: str, fact: str, width: int, *, tone: Tone = Tone.FAINT) -> list[Line]:
    """Return a name and a fact side by side, folded to ``width`` columns; nothing if the fact is empty."""
    if not fact.strip():
        return []
    first, *rest = fold(fact.strip(), max(20, width - FACT_WIDTH))
    beginning = f"{name:<{FACT_WIDTH - 2}}  "
    return [Line(beginning + first, tone, lead=len(name)), *(Line(" " * len(beginning) + text) for text in rest)]
