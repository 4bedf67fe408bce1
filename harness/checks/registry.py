# SPDX-License-Identifier: GPL-2.0-only
"""List all checks, and choose some by name."""

from __future__ import annotations

import difflib

from harness.base.errors import UsageError
from harness.checks.abi import documented, exports, uapi_types
from harness.checks.builds import (
    all_modules,
    clang,
    extra_warnings,
    kconfig,
    no_options,
    sparse,
    uapi_headers,
    warnings,
    x86_32,
)
from harness.checks.cost import size, stack, structs
from harness.checks.frame.check import Check, Group
from harness.checks.text import (
    abi_files,
    checkpatch,
    doc_links,
    fixes,
    kernel_doc,
    links,
    maintainers,
    prefix,
    signoff,
    spelling,
    stable,
    trailers,
)

ALL = "all"
"""The argument for all checks."""
CHECKS: tuple[Check, ...] = (
    checkpatch.CHECK,
    fixes.CHECK,
    signoff.CHECK,
    stable.CHECK,
    trailers.CHECK,
    links.CHECK,
    prefix.CHECK,
    maintainers.CHECK,
    kernel_doc.CHECK,
    spelling.CHECK,
    doc_links.CHECK,
    abi_files.CHECK,
    uapi_types.CHECK,
    exports.CHECK,
    documented.CHECK,
    warnings.CHECK,
    size.CHECK,
    extra_warnings.CHECK,
    stack.CHECK,
    structs.CHECK,
    uapi_headers.CHECK,
    sparse.CHECK,
    clang.CHECK,
    kconfig.CHECK,
    no_options.CHECK,
    all_modules.CHECK,
    x86_32.CHECK,
)
"""Every check, in the order in which they run: the quick ones first."""


def choose_checks(argument: str) -> tuple[Check, ...]:
    """Return the checks that an argument names.

    :param argument: names of checks or groups, separated by commas; ``-NAME`` leaves one out; ``all`` or empty for all.
    :raises UsageError: no such check.
    """
    words = [word.strip() for word in argument.split(",") if word.strip()] or [ALL]
    if words[0].startswith("-"):
        words.insert(0, ALL)
    chosen: set[str] = set()
    for word in words:
        names = _named(word.removeprefix("-"))
        chosen = chosen - names if word.startswith("-") else chosen | names
    return tuple(one for one in CHECKS if one.name in chosen)


def further_checks(argument: str | None) -> tuple[Check, ...]:
    """Return the checks for ``harness series``, which runs checkpatch.pl and reports compiler warnings by itself.

    :param argument: as of :func:`choose_checks`; None for no checks.
    :raises UsageError: no such check.
    """
    own = (checkpatch.CHECK, warnings.CHECK)
    return () if argument is None else tuple(one for one in choose_checks(argument) if one not in own)


def _named(word: str) -> set[str]:
    if word == ALL:
        return {one.name for one in CHECKS}
    found = {one.name for one in CHECKS if word in (one.name, one.group.value)}
    if not found:
        known = [ALL, *Group, *(one.name for one in CHECKS)]
        near = difflib.get_close_matches(word, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"--checks {word}: no such check", remedy=f"{hint}'harness checks --list' shows all")
    return found
