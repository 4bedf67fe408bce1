# SPDX-License-Identifier: GPL-2.0-only
"""Shell completion: with the printed script, the real shell completes commands, options and their values."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Surroundings, find_program, run
from harness.cli import COMMANDS
from tests.program import PROGRAM, environment, start

ASK = """
source "$1"
COMP_WORDS=("${@:2}") COMP_CWORD=$(($# - 2))
_harness_completion harness
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(("shell", "words"), [("bash", "complete "), ("zsh", "compdef "), ("fish", "complete ")])
def test_the_script_names_the_command(shell: str, words: str) -> None:
    """Each shell gets its own script, for ``harness``."""
    done = start("completion", shell)

    assert done.status == 0
    assert f"_HARNESS_COMPLETE={shell}_complete" in done.text
    assert [line for line in done.text.splitlines() if words in line and "harness" in line]


@pytest.mark.skipif(find_program("bash") is None, reason="there is no bash")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["s"], {"semantics", "series", "shell", "splats", "suite"}),
        ([""], set(COMMANDS)),
        (["--v"], {"--verbose", "--version"}),
        (["run", "--bas"], {"--baseline"}),
        (["run", "--accel", ""], {"auto", "kvm", "tcg"}),
        (["completion", "z"], {"zsh"}),
    ],
)
def test_bash_completes(tmp_path: Path, typed: list[str], offered: set[str]) -> None:
    """The real bash, with the real script, offers the possible arguments."""
    script = tmp_path / "harness.bash"
    script.write_text(start("completion", "bash").text)
    variables = environment(PATH=f"{PROGRAM.parent}:/usr/bin:/bin")
    words = ["bash", "--norc", "-c", ASK, "bash", str(script), "harness", *typed]
    done = run(words, deadline=Deadline.after(60), within=Surroundings(env=variables))

    assert {*done.text.split()} == offered


def test_an_unknown_shell_is_a_usage_error() -> None:
    """The message names the supported shells."""
    done = start("completion", "tcsh")

    assert done.status == 4
    assert "bash" in done.stderr.decode()
