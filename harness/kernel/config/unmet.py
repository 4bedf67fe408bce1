"""Why a kernel's config does not grant what was asked of it, from what the tree's own Kconfig parser says. Pure.

The answers are those of ``kconfigs/ask.c``; their format is described there.
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
    """What the Kconfig of a tree says about an option; names in expressions begin with ``CONFIG_``.

    :param kind: ``bool``, ``tristate``, ``integer``, ``hex``, ``string``; ``unknown`` when no Kconfig file defines it.
    :param depends: parts of its dependencies that are not met, e.g. ``CONFIG_NET [=n]``.
    :param has_prompt: whether a person, or a fragment, can set it at all.
    :param hidden: what its prompts need to be seen, as far as it is not met; empty when one is seen.
    :param ranges: numbers that may be given. :param selected: what switches it on now.
    :param rivals: options that the same choice has taken instead.
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
        """Whether this kernel has the option."""
        return self.kind != _UNKNOWN


def parse_answers(lines: Iterable[str]) -> dict[str, OptionFacts]:
    """Read what ``kconfigs/ask.c`` wrote, by option.

    :raises ValueError: a line is none of its answers.
    """
    found: dict[str, OptionFacts] = {}
    option, seen = "", False
    for line in lines:
        what, *words = line.split("\t")
        text = _NAME.sub(rf"{_PREFIX}\1", words[0]) if words else ""
        if what == "option" and len(words) > 1:
            option, seen = _PREFIX + words[0], False
            found[option] = OptionFacts(option, words[1])
            continue
        answer = found.get(option)
        match what:
            case _ if answer is None or not words:
                raise ValueError(f"no answer about an option: {line!r}")
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
                raise ValueError(f"no answer about an option: {line!r}")
        found[option] = answer
    return found


def explain(request: OptionRequest, got: str | None, answer: OptionFacts, *, version: str) -> str:
    """One sentence: what was asked, what came of it, and why.

    :param got: the value in the finished config; None when the option is absent.
    :param version: the kernel's, for an option that it does not know.
    """
    if not answer.is_known:
        marked = f"; versions {request.versions} are said to have it" if request.versions else ""
        return f"{request.option}: Linux {version} knows no such option{marked}"
    head = f"{request.option}: asked {request.value}, got {'n' if got is None else got}"
    return f"{head}; {_reason(request, answer)}"


def explain_all(unmet: Mapping[OptionRequest, str | None], answers: Mapping[str, OptionFacts], *, version: str) -> str:
    """The evidence of an error: each request with its place, and below it the reason why it is not met."""
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
        return f"the same choice has taken {_all(answer.rivals)}"
    if not answer.has_prompt:
        return "it cannot be asked for, only other options set it"
    if answer.hidden:
        return f"it can be set only with {_all(answer.hidden)}"
    if answer.ranges:
        return f"it may be {_either(answer.ranges)}"
    return f"it is of type {answer.kind}"


def _all(parts: tuple[str, ...]) -> str:
    return " and ".join(dict.fromkeys(f"({part})" if "||" in part and len(parts) > 1 else part for part in parts))


def _either(parts: tuple[str, ...]) -> str:
    return " or ".join(dict.fromkeys(parts))
