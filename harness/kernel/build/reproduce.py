# SPDX-License-Identifier: GPL-2.0-only
"""Render the script that reproduces a build without the harness. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIG, SERIES, SCRIPT = "config", "series.mbox", "reproduce.sh"
"""Names of the files; the script needs the other two beside it, the mailbox only for a build with a series."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The inputs that determine an image.

    :param described: the source, for people.
    :param base: its commit.
    :param tree: the git tree hash of the built files.
    :param subjects: the subjects of the patches, in order.
    :param toolchain: the version lines of compiler and linker.
    :param environment: the environment variables of make.
    :param words: the arguments of make, without tree and output.
    :param image: path of the image below the output folder.
    :param digest: sha256 of the image.
    :param headers: path below the output folder and text of each file that is written there before the build.
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
    """Render the POSIX shell script."""
    patches = [f"{number}. {subject}" for number, subject in enumerate(recipe.subjects, 1)]
    applied = [f"with {len(patches)} patches, applied by: git am {SERIES}", *patches] if patches else []
    about = "\n".join(
        f"#   {_plain(line)}"
        for line in (recipe.described, f"commit {recipe.base}", *applied, "built with", *recipe.toolchain.splitlines())
    )
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in sorted(recipe.environment.items()))
    arguments = shlex.join(recipe.words)
    headers = "".join(_header(name, text) for name, text in recipe.headers)
    return f"""\
#!/bin/sh
# Reproduces the kernel in this folder with make, without the harness.
#
#   sh {SCRIPT} TREE OUTPUT
#
# TREE is a kernel tree at the state below, OUTPUT a folder for the build. The tree's Makefiles run as your user,
# without the sandbox of the harness. Images of kernels before 4.20 contain the path of TREE: use /src and /out then.
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
{headers}make -C "$tree" O="$output" -j"$(nproc)" {arguments}

echo {recipe.digest} "" "$output/{recipe.image}" | sha256sum -c -
"""


def _header(name: str, text: str) -> str:
    """Return the shell commands that write a header to the output folder."""
    folder = shlex.quote(name.rpartition("/")[0])
    return f'mkdir -p "$output"/{folder}\nprintf %s {shlex.quote(text)} >"$output"/{shlex.quote(name)}\n'


def _plain(line: str) -> str:
    """Replace characters that could end a comment line: subjects are untrusted text."""
    return "".join(letter if letter.isprintable() else " " for letter in line)
