# SPDX-License-Identifier: GPL-2.0-only
"""Make the commands that rerun a case."""

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
def test_rerun_keeps_options_that_change_the_result(command: str, options: str) -> None:
    """Profile, configuration and machine are kept; cases, workers and the results folder are not."""
    run = replace(RUN, kernel=replace(KERNEL, spec="~/my linux+a.mbox"), command=command)
    rerun, shell = rerun_commands(run, case("cases/views/a.session"))

    assert rerun == f"harness run '~/my linux+a.mbox' --cases cases/views/a.session{options}"
    kept = options.replace(" --profile v1", "")
    assert shell == f"harness shell '~/my linux+a.mbox' cases/views/a.session{kept}"


def test_kernel_parameters_and_machine_are_kept() -> None:
    """A kernel behaves otherwise with them, in a shell as well."""
    command = "harness run deb --append cgroup_no_v1=all --fresh boot --machine ./my.toml --append='a b=c'"
    rerun, shell = rerun_commands(replace(RUN, command=command), case("cases/views/a.session"))

    assert rerun == (
        "harness run deb --cases cases/views/a.session "
        "--append cgroup_no_v1=all --fresh boot --machine ./my.toml '--append=a b=c'"
    )
    assert shell == (
        "harness shell deb cases/views/a.session --append cgroup_no_v1=all --machine ./my.toml '--append=a b=c'"
    )


def test_python_case_is_named_by_file_and_name() -> None:
    """It has no shell command, as it cannot be run up to a line."""
    rerun, shell = rerun_commands(RUN, case("cases/setns/test_fds.py::test_own[v2]"))

    assert rerun == "harness run deb --cases cases/setns/test_fds.py -k test_own"
    assert shell == ""
