# SPDX-License-Identifier: GPL-2.0-only
"""clocks, the helper of the suite timens, compiled and run on this host: its grammar, its lines, its exit status."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.base import paths, process
from harness.base.deadline import Deadline
from harness.guest.image import compile_helper

SOURCE = paths.SUITES / "timens" / "clocks.c"
VERB = re.compile(r'^\t\{ "(\w+)", "', re.MULTILINE)
NAME = re.compile(r'^\t\{ "(\w+)", CLOCK_', re.MULTILINE)


@pytest.fixture(scope="module")
def clocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, as the guest image compiles it."""
    made = tmp_path_factory.mktemp("clocks") / "clocks"
    compile_helper(SOURCE, made, deadline=Deadline.after(60))
    return made


def run(clocks: Path, line: str) -> process.Completed:
    """Run clocks with the arguments of a line."""
    return process.run([clocks, *line.split()], deadline=Deadline.after(60), check=False)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "missing action"),
        ("tell", "unknown action 'tell'"),
        ("days", "missing argument of 'days'"),
        ("days noon", "invalid argument 'noon'"),
        ("days boottime telepathy", "invalid argument 'telepathy'"),
        ("table now", "unexpected argument 'now'"),
        ("table then", "missing action"),
        ("nanosleep monotonic tomorrow", "invalid argument 'tomorrow'"),
        ("nanosleep monotonic now*2", "invalid argument 'now*2'"),
        ("nanosleep monotonic -1", "invalid argument '-1'"),
        ("vfork", "missing argument of 'vfork'"),
    ],
)
def test_usage_error_runs_no_action(clocks: Path, line: str, complaint: str) -> None:
    """The whole command line is checked before the first action: exit status 64, and no output but the error."""
    found = run(clocks, line)

    assert (found.status, found.text) == (64, "")
    assert found.complaint.splitlines()[0] == f"clocks: {complaint}"


def test_source_comment_documents_every_action() -> None:
    """Each verb and each clock of the tables is in the comment at the top."""
    source = SOURCE.read_text()
    head = source[: source.index("*/")]
    actions = set(re.findall(r"^ \*\t(\w+)(?: |$)", head, re.MULTILINE))

    assert set(VERB.findall(source)) <= actions
    assert len(NAME.findall(source)) == 7
    assert all(re.search(rf"\b{name}\b", head) for name in NAME.findall(source))


def test_table_has_the_form_of_the_manual_page(clocks: Path) -> None:
    """The table has four rows as in time_namespaces(7)."""
    rows = run(clocks, "table").text.splitlines()

    assert [row[:17] for row in rows] == [
        "CLOCK_REALTIME : ",
        "CLOCK_TAI      : ",
        "CLOCK_MONOTONIC: ",
        "CLOCK_BOOTTIME : ",
    ]
    form = re.compile(r"CLOCK_\w+ *: {1,10}\d+\.\d{3} \((\d+ days \+ )?[ \d]\dh [ \d]\dm [ \d]\ds\)")
    assert all(form.fullmatch(row) for row in rows)


@pytest.mark.parametrize("clock", ["realtime", "tai", "monotonic", "monotonic_raw", "monotonic_coarse", "boottime"])
def test_agree_compares_vdso_and_system_call(clocks: Path, clock: str) -> None:
    """The host's clocks are equal by vDSO and by system call, as in every time namespace."""
    found = run(clocks, f"agree {clock} then days {clock} then days {clock} vdso")
    _, by_syscall, by_vdso = found.text.splitlines()

    assert found.text.startswith(f"agree({clock}) = yes\n")
    assert by_vdso == by_syscall.replace(")", ", vdso)")


@pytest.mark.parametrize("when", ["now", "now-1", "now+0.01", "0.5"])
def test_waits_expire_at_their_time(clocks: Path, when: str) -> None:
    """Each kind of wait is shown as expired, and never before its time."""
    line = f"nanosleep monotonic {when} then timerfd boottime {when} then timer monotonic {when} then futex {when}"
    found = run(clocks, line)

    assert (found.status, found.text.count("= expired")) == (0, 4)


def test_vfork_shows_the_exit_status(clocks: Path) -> None:
    """The output comes first, then the line; the status is passed on."""
    assert run(clocks, "vfork echo said then more").text == "said then more\nvfork() = 0\n"
    assert run(clocks, "vfork false").status == 1


def test_failed_system_call_ends_the_actions(clocks: Path) -> None:
    """A failed system call is shown with the name of its error, and later actions are not done."""
    found = run(clocks, "setns /dev/null then table")

    assert (found.status, found.text) == (1, "setns(/dev/null, CLONE_NEWTIME) = -1 EINVAL\n")
