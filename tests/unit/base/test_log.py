# SPDX-License-Identifier: GPL-2.0-only
"""The log: what is shown at which level, and that records of libraries and control characters stay out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.base import log, process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus, UsageError
from harness.base.log import LogSettings
from harness.base.store import Store
from tests.told import call


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    yield
    log.set_up(LogSettings())


def make_something(folder: Path) -> None:
    """Decide something: make a product with a program."""

    def fill(making: Path) -> None:
        process.run(["touch", making / "a file"], deadline=Deadline.after(60))

    Store(folder).make("kind", "key", fill)


def test_nothing_is_logged_by_default(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Standard error is for errors and notes."""
    log.set_up(LogSettings())
    make_something(tmp_path)

    assert capfd.readouterr() == ("", "")


def test_once_verbose_shows_decisions(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """-v: what was made, and not how; on standard error, as standard output may be read by a program."""
    log.set_up(LogSettings(1))
    make_something(tmp_path)
    out, err = capfd.readouterr()

    assert out == ""
    assert err.startswith("I harness.base.store: made in ")
    assert "touch" not in err


def test_twice_verbose_shows_programs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """-vv: each program, as it can be typed into a shell, and how it ended."""
    log.set_up(LogSettings(2))
    make_something(tmp_path)
    make_something(tmp_path)
    err = capfd.readouterr().err

    assert "D harness.base.process: started process" in err
    assert "/a file'" in err
    assert "ended with status 0" in err
    assert f"D harness.base.store: found in the store: {tmp_path}/kind/key" in err


def test_the_file_has_every_level_and_is_added_to(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """--log alone: the terminal stays as it is; a second run does not lose the first."""
    file = tmp_path / "log"
    for name in ("one", "two"):
        log.set_up(LogSettings(0, str(file)))
        make_something(tmp_path / name)
    lines = file.read_text().splitlines()

    assert capfd.readouterr() == ("", "")
    assert len([line for line in lines if "DEBUG harness.base.process: started" in line]) == 2
    assert len([line for line in lines if "INFO harness.base.store: made in" in line]) == 2


def test_a_second_set_up_ends_the_first(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each record is shown once."""
    log.set_up(LogSettings(1))
    log.set_up(LogSettings(1))
    make_something(tmp_path)

    assert capfd.readouterr().err.count("made in") == 1


def test_control_characters_are_shown_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    """A file name of an untrusted series does not command the terminal."""
    log.set_up(LogSettings(2))
    logging.getLogger("harness.test").debug("a\x1b[2Jb\rc\x9bd\te")

    assert capfd.readouterr().err == "D harness.test: a\\x1b[2Jb\\x0dc\\x9bd\te\n"


def test_libraries_stay_out(capfd: pytest.CaptureFixture[str]) -> None:
    """-vv is about the harness."""
    log.set_up(LogSettings(2))
    logging.getLogger("asyncio").debug("a selector")

    assert capfd.readouterr().err == ""


def test_a_file_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    """Before anything is run."""
    with pytest.raises(UsageError, match="--log"):
        log.set_up(LogSettings(0, str(tmp_path / "no" / "file")))

    told = call("--log", tmp_path / "no" / "file", "clean")
    told.require_error(ExitStatus.USAGE, "--log", "no/file")


def test_the_options_stand_before_the_command(tmp_path: Path) -> None:
    """``harness -vv --log FILE clean``; the file may be relative."""
    told = call("-vv", "--log", tmp_path / "log", "clean", HARNESS_STORE=str(tmp_path))

    assert told.status is ExitStatus.AS_EXPECTED
    assert "harness.cli: arguments: " in told.text
    assert "harness.cli: arguments: " in (tmp_path / "log").read_text()


def test_a_display_that_redraws_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records between its lines would tear it."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    log.set_up(LogSettings())
    assert not log.is_on_terminal()
    log.set_up(LogSettings(0, "/dev/null"))
    assert not log.is_on_terminal()
    log.set_up(LogSettings(1))
    assert log.is_on_terminal()
