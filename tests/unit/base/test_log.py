# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/log.py``: the records of each level, without records of libraries and control characters."""

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
from tests.command_line import call


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    yield
    log.set_up(LogSettings())


def make_something(folder: Path) -> None:
    """Make a product with a program, which logs a decision and a detail."""

    def fill(making: Path) -> None:
        process.run(["touch", making / "a file"], deadline=Deadline.after(60))

    Store(folder).make("kind", "key", fill)


def test_nothing_is_logged_by_default(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without options, nothing is written to standard error."""
    log.set_up(LogSettings())
    make_something(tmp_path)

    assert capfd.readouterr() == ("", "")


def test_one_v_shows_decisions(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With -v decisions are shown without details, on standard error, because programs read standard output."""
    log.set_up(LogSettings(1))
    make_something(tmp_path)
    out, err = capfd.readouterr()

    assert out == ""
    assert err.startswith("I harness.base.store: made in ")
    assert "touch" not in err


def test_two_v_show_programs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With -vv each program is shown as a shell command, with its exit status."""
    log.set_up(LogSettings(2))
    make_something(tmp_path)
    make_something(tmp_path)
    err = capfd.readouterr().err

    assert "D harness.base.process: started process" in err
    assert "/a file'" in err
    assert "ended with status 0" in err
    assert f"D harness.base.store: found in the store: {tmp_path}/kind/key" in err


def test_log_file_has_every_level_and_is_appended(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With --log alone the terminal shows no records; a second run is appended to the file."""
    file = tmp_path / "log"
    for name in ("one", "two"):
        log.set_up(LogSettings(0, str(file)))
        make_something(tmp_path / name)
    lines = file.read_text().splitlines()

    assert capfd.readouterr() == ("", "")
    assert len([line for line in lines if "DEBUG harness.base.process: started" in line]) == 2
    assert len([line for line in lines if "INFO harness.base.store: made in" in line]) == 2


def test_set_up_replaces_earlier_handlers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """After two calls each record is shown once."""
    log.set_up(LogSettings(1))
    log.set_up(LogSettings(1))
    make_something(tmp_path)

    assert capfd.readouterr().err.count("made in") == 1


def test_control_characters_are_shown_escaped(capfd: pytest.CaptureFixture[str]) -> None:
    """A file name of an untrusted series cannot send control sequences to the terminal."""
    log.set_up(LogSettings(2))
    logging.getLogger("harness.test").debug("a\x1b[2Jb\rc\x9bd\te")

    assert capfd.readouterr().err == "D harness.test: a\\x1b[2Jb\\x0dc\\x9bd\te\n"


def test_records_of_libraries_are_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """With -vv only records of the harness are shown."""
    log.set_up(LogSettings(2))
    logging.getLogger("asyncio").debug("a selector")

    assert capfd.readouterr().err == ""


def test_set_up_refuses_an_unwritable_file(tmp_path: Path) -> None:
    """A log file that cannot be written is a usage error before anything is run."""
    with pytest.raises(UsageError, match="--log"):
        log.set_up(LogSettings(0, str(tmp_path / "no" / "file")))

    result = call("--log", tmp_path / "no" / "file", "clean")
    result.require_error(ExitStatus.USAGE, "--log", "no/file")


def test_log_options_precede_the_command(tmp_path: Path) -> None:
    """``harness -vv --log FILE clean`` logs to standard error and to the file."""
    result = call("-vv", "--log", tmp_path / "log", "clean", HARNESS_STORE=str(tmp_path))

    assert result.status is ExitStatus.AS_EXPECTED
    assert "harness.cli: arguments: " in result.text
    assert "harness.cli: arguments: " in (tmp_path / "log").read_text()


def test_is_on_terminal_needs_v_and_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A display that redraws its lines is replaced only when records are shown on a terminal."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    log.set_up(LogSettings())
    assert not log.is_on_terminal()
    log.set_up(LogSettings(0, "/dev/null"))
    assert not log.is_on_terminal()
    log.set_up(LogSettings(1))
    assert log.is_on_terminal()
