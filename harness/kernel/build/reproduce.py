"""The script that builds a kernel again without the harness. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIG, SERIES, SCRIPT = "config", "series.mbox", "reproduce.sh"
"""Names of the files: the script wants the other two beside it, the mailbox only when there is a series."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides an image.

    :param described: the source, for humans. :param base: its commit. :param tree: the git tree hash of what was built.
    :param subjects: of the patches, in order. :param toolchain: what compiler and linker say of their versions.
    :param environment: what make found set. :param words: of make, without tree and output.
    :param headers: files that the output folder held before, by their place in it, and their text.
    :param image: the image's place below the output folder. :param digest: its sha256.
    """

    described: str
    base: str
    tree: str
    subjects: Sequence[str]
    toolchain: str
    environment: Mapping[str, str]
    words: Sequence[str]
    image: str
    digest: str
    headers: Sequence[tuple[str, str]] = ()


def render_script(recipe: Recipe) -> str:
    """A POSIX shell script."""
    patches = [f"{number}. {subject}" for number, subject in enumerate(recipe.subjects, 1)]
    applied = [f"with {len(patches)} patches, applied by: git am {SERIES}", *patches] if patches else []
    about = "\n".join(
        f"#   {_plain(line)}"
        for line in (recipe.described, f"commit {recipe.base}", *applied, "built with", *recipe.toolchain.splitlines())
    )
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in sorted(recipe.environment.items()))
    words = shlex.join(recipe.words)
    headers = "".join(_header(name, text) for name, text in recipe.headers)
    return f"""\
#!/bin/sh
# Builds the kernel beside which this file lies once more, with make alone.
#
#   sh {SCRIPT} TREE OUTPUT
#
# TREE is a kernel tree at the state below, OUTPUT a folder for the build. It runs whatever the tree's Makefiles say,
# as you: the harness had shut it in. Kernels before 4.20 hold the path of TREE: put it at /src and OUTPUT at /out then.
#
{about}
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "${{1:?TREE}}" && pwd)
mkdir -p "${{2:?OUTPUT}}"
output=$(cd "$2" && pwd)

found=$(git -C "$tree" rev-parse 'HEAD^{{tree}}' 2>/dev/null || true)
[ "$found" = {recipe.tree} ] || echo "warning: TREE is not at git tree {recipe.tree}" >&2

{exports}
cp "$here/{CONFIG}" "$output/.config"
{headers}make -C "$tree" O="$output" -j"$(nproc)" {words}

echo {recipe.digest} "" "$output/{recipe.image}" | sha256sum -c -
"""


def _header(name: str, text: str) -> str:
    """The lines that write a header into the output folder."""
    folder = shlex.quote(name.rpartition("/")[0])
    return f'mkdir -p "$output"/{folder}\nprintf %s {shlex.quote(text)} >"$output"/{shlex.quote(name)}\n'


def _plain(line: str) -> str:
    """A line without what would end it: a subject is a stranger's text."""
    return "".join(letter if letter.isprintable() else " " for letter in line)
