# SPDX-License-Identifier: GPL-2.0-only
"""Kernels that hosts build: in their sandbox, each once, and the run is the one that this host would have made."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.base.store import Store
from harness.model.run_record import RunRecord
from harness.model.series_record import SERIES_NAME, PatchRecord, SeriesRecord
from harness.pipeline import Prepared
from harness.results.folder import load_run
from harness.results.records import load_series
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
_LOOK_SECONDS = 0.2
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


def records_of(results: Path) -> list[RunRecord]:
    """Return the records of all runs, the first one first."""
    files = sorted(one for one in results.glob("*/run.json") if not one.parent.is_symlink())
    return [load_run(one.parent) for one in files]


def results_of(results: Path) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    """Return of each run the kernel, the commit that was built, and its cases with outcome and reason."""
    return [
        (one.kernel.spec, one.kernel.build.commit, [(case.id, case.outcome, case.reason) for case in one.cases])
        for one in records_of(results)
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
    assert re.search(r"host [ab]: building from", done.text)
    assert results_of(tmp_path / "there") == results_of(tmp_path / "here")
    for host in hosts:
        assert not list(host.temporary.iterdir())


@needs_namespaces
def test_a_bisection_builds_on_both_hosts(
    prepared: Prepared,
    hosts: tuple[SshHost, SshHost],
    surroundings: dict[str, str],
    tmp_path: Path,
) -> None:
    """Two commits a round, and the commit that a search here finds; nothing is built twice, and nothing here."""
    tree = make_bootable(tmp_path / "linux", prepared.request.image)
    for number in range(10):
        end = "none" if number >= 6 else "of"
        tree.commit({"kernel/fork.c": f"int fork_one(int of)\n{{\n\treturn {end} + {number};\n}}\n"})
    words = (tree.path, "--good", tree.commits[0], "--bad", "HEAD", "--target", "builds", "--json", "--results")
    done = run("bisect", "--hosts", "a,b", *words, tmp_path / "there", env=surroundings)
    here = {**surroundings, "HARNESS_STORE": str(make_store(tmp_path / "other-store"))}
    local = run("bisect", *words, tmp_path / "here", env=here)
    found, expected = json.loads(done.text), json.loads(local.text)
    rounds = found["rounds"]
    good = set(tree.commits[:7]) & {tree.commits[0], *(commit for one in rounds for commit in one["commits"])}

    assert done.status == local.status == ExitStatus.AS_EXPECTED
    assert [one["commit"]["hash"] for one in found["culprits"]] == [tree.commits[7]]
    assert [one["commit"]["hash"] for one in expected["culprits"]] == [tree.commits[7]]
    assert [one["builders"] for one in rounds] == [2] * len(rounds)
    assert max(len(one["commits"]) for one in rounds) == 2
    assert len(rounds) < len([one for one in expected["steps"] if one["role"] == "step"])
    of_hosts = [{one["commit"] for one in builds(host.store).values()} for host in hosts]
    assert of_hosts[0] | of_hosts[1] == good
    assert not of_hosts[0] & of_hosts[1]
    assert {one["commit"] for one in builds(tmp_path / "store").values()} == good
    assert not list((tmp_path / "store" / "kernel-worktree").glob("*/*/tree"))
    assert b"round 1: building 2 at the same time" in done.stderr
    assert expected["rounds"] == []


@needs_namespaces
def test_a_series_is_built_on_both_hosts(
    tree: FakeRepository,
    suite: Path,
    hosts: tuple[SshHost, SshHost],
    surroundings: dict[str, str],
    tmp_path: Path,
) -> None:
    """The record of each patch is that of a test here: state, cases, effects, and why the last one does not build."""
    series = tmp_path / "topic.mbox"
    series.write_text(tree.git("format-patch", "--stdout", f"{tree.commits[0]}..{tree.commits[2]}") + "\n")
    words = (series, "--base", f"{tree.path}@{tree.commits[0]}", "--suite", suite, "--no-coverage", "--results")
    done = run("series", "--hosts", "a,b", *words, tmp_path / "there", env=surroundings)
    here = {**surroundings, "HARNESS_STORE": str(make_store(tmp_path / "other-store"))}
    local = run("series", *words, tmp_path / "here", env=here)
    there, at_home = series_of(tmp_path / "there"), series_of(tmp_path / "here")

    assert done.status == local.status == ExitStatus.DIFFERS
    assert len(there.patches) == 3
    assert [patch_facts(one) for one in there.patches] == [patch_facts(one) for one in at_home.patches]
    assert "patch 2/2" in there.patches[2].what
    assert there.state == at_home.state
    assert sum(len(builds(host.store)) for host in hosts) == 2
    assert builds_of(hosts).keys() == builds(tmp_path / "store").keys() == builds(tmp_path / "other-store").keys()
    assert not list((tmp_path / "store" / "kernel-worktree").glob("*/*/tree"))


def series_of(results: Path) -> SeriesRecord:
    """Return the record of the only series."""
    (file,) = results.glob(f"*/{SERIES_NAME}")
    return load_series(file.read_text(), source=str(file))


def patch_facts(one: PatchRecord) -> tuple[object, ...]:
    """Return what does not depend on where a patch was built."""
    return (
        one.number,
        one.subject,
        one.state,
        one.image_digest,
        one.asked,
        one.failing,
        one.failed,
        one.what,
        one.evidence,
        one.effects,
    )


@needs_namespaces
def test_a_worker_that_is_killed_in_a_build_loses_no_kernel(
    prepared: Prepared, hosts: tuple[SshHost, SshHost], surroundings: dict[str, str], tmp_path: Path
) -> None:
    """The kernel is built on the other host, a note says so, and nothing of the first build is left running."""
    tree = make_bootable(tmp_path / "linux", prepared.request.image)
    makefile = (tree.path / "Makefile").read_text()
    rule = "$(out)/arch/x86/boot/bzImage: $(out)/vmlinux\n"
    assert rule in makefile
    slow = makefile.replace(rule, f"{rule}\t@echo waiting; sleep 20\n")
    good = tree.commit({"Makefile": slow}, subject="a build that takes 20 s")
    bad = tree.commit({"kernel/fork.c": "int fork_one(int of)\n{\n\treturn none;\n}\n"}, subject="broken")
    words = ("bisect", "--hosts", "a,b", tree.path, "--good", good, "--bad", bad, "--target", "builds")
    within = process.Surroundings(env=surroundings)
    command = harness(*words, "--results", tmp_path / "results")
    with process.start(command, stdout=process.PIPE, stderr=None, within=within) as child:
        host = await_build(child, hosts)
        host.kill("harness.hosts.worker")
        output = child.communicate(timeout=_SECONDS)[0].decode()
    (other,) = [one for one in hosts if one is not host]

    assert child.returncode == ExitStatus.AS_EXPECTED
    assert f"changed by {bad[:12]} broken" in output
    assert f"note: host {host.name}: a worker was lost while it built a kernel, which is built again" in output
    assert [one["commit"] for one in builds(other.store).values()] == [good]
    assert not builds(host.store)
    assert [one["commit"] for one in builds(tmp_path / "store").values()] == [good]
    assert not list(host.temporary.iterdir())
    assert not host.processes()


def await_build(child: process.Child, hosts: tuple[SshHost, SshHost]) -> SshHost:
    """Wait until make waits on a host, and return it."""
    deadline = Deadline.after(_SECONDS)
    while not deadline.is_past:
        for host in hosts:
            logs = list(host.store.glob("kernel-log/*.log"))
            if any("waiting" in log.read_text(errors="replace") for log in logs):
                return host
        with contextlib.suppress(process.Expired):
            child.wait(_LOOK_SECONDS)
            break
    child.kill()
    pytest.fail("no host has begun to build")
