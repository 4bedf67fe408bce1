# SPDX-License-Identifier: GPL-2.0-only
"""The commands that ask a case again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.report.page.rerun_command import rerun_commands
from tests.unit.report.sample import KERNEL, RUN, case


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("harness run deb -n 2 --cases cases/views", ""),
        ("harness run deb --profile v1 --config=kasan --trust -k x", " --profile v1 --config=kasan --trust"),
        ("harness run 'unbalanced", ""),
    ],
)
def test_what_changes_the_answer_is_said_again(command: str, options: str) -> None:
    """Profile, configuration and machine; not which cases, how many workers or where to."""
    run = replace(RUN, kernel=replace(KERNEL, spec="~/my linux+a.mbox"), command=command)
    again, shell = rerun_commands(run, case("cases/views/a.session"))

    assert again == f"harness run '~/my linux+a.mbox' --cases cases/views/a.session{options}"
    assert shell == "harness shell '~/my linux+a.mbox' cases/views/a.session"


def test_a_python_case_is_named_by_its_file_and_its_name() -> None:
    """There is no shell for one: nothing can be played up to a line."""
    again, shell = rerun_commands(RUN, case("cases/setns/test_fds.py::test_own[v2]"))

    assert again == "harness run deb --cases cases/setns/test_fds.py -k test_own"
    assert shell == ""
