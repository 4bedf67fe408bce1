# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness patchwork`` and ``harness series --patchwork``, as programs, with a fake server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.process import Completed, Surroundings, run
from harness.model.series_record import dump_series
from tests.patchwork_server import READER, TOKEN, FakePatchwork, Fault, serving
from tests.program import environment, harness
from tests.unit.kernel.user_tree import kernel_tree
from tests.unit.series.sample import RECORD
from tests.unit.series.test_patchwork import PATCHES


@pytest.fixture
def fake() -> Iterator[FakePatchwork]:
    """Start a server with the patches of the sample."""
    with serving(FakePatchwork(dict(PATCHES))) as state:
        yield state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make the folder of a tested series."""
    path = tmp_path / "results" / "2026-11-22T100000Z-series-topic"
    path.mkdir(parents=True)
    (path / "series.json").write_text(dump_series(RECORD))
    return path


def start(*arguments: str | Path, token: str = TOKEN, **more: str) -> Completed:
    """Run the harness and check that its output does not contain the token."""
    env = environment(PATCHWORK_TOKEN=token, **more)
    done = run(harness(*arguments), deadline=Deadline.after(600), check=False, within=Surroundings(env=env))

    assert not token or token.encode() not in done.stdout + done.stderr
    return done


def test_patchwork_posts_the_checks_of_a_folder(fake: FakePatchwork, folder: Path) -> None:
    """The folder is given as a path or by its name in the results; each patch gets its own check."""
    named = start("patchwork", folder, "--server", fake.url, "--context", "cgroupns", "--target-url", "https://ci/1")
    again = start("patchwork", folder.name, "--server", fake.url, "--results", folder.parent, "--pending")

    assert (named.status, again.status) == (0, 0)
    assert named.text == "4 checks posted\n"
    assert [check["state"] for check in fake.checks[12]] == ["fail", "pending"]
    assert {check["context"] for checks in fake.checks.values() for check in checks} == {"cgroupns", "harness"}
    assert fake.checks[11][0]["target_url"] == "https://ci/1"


def test_patch_numbers_replace_the_look_ups(fake: FakePatchwork, folder: Path) -> None:
    """With --patch for each patch the server is not queried; with --patch for some of them it is a usage error."""
    numbers = [argument for number in PATCHES for argument in ("--patch", str(number))]
    done = start("patchwork", folder, "--server", fake.url, *numbers)
    few = start("patchwork", folder, "--server", fake.url, "--patch", "11")

    assert done.status == 0
    assert {one.partition(" ")[0] for one in fake.asked} == {"POST"}
    assert (few.status, few.stderr.decode().partition("\n")[0]) == (4, "harness: --patch names 1 of 4 patches")


@pytest.mark.parametrize(("token", "problem"), [(READER, "denies permission to"), ("", "no token for Patchwork")])
def test_insufficient_token_is_a_usage_error(fake: FakePatchwork, folder: Path, token: str, problem: str) -> None:
    """The exit status is 4, and the error names the variable."""
    done = start("patchwork", folder, "--server", fake.url, token=token)

    assert done.status == ExitStatus.USAGE
    assert problem in done.stderr.decode()
    assert "PATCHWORK_TOKEN" in done.stderr.decode()


@pytest.mark.parametrize("name", ["nothing", "damaged"])
def test_missing_or_damaged_folder_is_a_usage_error(fake: FakePatchwork, tmp_path: Path, name: str) -> None:
    """The error names the missing or truncated file, and nothing is posted."""
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "series.json").write_text(dump_series(RECORD)[:100])
    done = start("patchwork", tmp_path / name, "--server", fake.url)

    assert done.status == ExitStatus.USAGE
    assert "series.json" in done.stderr.decode()
    assert not fake.asked


def test_series_posts_pending_and_then_the_result(fake: FakePatchwork, tmp_path: Path) -> None:
    """Checks are pending before a build; if the base cannot be tested, each becomes a warning, not a failure."""
    tree = kernel_tree(tmp_path / "linux")
    tree.commit({"kernel/cgroup.c": "int cgroup;\nint namespace;\nint one;\n"}, tag="topic")
    mail = tree.git("format-patch", "--stdout", "-1").replace("\nDate:", "\nMessage-ID: <one@example.org>\nDate:", 1)
    (tmp_path / "topic.mbox").write_text(f"{mail}\n")
    arguments: list[str | Path] = [
        "series",
        tmp_path / "topic.mbox",
        "--base",
        f"{tree.folder}@v9.1",
        "--results",
        tmp_path / "results",
    ]
    fake.faults += [Fault(404, body="{}")]
    unknown = start(*arguments, "--patchwork", fake.url, HARNESS_STORE=str(tmp_path / "store"))
    done = start(*arguments, "--patchwork", fake.url, HARNESS_STORE=str(tmp_path / "store"))

    assert unknown.status == ExitStatus.USAGE
    assert done.status == ExitStatus.DIFFERS
    assert [check["state"] for check in fake.checks[11]] == ["pending", "warning"]
    assert fake.checks[11][1]["description"].startswith(
        "not tested: the series cannot be tested, because its base cannot"
    )
