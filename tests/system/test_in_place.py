# SPDX-License-Identifier: GPL-2.0-only
"""``harness run --in-place``: a real guest with a kernel that was built in the user's own folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import Completed, Surroundings, run
from harness.pipeline import Prepared
from harness.results.folder import load_run
from harness.suite.load import default_suite
from tests.program import environment, harness
from tests.system.bootable_tree import FLAGS, flags, make_bootable, write_cases
from tests.unit.kernel.test_in_place import OPTIONS
from tests.unit.kernel.test_in_place import config as config_of

CASES_NEED = "".join(f"{need.option}=y\n" for need, _ in default_suite().config.needs)

pytestmark = [pytest.mark.guest, pytest.mark.build]


def test_a_run_in_place_follows_the_users_own_make(prepared: Prepared, tmp_path: Path) -> None:
    """Their objects are the first kernel, nothing is compiled; an edit changes the verdict."""
    tree = make_bootable(tmp_path / "linux", prepared.request.image)
    output, cases, results = tmp_path / "output", write_cases(tmp_path / "cases"), tmp_path / "results"
    output.mkdir()
    (output / "source").symlink_to(tree.path)
    config = config_of(options=OPTIONS + CASES_NEED)
    (output / ".config").write_text(config)
    words = ["make", "-C", str(tree.path), f"O={output}", "bzImage"]
    run(words, deadline=Deadline.after(60), within=Surroundings(env={"PATH": os.environ["PATH"]}))
    first = run_in_place(output, cases, results)
    (tree.path / FLAGS).write_text(flags("2"))
    second = run_in_place(output, cases, results)
    records = [load_run(file.parent) for file in sorted(results.glob("2*/run.json"))]

    assert first.status == ExitStatus.AS_EXPECTED, first.text
    assert "make compiled 0 files" in first.text
    assert second.status == ExitStatus.DIFFERS, second.text
    assert [record.kernel.build.reused for record in records] == [f"the objects in {output}"] * 2
    assert [record.kernel.came_from.uncommitted for record in records] == [0, 1]
    assert (output / ".config").read_text() == config


def run_in_place(folder: Path, cases: Path, results: Path) -> Completed:
    """Run the cases on the kernel of a build folder."""
    words = harness("run", "--in-place", folder, "--cases", cases, "--results", results)
    return run(words, deadline=Deadline.after(300), check=False, within=Surroundings(env=environment()))
