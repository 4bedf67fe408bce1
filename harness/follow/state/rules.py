# SPDX-License-Identifier: GPL-2.0-only
"""Find the rule that a series is tested by: by path, list, author, keyword. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from harness.follow.state.config import Pattern, Rule


@dataclass(frozen=True, slots=True)
class SeriesFacts:
    """What rules look at.

    :param files: the files that the patches touch.
    :param lists: the lists and addresses that it was sent to.
    :param author: the address of the sender.
    :param subjects: the subject of the cover letter and of each patch.
    """

    files: tuple[str, ...]
    lists: tuple[str, ...]
    author: str
    subjects: tuple[str, ...]


def find_rule(rules: Iterable[Rule], facts: SeriesFacts) -> Rule | None:
    """Return the first rule that matches; None if none does."""
    return next((one for one in rules if _matches(one, facts)), None)


def _matches(rule: Rule, facts: SeriesFacts) -> bool:
    wanted, unwanted = _criteria(rule.wanted, facts), _criteria(rule.unwanted, facts)
    return all(found is not False for found in wanted) and not any(unwanted)


def _criteria(pattern: Pattern, facts: SeriesFacts) -> tuple[bool | None, ...]:
    """Return for each criterion whether it holds; None for one that the pattern does not have."""
    lists = [_list_name(one) for one in facts.lists]
    subjects = [one.lower() for one in facts.subjects]
    return (
        any(_is_path(one, file) for one in pattern.paths for file in facts.files) if pattern.paths else None,
        any(fnmatchcase(name, _list_name(one)) for one in pattern.lists for name in lists) if pattern.lists else None,
        any(fnmatchcase(facts.author.lower(), one.lower()) for one in pattern.authors) if pattern.authors else None,
        any(one.lower() in text for one in pattern.keywords for text in subjects) if pattern.keywords else None,
    )


def _is_path(pattern: str, file: str) -> bool:
    return file.startswith(pattern) if pattern.endswith("/") else fnmatchcase(file, pattern)


def _list_name(text: str) -> str:
    """Return a list as its List-Id names it: ``NAME.vger.kernel.org`` for its address, too."""
    return text.lower().replace("@", ".")
