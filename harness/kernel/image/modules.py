# SPDX-License-Identifier: GPL-2.0-only
"""Order the modules of a kernel so that each comes after those that it depends on. Pure.

The packages of a distribution have no ``modules.dep``: depmod(8) writes it when they are installed. Each module names
its dependencies itself, in the section ``.modinfo`` (MODULE_INFO of include/linux/moduleinfo.h): ``depends=`` and, for
modules that are only asked for by name at run time, ``softdep=pre:``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_FILE = re.compile(r"(?P<name>[A-Za-z0-9_.-]+?)\.ko(?:\.(?:xz|zst|gz))?")
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")
_SOFT = re.compile(rb"\0softdep=([^\0]*)\0")


def module_name(file: str) -> str:
    """Return the name of the module in a file, as lsmod(8) shows it; empty for a file that is not a module.

    :param file: the name of the file, without folders.
    """
    found = _FILE.fullmatch(file)
    return found["name"].replace("-", "_") if found else ""


def dependencies(module: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the modules that a module names: those that it needs, and those to load before it if they exist.

    :param module: content of the file, not compressed.
    """
    # The section follows others: the byte before its first string is the end of another one, or padding.
    found = _DEPENDS.search(module)
    needed = _names((found[1].decode(errors="replace") if found else "").split(","))
    wanted = []
    for soft in _SOFT.findall(module):
        words = soft.decode(errors="replace").replace("pre:", " pre: ").replace("post:", " post: ").split()
        is_before = False
        for word in words:
            if word.endswith(":"):
                is_before = word == "pre:"
            elif is_before:
                wanted.append(word)
    return needed, _names(wanted)


def load_order(names: Iterable[str], content: Callable[[str], bytes | None]) -> tuple[str, ...]:
    """Return modules in an order in which insmod(8) can load them, with all modules that they depend on.

    :param names: the modules.
    :param content: the content of a module, not compressed; None for a module that the kernel does not have as a file.
        It is left out: it is built in, or the kernel does not have it.
    """
    ordered: list[str] = []
    visited: set[str] = set()

    def visit(name: str) -> None:
        if name in visited:
            return
        visited.add(name)
        module = content(name)
        if module is None:
            return
        needed, wanted = dependencies(module)
        for one in (*wanted, *needed):
            visit(one)
        ordered.append(name)

    for name in names:
        visit(name.replace("-", "_"))
    return tuple(ordered)


def _names(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.strip().replace("-", "_") for word in words if word.strip())
