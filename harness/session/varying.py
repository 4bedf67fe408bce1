"""The tokens of an example that differ from run to run, and lines that hold them. Pure.

A token such as ``20124`` or ``0:32`` stands for its own shape: each run of digits is any run of digits, the rest is
literal. In a text it is found only where it does not touch another letter or digit: ``7`` is in ``7:memory`` and
neither in ``17`` nor in ``/sub7``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class Bindings:
    """What the tokens of a transcript stand for in this run: learned token by token, never changed.

    :param tokens: the transcript's ``varies``.
    :param texts: what each token stands for, in the same order; None where it has not been learned.
    """

    tokens: tuple[str, ...] = ()
    texts: tuple[str | None, ...] = ()

    @classmethod
    def none_of(cls, tokens: Sequence[str]) -> Bindings:
        """The start of a run: nothing is known of any token."""
        return cls(tuple(tokens), (None,) * len(tokens))

    def text_of(self, token: str) -> str | None:
        """What the token stands for; None where it has not been learned."""
        return self.learned.get(token)

    @property
    def learned(self) -> Mapping[str, str]:
        """The tokens that are known, with what they stand for."""
        return {token: text for token, text in zip(self.tokens, self.texts, strict=True) if text is not None}

    def learn(self, seen: Sequence[tuple[str, str]]) -> Bindings | None:
        """Take over pairs of token and text; None where one contradicts what is known."""
        texts = self.texts
        for token, text in seen:
            place = self.tokens.index(token)
            known = texts[place]
            if known is None:
                texts = (*texts[:place], text, *texts[place + 1 :])
            elif known != text:
                return None
        return self if texts is self.texts else Bindings(self.tokens, texts)


@dataclass(frozen=True, slots=True)
class LinePattern:
    """An expected line that can be held against a line that was seen.

    :param text: as the transcript has it, white space at the end taken away.
    :param expression: the regular expression where the text holds tokens or ends in an ellipsis; else None.
    :param tokens: the tokens in the order of the expression's groups.
    """

    text: str
    expression: re.Pattern[str] | None = None
    tokens: tuple[str, ...] = ()

    def match(self, line: str) -> tuple[tuple[str, str], ...] | None:
        """Hold a line against the pattern: the tokens with what they stand for there; None where it does not fit."""
        if self.expression is None:
            return () if line == self.text else None
        found = self.expression.fullmatch(line)
        return tuple(zip(self.tokens, found.groups(), strict=True)) if found else None


@lru_cache(maxsize=4096)
def line_pattern(text: str, tokens: tuple[str, ...]) -> LinePattern:
    """Make the pattern of one expected line; an ellipsis at its end stands for the rest of the line, also none."""
    text = text.rstrip()
    open_end = text.endswith(ELLIPSIS)
    whole = text.removesuffix(ELLIPSIS) if open_end else text
    body = whole.rstrip()
    pieces: list[str] = []
    found: list[str] = []
    at = 0
    for start, token in find_tokens(body, tokens):
        pieces += [re.escape(body[at:start]), _shape(token)]
        found.append(token)
        at = start + len(token)
    if not found and not open_end:
        return LinePattern(text)
    pieces.append(re.escape(body[at:]))
    if open_end:
        # White space at the end of a line never counts, so neither does that in front of an ellipsis of nothing.
        gap = whole[len(body) :]
        pieces.append(f"(?:{re.escape(gap)}.*)?" if gap else ".*")
    return LinePattern(text, re.compile("".join(pieces)), tuple(found))


def find_tokens(text: str, tokens: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """Find tokens in a text, from left to right, the longest where two start at one place: (offset, token)."""
    if not tokens:
        return ()
    return tuple((found.start(), found.group()) for found in _finder(tokens).finditer(text))


def substitute(text: str, bindings: Bindings) -> str:
    """Put what this run has learned in the place of the tokens; a token that has not been learned stays."""
    return _replace(text, bindings.learned)


def unlearned(text: str, bindings: Bindings) -> tuple[str, ...]:
    """The tokens of a text that this run has not learned, each once, in the order of the text."""
    found = (token for _, token in find_tokens(text, bindings.tokens) if bindings.text_of(token) is None)
    return tuple(dict.fromkeys(found))


def restore(text: str, bindings: Bindings) -> str:
    """Put the example's tokens in the place of what they stand for: the way back from :func:`substitute`.

    Where two tokens stand for the same text the first one of the transcript's ``varies`` is taken.
    """
    back: dict[str, str] = {}
    for token, known in bindings.learned.items():
        back.setdefault(known, token)
    return _replace(text, back)


def _replace(text: str, replacements: Mapping[str, str]) -> str:
    if not replacements:
        return text
    return _finder(tuple(replacements)).sub(lambda found: replacements[found.group()], text)


@lru_cache(maxsize=256)
def _finder(tokens: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(tokens, key=lambda token: (-len(token), token))
    return re.compile("|".join(_standing_alone(token, re.escape(token)) for token in longest_first))


def _shape(token: str) -> str:
    digits_or_not = re.split(r"([0-9]+)", token)
    shape = "".join("[0-9]+" if i % 2 else re.escape(part) for i, part in enumerate(digits_or_not))
    return _standing_alone(token, f"({shape})")


def _standing_alone(token: str, expression: str) -> str:
    before = r"(?<![^\W_])" if token[0].isalnum() else ""
    after = r"(?![^\W_])" if token[-1].isalnum() else ""
    return f"{before}{expression}{after}"
