# SPDX-License-Identifier: GPL-2.0-only
"""Machine types with disks: an ext4 file system and swap, on a kernel whose drivers are modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import paths, process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.results.folder import load_run
from tests.program import environment, harness

pytestmark = [pytest.mark.guest, pytest.mark.network]
SECONDS = 600.0
SETUP = "/usr/lib/harness/kselftest-setup"
SUITE = f"""format = 1
name = "disks"
title = "disks"

[[guest.file]]
path = "{SETUP}"
source = "setup.sh"
mode = 0o755

[[guest.file]]
path = "/usr/lib/kselftest/here"
source = "setup.sh"
"""
COMMAND = (
    "findmnt -n -o SOURCE,FSTYPE --mountpoint /usr/lib/kselftest | grep -qx '/dev/vda *ext4' && [ -e here ] && "
    "[ ! -e left ] && dd if=/dev/urandom of=left bs=1M count=8 2>/dev/null && sync && "
    "grep -q '^/dev/vdb *partition' /proc/swaps && [ $(nproc) = 2 ]"
)


def test_each_clone_has_disks_of_its_own(tmp_path: Path) -> None:
    """The file of one case is in none of the others."""
    suite = tmp_path / "disks"
    suite.mkdir()
    (suite / "suite.toml").write_text(SUITE)
    (suite / "setup.sh").write_bytes(paths.SELFTESTS_SETUP.read_bytes())
    for name in ("one", "two", "three"):
        program = f"command = '''{COMMAND}'''\nprepare = '{SETUP}'\ndirectory = '/usr/lib/kselftest'\n"
        (suite / f"{name}.program").write_text(program)
    done = process.run(
        harness("run", "deb:6.1", "--suite", "disks", "--machine", "selftests", "-n", "2", "--results", "results"),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment(), cwd=tmp_path),
    )

    run = load_run(tmp_path / "results/latest")
    assert done.status == ExitStatus.AS_EXPECTED, done.text + done.complaint
    assert {case.machine for case in run.cases} == {"clone"}
    assert run.machine_type == "selftests"
