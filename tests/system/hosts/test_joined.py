# SPDX-License-Identifier: GPL-2.0-only
"""Runs on a Dask cluster that exists: its scheduler and its workers were started by hand, with Dask's own commands."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.base import process
from harness.base.errors import ExitStatus
from harness.base.store import STORE_VARIABLE, Store
from harness.hosts.certificates import Authority
from tests.program import environment, start
from tests.system.host_runs import (
    ENDING_SECONDS,
    OUTCOMES,
    SECONDS,
    WARM_KINDS,
    await_typed,
    finish,
    outcomes,
    running,
    the_run,
)
from tests.waiting import moments

pytestmark = [
    pytest.mark.guest,
    pytest.mark.slow("harness/hosts", "harness/run", "tests/system/host_runs.py", "tests/system/hosts/conftest.py"),
]
_DASK = Path(sys.executable).with_name("dask")


@dataclass(frozen=True)
class DaskCluster:
    """A Dask cluster of this machine.

    :param address: the address of its scheduler.
    :param folder: the folder that its workers keep their files in.
    :param store: the store of its workers.
    """

    address: str
    folder: Path
    store: Path


@contextlib.contextmanager
def dask_cluster(folder: Path, *, tls: Sequence[str] = ()) -> Iterator[DaskCluster]:
    """Run a scheduler and two workers for the length of a ``with`` block.

    :param folder: an empty folder.
    :param tls: options for TLS.
    """
    store, files = folder / "dask-store", folder / "dask"
    store.mkdir()
    files.mkdir()
    for kind in WARM_KINDS:
        (store / kind).symlink_to(Store.default().folder / kind)
    env = environment(**{STORE_VARIABLE: str(store), "TMPDIR": str(files)})
    kind = "tls" if tls else "tcp"
    with contextlib.ExitStack() as ends:

        def run(*words: str) -> None:
            log = ends.enter_context((folder / f"{words[0]}.log").open("ab"))
            ends.enter_context(
                process.start(
                    [str(_DASK), *words, *tls, "--no-dashboard"],
                    stderr=log.fileno(),
                    within=process.Surroundings(env=env),
                )
            )

        run("scheduler", "--host", "127.0.0.1", "--port", "0", "--protocol", kind)
        address = ""
        for _ in moments(SECONDS):
            found = re.search(rf"Scheduler at: +({kind}://\S+)", (folder / "scheduler.log").read_text())
            if found:
                address = found[1]
                break
        assert address, (folder / "scheduler.log").read_text()
        for name in ("one", "two"):
            run("worker", address, "--name", name, "--nthreads", "1", "--no-nanny", "--local-directory", str(files))
        yield DaskCluster(address, files, store)


def test_a_run_on_the_workers_of_a_cluster(suite: Path, tmp_path: Path) -> None:
    """With TLS: the verdicts of a run here, each artifact sent once, and the workers are left as they were."""
    (tmp_path / "tls").mkdir(mode=0o700)
    authority = Authority.create(tmp_path / "tls")
    own, other = authority.issue("cluster"), authority.issue("client")
    words = ("--tls-ca-file", authority.certificate, "--tls-cert", own.certificate, "--tls-key", own.key)
    settings = tmp_path / "configuration" / "kernel-patch-harness"
    settings.mkdir(parents=True)
    files = {"authority": authority.certificate, "certificate": other.certificate, "key": other.key}
    lines = ["[scheduler]", *(f'{name} = "{path}"' for name, path in files.items())]
    (settings / "hosts.toml").write_text("\n".join(lines))
    env = environment(XDG_CONFIG_HOME=str(tmp_path / "configuration"))
    with dask_cluster(tmp_path, tls=[str(word) for word in words]) as cluster:
        run = ("--scheduler", cluster.address, "--suite", suite, "--results")
        with running(*run, tmp_path / "results", env=env) as child:
            output = finish(child)
        without = start("run", *run, tmp_path / "without", env=environment())
        left = list(cluster.folder.rglob("batch-*"))
    record = the_run(tmp_path / "results")

    assert outcomes(record) == OUTCOMES, output
    assert record.complete
    assert child.returncode == ExitStatus.DIFFERS
    assert any(note.startswith("host 127.0.0.1: ") for note in record.notes)
    assert list((cluster.store / "artifact").iterdir())
    assert left == []
    assert without.status == ExitStatus.USAGE
    assert "TLS needs files, which hosts.toml does not name" in without.complaint


def test_a_killed_run_leaves_a_cluster_without_batches(suite: Path, tmp_path: Path) -> None:
    """Dask lets a thread of a worker run on when its client has gone; the batch and its machine end all the same."""
    with dask_cluster(tmp_path) as cluster:
        words = ("--scheduler", cluster.address, "--suite", suite)
        with running(*words, "--results", tmp_path / "results") as child:
            log = await_typed(child, [cluster.folder], b"sleep 6")
            os.kill(child.pid, signal.SIGKILL)
            ended = any(not log.parent.exists() for _ in moments(ENDING_SECONDS))
        with running(*words, "--results", tmp_path / "again") as child:
            finish(child)
    record = the_run(tmp_path / "again")

    assert ended
    assert outcomes(record) == OUTCOMES


def test_a_cluster_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    """Nobody listens at the address; or no worker joins."""
    nobody = start("run", "--scheduler", "tcp://127.0.0.1:1", "--results", tmp_path / "results")
    both = start("run", "--scheduler", "tcp://127.0.0.1:1", "--hosts", "local:1", "--results", tmp_path / "results")

    assert nobody.status == ExitStatus.HOST
    assert "--scheduler tcp://127.0.0.1:1: the cluster cannot be used" in nobody.complaint
    assert "Timed out" in nobody.complaint
    assert both.status == ExitStatus.USAGE
    assert "--hosts and --scheduler were given" in both.complaint
