# SPDX-License-Identifier: GPL-2.0-only
"""Open a core with drgn: VMCOREINFO from the symbols, types from the kernel's memory or from object files."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

from drgn import Program, Symbol, SymbolBinding, SymbolKind

from harness.cores.btf import Btf
from harness.cores.request import CoreRequest
from harness.cores.types import finder, object_finder

SYMBOL_GAP = 1 << 20
"""The most bytes of a symbol that no other one follows."""
KERNEL_START = 0xFFFF_8000_0000_0000
"""The first address of the kernel's half."""


class KernelSymbols:
    """The symbols of a kernel by address and by name."""

    def __init__(self, entries: Sequence[tuple[int, str]]) -> None:
        self.entries = sorted(entries)
        self.starts = [start for start, _ in self.entries]
        self.by_name = {name: start for start, name in reversed(self.entries)}

    def at(self, address: int) -> tuple[str, int, int] | None:
        """Return name, start and size of what an address is in."""
        index = bisect_right(self.starts, address) - 1
        if index < 0:
            return None
        start, name = self.entries[index]
        following = next((one for one in self.starts[index + 1 : index + 64] if one > start), start + SYMBOL_GAP)
        return (name, start, following - start) if address < following else None


def read_symbols(text: str) -> KernelSymbols:
    """Read a text like that of /proc/kallsyms; symbols of processors' own data have no address and are left out."""
    words = (line.split() for line in text.splitlines())
    found = [(int(one[0], 16), one[2]) for one in words if len(one) >= 3]
    return KernelSymbols([(address, name) for address, name in found if address >= KERNEL_START])


def open_program(request: CoreRequest, symbols: KernelSymbols) -> Program:
    """Open a core with the kernel's own symbols and types; nothing is looked up on this host.

    :raises LookupError: the kernel carries no types, and no object files with them are given.
    :raises HarnessError: its types are damaged.
    """
    root = symbols.by_name.get("swapper_pg_dir") or symbols.by_name["init_top_pgt"]
    notes = {
        "OSRELEASE": request.release,
        "PAGESIZE": "4096",
        "SYMBOL(swapper_pg_dir)": f"{root:x}",
        "SYMBOL(_stext)": f"{symbols.by_name['_stext']:x}",
        "KERNELOFFSET": "0",
        "NUMBER(phys_base)": "0",
        "NUMBER(pgtable_l5_enabled)": "0",
    }
    if "init_uts_ns" in symbols.by_name:
        notes["SYMBOL(init_uts_ns)"] = f"{symbols.by_name['init_uts_ns']:x}"
    program = Program(vmcoreinfo="".join(f"{name}={value}\n" for name, value in notes.items()))
    program.set_core_dump(request.core)
    program.register_symbol_finder("harness", _symbol_finder(symbols), enable_index=0)
    # With its range, drgn takes the unwind tables (ORC) of the kernel's own memory; without tables, frame pointers.
    main = program.main_module("kernel", create=True)
    main.address_range = (symbols.by_name["_text"], symbols.by_name["_end"])
    if not request.debug_files:
        start, end = (symbols.by_name.get(f"__{end}_BTF", 0) for end in ("start", "stop"))
        if not start:
            raise LookupError("the kernel carries no types (CONFIG_DEBUG_INFO_BTF)")
        types = Btf(program.read(start, end - start), source="__start_BTF in the core")
        program.register_type_finder("harness", finder(types))
        program.set_enabled_type_finders(["harness"])
        program.register_object_finder("harness", object_finder(types, symbols.by_name), enable_index=0)
    for file in request.debug_files:
        program.extra_module(file, create=True).try_file(file, force=True)
    return program


def _symbol_finder(symbols: KernelSymbols) -> Callable[[Program, str | None, int | None, bool], Sequence[Symbol]]:
    def find(_program: Program, name: str | None, address: int | None, _one: bool) -> Sequence[Symbol]:
        place = address if address is not None else symbols.by_name.get(name or "", -1)
        found = symbols.at(place)
        if found is None or (address is not None and name is not None and found[0] != name):
            return []
        own, start, size = found
        return [
            Symbol(name if address is None and name else own, start, size, SymbolBinding.GLOBAL, SymbolKind.UNKNOWN)
        ]

    return find
