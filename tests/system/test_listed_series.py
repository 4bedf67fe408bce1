# SPDX-License-Identifier: GPL-2.0-only
"""``--inventory``: a series that changes what user space finds, on a made-up tree; then diff and history."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.model.series_record import EffectKind
from harness.pipeline import Prepared
from harness.results.records import load_series
from tests.program import environment, harness
from tests.system.bootable_tree import FLAGS, flags, make_bootable
from tests.unit.kernel.fake_tree import FILES

pytestmark = [
    pytest.mark.guest,
    pytest.mark.build,
    pytest.mark.slow("harness/series", "harness/inventory.py", "harness/run/one_kernel.py"),
]
SECTION = """
[inventory.setup]
command = "echo root_flags = $(dd if=/sys/kernel/boot_params/data bs=1 skip=498 count=1 2>/dev/null); echo other = ok"
"""


def test_series_names_the_patch_that_changes_an_entry(prepared: Prepared, tmp_path: Path) -> None:
    """No case differs; the second of three patches changes an entry, and a declaration makes that intended."""
    tree = make_bootable(tmp_path / "linux", prepared.request.image)
    tree.commit({"lib/string.c": f"{FILES['lib/string.c']}/* one */\n"}, subject="lib: a comment")
    tree.commit({FLAGS: flags("2")}, subject="kernel: other flags")
    tree.commit({"lib/string.c": f"{FILES['lib/string.c']}/* two */\n"}, subject="lib: another comment")

    def run(*words: str | Path) -> process.Completed:
        within = process.Surroundings(env=environment(), cwd=tmp_path)
        return process.run(harness(*words, *where), deadline=Deadline.after(600), check=False, within=within)

    where: tuple[str | Path, ...] = ()
    assert run("suite", "new", "mine").status == ExitStatus.AS_EXPECTED
    where = ("--results", tmp_path / "results")
    with (tmp_path / "mine/suite.toml").open("a") as file:
        file.write(SECTION)
    base = tree.commits[-4]
    words = ("series", f"{base}..{tree.commits[-1]}", "--base", f"{tree.path}@{base}", "--suite", "mine", "--inventory")
    done = run(*words, "--no-coverage")
    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    (written,) = (tmp_path / "results").glob("*/series.json")
    record = load_series(written.read_text(), source=str(written))

    assert [[(one.of, one.name) for one in patch.effects] for patch in record.posted] == [
        [],
        [(EffectKind.INVENTORY, "setup: root_flags")],
        [],
    ]
    assert "inventory:setup: root_flags: 1 -> 2" in done.text

    runs = [record.patches[0].run, record.patches[-1].run]
    compared = run("diff", *runs, "--suite", "mine")
    assert compared.status == ExitStatus.DIFFERS
    assert "~ setup: root_flags" in compared.text
    shown = run("history", "inventory:root_flags").text
    assert all(f"since       {value}, " in shown for value in (1, 2)), shown

    declared = run(*words, "--no-coverage", "--expect", "inventory:setup: root_flags")
    assert declared.status == ExitStatus.AS_EXPECTED, declared.text + declared.complaint
