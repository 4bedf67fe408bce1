# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/paths.py``: the folders of results."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.process import Surroundings, run
from tests.private_mounts import needs_mounts, with_mounts

ASK = """
import sys
from pathlib import Path
from harness.base import paths
paths.ROOT = Path(sys.argv[1])
print(paths.default_results())
"""


def test_results_of_a_checkout_are_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writable checkout keeps its results, with or without a results folder."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)

    assert paths.default_results() == tmp_path / "results"


@needs_mounts
@pytest.mark.parametrize("is_there", [False, True])
def test_results_of_a_read_only_checkout_are_in_the_state_folder(tmp_path: Path, is_there: bool) -> None:
    """The results of a checkout on a read-only file system are in the state folder, in either case."""
    checkout = tmp_path / "checkout"
    (checkout / "results" if is_there else checkout).mkdir(parents=True)
    mounts = [f"mount --bind '{checkout}' '{checkout}'", f"mount -o remount,bind,ro '{checkout}'"]
    command = ["env", f"XDG_STATE_HOME={tmp_path}/state", sys.executable, "-c", ASK, str(checkout)]
    done = run(with_mounts(mounts, command), deadline=Deadline.after(60), within=Surroundings(cwd=paths.ROOT))

    assert done.text == f"{tmp_path}/state/kernel-patch-harness/results\n"


def test_user_folder_refuses_a_relative_folder() -> None:
    """An older platformdirs leaves the ``~`` of a user without a home folder, which is a usage error."""
    with pytest.raises(UsageError, match="no home folder") as caught:
        paths.user_folder(lambda name: f"~/.cache/{name}", option="HARNESS_STORE")

    assert "HARNESS_STORE" in str(caught.value)
