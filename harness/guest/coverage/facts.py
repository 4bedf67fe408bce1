# SPDX-License-Identifier: GPL-2.0-only
"""Read what the coverage of a kernel is compared with: its functions, and the code that a clone runs by itself.

Both are read when coverage is shown, not when cases are run, and are kept in the store. The functions of a kernel that
was built are in the System.map beside it. Debian's System.map is a stub, so a clone prints its /proc/kallsyms: 46,000
functions take some 10 s over a serial port.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import zlib
from pathlib import Path

from harness.base.context import Context
from harness.base.errors import HarnessError, HostError, SeriesError
from harness.base.events import PhaseStarted
from harness.base.json_records import read_facts
from harness.base.scratch import scratch_folder
from harness.base.store import digest_of
from harness.coverage import files
from harness.coverage.bitmap import Bitmap
from harness.coverage.symbols import Symbols, dump_symbols, load_symbols, parse_symbols
from harness.guest.console import Unanswered
from harness.guest.machine import BootRequest, Machine
from harness.guest.template import KIND, REQUEST, Template, cloned
from harness.session.console_name import ConsoleName

SYMBOLS_KIND, TEXT_KIND, IDLE_KIND = "kernel-functions", "kernel-symbols", "coverage-idle"
"""The kinds of these products in the store."""

_SYMBOLS_NAME = "functions"
_SECONDS = 120.0
# Symbols of modules are left out; those of data are not: one may follow the last function of a section.
_PACK_SYMBOLS = (
    "grep -v '\\]$' /proc/kallsyms | gzip -1 | base64 -w0 >/run/harness.symbols; wc -c </run/harness.symbols"
)
_PRINT_PART = "tail -c +{start} /run/harness.symbols | head -c {size}; echo"
_PART_BYTES = 100_000  # a console shows no more of a longer output than its beginning and its end
# A builtin, which starts no process: a case that does nothing runs this as well.
_IDLE = "read -r -t 2 nothing"


def find_template(context: Context, name: str) -> Template:
    """Return the template of a run, whose clones its cases were.

    :param name: name of its folder.
    :raises HostError: it is gone from the store.
    """
    folder = context.store.folder / KIND / name
    try:
        request = read_facts(BootRequest, (folder / REQUEST).read_bytes())
    except OSError:
        request = None
    if request is None or not request.image.exists() or not request.initramfs.exists():
        raise HostError(
            "the template of that run is gone from the store, and with it the functions of its kernel",
            evidence=f"{folder} does not hold {REQUEST}, or the kernel that it names is gone",
            remedy="run a case of that kernel again: harness run KERNEL --coverage",
        )
    return Template(request, folder, 0.0, 1, 0)


def read_functions(context: Context, template: Template) -> Symbols:
    """Return the functions of a template's kernel.

    :raises HostError: its template cannot be cloned.
    :raises SeriesError: the kernel does not print its symbols (CONFIG_KALLSYMS).
    """

    def fill(folder: Path) -> None:
        symbols = _symbols_beside(template.request)
        if symbols is None:
            symbols = parse_symbols(read_symbol_text(context, template), source="/proc/kallsyms of the guest")
        (folder / _SYMBOLS_NAME).write_bytes(zlib.compress(dump_symbols(symbols).encode()))

    file = context.store.make(SYMBOLS_KIND, _symbols_key(template), fill, deadline=context.deadline) / _SYMBOLS_NAME
    return load_symbols(zlib.decompress(file.read_bytes()).decode(), source=str(file))


def read_symbol_text(context: Context, template: Template) -> str:
    """Return the symbols of a template's kernel, code and data, in lines like those of /proc/kallsyms.

    :raises HostError: its template cannot be cloned.
    :raises SeriesError: the kernel does not print its symbols (CONFIG_KALLSYMS).
    """
    beside = template.request.image.parent / "System.map"
    if _symbols_beside(template.request) is not None:
        return beside.read_text()

    def fill(folder: Path) -> None:
        (folder / _SYMBOLS_NAME).write_bytes(zlib.compress(_print_symbols(context, template).encode()))

    file = context.store.make(TEXT_KIND, _symbols_key(template), fill, deadline=context.deadline) / _SYMBOLS_NAME
    return zlib.decompress(file.read_bytes()).decode()


def _symbols_key(template: Template) -> str:
    # A kernel with a random base has it in its template, and in all clones of that.
    return digest_of(template.request.image) if has_fixed_addresses(template.request) else template.folder.name


def has_fixed_addresses(request: BootRequest) -> bool:
    """Return whether each boot of a kernel has its code at the addresses that it was linked for."""
    return "nokaslr" in request.machine_type.command_line.split()


def read_idle(context: Context, template: Template) -> Bitmap:
    """Return the code that a clone runs in which no case is played: timers, the scheduler, a shell that waits.

    :raises HostError: the template cannot be cloned.
    """

    def fill(folder: Path) -> None:
        with cloned(template, folder=folder, deadline=context.deadline) as machine:
            _run(machine, _IDLE)

    folder = context.store.make(IDLE_KIND, template.folder.name, fill, deadline=context.deadline)
    return files.load(folder) or Bitmap({})


def _symbols_beside(request: BootRequest) -> Symbols | None:
    """Read the System.map of a kernel that was built; None without one, or if the kernel is not where it was linked."""
    if not has_fixed_addresses(request):
        return None
    file = request.image.parent / "System.map"
    with contextlib.suppress(HarnessError, OSError):
        return parse_symbols(file.read_text(), source=str(file))
    return None


def _print_symbols(context: Context, template: Template) -> str:
    context.report(PhaseStarted("reading the functions of the kernel from the guest"))
    with (
        scratch_folder("symbols") as folder,
        cloned(template, folder=folder, deadline=context.deadline) as machine,
    ):
        size = _run(machine, _PACK_SYMBOLS).strip()
        starts = range(1, int(size) + 1 if size.isdigit() else 1, _PART_BYTES)
        parts = [_run(machine, _PRINT_PART.format(start=start, size=_PART_BYTES)).strip() for start in starts]
        printed = "".join(parts)
    try:
        return zlib.decompress(base64.b64decode(printed), wbits=zlib.MAX_WBITS | 16).decode()
    except (zlib.error, binascii.Error, UnicodeDecodeError) as error:
        raise HostError(
            "/proc/kallsyms of the guest cannot be read", evidence=f"{error}: {printed[:80]!r}", remedy="retry"
        ) from None


def _run(machine: Machine, command: str) -> str:
    deadline = machine.deadline(_SECONDS)
    try:
        return machine.console(ConsoleName.ADMIN, deadline=deadline).run(command, deadline=deadline).output
    except Unanswered as error:
        raise SeriesError("a clone of the kernel does not answer", evidence=str(error), remedy="retry") from None
