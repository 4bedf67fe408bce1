# SPDX-License-Identifier: GPL-2.0-only
"""``harness patchwork``, and ``harness series --patchwork``, as programs, against a server of our own."""

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
    """A server with the patches of the sample."""
    with serving(FakePatchwork(dict(PATCHES))) as state:
        yield state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a series that was judged."""
    place = tmp_path / "results" / "2026-11-22T100000Z-series-topic"
    place.mkdir(parents=True)
    (place / "series.json").write_text(dump_series(RECORD))
    return place


def start(*words: str | Path, token: str = TOKEN, **more: str) -> Completed:
    """Run the harness; the token is in nothing that it says."""
    env = environment(PATCHWORK_TOKEN=token, **more)
    done = run(harness(*words), deadline=Deadline.after(600), check=False, within=Surroundings(env=env))

    assert not token or token.encode() not in done.stdout + done.stderr
    return done


def test_checks_are_posted_later(fake: FakePatchwork, folder: Path) -> None:
    """From the folder of the series, or its name in the results; each patch gets its own."""
    named = start("patchwork", folder, "--server", fake.url, "--context", "cgroupns", "--target-url", "https://ci/1")
    again = start("patchwork", folder.name, "--server", fake.url, "--results", folder.parent, "--pending")

    assert (named.status, again.status) == (0, 0)
    assert named.text == "4 checks posted\n"
    assert [check["state"] for check in fake.checks[12]] == ["fail", "pending"]
    assert {check["context"] for checks in fake.checks.values() for check in checks} == {"cgroupns", "harness"}
    assert fake.checks[11][0]["target_url"] == "https://ci/1"


def test_numbers_may_be_given(fake: FakePatchwork, folder: Path) -> None:
    """Who knows them spares the server the look-ups; all or none."""
    numbers = [word for number in PATCHES for word in ("--patch", str(number))]
    done = start("patchwork", folder, "--server", fake.url, *numbers)
    few = start("patchwork", folder, "--server", fake.url, "--patch", "11")

    assert done.status == 0
    assert {one.partition(" ")[0] for one in fake.asked} == {"POST"}
    assert (few.status, few.stderr.decode().partition("\n")[0]) == (4, "harness: --patch names 1 of 4 patches")


@pytest.mark.parametrize(("token", "said"), [(READER, "denies permission to"), ("", "no token for Patchwork")])
def test_a_token_that_does_not_do(fake: FakePatchwork, folder: Path, token: str, said: str) -> None:
    """It is the caller's to mend: status 4, and the variable is named."""
    done = start("patchwork", folder, "--server", fake.url, token=token)

    assert done.status == ExitStatus.USAGE
    assert said in done.stderr.decode()
    assert "PATCHWORK_TOKEN" in done.stderr.decode()


@pytest.mark.parametrize("name", ["nothing", "damaged"])
def test_a_folder_that_is_none(fake: FakePatchwork, tmp_path: Path, name: str) -> None:
    """Not there, or its file was cut off: the file is named, and nothing is posted."""
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "series.json").write_text(dump_series(RECORD)[:100])
    done = start("patchwork", tmp_path / name, "--server", fake.url)

    assert done.status == ExitStatus.USAGE
    assert "series.json" in done.stderr.decode()
    assert not fake.asked


def test_a_series_says_that_it_is_judged_and_takes_it_back(fake: FakePatchwork, tmp_path: Path) -> None:
    """Pending before anything is built; where the base is at fault, no check stays so, and no patch is blamed."""
    tree = kernel_tree(tmp_path / "linux")
    tree.commit({"kernel/cgroup.c": "int cgroup;\nint namespace;\nint one;\n"}, tag="topic")
    mail = tree.git("format-patch", "--stdout", "-1").replace("\nDate:", "\nMessage-ID: <one@example.org>\nDate:", 1)
    (tmp_path / "topic.mbox").write_text(f"{mail}\n")
    words: list[str | Path] = [
        "series",
        tmp_path / "topic.mbox",
        "--base",
        f"{tree.folder}@v9.1",
        "--results",
        tmp_path / "results",
    ]
    fake.faults += [Fault(404, body="{}")]
    unknown = start(*words, "--patchwork", fake.url, HARNESS_STORE=str(tmp_path / "store"))
    done = start(*words, "--patchwork", fake.url, HARNESS_STORE=str(tmp_path / "store"))

    assert unknown.status == ExitStatus.USAGE
    assert done.status == ExitStatus.DIFFERS
    assert [check["state"] for check in fake.checks[11]] == ["pending", "warning"]
    assert fake.checks[11][1]["description"].startswith(
        "not tested: the series cannot be tested, because its base cannot"
    )
