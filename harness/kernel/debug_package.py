# SPDX-License-Identifier: GPL-2.0-only
"""Read the line tables of a Debian kernel from its package of debug symbols, ``linux-image-VERSION-dbg``.

The package is large: 283 MB for 6.1, of which the kernel without its modules, 590 MB, is kept in the store.
``addr2line`` says once of which file each function is, and then of the functions of a file the lines of each
instruction. Both programs of binutils run in the sandbox.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import HostError, UsageError
from harness.base.events import PhaseStarted
from harness.base.json_records import dump_value, read_facts
from harness.base.scratch import scratch_folder
from harness.base.store import digest_of
from harness.coverage.lines import Disassembly, Unit, make_unit, parse_disassembly, parse_places
from harness.coverage.symbols import Function, Symbols
from harness.kernel.sandbox.sandbox import Sandbox, run_inside
from harness.kernel.source.apt import Apt
from harness.kernel.source.archive import suite_lists
from harness.kernel.source.package_contents import extract_debug_kernel
from harness.model.origin import Origin, OriginKind

KIND, FILES_KIND, UNIT_KIND = "kernel-debug", "kernel-debug-files", "kernel-debug-unit"
"""The kinds of these products in the store."""
MOST_FILES = 200
"""The most files that are read for one question."""

_VMLINUX, _FILES, _UNIT = "vmlinux", "files", "unit.json"
_FORMAT = "1"
_SECTION = "kernel"
# The folders that Debian builds in, at the front of file names.
_BUILT_IN = re.compile(r"^(?:/?build/[^/]+/[^/]+/)?(?:debian/build/[^/]+/)?")
_ADDR2LINE = 'addr2line -a ${3:-} -e "$1" <addresses >"$2"'
_OBJDUMP = """
vmlinux=$1; shift
while [ $# -gt 0 ]; do
    objdump -d -w --no-show-raw-insn --start-address="$1" --stop-address="$2" "$vmlinux" || exit
    shift 2
done >code
"""
_NEAR = 5


def fetch_debug_kernel(context: Context, origin: Origin, *, apt: Apt) -> Path:
    """Return the kernel with debug information for a kernel of an image package; it is fetched once.

    :param origin: the image package.
    :param apt: the host's apt.
    :raises UsageError: the kernel is from no image package, or its lists have no package of debug symbols.
    :raises HostError: the package cannot be fetched, or the disk is full.
    """
    if origin.kind is not OriginKind.IMAGE_PACKAGE:
        raise UsageError(
            f"{origin} is not from an image package, so there is no package of its debug symbols",
            remedy="leave out --dbg: a kernel that the harness builds has line tables",
        )
    name = f"{origin.path}-dbg"

    def fill(folder: Path) -> None:
        lists = suite_lists(context.store, origin.suite) if origin.suite else None
        chosen = lists.apt if lists else apt
        record = chosen.find(name, origin.revision, deadline=context.deadline)
        if record is None:
            raise UsageError(
                f"{chosen.lists_name} have no {name} {origin.revision}",
                evidence="the archive keeps debug symbols as long as the kernel itself",
                remedy=f"run the cases on a kernel that is still there: {chosen.list_command}",
            )
        context.report(PhaseStarted(f"fetching {name} {origin.revision}"))
        with tempfile.TemporaryDirectory(prefix="making-", dir=folder) as downloads:
            file, _ = chosen.download(record, Path(downloads), deadline=context.deadline)
            context.report(PhaseStarted(f"unpacking the kernel of {name}"))
            extract_debug_kernel(file, folder / _VMLINUX, deadline=context.deadline)
        (folder / _VMLINUX).chmod(0o644)

    key = digest_of(_FORMAT, name, origin.revision, origin.suite)
    return context.store.make(KIND, key, fill, deadline=context.deadline) / _VMLINUX


def read_debug_units(context: Context, vmlinux: Path, symbols: Symbols, words: Iterable[str]) -> list[Unit]:
    """Return the line tables of files and folders of the kernel tree.

    :param vmlinux: the result of :func:`fetch_debug_kernel`.
    :param symbols: the functions of the running kernel.
    :param words: paths of files or folders in the tree.
    :raises UsageError: no function of the kernel is of such a file, or there are too many files.
    :raises HostError: a program of binutils is missing.
    """
    files = _read_files(context, vmlinux, symbols)
    chosen = _choose(files, words)
    units = []
    for name in chosen:
        key = digest_of(_FORMAT, vmlinux.parent.name, name)

        def fill(folder: Path, name: str = name) -> None:
            context.report(PhaseStarted(f"reading the lines of {name}"))
            unit = _read_unit(context, vmlinux, name, files[name])
            (folder / _UNIT).write_text(dump_value(unit, indent=None))

        file = context.store.make(UNIT_KIND, key, fill, deadline=context.deadline) / _UNIT
        unit = read_facts(Unit, file.read_bytes())
        assert unit is not None, f"{file} was written by the harness"
        units.append(unit)
    return units


def _choose(files: dict[str, list[Function]], words: Iterable[str]) -> list[str]:
    """Return the files that arguments name."""
    found: dict[str, None] = {}
    for word in words:
        path = word.strip("/")
        own = [name for name in files if name == path or name.startswith(f"{path}/")]
        if not own:
            last = path.rpartition("/")[2]
            near = [name for name in files if name.endswith(f"/{last}")][:_NEAR]
            raise UsageError(
                f"no function of this kernel is of {word}",
                evidence="\n".join(["files of that name:", *near]) if near else "",
                remedy="name a file or folder of the kernel tree, such as kernel/fork.c",
            )
        found |= dict.fromkeys(own)
    if len(found) > MOST_FILES:
        raise UsageError(f"too many files: {len(found)}, at most {MOST_FILES}", remedy="name a smaller folder")
    return list(found)


def _read_files(context: Context, vmlinux: Path, symbols: Symbols) -> dict[str, list[Function]]:
    """Return the functions of each file, by the file that its first instruction is of."""

    def fill(folder: Path) -> None:
        context.report(PhaseStarted("finding the file of each function"))
        addresses = [one.start for one in symbols.functions]
        text = _run(context, vmlinux, _ADDR2LINE, ["places"], addresses, "places")
        (folder / _FILES).write_text(text)

    key = digest_of(_FORMAT, vmlinux.parent.name)
    folder = context.store.make(FILES_KIND, key, fill, deadline=context.deadline)
    places = parse_places((folder / _FILES).read_text(), tree="")
    found: dict[str, list[Function]] = {}
    for one in symbols.functions:
        for file, _ in places.get(one.start, ())[:1]:
            found.setdefault(_in_tree(file), []).append(one)
    return found


def _read_unit(context: Context, vmlinux: Path, name: str, functions: Sequence[Function]) -> Unit:
    """Read the lines of a file's functions, at their addresses in the kernel."""
    words = [f"{bound:#x}" for start, end in _ranges(functions) for bound in (start, end)]
    listed = parse_disassembly(_run(context, vmlinux, _OBJDUMP, words, [], "code"))
    instructions = sorted(one for section in listed.values() for one in section.instructions)
    own = Disassembly(tuple((one.name, one.start) for one in functions), tuple(instructions))
    addresses = [start for start, _ in instructions]
    text = _run(context, vmlinux, _ADDR2LINE, ["places", "-i"], addresses, "places")
    places = {
        address: tuple((_in_tree(file), line) for file, line in found)
        for address, found in parse_places(text, tree="").items()
    }
    return make_unit(name, {_SECTION: own}, {_SECTION: places})


def _ranges(functions: Sequence[Function]) -> list[tuple[int, int]]:
    """Return the code of functions, that of neighbors as one range."""
    ordered = sorted(functions, key=lambda one: one.start)
    starts = [ordered[0].start] + [after.start for before, after in pairwise(ordered) if before.end != after.start]
    ends = [before.end for before, after in pairwise(ordered) if before.end != after.start] + [ordered[-1].end]
    return list(zip(starts, ends, strict=True))


def _in_tree(file: str) -> str:
    return _BUILT_IN.sub("", file).removeprefix("./")


def _run(
    context: Context, vmlinux: Path, script: str, words: Sequence[str], addresses: Sequence[int], result: str
) -> str:
    """Run a script on the kernel in the sandbox, and return the text of the file that it writes."""
    with scratch_folder("debug") as output:
        output.chmod(0o755)  # bubblewrap enters it without the rights of root
        sandbox = Sandbox(vmlinux.parent, output)
        (output / "addresses").write_text("".join(f"{one:x}\n" for one in addresses))
        argv = ["sh", "-c", script, "sh", f"{sandbox.inside_tree}/{_VMLINUX}", *words]
        done = run_inside(sandbox, argv, deadline=context.deadline)
        if not done.is_success:
            raise HostError(
                "the debug information of the kernel cannot be read",
                evidence=done.stopped or "\n".join(done.lines[-5:]),
                remedy="install binutils: apt-get install binutils",
                packages=("binutils",),
            )
        return (output / result).read_text(errors="replace")
