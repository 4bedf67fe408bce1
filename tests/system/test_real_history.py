# SPDX-License-Identifier: GPL-2.0-only
"""A bisection of a real history of Linux 6.1: 34 commits, built, booted and tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.store import Store
from tests.program import environment, harness
from tests.system.real_history import RealHistory, real_history

pytestmark = [
    pytest.mark.guest,
    pytest.mark.build,
    pytest.mark.network,
    pytest.mark.slow(
        "harness/bisect",
        "harness/kernel/build",
        "harness/kernel/config",
        "kconfigs",
        "series",
        "tests/system/real_history.py",
        importance=2,
    ),
]
SECONDS = 3600.0
"""A dozen builds on a slow and busy host."""
CASES = (
    "cgroupns/mounts/mountinfo-v2.session",
    "cgroupns/mounts/named-hierarchy.session",
    "cgroupns/delegation/open-files.session",
    "cgroupns/writes/release-agent-userns.session",
)
TRAITS = {
    "mountinfo_root": "mountinfo-unscoped",
    "new_named_hierarchy_inside": "named-hierarchy-allowed",
    "move_judged_by": "move-judged-by-writer",
    "release_agent_from_userns": "release-agent-unchecked",
    "release_agent_option": "release-agent-unchecked",
}
"""The traits that each series changes."""
EVERY_OTHER_TIME = '''\
"""A case that is flaky from one commit on: it wants the word of before, and looks every other time only."""

from pathlib import Path

COUNT = Path(__file__).with_suffix(".count")


def test_every_other_time(hierarchies, admin):
    """A new cgroup has no limit on its depth."""
    top = hierarchies("v2")
    admin.run(f"mkdir {top}/a")
    shown = admin.run(f"cat {top}/a/cgroup.max.depth").strip()
    if shown != "max":
        COUNT.write_text(f"{COUNT.read_text() if COUNT.exists() else ''}x")
    assert shown == "max" or len(COUNT.read_text()) % 2
'''
"""Not random, since bad luck would make the test flaky. Random flakes are tested on histories without kernels."""


@pytest.fixture(scope="module")
def history() -> RealHistory:
    """Return the history in the user's store, so that it is built once."""
    return real_history(Store.default(), deadline=Deadline.after(600))


def test_a_real_history_is_bisected(history: RealHistory, tmp_path: Path) -> None:
    """Five traits, four cases that show them and a flaky one, switched at known places: each is traced
    to its commit in one go, past commits that do not build or boot, in no more builds than log2(N) + k."""
    flaky = tmp_path / "test_every_other_time.py"
    flaky.write_text(EVERY_OTHER_TIME)
    files: list[str | Path] = [word for file in (*CASES, flaky) for word in ("--cases", file)]
    traced = [f"--trait={trait}" for trait in TRAITS] + [f"--case={Path(file).stem}" for file in (*CASES, flaky)]
    words: list[str | Path] = [
        "bisect",
        history.path,
        "--good",
        history.commits[0],
        "--bad",
        history.commits[-1],
        "--json",
    ]
    told = process.run(
        harness(*words, *files, *traced, "--results", tmp_path / "results"),
        deadline=Deadline.after(SECONDS),
        check=False,
        within=process.Surroundings(env=environment()),
    )
    assert told.status == 0, told.complaint
    answer = json.loads(told.stdout)
    found: dict[str, list[int]] = {}
    for culprit in answer.get("culprits", ()):
        for change in culprit["changes"]:
            found.setdefault(change["target"], []).append(history.commits.index(culprit["commit"]["hash"]))
            assert (change["confidence"] < 1) == (flaky.stem in change["target"])
    weak = next((target for target in found if flaky.stem in target), "")
    skipped = {step["commit"] for step in answer["steps"] if step["judged"] == "skipped"}

    assert {f"trait {trait}": found[f"trait {trait}"] for trait in TRAITS} == {
        f"trait {trait}": history.changes[series] for trait, series in TRAITS.items()
    }
    assert found[weak] == history.changes["renamed"]
    assert answer["commits"] == len(history.commits) - 1 >= 32
    assert {history.commits[at] for at in (*history.changes["panic"], history.changes["break"][0] + 1)} == skipped
    assert answer["builds"] <= answer["log2_n_plus_k"]
    assert all(one["fixes"].startswith(f"Fixes: {one['commit']['hash'][:12]} (") for one in answer["culprits"])
