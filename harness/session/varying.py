# SPDX-License-Identifier: GPL-2.0-only
"""Match tokens of an example that differ from run to run, and lines that contain them. Pure.

A token such as ``20124`` or ``0:32`` stands for texts of its shape: each run of digits matches any run of digits, the
rest is literal. A token is found in a text only where it does not touch another letter or digit: ``7`` is found in
``7:memory``, but neither in ``17`` nor in ``/sub7``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

ELLIPSIS = "..."


@dataclass(frozen=True, slots=True)
class Bindings:
    """The texts of a transcript's tokens in this run: learned one by one, never changed.

    :param tokens: the transcript's ``varies``.
    :param texts: the text of each token, in the same order; None for a token that has not been learned.
    """

    tokens: tuple[str, ...] = ()
    texts: tuple[str | None, ...] = ()

    @classmethod
    def none_of(cls, tokens: Sequence[str]) -> Bindings:
        """Return the bindings at the start of a run: no token has been learned."""
        return cls(tuple(tokens), (None,) * len(tokens))

    def text_of(self, token: str) -> str | None:
        """Return the text of a token; None if it has not been learned."""
        return self.learned.get(token)

    @property
    def learned(self) -> Mapping[str, str]:
        """Return the texts of the tokens that have been learned."""
        return {token: text for token, text in zip(self.tokens, self.texts, strict=True) if text is not None}

    def learn(self, seen: Sequence[tuple[str, str]]) -> Bindings | None:
        """Return the bindings with more pairs of token and text; None if a pair contradicts them."""
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
    """The pattern of an expected line.

    :param text: the line of the transcript, without white space at its end.
    :param expression: the regular expression if the text has tokens or ends in an ellipsis; else None.
    :param tokens: the tokens in the order of the expression's groups.
    """

    text: str
    expression: re.Pattern[str] | None = None
    tokens: tuple[str, ...] = ()

    def match(self, line: str) -> tuple[tuple[str, str], ...] | None:
        """Match a line, and return its tokens with their texts; None if the line does not match."""
        if self.expression is None:
            return () if line == self.text else None
        found = self.expression.fullmatch(line)
        return tuple(zip(self.tokens, found.groups(), strict=True)) if found else None


@dataclass(frozen=True, slots=True)
class LineParts:
    """An expected line, divided.

    :param literals: the texts before, between and after the tokens; one more than there are tokens.
    :param tokens: the tokens, in the order of the line.
    :param gap: the white space before an ellipsis; None if the line does not end in one.
    """

    literals: tuple[str, ...]
    tokens: tuple[str, ...]
    gap: str | None


def divide_line(text: str, tokens: tuple[str, ...]) -> LineParts:
    """Divide an expected line at its tokens and at an ellipsis at its end."""
    text = text.rstrip()
    whole = text.removesuffix(ELLIPSIS)
    body = whole.rstrip() if text.endswith(ELLIPSIS) else text
    literals: list[str] = []
    found: list[str] = []
    at = 0
    for start, token in find_tokens(body, tokens):
        literals.append(body[at:start])
        found.append(token)
        at = start + len(token)
    gap = whole[len(body) :] if text.endswith(ELLIPSIS) else None
    return LineParts((*literals, body[at:]), tuple(found), gap)


@lru_cache(maxsize=4096)
def line_pattern(text: str, tokens: tuple[str, ...]) -> LinePattern:
    """Make the pattern of one expected line; an ellipsis at its end stands for the rest of the line, maybe empty."""
    text = text.rstrip()
    parts = divide_line(text, tokens)
    if not parts.tokens and parts.gap is None:
        return LinePattern(text)
    first, *others = map(re.escape, parts.literals)
    pieces = [first]
    for token, literal in zip(parts.tokens, others, strict=True):
        pieces += [_shape(token), literal]
    if parts.gap is not None:
        # White space at the end of a line is never compared, nor is that in front of an empty ellipsis.
        pieces.append(f"(?:{re.escape(parts.gap)}.*)?" if parts.gap else ".*")
    return LinePattern(text, re.compile("".join(pieces)), parts.tokens)


def find_tokens(text: str, tokens: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
    """Find tokens in a text, from left to right, as (offset, token); of two at one offset, the longer one."""
    if not tokens:
        return ()
    return tuple((found.start(), found.group()) for found in _finder(tokens).finditer(text))


def substitute(text: str, bindings: Bindings) -> str:
    """Replace tokens by the texts of this run; a token that has not been learned is kept."""
    return _replace(text, bindings.learned)


def unlearned(text: str, bindings: Bindings) -> tuple[str, ...]:
    """Return the tokens of a text that have not been learned, each once, in the order of the text."""
    found = (token for _, token in find_tokens(text, bindings.tokens) if bindings.text_of(token) is None)
    return tuple(dict.fromkeys(found))


def restore(text: str, bindings: Bindings) -> str:
    """Replace the texts of this run by the example's tokens: the inverse of :func:`substitute`.

    If two tokens stand for the same text, the first one in the transcript's ``varies`` is used.
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
