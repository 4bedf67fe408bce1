# SPDX-License-Identifier: GPL-2.0-only
"""New output with numbers that differ from run to run."""

from __future__ import annotations

import pytest

from harness.session.doubtful import Doubt, find_doubts
from harness.session.transcript import parse


def doubts(before: str, after: str) -> list[Doubt]:
    """Return the doubts about a step whose output changes."""
    old, new = (parse(text, path="a.session") for text in (before, after))
    return list(find_doubts(old, new))


@pytest.mark.parametrize(
    ("command", "line", "tokens"),
    [
        ("echo $$", "85", ["85"]),
        ("sleep 9 & echo $!", "[1] 85", ["85"]),
        ("cat cgroup.procs", "103", ["103"]),
        ("ps -o pid,ppid", "  85   1", ["85"]),
        ("grep ^Pid: /proc/self/status", "Pid: 85", ["85"]),
        ("echo $$", "7", []),
        ("cat memory.max", "1024", []),
        ("cat /proc/cgroups", "cpu 0 1 1", []),
        ("stat -c %i /sys", "4026531835", []),
    ],
)
def test_numbers_of_processes_are_found(command: str, line: str, tokens: list[str]) -> None:
    """The command or the line shows that a number is a process id; other numbers belong to the kernel."""
    found = doubts(f"    # {command}\n    nothing\n", f"    # {command}\n    {line}\n")

    assert [one.token for one in found] == tokens
    assert not any(one.is_error or one.is_in_file for one in found)


def test_number_of_the_file_is_proposed() -> None:
    """With it in ``varies`` the file stays as it was posted."""
    [found] = doubts("    # cat cgroup.procs\n    20124\n", "    # cat cgroup.procs\n    85\n")

    assert found == Doubt(2, "85", "20124", is_error=False, is_in_file=True)


def test_error_about_a_process_of_another_run_is_found() -> None:
    """The command names a number that no process of this run has."""
    [found] = doubts(
        "    # cat /proc/20124/cgroup\n    0::/a\n",
        "    # cat /proc/20124/cgroup\n    cat: /proc/20124/cgroup: No such file or directory\n",
    )

    assert (found.token, found.is_error, found.is_in_file) == ("20124", True, True)
    [found] = doubts("    # kill 77\n", "    # kill 77\n    bash: kill: (77) - No such process\n")
    assert found.token == "77"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("varies: 85\n\n    # echo $$\n    85\n", "varies: 85\n\n    # echo $$\n    85\n"),
        ("varies: 20124\n\n    # echo $$\n    20124\n    x\n", "varies: 20124\n\n    # echo $$\n    20124\n    y\n"),
        ("    # cat /no\n    x\n", "    # cat /no\n    cat: /no: No such file or directory\n"),
        (
            "    # kill 77\n    kill: (77) - No such process\n    x\n",
            "    # kill 77\n    kill: (77) - No such process\n    y\n",
        ),
        ("    # echo $$\n    85\n    x\n", "    # echo $$\n    85\n    y\n"),
    ],
)
def test_known_numbers_and_other_errors_are_no_doubt(before: str, after: str) -> None:
    """A number in ``varies``, one that the file has already, and an error without a number of a process."""
    assert doubts(before, after) == []
