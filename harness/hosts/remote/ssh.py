# SPDX-License-Identifier: GPL-2.0-only
"""Reach hosts with the user's own ssh(1): look at them, bring the environment, and start their agents.

ssh asks for nothing (``BatchMode``): a password or an unknown host key is an error at once. On a host, files are
written to the store of the harness and to one temporary folder, which the agent removes.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import platform
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HostError
from harness.base.process import INHERITED, Surroundings
from harness.base.store import STORE_VARIABLE, Store
from harness.guest.emulator import MINIMUM, TOO_OLD, version_of
from harness.hosts.remote.environment import archive_digest, code_archive, dependency_archive, python_version
from harness.hosts.remote.host_list import FILE_NAME, Host
from harness.hosts.remote.remote_scripts import INSTALL, PROBE, UNREACHABLE_STATUS

BUBBLEWRAP_WORKS = "works"
_PROBE_SECONDS = 60.0
_INSTALL_SECONDS = 600.0
_FORWARD_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_ALLOCATED = re.compile(r"Allocated port ([0-9]+) for remote forward")
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "10",
    "ClearAllForwardings": "no",
    "ForwardAgent": "no",
    "ForwardX11": "no",
}


@dataclass(frozen=True, slots=True)
class HostReport:
    """What a host has.

    :param python: path of its Python of the right version; empty if it has none.
    :param pythons: the Pythons that it has, for people.
    :param machine: its processor, as ``uname -m`` names it.
    :param cores: number of processors.
    :param memory: available memory in MiB.
    :param disk: free space of the store's disk in MiB.
    :param store: absolute path of the store.
    :param qemu: the version line of QEMU; empty without QEMU.
    :param kvm: the state of ``/dev/kvm``, for people.
    :param bubblewrap: ``works``, or why bubblewrap does not work, for people.
    :param missing: digests of archives that its store does not have.
    :param toolchain: the version lines of its compiler and linker; empty without them.
    :param no_builds: the Debian packages that are missing to build kernels.
    """

    python: str = ""
    pythons: str = ""
    machine: str = ""
    cores: int = 0
    memory: int = 0
    disk: int = 0
    store: str = ""
    qemu: str = ""
    kvm: str = ""
    bubblewrap: str = ""
    missing: tuple[str, ...] = ()
    toolchain: str = ""
    no_builds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """A host that can run workers.

    :param host: the host.
    :param cores: number of workers that it has room for.
    :param words: the command of its agent there; empty for this host.
    :param within: the surroundings of the command here.
    :param report: what the host has; None for this host.
    """

    host: Host
    cores: int = 0
    words: tuple[str, ...] = ()
    within: Surroundings = field(default=INHERITED)
    report: HostReport | None = None

    def command(self, port: int, *, silence: int) -> list[str]:
        """Return the command that starts the agent, with a forwarded port of the host for that port of ours.

        :param port: the port of the scheduler.
        :param silence: how long the connection may be silent, in seconds.
        """
        if self.host.is_local:
            return process.python("harness.hosts.agent")
        forward = ["-o", "ExitOnForwardFailure=yes", "-R", f"0:127.0.0.1:{port}"]
        # ssh asks the server that often, and ends at the fourth question without an answer.
        watch = ["-o", f"ServerAliveInterval={silence // 4}", "-o", "ServerAliveCountMax=3"]
        return ssh_command(self.host, *forward, *watch, remote=shlex.join(self.words))

    def forwarded_port(self, child: process.Child, errors: Path, port: int) -> int:
        """Return the port of the scheduler as the host reaches it.

        :param child: the started command.
        :param errors: the file with its standard error.
        :param port: the port of the scheduler.
        :raises HostError: ssh did not forward a port.
        """
        if self.host.is_local:
            return port
        deadline = Deadline.after(_FORWARD_SECONDS)
        while not deadline.is_past:
            if found := _ALLOCATED.search(errors.read_text(errors="replace")):
                return int(found[1])
            with contextlib.suppress(process.Expired):
                child.wait(_LOOK_SECONDS)
                break
        raise HostError(
            f"host {self.host.name}: ssh does not forward a port",
            evidence=errors.read_text(errors="replace")[-1000:],
            remedy=f"allow it in sshd_config there (AllowTcpForwarding yes), then try: ssh -R 0:127.0.0.1:{port} "
            f"{self.host.ssh} true",
        )


def ssh_command(host: Host, *options: str, remote: str) -> list[str]:
    """Return the command line of ssh(1) for a host.

    :param host: the host.
    :param options: more options.
    :param remote: the command there.
    """
    settings = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-T", *settings, *options, "--", host.ssh, remote]


def probe(host: Host, digests: Sequence[str]) -> HostReport:
    """Look at a host; nothing is written there.

    :param host: the host.
    :param digests: digests of the archives that it needs.
    :raises HostError: it cannot be reached.
    """
    given = {"version": python_version(), "store": host.store, "digests": " ".join(digests)}
    script = "".join(f"{name}={shlex.quote(value)}\n" for name, value in given.items()) + PROBE
    text = _ssh(host, "sh -s", stdin=script.encode(), seconds=_PROBE_SECONDS).text
    facts = dict(line.partition("=")[::2] for line in text.splitlines() if "=" in line)

    def number(name: str) -> int:
        return int(facts[name]) if facts.get(name, "").isdigit() else 0

    return HostReport(
        python=facts.get("python", ""),
        pythons=facts.get("pythons", "").strip(),
        machine=facts.get("machine", ""),
        cores=number("cores"),
        memory=number("memory"),
        disk=number("disk"),
        store=facts.get("store", ""),
        qemu=facts.get("qemu", ""),
        kvm=facts.get("kvm", ""),
        bubblewrap=facts.get("bubblewrap", ""),
        missing=tuple(one for one in digests if one in facts.get("missing", "").split()),
        toolchain="".join(f"{facts[one]}\n" for one in ("compiler", "linker") if facts.get(one)),
        no_builds=tuple(facts.get("no_builds", "").split()),
    )


def _ssh(host: Host, remote: str, *, stdin: bytes, seconds: float) -> process.Completed:
    """Run a command on a host.

    :raises HostError: ssh fails, or the command.
    """
    words = ssh_command(host, remote=remote)
    done = process.run(words, deadline=Deadline.after(seconds), check=False, stdin=stdin)
    if done.status == 0:
        return done
    what = "cannot be reached" if done.status == UNREACHABLE_STATUS else f"a command failed with status {done.status}"
    raise HostError(
        f"host {host.name}: {what}",
        evidence=done.complaint,
        remedy=f"ssh must log in without a question; try: ssh -o BatchMode=yes {host.ssh} true",
    )


def complaint(host: Host, report: HostReport) -> HostError | None:
    """Return the error about what a host misses; None if it has what a run needs.

    :param host: the host.
    :param report: what it has.
    """
    if not report.python:
        version = python_version()
        return HostError(
            f"host {host.name}: Python {version} is missing",
            evidence=f"found: {report.pythons or 'no Python'}; compiled packages fit one version only",
            remedy=f"ssh {host.ssh} sudo apt-get install python{version}",
            packages=(f"python{version}",),
        )
    if report.machine != platform.machine():
        evidence = f"its processor is {report.machine}, the one here {platform.machine()}"
        return HostError(f"host {host.name}: another processor", evidence=evidence, remedy="leave it out of --hosts")
    if not report.qemu:
        remedy = f"ssh {host.ssh} sudo apt-get install qemu-system-x86"
        return HostError(f"host {host.name}: QEMU is missing", remedy=remedy, packages=("qemu-system-x86",))
    qemu = version_of(report.qemu)
    if qemu is not None and qemu < MINIMUM:
        remedy = f"install a newer one there (Debian 12 has 7.2): ssh {host.ssh} sudo apt-get install qemu-system-x86"
        return HostError(f"host {host.name}: QEMU is {TOO_OLD}", evidence=report.qemu, remedy=remedy)
    if report.bubblewrap != BUBBLEWRAP_WORKS and not host.trusts:
        return HostError(
            f"host {host.name}: bubblewrap does not work, which QEMU runs in",
            evidence=report.bubblewrap,
            remedy=f"ssh {host.ssh} sudo apt-get install bubblewrap, and allow user namespaces there; or, if you trust "
            f"the kernels, give --trust or write trust = true into the table [host.{host.name}] of {FILE_NAME}",
            packages=("bubblewrap",),
        )
    return None


def reach(hosts: Sequence[Host], store: Store, *, say: Callable[[str], None]) -> Iterator[Reached]:
    """Reach hosts, all at once, and bring the environment to those that do not have it.

    :param hosts: the hosts.
    :param store: the store of this host.
    :param say: shows a line to the user.
    :return: each host that can run workers, in the order given.
    :raises HostError: a host cannot be reached, or misses something.
    """
    remote = [host for host in hosts if not host.is_local]
    archives: dict[str, Path | bytes] = {}
    if remote:
        for archive in (dependency_archive(store), code_archive()):
            archives[archive_digest(archive)] = archive

    def one(host: Host) -> Reached:
        if host.is_local:
            return Reached(host, len(os.sched_getaffinity(0)))
        report = probe(host, list(archives))
        if (error := complaint(host, report)) is not None:
            raise error
        for digest in report.missing:
            say(f"host {host.name}: sending the environment")
            _install(host, report.store, digest, archives[digest])
        folders = [f"{report.store}/host-environment/{digest[:24]}" for digest in archives]
        variables = {"PYTHONPATH": ":".join(reversed(folders)), STORE_VARIABLE: report.store}
        words = ("env", *(f"{name}={value}" for name, value in variables.items()), report.python, "-s", "-m")
        return Reached(host, report.cores, (*words, "harness.hosts.agent"), report=report)

    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        yield from pool.map(one, hosts)


def _install(host: Host, store: str, digest: str, archive: Path | bytes) -> None:
    """Unpack an archive in the store of a host, checked, and whole or not at all."""
    script = f"store={shlex.quote(store)}\ndigest={digest}\n{INSTALL}"
    content = archive if isinstance(archive, bytes) else archive.read_bytes()
    _ssh(host, f"sh -c {shlex.quote(script)}", stdin=content, seconds=_INSTALL_SECONDS)
