# SPDX-License-Identifier: GPL-2.0-only
"""The examples of ``examples/follow/`` are valid: the configuration is read, systemd accepts the units."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click
import pytest

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.process import Surroundings, find_program, run
from harness.follow.state.place import read_config
from tests import command_line

FOLDER = paths.ROOT / "examples" / "follow"
UNITS = sorted(one for one in FOLDER.iterdir() if one.suffix in (".service", ".timer"))


def test_configuration_is_valid() -> None:
    """It has a source, a rule and answers, and sends nothing."""
    config = read_config(FOLDER / "follow.toml")

    assert (config.name, len(config.sources), len(config.rules)) == ("follow", 1, 1)
    assert config.answers.send == ()
    assert config.answers.drafts.startswith(str(Path.home()))


@pytest.mark.parametrize("unit", [one for one in UNITS if one.suffix == ".service"], ids=lambda one: one.name)
def test_command_of_the_unit_exists(unit: Path) -> None:
    """The command line takes the arguments of ExecStart."""
    (line,) = (one for one in unit.read_text().splitlines() if one.startswith("ExecStart="))
    program, name, *words = shlex.split(line.removeprefix("ExecStart="))

    assert program.endswith("/harness")
    assert isinstance(command_line.commands()[name].make_context(name, words), click.Context)


@pytest.mark.skipif(find_program("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", UNITS, ids=lambda one: one.name)
def test_systemd_accepts_the_units(unit: Path, tmp_path: Path) -> None:
    """``systemd-analyze verify`` has no complaint; only the program's path is replaced, which it looks up."""
    program = tmp_path / "harness"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for one in UNITS:
        text = one.read_text().replace("%h/kernel-patch-harness/.venv/bin/harness", str(program))
        (tmp_path / one.name).write_text(text)
    words = ["systemd-analyze", "--user", "--man=no", "verify", str(tmp_path / unit.name)]
    # Without a session of the user, systemd-analyze looks for no folder of it.
    within = Surroundings(env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})
    done = run(words, deadline=Deadline.after(60), check=False, within=within)

    assert (done.status, [line for line in done.stderr.decode().splitlines() if "harness-follow" in line]) == (0, [])
