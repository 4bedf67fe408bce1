"""Lines of a display: plain text with a tone, which a terminal shows as a colour and a log file does not show.

Pure.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from harness.report.text import fold

FACT_WIDTH = 14


class Tone(Enum):
    """What a line, or its beginning, says of itself; never the only thing that says it."""

    PLAIN = auto()
    STRONG = auto()
    FAINT = auto()
    GOOD = auto()
    BAD = auto()
    WARNING = auto()


class Line(NamedTuple):
    """One line of a display, without its end. (A NamedTuple, as it costs a sixth of a dataclass when imported.)

    :param text: plain text (see ``report/text.py``).
    :param tone: of the first ``lead`` characters, of the whole line when that is 0.
    """

    text: str
    tone: Tone = Tone.PLAIN
    lead: int = 0


def fold_line(line: Line, width: int, *, indent: int = 0) -> list[Line]:
    """The line, indented, as lines of at most ``width`` columns; not folded when ``width`` is 0."""
    if not width:
        return [Line(" " * indent + line.text if line.text else "", line.tone)]
    texts = fold(line.text.expandtabs(), max(8, width - indent))
    return [Line(" " * indent + text if text else "", line.tone) for text in texts]


def fact_lines(name: str, fact: str, width: int, *, tone: Tone = Tone.FAINT) -> list[Line]:
    """A name and what is to be said of it, beside each other; nothing when there is nothing to be said."""
    if not fact.strip():
        return []
    first, *rest = fold(fact.strip(), max(20, width - FACT_WIDTH))
    beginning = f"{name:<{FACT_WIDTH - 2}}  "
    return [Line(beginning + first, tone, lead=len(name)), *(Line(" " * len(beginning) + text) for text in rest)]
