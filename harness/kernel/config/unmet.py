# SPDX-License-Identifier: GPL-2.0-only
"""Explain why a kernel's config does not grant a request, from facts of the tree's own Kconfig parser. Pure.

``kconfigs/ask.c`` prints the facts and documents their format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from harness.kernel.config.fragment import OptionRequest

_NAME = re.compile(r"\b(\w+)(?= \[=)")
_UNKNOWN = "unknown"
_PREFIX = "CONFIG_"


@dataclass(frozen=True, slots=True)
class OptionFacts:
    """The facts about an option in the Kconfig of a tree; names in expressions begin with ``CONFIG_``.

    :param option: its name.
    :param kind: ``bool``, ``tristate``, ``integer``, ``hex``, ``string``; ``unknown`` when no Kconfig file defines it.
    :param depends: parts of its dependencies that are not met, e.g. ``CONFIG_NET [=n]``.
    :param has_prompt: whether a person or a fragment can set it at all.
    :param hidden: unmet conditions of its prompts; empty when a prompt is visible.
    :param ranges: the valid ranges of a number.
    :param selected: the options that select it now.
    :param rivals: options of the same choice that are set instead.
    """

    option: str
    kind: str
    depends: tuple[str, ...] = ()
    has_prompt: bool = False
    hidden: tuple[str, ...] = ()
    ranges: tuple[str, ...] = ()
    selected: tuple[str, ...] = ()
    rivals: tuple[str, ...] = ()

    @property
    def is_known(self) -> bool:
        """Return whether this kernel has the option."""
        return self.kind != _UNKNOWN


def parse_answers(lines: Iterable[str]) -> dict[str, OptionFacts]:
    """Parse the output of ``kconfigs/ask.c``.

    :return: the facts by option.
    :raises ValueError: a line is invalid.
    """
    found: dict[str, OptionFacts] = {}
    option, seen = "", False
    for line in lines:
        what, *fields = line.split("\t")
        text = _NAME.sub(rf"{_PREFIX}\1", fields[0]) if fields else ""
        if what == "option" and len(fields) > 1:
            option, seen = _PREFIX + fields[0], False
            found[option] = OptionFacts(option, fields[1])
            continue
        answer = found.get(option)
        match what:
            case _ if answer is None or not fields:
                raise ValueError(f"invalid answer of ask.c: {line!r}")
            case "prompt":
                seen = seen or not text
                answer = replace(answer, has_prompt=True, hidden=() if seen else (*answer.hidden, text))
            case "depends":
                answer = replace(answer, depends=(*answer.depends, text))
            case "range":
                answer = replace(answer, ranges=(*answer.ranges, text))
            case "selected":
                answer = replace(answer, selected=(*answer.selected, text))
            case "choice":
                answer = replace(answer, rivals=(*answer.rivals, _PREFIX + text))
            case _:
                raise ValueError(f"invalid answer of ask.c: {line!r}")
        found[option] = answer
    return found


def explain(request: OptionRequest, got: str | None, answer: OptionFacts, *, version: str) -> str:
    """Explain in one clause why a request is not granted: the requested value, the resulting value, and the reason.

    :param got: the value in the finished config; None for an absent option.
    :param answer: the facts about the option.
    :param version: version of the kernel.
    """
    if not answer.is_known:
        return f"{request.option}: Linux {version} has no such option"
    head = f"{request.option}: requested {request.value}, got {'n' if got is None else got}"
    return f"{head}; {_reason(request, answer)}"


def explain_all(unmet: Mapping[OptionRequest, str | None], answers: Mapping[str, OptionFacts], *, version: str) -> str:
    """Render the evidence of an error: each request with its file and line, and below it the reason."""
    parts = [
        f"{request}\n    {explain(request, got, answers[request.option], version=version)}"
        for request, got in unmet.items()
    ]
    return "\n".join(parts)


def _reason(request: OptionRequest, answer: OptionFacts) -> str:
    is_off = request.value == "n"
    if is_off and answer.selected:
        return f"selected by {_either(answer.selected)}"
    if not is_off and answer.depends:
        return f"needs {_all(answer.depends)}"
    if answer.rivals and not is_off:
        return f"the same choice is set to {_all(answer.rivals)}"
    if not answer.has_prompt:
        return "it has no prompt: only other options set it"
    if answer.hidden:
        return f"its prompt needs {_all(answer.hidden)}"
    if answer.ranges:
        return f"valid range {_either(answer.ranges)}"
    return f"its type is {answer.kind}"


def _all(parts: tuple[str, ...]) -> str:
    return " and ".join(dict.fromkeys(f"({part})" if "||" in part and len(parts) > 1 else part for part in parts))


def _either(parts: tuple[str, ...]) -> str:
    return " or ".join(dict.fromkeys(parts))
