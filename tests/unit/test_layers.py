# SPDX-License-Identifier: GPL-2.0-only
"""The layers of the package: which folder may import which, and what each kind of module may use."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import harness

PACKAGE = Path(harness.__file__).parent

# From the top. A folder imports only from rows below its own; folders in one row do not import each other. A name
# without a dot is a folder, or a module, of harness/ itself.
LAYERS = """
__main__
cli
commands
bisect watch follow explore
series hosts
run doctor export inventory checks
report.page report.display report.formats pipeline cores
report.tables
report.lines
report.text
suite
guest
kernel.resolve
kernel.in_place kernel.line_tables kernel.type_objects kernel.debug_package
kernel.from_source kernel.needs
kernel.build
kernel.image kernel.patches
kernel.config kernel.source kernel.mail
kernel.toolchain
kernel.git
kernel.sandbox
results coverage
semantics
session
model
base kernellog tap
"""
ROWS = [row.split() for row in LAYERS.strip().splitlines()]
RANKS = {room: rank for rank, row in enumerate(ROWS) for room in row}

WRAPPERS = {
    "subprocess": {"base.process", "base.quick_start"},
    "pexpect": {"guest.console"},
    "junit_xml": {"report.formats.junit"},
    "kcidb_io": {"report.formats.kcidb"},
    "jinja2": {"report.page.html"},
    "qemu": {"guest.qmp"},
    "msgspec": {"base.json_records"},
    "pytest": {"run.pytest_plugin", "run.recorder"} | {"hosts.batch", "hosts.dispatch"},
    "_pytest": {"run.recorder", "run.selection"},
    "sqlite3": {"results.sqlite_errors", "results.history_db", "results.history", "follow.state.database"},
    "requests": {"series.web_client"},
    "urllib.request": set(),
    "urllib3": {"series.web_client"},
    "watchfiles": {"watch.notify"},
    "drgn": {"cores.program", "cores.prompt", "cores.read_core", "cores.types"},
    "distributed": {"hosts.hub", "hosts.joined.client", "hosts.joined.relay", "hosts.task", "hosts.worker"},
    "dask": {"hosts.hub", "hosts.joined.client", "hosts.worker"},
}
"""The modules that may import each external library: one wrapper each, but for pytest's hooks and SQLite's errors."""

EFFECTS = {
    *("asyncio", "click", "ctypes", "filelock", "os", "pexpect", "platform", "psutil", "qemu", "selectors", "shutil"),
    *("signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "termios", "threading", "tty", "watchfiles"),
}
"""What a pure module may not import: files, processes, sockets, clocks that are waited for."""

_PURE = re.compile(r"\bPure[.:]")
MOST_IN_A_FOLDER = 20
MOST_AT_THE_ROOT = 5


def _modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "__init__.py":
            yield ".".join(path.relative_to(PACKAGE).with_suffix("").parts), path


MODULES = dict(_modules())


@functools.cache
def _tree(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text())


@functools.cache
def _imports(name: str) -> tuple[str, ...]:
    """Names of all that a module imports, wherever in it the import stands."""
    found: list[str] = []
    for node in ast.walk(_tree(name)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(found)


@functools.cache
def needed_modules(name: str) -> frozenset[str]:
    """The modules of the package that a module imports."""
    return frozenset(word.removeprefix("harness.") for word in _imports(name)) & MODULES.keys()


def room_of(name: str) -> str:
    """The entry of ``LAYERS`` that a module belongs to: the longest one that its name starts with."""
    parts = name.split(".")
    rooms = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next(room for room in rooms if room in RANKS)


def _folder(name: str) -> str:
    """The folder of a module; a module at the root stands for itself."""
    return name.rpartition(".")[0] or name


def _is_pure(name: str) -> bool:
    """Whether the module's docstring says that it is pure."""
    return _PURE.search(ast.get_docstring(_tree(name)) or "") is not None


def _circle(needed: Mapping[str, Iterable[str]]) -> list[str]:
    """A circle of imports; empty when there is none."""
    try:
        TopologicalSorter(needed).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_room_has_modules() -> None:
    """The list names each folder once, and no folder that is gone."""
    assert {room_of(name) for name in MODULES} == set(RANKS)
    assert sum(map(len, ROWS)) == len(RANKS)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_only_from_rows_below(name: str) -> None:
    """Data flows one way: no folder imports from its own row or from one above it."""
    room = room_of(name)
    upward = sorted(
        needed for needed in needed_modules(name) if room_of(needed) != room and RANKS[room_of(needed)] <= RANKS[room]
    )

    assert not upward


def test_no_circle_of_modules() -> None:
    """Within a folder, too, imports have an order."""
    assert not _circle({name: needed_modules(name) for name in MODULES})


def test_no_circle_of_folders() -> None:
    """Taken by folder, imports have an order."""
    folders: dict[str, set[str]] = {}
    for name in MODULES:
        own = _folder(name)
        folders.setdefault(own, set()).update({_folder(needed) for needed in needed_modules(name)} - {own})

    assert not _circle(folders)


def test_a_circle_is_found() -> None:
    """The search for circles sees one."""
    assert _circle({"a": ["b"], "b": ["c"], "c": ["a"], "d": []})
    assert not _circle({"a": ["b", "c"], "b": ["c"], "c": []})


@pytest.mark.parametrize("name", sorted(filter(_is_pure, MODULES)))
def test_a_pure_module_imports_no_effect(name: str) -> None:
    """A module whose docstring says "Pure." uses no files, processes or clocks, nor do the modules it imports."""
    effects = sorted({word.split(".")[0] for word in _imports(name)} & EFFECTS)
    impure = sorted(one for one in needed_modules(name) if not _is_pure(one))

    assert not effects
    assert not impure


def test_most_of_what_decides_is_pure() -> None:
    """The word in the docstring is read: without it the test above would hold for nothing."""
    assert len([name for name in MODULES if _is_pure(name)]) > len(MODULES) // 3


@pytest.mark.parametrize("library", WRAPPERS)
def test_each_library_has_one_wrapper(library: str) -> None:
    """One module starts host processes, one talks pexpect, one writes JUnit."""
    users = {name for name in MODULES if any(f"{word}.".startswith(f"{library}.") for word in _imports(name))}

    assert users <= WRAPPERS[library]


def test_only_commands_import_click() -> None:
    """The command line is the only place that prints or exits."""
    users = {name for name in MODULES if any(f"{word}.".startswith("click.") for word in _imports(name))}

    assert {room_of(name) for name in users} <= {"cli", "commands"}


def test_no_folder_is_crowded() -> None:
    """A newcomer can take in a folder at once."""
    sizes: dict[str, int] = {}
    for name in MODULES:
        folder = name.rpartition(".")[0]
        sizes[folder] = sizes.get(folder, 0) + 1

    assert sizes[""] <= MOST_AT_THE_ROOT
    assert not {folder: size for folder, size in sizes.items() if size > MOST_IN_A_FOLDER}


def test_init_files_are_empty() -> None:
    """An import in an __init__.py is where cycles come from."""
    filled = [str(path) for path in PACKAGE.rglob("__init__.py") if path.read_text().strip()]

    assert not filled
