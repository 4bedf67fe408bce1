# SPDX-License-Identifier: GPL-2.0-only
"""The examples printed in a manual page, from its source. Pure."""

from __future__ import annotations

import re

# groff_char(7) and groff(7); what is not here is printed by its name, so that it shows.
_CHARACTERS = {
    "aq": "'",
    "dq": '"',
    "ga": "`",
    "ha": "^",
    "ti": "~",
    "rs": "\\",
    "at": "@",
    "sh": "#",
    "Do": "$",
    "lq": "\u201c",
    "rq": "\u201d",
    "oq": "\u2018",
    "cq": "\u2019",
    "bu": "\u2022",
    "em": "\u2014",
    "en": "\u2013",
    "hy": "-",
    "mi": "-",
    "bv": "|",
    "or": "|",
    "sl": "/",
    "lB": "[",
    "rB": "]",
    "lC": "{",
    "rC": "}",
}
_SINGLE = {"-": "-", "e": "\\", "\\": "\\", "'": "\u00b4", "`": "`", " ": " ", "~": " ", "0": " ", ".": "."}
_ESCAPE = re.compile(
    r'\\(?:"(?P<comment>.*)'
    r"|f(?:\[[^\]]*\]|\(..|.)"
    r"|s[+-]?(?:\[[^\]]*\]|\(..|\d)"
    r"|\[(?P<named>[^\]]*)\]|\((?P<short>..)|[&|^%:/,c]|(?P<single>.))"
)
_FONT_REQUEST = re.compile(r"\.(B|I|R|SB|SM|BI|BR|IB|IR|RB|RI) +(.+)")
_ALTERNATING = frozenset({"BI", "BR", "IB", "IR", "RB", "RI"})
"""Macros that print their words in turn in two fonts, with nothing between."""


def extract_examples(roff: str) -> str:
    """Take the examples (``.EX`` to ``.EE``) out of a manual page.

    :param roff: the page's source, in the man(7) macros.
    :returns: the text of the examples as a terminal shows it, each line with the indentation that it has within its
        example; an empty line stands between two examples.
    """
    examples: list[list[str]] = []
    inside = False
    for line in roff.split("\n"):
        if line.startswith(".EX"):
            inside = True
            examples.append([])
        elif line.startswith(".EE"):
            inside = False
        elif inside and (text := _printed(line)) is not None:
            examples[-1].append(text)
    return "\n".join("".join(f"{line}\n" for line in example) for example in examples if example)


def _printed(line: str) -> str | None:
    """A line as it is printed; None for a request, which prints nothing."""
    if line.startswith((".", "'")):
        found = _FONT_REQUEST.fullmatch(line)
        if not found:
            return None
        words = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|(\S+)', found[2])]
        line = ("" if found[1] in _ALTERNATING else " ").join(words)
    return _ESCAPE.sub(_character, line).rstrip()


def _character(found: re.Match[str]) -> str:
    name = found["named"] or found["short"]
    if name:
        return _CHARACTERS.get(name, f"[{name}]")
    single = found["single"]
    return _SINGLE.get(single, single) if single else ""
