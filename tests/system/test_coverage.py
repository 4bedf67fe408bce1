# SPDX-License-Identifier: GPL-2.0-only
"""Coverage of real cases on a real kernel: what a clone runs, what its preparation ran, and what a killed one ran."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from harness import pipeline
from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.coverage import files
from harness.coverage.functions import functions_run
from harness.coverage.symbols import Symbols
from harness.guest.coverage.facts import read_functions, read_idle
from harness.guest.coverage.plugin import find_plugin
from harness.guest.machine import Machine
from harness.pipeline import PREPARE_SECONDS, Options, Prepared, prepare
from harness.session.console_name import ConsoleName
from tests.command_line import call
from tests.program import start

pytestmark = pytest.mark.guest

SOON = 120.0


def context() -> Context:
    """Return a context with the store of the user, which holds the kernel."""
    return Context(Store.default(), Deadline.after(PREPARE_SECONDS))


@pytest.fixture(scope="module")
def covered(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Prepare the distribution's kernel with coverage."""
    return prepare(context(), Options(coverage=True), logs=tmp_path_factory.mktemp("prepare"))


@pytest.fixture(scope="module")
def symbols(covered: Prepared) -> Symbols:
    """Return the functions of the kernel."""
    assert covered.template is not None
    return read_functions(context(), covered.template)


def ran(folder: Path, symbols: Symbols) -> set[str]:
    """Return the names of the functions that a machine has run."""
    bitmap = files.load_case(folder)
    assert bitmap is not None
    return {one.name for one in functions_run(bitmap, symbols)}


def command(machine: Machine, text: str) -> str:
    """Run a command on the first console."""
    deadline = machine.deadline(SOON)
    return machine.console(ConsoleName.ADMIN, deadline=deadline).run(text, deadline=deadline).output


def test_a_clone_has_the_functions_that_it_ran(covered: Prepared, symbols: Symbols, tmp_path: Path) -> None:
    """One clone makes a directory in a cgroup hierarchy and another does not; boot's functions are in neither."""
    assert covered.template is not None
    for name, line in (("mkdir", "cgctl hierarchies /mnt v2 && mkdir /mnt/x"), ("nothing", "true")):
        with pipeline.machine(covered, folder=tmp_path / name, deadline=Deadline.after(SOON)) as machine:
            command(machine, line)

    boot = ran(covered.template.folder, symbols)
    assert {"cgroup_mkdir", "cgroup_init_early", "start_kernel"} <= ran(tmp_path / "mkdir", symbols) | boot
    assert "cgroup_mkdir" in ran(tmp_path / "mkdir", symbols)
    assert "cgroup_mkdir" not in ran(tmp_path / "nothing", symbols)
    assert "start_kernel" in boot
    assert not {"start_kernel", "cgroup_init_early"} & ran(tmp_path / "mkdir", symbols)


def test_an_idle_clone_runs_timers_and_no_system_call_of_a_case(covered: Prepared, symbols: Symbols) -> None:
    """It is what every case runs: a console's input, the scheduler; it starts no program."""
    assert covered.template is not None
    idle = {one.name for one in functions_run(read_idle(context(), covered.template), symbols)}

    assert {"schedule", "n_tty_read"} <= idle
    assert not {"cgroup_mkdir", "bprm_execve", "kernel_clone"} & idle


def test_a_kernel_with_a_random_base(symbols: Symbols, tmp_path: Path) -> None:
    """The functions are those of the template, whose base all clones share."""
    machine_type = tmp_path / "random.toml"
    machine_type.write_text((paths.MACHINE_TYPES / "q35.toml").read_text().replace('"nokaslr"', '"kaslr"'))
    prepared = prepare(context(), Options(machine_type=str(machine_type), coverage=True), logs=tmp_path)
    assert prepared.template is not None
    moved = read_functions(context(), prepared.template)
    with pipeline.machine(prepared, folder=tmp_path / "mkdir", deadline=Deadline.after(SOON)) as machine:
        command(machine, "cgctl hierarchies /mnt v2 && mkdir /mnt/x")

    assert moved.by_name["cgroup_mkdir"] != symbols.by_name["cgroup_mkdir"]
    assert "cgroup_mkdir" in ran(tmp_path / "mkdir", moved)


def test_a_machine_that_is_killed_has_its_coverage(covered: Prepared, symbols: Symbols, tmp_path: Path) -> None:
    """The bitmap is not in QEMU's memory."""
    with pipeline.machine(covered, folder=tmp_path / "killed", deadline=Deadline.after(SOON)) as machine:
        command(machine, "cgctl hierarchies /mnt v2 && mkdir /mnt/x")
        machine.kill()

    assert "cgroup_mkdir" in ran(tmp_path / "killed", symbols)


def test_the_preparation_belongs_to_the_case(covered: Prepared, symbols: Symbols, tmp_path: Path) -> None:
    """A clone whose mounts were done before it was cloned has the coverage of the mounts as well."""
    mount = "mkdir -p /run/of-a-test && mount -t tmpfs none /run/of-a-test"
    for number in range(3):
        folder = tmp_path / str(number)
        with pipeline.machine(covered, preparation=mount, folder=folder, deadline=Deadline.after(SOON)) as machine:
            is_prepared = machine.prepared == mount
            command(machine, "true")

    assert is_prepared
    assert "path_mount" in ran(folder, symbols)
    own = files.load(folder)
    assert own is not None
    assert "path_mount" not in {one.name for one in functions_run(own, symbols)}


def test_without_a_plugin_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is a note of the run and in its record."""
    broken = tmp_path / "coverage.c"
    broken.write_text("#error no such plugin\n")
    monkeypatch.setattr(pipeline, "find_plugin", partial(find_plugin, source=broken))
    prepared = prepare(context(), Options(coverage=True), logs=tmp_path)

    assert prepared.request.plugin is None
    assert prepared.coverage.template == ""
    assert "does not compile" in prepared.coverage.problem
    assert any(note.startswith("no coverage: ") for note in prepared.notes)


def test_harness_coverage_shows_a_run(tmp_path: Path) -> None:
    """Two rounds of a case, its functions by name, and the answer for a run without coverage."""
    words = ["run", "deb", "-k", "siblings-v2", "-n", "1", "--results", str(tmp_path)]
    case = "cgroupns/views/siblings-v2.session"
    assert start(*words, "--coverage", "--repeat", "2").status == 0

    assert case in start("coverage", "last", "--results", tmp_path).text
    table = json.loads(start("coverage", "last", "--format", "json", "--results", tmp_path).text)
    functions = {one["name"]: one for one in table["functions"]}
    assert functions["proc_cgroup_show"]["cases"] == [case]
    assert (functions["start_kernel"]["cases"], functions["start_kernel"]["boot"]) == ([], True)
    assert "0 functions were run by cases of" in start("coverage", "last", "last", "--diff", "--results", tmp_path).text
    plain = start(*words)
    assert plain.status == 0, plain.text
    call("coverage", "last", "--results", tmp_path).require_error(ExitStatus.USAGE, "has no coverage", "--coverage")
