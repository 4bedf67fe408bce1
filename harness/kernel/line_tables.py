# SPDX-License-Identifier: GPL-2.0-only
"""Read the line tables of a kernel that was built: which line of the source each instruction belongs to.

A build makes no debug information. The object files that are asked for are compiled once more with ``-g1``, in a copy
of the kept objects: gcc writes the same code with it, and the build itself costs nothing more. ``objdump`` and
``addr2line`` read them in the sandbox, since the objects are of an untrusted tree, and the store keeps the result.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.json_records import dump_value, read_facts
from harness.base.store import digest_of
from harness.coverage.lines import Disassembly, Unit, make_unit, parse_disassembly, parse_places
from harness.kernel.build.build import ObjectRequest, build_objects
from harness.kernel.build.options import BuildOptions
from harness.kernel.build.product import find_built, read_build_inputs
from harness.kernel.from_source import SourceInputs, read_source, source_word
from harness.kernel.git.worktree import checked_out
from harness.kernel.sandbox.sandbox import Sandbox, run_inside
from harness.kernel.source.apt import Apt
from harness.model.kernel_spec import KernelSpec

KIND = "line-table"
"""The kind of these products in the store."""
MOST_UNITS = 200
"""The most object files that are compiled for one question."""

_FORMAT = "3"
_NAME = "unit.json"
_FLAGS = "-g1"
_DISASSEMBLE = """
while [ $# -gt 0 ]; do
    [ ! -e "$1" ] || { objdump -t -d -r -w --no-show-raw-insn "$1" && objdump -r -w "$1"; } >"$2" || exit
    shift 2
done
"""
_FIND_LINES = """
while [ $# -gt 0 ]; do
    addr2line -a -i -j "$2" -e "$1" <"$3" >"$4" || exit
    shift 4
done
"""
# Sections with code that no kernel text holds: alternatives are copied over other code.
_OTHER_CODE = re.compile(r"\.alt|\.discard|\.static_call_sites|\.smp_locks|\.fixup")


def read_inputs(
    context: Context, spec: KernelSpec, options: BuildOptions, *, image_digest: str, apt: Apt
) -> SourceInputs:
    """Return the tree and the configuration of a kernel that was built.

    :param image_digest: sha256 of its image.
    :raises UsageError: the kernel was not built by the harness, or the source has changed since.
    :raises SeriesError: the series does not apply any more.
    """
    word = source_word(spec)
    if word is None:
        raise UsageError(
            f"{spec.render()} has no line tables: only a kernel that the harness builds has them",
            remedy="run the cases on one, for example: harness run deb-src:6.1 --coverage",
        )
    inputs = read_source(context, word, options, apt=apt)
    built = find_built(context, inputs.trees[-1], inputs.config) if inputs.config else None
    if built is None or built.digest != image_digest:
        raise UsageError(
            f"the source of {spec.render()} is not what the run was made with",
            evidence="its tree, its configuration or the compiler has changed, or its build is gone from the store",
            remedy=f"run the cases again: harness run {spec.render()} --coverage",
        )
    return inputs


def files_of(inputs: SourceInputs, words: Iterable[str], *, deadline: Deadline) -> list[str]:
    """Return the C files of a tree that arguments name.

    :param words: paths of files or folders in the tree.
    :raises UsageError: there is no such file in the tree, or there are too many.
    """
    tree = inputs.trees[-1]
    found: dict[str, None] = {}
    for word in words:
        path = word.strip("/")
        names = ("ls-tree", "-r", "-z", "--name-only", tree.commit, "--", path)
        listed = tree.repository.git(*names, deadline=deadline).text.split("\0")
        files = [one for one in listed if one.endswith((".c", ".h"))]
        if not files:
            raise UsageError(f"no C file in the kernel tree: {word}", remedy="name a path in it, e.g. kernel/fork.c")
        found |= dict.fromkeys(files)
    if len(found) > MOST_UNITS:
        raise UsageError(f"too many files: {len(found)}, at most {MOST_UNITS}", remedy="name a smaller folder")
    return list(found)


def read_units(context: Context, inputs: SourceInputs, files: Iterable[str], *, trusted: bool = False) -> list[Unit]:
    """Return the line tables of C files; a file that does not compile by itself has none.

    :param files: paths in the tree; those that are no ``.c`` file are left out.
    :raises HostError: a program is missing, or the disk is full.
    """
    assert inputs.config is not None
    order = read_build_inputs(context, inputs.trees[-1], inputs.config)
    keys = {
        f"{file.removesuffix('.c')}.o": digest_of(_FORMAT, order.key, file) for file in files if file.endswith(".c")
    }
    missing = [name for name, key in keys.items() if context.store.find(KIND, key) is None]
    if missing:
        _compile(context, inputs, missing, {name: keys[name] for name in missing}, trusted=trusted)
    units = [_load(context, key) for key in keys.values()]
    return [unit for unit in units if unit is not None and unit.sections]


def _load(context: Context, key: str) -> Unit | None:
    folder = context.store.find(KIND, key)
    return read_facts(Unit, (folder / _NAME).read_bytes()) if folder else None


def _compile(
    context: Context, inputs: SourceInputs, objects: Sequence[str], keys: dict[str, str], *, trusted: bool
) -> None:
    """Compile object files with line tables and keep the tables in the store, empty ones of what does not compile."""
    from harness.kernel.build.committed_products import remove_products

    tree = inputs.trees[-1]
    assert inputs.config is not None
    # The lock is free when this process is killed, and the next product of this kind then removes the folder.
    name = f"objects-{os.getpid()}"
    with (
        context.store.lock(KIND, name),
        tempfile.TemporaryDirectory(prefix=f".{name}.making-", dir=context.store.folder / KIND) as folder,
        checked_out(context, tree.repository, tree.commit) as whole,
    ):
        work_tree = remove_products(whole, deadline=context.deadline)
        request = ObjectRequest(objects, _FLAGS, Path(folder), trusted)
        sandbox = build_objects(context, tree, work_tree, inputs.config, request)
        for unit in _read_objects(sandbox, objects, context.deadline):
            text = dump_value(unit, indent=None)
            context.store.make(KIND, keys[unit.object], partial(_write, text=text), deadline=context.deadline)


def _write(folder: Path, *, text: str) -> None:
    (folder / _NAME).write_text(text)


def _read_objects(sandbox: Sandbox, objects: Sequence[str], deadline: Deadline) -> Iterator[Unit]:
    """Read the line tables of object files; an empty one for what was not made."""
    asked = [word for number, name in enumerate(objects) for word in (name, _scratch(f"{number}.code"))]
    _run(sandbox, _DISASSEMBLE, asked, deadline)
    listed: dict[str, dict[str, Disassembly]] = {}
    lines: dict[tuple[str, str], str] = {}
    asked = []
    for number, name in enumerate(objects):
        sections = parse_disassembly(_text(sandbox, _scratch(f"{number}.code")))
        listed[name] = {one: own for one, own in sections.items() if not _OTHER_CODE.match(one)}
        for section, own in listed[name].items():
            addresses, lines[name, section] = _scratch(f"{len(lines)}.addresses"), _scratch(f"{len(lines)}.lines")
            _put(sandbox, addresses, "".join(f"{start:x}\n" for start, _ in own.instructions))
            asked += [name, section, addresses, lines[name, section]]
    _run(sandbox, _FIND_LINES, asked, deadline)
    for name, own_sections in listed.items():
        places = {
            section: parse_places(_text(sandbox, lines[name, section]), tree=sandbox.inside_tree)
            for section in own_sections
        }
        yield make_unit(name, own_sections, places)


def _scratch(name: str) -> str:
    """Return the name of a file at the top of the output folder."""
    return f"harness-lines-{name}"


def _put(sandbox: Sandbox, name: str, text: str) -> None:
    """Write a file at the top of the output folder; a link of that name, which the tree may have made, is replaced."""
    path = sandbox.output / name
    path.unlink(missing_ok=True)
    with path.open("x") as file:
        file.write(text)


def _run(sandbox: Sandbox, script: str, words: Sequence[str], deadline: Deadline) -> None:
    result = run_inside(sandbox, ["sh", "-c", script, "sh", *words], deadline=deadline)
    if not result.is_success:
        raise HostError(
            "the line tables of the kernel cannot be read",
            evidence=result.stopped or "\n".join(result.lines[-5:]),
            remedy="install binutils: apt-get install binutils",
            packages=("binutils",),
        )


def _text(sandbox: Sandbox, name: str) -> str:
    """Return the text of a file that the sandbox wrote; empty if there is none. A link could lead out of it."""
    path = sandbox.output / name
    if not path.is_file() or path.resolve() != sandbox.output.resolve() / name:
        return ""
    return path.read_text(errors="replace")
