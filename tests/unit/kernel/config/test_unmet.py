# SPDX-License-Identifier: GPL-2.0-only
"""Why a config does not grant a request: reading the answers of a tree's Kconfig, and saying them to a person."""

from __future__ import annotations

import pytest

from harness.kernel.config.fragment import OptionRequest, Versions
from harness.kernel.config.unmet import OptionFacts, explain, explain_all, parse_answers


def reason(asked: str, got: str | None, *lines: str, versions: Versions | None = None) -> str:
    """What is said when CONFIG_X was asked for, and the tree says those lines of it."""
    answers = parse_answers(lines)
    request = OptionRequest("CONFIG_X", asked, "my.config:3", f"CONFIG_X={asked}", versions=versions)
    return explain(request, got, answers["CONFIG_X"], version="6.1.192")


def test_an_unmet_dependency_is_named_with_its_value() -> None:
    """All parts that are not met, as options that can be asked for."""
    said = reason(
        "y", None, "option\tX\tbool\tn", "depends\tNET [=n]", "depends\tA [=n] || !B_2 [=y]", "prompt\tNET [=n]"
    )

    assert said == "CONFIG_X: requested y, got n; needs CONFIG_NET [=n] and (CONFIG_A [=n] || !CONFIG_B_2 [=y])"


def test_an_option_that_the_kernel_does_not_know_is_named_as_such() -> None:
    """The reason says so."""
    line = "option\tX\tunknown\t"

    assert reason("y", None, line) == "CONFIG_X: Linux 6.1.192 has no such option"


@pytest.mark.parametrize(
    ("asked", "got", "lines", "why"),
    [
        (
            "n",
            "y",
            ["selected\tA [=y] && B [=y]", "selected\tC [=y]"],
            "selected by CONFIG_A [=y] && CONFIG_B [=y] or CONFIG_C [=y]",
        ),
        ("y", "n", ["prompt\t", "choice\tY"], "the same choice is set to CONFIG_Y"),
        ("y", None, [], "it has no prompt: only other options set it"),
        ("n", "y", ["prompt\tEXPERT [=n]"], "its prompt needs CONFIG_EXPERT [=n]"),
        ("n", "y", ["prompt\tEXPERT [=n]", "prompt\t"], "its type is bool"),
        ("9", "8", ["prompt\t", "range\t[2 8]"], "valid range [2 8]"),
        ('"a"', "y", ["prompt\t"], "its type is bool"),
    ],
)
def test_each_other_reason_has_words(asked: str, got: str | None, lines: list[str], why: str) -> None:
    """Selected, another of a choice, no prompt, a prompt that is not seen, a range, a type."""
    assert reason(asked, got, "option\tX\tbool\tn", *lines).partition("; ")[2] == why


def test_the_evidence_names_the_line_and_then_the_reason() -> None:
    """What a person reads last is why."""
    request = OptionRequest("CONFIG_X", "y", "my.config:3", "CONFIG_X=m")
    answers = {"CONFIG_X": OptionFacts("CONFIG_X", "bool", depends=("CONFIG_Y [=n]",))}

    assert explain_all({request: None}, answers, version="6.1") == (
        "my.config:3: CONFIG_X=m\n    CONFIG_X: requested y, got n; needs CONFIG_Y [=n]"
    )


@pytest.mark.parametrize("line", ["depends\tA [=n]", "option", "option\tX", "nonsense\tX", ""])
def test_what_is_no_answer_is_refused(line: str) -> None:
    """An untrusted Kconfig may print any line."""
    with pytest.raises(ValueError, match="invalid answer"):
        parse_answers([line])


def test_a_strange_line_after_an_option_is_refused() -> None:
    """Also where an answer could stand."""
    with pytest.raises(ValueError, match="invalid answer"):
        parse_answers(["option\tX\tbool\tn", "surprise\tX"])
