# SPDX-License-Identifier: GPL-2.0-only
"""gdb on a real machine: it stops at a function of the kernel, before the command that runs it has an answer."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import pipeline
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.process import run
from harness.base.store import Store
from harness.model.kernel_spec import parse_spec
from harness.pipeline import PREPARE_SECONDS, Options, prepare
from harness.run.debugger import patched_functions, run_gdb, serve
from harness.session.console_name import ConsoleName
from tests.system.test_series_lines import ADDED, BEFORE, FILE, write_series

pytestmark = [pytest.mark.guest, pytest.mark.build]

SOON = 120.0


def context() -> Context:
    """Return a context with the store of the user, which holds the kernel."""
    return Context(Store.default(), Deadline.after(PREPARE_SECONDS))


def test_gdb_stops_at_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine goes on when gdb leaves it. Without gdb, the command to type is shown."""
    prepared = prepare(context(), Options("deb-src:6.1"), logs=tmp_path)
    with pipeline.machine(prepared, folder=tmp_path / "machine", deadline=Deadline.after(SOON)) as machine:
        deadline = machine.deadline(SOON)
        console = machine.console(ConsoleName.ADMIN, deadline=deadline)
        found = serve(machine, ["proc_cgroup_show"])
        machine.wires.send(
            ConsoleName.ADMIN.value, b"cat /proc/self/cgroup; echo went on >/run/shown\n", deadline=deadline
        )
        if shutil.which("gdb"):
            argv = found.argv("continue", "backtrace 2", "delete", "detach")
            printed = run([*argv, "-batch"], deadline=Deadline.after(SOON)).text
            assert "Breakpoint 1, " in printed
            assert "#0  0x" in printed
            assert "proc_cgroup_show" in printed
            assert "proc_single_show" in printed
            machine.console(ConsoleName.OBSERVER, deadline=deadline).run("sleep 1", deadline=deadline)
            shown = machine.console(ConsoleName.OBSERVER, deadline=deadline).run("cat /run/shown", deadline=deadline)
            assert shown.output == "went on\n"
    monkeypatch.setattr("harness.base.process.find_program", lambda name: None)

    assert console is not None
    hint = run_gdb(found)
    assert "apt-get install gdb" in hint
    assert f"target remote {tmp_path / 'machine' / 'gdb'}" in hint


def test_the_functions_of_a_series(tmp_path: Path) -> None:
    """Those that it changes; a kernel without a series has none."""
    (tmp_path / "tree").mkdir()
    patches = write_series(tmp_path / "tree", tmp_path / "patches", [(FILE, BEFORE, ADDED)])
    options = Options("deb-src:6.1").building

    assert patched_functions(context(), parse_spec(f"deb-src:6.1+{patches}"), options) == ("copy_cgroup_ns",)
    assert patched_functions(context(), parse_spec("deb-src:6.1"), options) == ()
    assert patched_functions(context(), parse_spec("deb"), options) == ()
