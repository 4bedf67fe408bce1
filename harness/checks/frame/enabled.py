# SPDX-License-Identifier: GPL-2.0-only
"""Find out whether a config builds an object, from the tree's Makefiles. Pure.

Only what decides most objects is read: ``obj-y``, ``obj-$(CONFIG_X)``, parts of composite objects, and the folders
above. An object whose rule is another one is not known, and is not compiled by the checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

Read = Callable[[str], str | None]
"""Returns the text of a file of the tree; None without such a file."""

_RULE = re.compile(r"(?P<name>[\w.+-]+?)-(?P<when>y|m|objs|\$\(CONFIG_\w+\)|\$\{CONFIG_\w+\})\s*[:+]?=\s*(?P<parts>.*)")
_OPTION = re.compile(r"CONFIG_\w+")
_IFDEF = re.compile(r"\s*(?P<word>ifeq|ifneq|ifdef|ifndef|else|endif)\b(?P<rest>.*)")
_MOST_DEPTH = 6
# Parts of the kernel that the top Makefile or that of the architecture names.
_TOPS = frozenset(
    [
        *("init", "usr", "kernel", "certs", "mm", "fs", "ipc", "security", "crypto", "block", "io_uring", "rust"),
        *("drivers", "sound", "net", "lib", "virt", "samples"),
    ]
)


def is_enabled(read: Read, options: Mapping[str, str], path: str) -> bool:
    """Return whether a config builds an object.

    :param read: reads a file of the tree.
    :param options: the values of the options by name.
    :param path: the object, such as ``kernel/fork.o``.
    """
    folder, _, name = path.rpartition("/")
    return bool(folder) and _is_part(_rules(read, folder), options, name, 0) and _is_reached(read, options, folder)


def options_of(read: Read, path: str) -> frozenset[str]:
    """Return the options that the Makefile of an object's folder names for it."""
    folder, _, name = path.rpartition("/")
    found: set[str] = set()
    wanted, rules = [name], _rules(read, folder)
    for _ in range(_MOST_DEPTH):
        more = []
        for owner, when, parts in rules:
            if set(parts) & set(wanted):
                found.update(_OPTION.findall(when))
                more += [] if owner == "obj" else [f"{owner}.o"]
        wanted = more
    return frozenset(found)


def _rules(read: Read, folder: str) -> list[tuple[str, str, tuple[str, ...]]]:
    text = read(f"{folder}/Kbuild")
    if text is None:
        text = read(f"{folder}/Makefile") or ""
    return list(_parse(text))


def _parse(text: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Yield owner, condition and parts of each rule; a rule within ifdef or ifeq depends on more than is read."""
    depth = 0
    for line in text.replace("\\\n", " ").split("\n"):
        if found := _IFDEF.match(line):
            depth += {"endif": -1, "else": 0}.get(found["word"], 1)
        elif (rule := _RULE.fullmatch(line.partition("#")[0].strip())) and not depth:
            yield rule["name"], rule["when"], tuple(rule["parts"].split())


def _is_part(rules: list[tuple[str, str, tuple[str, ...]]], options: Mapping[str, str], name: str, depth: int) -> bool:
    for owner, when, parts in rules:
        if name not in parts or not _holds(when, options):
            continue
        if owner in ("obj", "lib") or (depth < _MOST_DEPTH and _is_part(rules, options, f"{owner}.o", depth + 1)):
            return True
    return False


def _holds(when: str, options: Mapping[str, str]) -> bool:
    option = _OPTION.search(when)
    return option is None or options.get(option[0], "n") in ("y", "m")


def _is_reached(read: Read, options: Mapping[str, str], folder: str) -> bool:
    """Return whether the Makefiles above a folder lead to it."""
    while "/" in folder:
        above, _, name = folder.rpartition("/")
        if above.startswith("arch"):
            return True  # the Makefile of the architecture has rules of its own
        # A folder two levels below may be named directly: obj-y += a/b/.
        rules, names = _rules(read, above), {f"{name}/"}
        if not _is_folder(rules, options, names):
            upper, _, inner = above.rpartition("/")
            if not upper or not _is_folder(_rules(read, upper), options, {f"{inner}/{name}/"}):
                return False
            above = upper
        folder = above
    return folder in _TOPS


def _is_folder(rules: list[tuple[str, str, tuple[str, ...]]], options: Mapping[str, str], names: set[str]) -> bool:
    return any(owner == "obj" and names & set(parts) and _holds(when, options) for owner, when, parts in rules)
