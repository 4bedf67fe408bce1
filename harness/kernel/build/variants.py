# SPDX-License-Identifier: GPL-2.0-only
"""Read variants of a kernel: a fragment ``variant-NAME.config`` whose first lines say what it needs beside options.

    # fragments: lockdep kasan     other fragments that belong to it
    # make: LLVM=1                 compiler and linker
    # append: page_owner=on        parameters for the kernel
    # requires: CONFIG_KCSAN       options without which a kernel does not have the variant
    # processors: 2                processors of its machines

These lines stand above everything else; each is optional. Other options of a shipped variant that a kernel does not
grant are noted; all options of a user's own fragment must be granted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.base.errors import UsageError
from harness.kernel.build.options import check_choice
from harness.kernel.config.fragment import parse_fragment
from harness.kernel.config.fragment_files import find_named_fragment, fragment_names
from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig
from harness.model.variant import PLAIN, Variant

_PREFIX = "variant-"
_SUFFIX = ".config"
_HEADER = re.compile(r"# (fragments|make|append|requires|processors): *(\S.*)")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,30}")


def variant_names(suite: SuiteConfig = NO_SUITE) -> tuple[str, ...]:
    """Return the names of the variants that ship with the harness and with a suite, sorted."""
    return tuple(name.removeprefix(_PREFIX) for name in fragment_names(suite) if name.startswith(_PREFIX))


def read_variants(argument: str, suite: SuiteConfig = NO_SUITE) -> tuple[Variant, ...]:
    """Read the variants of ``--variants``: names and paths of fragments, joined by commas.

    :param argument: the argument; empty for none.
    :param suite: the suite, which may have variants of its own.
    :raises UsageError: no such variant or file, a line of a file is invalid, or a name occurs twice.
    """
    found: dict[str, Variant] = {}
    for word in filter(None, map(str.strip, argument.split(","))):
        one = _read(word, suite)
        if one.name in found:
            raise UsageError(
                f"--variants {argument}: {one.name} occurs twice",
                remedy="name each variant once; a file is called by its name without variant- and .config",
            )
        found[one.name] = one
    if argument and not found:
        raise UsageError(f"--variants {argument!r}: no variant", remedy=f"name some of: {_listed(suite)}")
    return tuple(found.values())


def _read(word: str, suite: SuiteConfig) -> Variant:
    is_path = "/" in word or word.endswith(_SUFFIX)
    path = Path(word).absolute() if is_path else find_named_fragment(f"{_PREFIX}{word}", suite)
    if path is None:
        raise UsageError(
            f"no variant {word}",
            evidence=f"variants: {_listed(suite)}",
            remedy=f"name one of these, or ./{word}.config",
        )
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"the fragment of the variant {word} cannot be read",
            evidence=str(error),
            remedy=f"give the path of a config fragment, or name one of: {_listed(suite)}",
        ) from None
    name = path.name.removesuffix(_SUFFIX).removeprefix(_PREFIX)
    if not _NAME.fullmatch(name) or name == PLAIN:
        raise UsageError(
            f"{word}: {name!r} cannot be the name of a variant",
            remedy="name the file variant-NAME.config, with letters, digits and ._+- in NAME",
        )
    if parse_fragment(text, name=word).start:
        raise UsageError(
            f"{word} is a whole .config, not a fragment",
            remedy="give the options that differ; --config takes a whole .config for all variants",
        )
    header = _header(text)
    check_choice(header["make"])
    own = str(path) if is_path else f"{_PREFIX}{word}"
    fragments = (*header["fragments"], own)
    processors = header["processors"]
    if processors and not (len(processors) == 1 and re.fullmatch("[1-8]", processors[0])):
        what = f"{word}: # processors: {' '.join(processors)} is not a number from 1 to 8"
        raise UsageError(what, remedy="write for example # processors: 2")
    number = int(processors[0]) if processors else 0
    return Variant(
        name, fragments, header["make"], header["append"], header["requires"], number, is_shipped=not is_path
    )


def _header(text: str) -> dict[str, tuple[str, ...]]:
    """Return the words of the lines at the top that say what the variant needs beside options."""
    found: dict[str, tuple[str, ...]] = {"fragments": (), "make": (), "append": (), "requires": (), "processors": ()}
    for line in text.split("\n"):
        match = _HEADER.fullmatch(line.rstrip())
        if match is None:
            break
        found[match[1]] += tuple(match[2].split())
    return found


def _listed(suite: SuiteConfig) -> str:
    return ", ".join(variant_names(suite))


def require_source(kernels: Sequence[str], variants: Sequence[Variant], *, is_in_place: bool) -> None:
    """Check that variants can be built: a prebuilt kernel has one configuration, and so has the user's own folder.

    :param kernels: arguments KERNEL that are not built from source.
    :param variants: the variants.
    :param is_in_place: whether kernels are built in the user's own folder.
    :raises UsageError: they cannot.
    """
    if not variants:
        return
    if is_in_place:
        raise UsageError(
            "--in-place uses the .config of the tree unchanged, so it takes no --variants",
            remedy="leave out --in-place",
        )
    for kernel in kernels:
        raise UsageError(
            f"--variants: {kernel} is a prebuilt kernel, and variants are built from source",
            remedy="give a source: deb-src:VERSION, series:NAME or a kernel tree",
        )
