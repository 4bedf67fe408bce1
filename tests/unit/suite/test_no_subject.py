# SPDX-License-Identifier: GPL-2.0-only
"""The core knows no subject: no module of harness/ speaks of what a suite is about, nor names a suite."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

import harness
from harness.suite.load import shipped_names

PACKAGE = Path(harness.__file__).parent
SUBJECT = re.compile(r"cgroup|hierarch|freezer|cpuset|memcg|CONFIG_TIME_NS|clone3|ns_cgroup|CLONE_NEW", re.IGNORECASE)
ARGUED = {
    # The sandbox is bubblewrap's; the option is one of its seven and says nothing of what is tested.
    ("kernel/sandbox/bubblewrap.py", '("net", "pid", "ipc", "uts", "cgroup-try")'),
    ("kernel/sandbox/enclosure.py", '("user-try", "net", "pid", "ipc", "uts", "cgroup-try")'),
    # Lines of the kernel log that every kernel may print when a process is killed for want of memory.
    ("kernellog/lines.py", "Memory cgroup out of memory"),
    # Names of functions that allocate memory for any caller, so that they are never the guilty one.
    ("kernellog/plumbing.py", r"mempool_\w+|memcg_\w+"),
    # The interfaces that a kernel defines in tables: parameters, sysctls and the files of control groups.
    ("checks/abi/documented.py", "cgroup file"),
}
"""The lines that may speak of it, by file and a text that they hold, each with the reason."""


@cache
def lines() -> list[tuple[str, int, str]]:
    """Every line of the package's modules and data files, with its file and number."""
    found = []
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".js", ".html", ".css", ".in", ".toml", ".c"):
            text = path.read_text().split("\n")
            found += [(path.relative_to(PACKAGE).as_posix(), at, line) for at, line in enumerate(text, start=1)]
    return found


def test_the_core_speaks_of_no_subject() -> None:
    """Words of a suite's subject stand in the suite; what is listed is argued."""
    strange = [
        f"{file}:{number}: {line.strip()}"
        for file, number, line in lines()
        if SUBJECT.search(line) and not any(file == one and text in line for one, text in ARGUED)
    ]

    assert not strange


def test_every_argued_line_is_still_there() -> None:
    """An exception that excuses nothing is taken out."""
    assert {
        (file, text) for file, text in ARGUED if any(at == file and text in line for at, _, line in lines())
    } == ARGUED


@pytest.mark.parametrize("name", shipped_names())
def test_no_module_names_a_suite(name: str) -> None:
    """Which suite is the default one, cases/suites.toml says."""
    assert not [f"{file}:{number}" for file, number, line in lines() if re.search(rf"\b{name}\b", line)]
