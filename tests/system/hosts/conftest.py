# SPDX-License-Identifier: GPL-2.0-only
"""Fixtures of tests on several hosts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.base.store import Store
from harness.pipeline import Prepared
from tests.program import environment
from tests.system.host_runs import WARM_KINDS, write_cases, write_hosts_file
from tests.system.ssh_hosts import SshHost, path_with_ssh, ssh_host


@pytest.fixture
def suite(prepared: Prepared, tmp_path: Path) -> Path:
    """Return a suite that hosts do not have; its guest image is that of the default suite, so nothing is booted."""
    folder = write_cases(tmp_path / "fleet")
    for helper in prepared.suite.guest.helpers:
        (folder / helper.name).write_bytes(helper.read_bytes())
    helpers = ", ".join(f'"{helper.name}"' for helper in prepared.suite.guest.helpers)
    (folder / "suite.toml").write_text(
        f'format = 1\nname = "fleet"\ntitle = "hosts"\n[guest]\n'
        f'needs = {{ CONFIG_CGROUPS = "there is no cgroup hierarchy to mount" }}\nhelpers = [{helpers}]\n'
    )
    return folder


@pytest.fixture
def warm_kinds() -> tuple[str, ...]:
    """Return the kinds of products that the hosts have."""
    return WARM_KINDS


@pytest.fixture
def hosts(tmp_path: Path, warm_kinds: tuple[str, ...]) -> Iterator[tuple[SshHost, SshHost]]:
    """Run two hosts, with one store that knows what this user's store knows."""
    store = tmp_path / "store"
    store.mkdir()
    for kind in warm_kinds:
        (store / kind).symlink_to(Store.default().folder / kind)
    with contextlib.ExitStack() as ends:
        made = []
        for number, name in enumerate(("a", "b"), start=1):
            folder = tmp_path / name
            folder.mkdir()
            made.append(ends.enter_context(ssh_host(name, folder, number, store=store)))
        yield made[0], made[1]


@pytest.fixture
def surroundings(hosts: tuple[SshHost, SshHost], tmp_path: Path) -> dict[str, str]:
    """Return an environment in which ssh knows the hosts."""
    folder = tmp_path / "ssh"
    folder.mkdir()
    write_hosts_file(tmp_path, silence=60)
    return environment(PATH=path_with_ssh(folder, *hosts), XDG_CONFIG_HOME=str(tmp_path / "configuration"))
