# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that hosts build: in their sandbox, each once, and the run is the one that this host would have made."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.pipeline import Prepared
from harness.results.folder import load_run
from tests.program import environment, harness
from tests.system.bootable_tree import FLAGS, flags, make_bootable
from tests.system.ssh_hosts import SshHost, are_possible, path_with_ssh, ssh_host
from tests.unit.kernel.fake_tree import FakeRepository

pytestmark = [
    pytest.mark.guest,
    pytest.mark.build,
    pytest.mark.slow("harness/hosts", "harness/kernel/build", "tests/system/test_host_builds.py"),
]

CASE = """A byte of the setup header.

    # dd if=/sys/kernel/boot_params/data bs=1 skip=498 count=1 2>/dev/null
    1
"""
_SECONDS = 600.0
SHARED_KINDS = ("emulator", "acceleration", "guest-image", "guest-config")
"""Kinds of products of this user's store that the store of a test and those of its hosts share: they take time."""

needs_namespaces = pytest.mark.skipif(not are_possible(), reason="network namespaces need root, and sshd is needed")


def make_store(folder: Path) -> Path:
    """Make a store without kernels and templates."""
    folder.mkdir(parents=True)
    for kind in SHARED_KINDS:
        (folder / kind).symlink_to(Store.default().folder / kind)
    return folder


@pytest.fixture(scope="module")
def tree(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> FakeRepository:
    """Return a tree that builds in a second, with a commit that changes what the case shows, and one that is broken."""
    tree = make_bootable(tmp_path_factory.mktemp("trees") / "linux", prepared.request.image)
    tree.commit({FLAGS: flags("2")}, subject="another byte")
    tree.commit({"kernel/fork.c": "int fork_one(int of)\n{\n\treturn none;\n}\n"}, subject="broken")
    return tree


@pytest.fixture
def suite(prepared: Prepared, tmp_path: Path) -> Path:
    """Return a suite with one case, whose guest is that of the default suite."""
    folder = tmp_path / "fleet"
    folder.mkdir()
    (folder / "flags.session").write_text(CASE)
    (folder / "suite.toml").write_text('format = 1\nname = "fleet"\ntitle = "builds"\n')
    return folder


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[tuple[SshHost, SshHost]]:
    """Run two hosts, each with a store of its own."""
    with contextlib.ExitStack() as ends:
        made = []
        for number, name in enumerate(("a", "b"), start=1):
            (folder := tmp_path / name).mkdir()
            host = ssh_host(name, folder, number, store=make_store(folder / "store"))
            made.append(ends.enter_context(host))
        yield made[0], made[1]


@pytest.fixture
def surroundings(hosts: tuple[SshHost, SshHost], tmp_path: Path) -> dict[str, str]:
    """Return an environment in which ssh knows the hosts, with a store of its own."""
    (tmp_path / "ssh").mkdir()
    settings = tmp_path / "configuration" / "kernel-patch-harness"
    settings.mkdir(parents=True)
    (settings / "hosts.toml").write_text("[host.a]\nslots = 1\n[host.b]\nslots = 1\n")
    return environment(
        PATH=path_with_ssh(tmp_path / "ssh", *hosts),
        XDG_CONFIG_HOME=str(tmp_path / "configuration"),
        HARNESS_STORE=str(make_store(tmp_path / "store")),
    )


def builds(store: Path) -> dict[str, dict[str, object]]:
    """Return the facts about the kernels of a store, by their keys."""
    return {one.parent.name: json.loads(one.read_text()) for one in store.glob("kernel-build/*/build.json")}


def builds_of(hosts: Iterable[SshHost]) -> dict[str, dict[str, object]]:
    """Return the facts about the kernels of some hosts."""
    return {key: one for host in hosts for key, one in builds(host.store).items()}


def run(command: str, *words: str | Path, env: dict[str, str]) -> process.Completed:
    """Run the harness; on a busy host, two stores without templates take minutes."""
    within = process.Surroundings(env=env)
    return process.run(harness(command, *words), deadline=Deadline.after(_SECONDS), check=False, within=within)


def results_of(results: Path) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Return of each run the kernel, the commit that was built, and its cases with outcome and reason."""
    records = [load_run(one.parent) for one in sorted(results.glob("*/run.json"))]
    return [
        (one.kernel.spec, one.kernel.build.commit, [(case.id, case.outcome, case.reason) for case in one.cases])
        for one in records
    ]


@needs_namespaces
def test_hosts_build_each_kernel_once(
    tree: FakeRepository, suite: Path, hosts: tuple[SshHost, SshHost], surroundings: dict[str, str], tmp_path: Path
) -> None:
    """Two kernels and one that is broken: nothing is built here, and records and errors are those of a run here."""
    kernels = [f"{tree.path}@{commit}" for commit in tree.commits[:3]]
    words = ("--suite", suite, "--results")
    done = run("run", "--hosts", "a,b", *words, tmp_path / "there", *kernels, env=surroundings)
    here = {**surroundings, "HARNESS_STORE": str(make_store(tmp_path / "other-store"))}
    local = run("run", *words, tmp_path / "here", *kernels, env=here)
    own, other, of_hosts = (
        {key: one["digest"] for key, one in found.items()}
        for found in (builds(tmp_path / "store"), builds(tmp_path / "other-store"), builds_of(hosts))
    )

    assert done.status == local.status == ExitStatus.DIFFERS
    assert own == other == of_hosts, "the same kernels under the same keys, wherever they were built"
    assert len(own) == 2
    assert sum(len(builds(host.store)) for host in hosts) == 2, "each on one host"
    assert not list((tmp_path / "store" / "kernel-worktree").glob("*/*/tree"))
    assert "does not build: kernel/fork.c:3:" in done.complaint
    assert "host a: building from" in done.text + done.complaint
    assert results_of(tmp_path / "there") == results_of(tmp_path / "here")
    for host in hosts:
        assert not list(host.temporary.iterdir())
