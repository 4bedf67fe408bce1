# SPDX-License-Identifier: GPL-2.0-only
"""Hosts for tests: network namespaces of this machine, each with an address, an sshd, a HOME and a store of its own."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.base import process
from harness.base.deadline import Deadline

_SECONDS = 30.0
_SSHD = """Port 22
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PermitRootLogin yes
AllowTcpForwarding remote
PrintMotd no
"""
_ENTER = """#!/bin/sh
export HOME={folder}/home TMPDIR={folder}/tmp HARNESS_STORE={store} PATH={path}
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""
_RUN = 'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
_NOBODY = 65534
_CLIENT = """Host {name}
HostName {address}
User root
IdentityFile {folder}/key
IdentitiesOnly yes
UserKnownHostsFile {folder}/known_hosts
GlobalKnownHostsFile /dev/null
StrictHostKeyChecking yes
"""


@dataclass(frozen=True)
class SshHost:
    """A host in a network namespace.

    :param name: the name that ssh(1) knows it by.
    :param folder: holds its HOME, temporary folder and store.
    :param link: the end of its link on this machine.
    :param store: the path of its store.
    """

    name: str
    folder: Path
    link: str
    store: Path

    @property
    def temporary(self) -> Path:
        """Return the path of its folder for temporary files."""
        return self.folder / "tmp"

    def set_up(self, *lines: str, before: str = "") -> None:
        """Change the surroundings of its commands.

        :param lines: shell commands that run before each of them.
        :param before: a command that starts them, such as ``setpriv``.
        """
        enter = self.folder / "enter"
        words = f"exec {before} {_RUN.removeprefix('exec ')}"
        enter.write_text(enter.read_text().replace(_RUN, "\n".join((*lines, words))))

    def forget_key(self) -> None:
        """Let nobody log in with a key; it still offers to ask for a password."""
        (self.folder / "authorized_keys").write_text("")

    def cut_off(self) -> None:
        """Take its link down: packets are lost from now on."""
        _ip("link", "set", self.link, "down")

    def connect(self) -> None:
        """Take its link up again."""
        _ip("link", "set", self.link, "up")

    def processes(self) -> dict[int, str]:
        """Return the command lines of the processes on it, by their ids.

        QEMU has none of the variables, but writes to a file in the temporary folder, or is below a process that has.
        """
        mark = f"TMPDIR={self.temporary}".encode()
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                has_mark = mark in (path / "environ").read_bytes().split(b"\0")
                if has_mark or (path / "fd/1").readlink().is_relative_to(self.temporary):
                    found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        for pid in list(found):
            with contextlib.suppress(psutil.Error):
                for one in psutil.Process(pid).children(recursive=True):
                    found.setdefault(one.pid, " ".join(one.cmdline()))
        return found

    def kill(self, part: str) -> int:
        """Kill one of its processes and return its id.

        :param part: a part of the command line.
        """
        pid = min(pid for pid, words in self.processes().items() if part in words)
        os.kill(pid, signal.SIGKILL)
        return pid


def are_possible() -> bool:
    """Return whether this machine can have such hosts: as root, with network namespaces and sshd."""
    if os.geteuid() != 0 or process.find_program("sshd") is None or process.find_program("ip") is None:
        return False
    name = f"hp{secrets.token_hex(3)}"
    made = process.run(["ip", "netns", "add", name], deadline=Deadline.after(_SECONDS), check=False)
    if made.status == 0:
        _ip("netns", "del", name)
    return made.status == 0


def _ip(*words: str) -> None:
    process.run(["ip", *words], deadline=Deadline.after(_SECONDS))


def _delete_link(link: str) -> None:
    # The end in the namespace may have taken it away already.
    process.run(["ip", "link", "del", link], deadline=Deadline.after(_SECONDS), check=False)


def _keygen(file: Path) -> None:
    words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)]
    process.run(words, deadline=Deadline.after(_SECONDS))


@contextlib.contextmanager
def ssh_host(name: str, folder: Path, number: int, *, store: Path, path: str = os.defpath) -> Iterator[SshHost]:
    """Run a host for the length of a ``with`` block.

    :param name: its name.
    :param folder: an empty folder for its files, and those that ssh(1) needs here.
    :param number: a number from 1 to 250, different for each host of this machine.
    :param store: the path of its store.
    :param path: PATH of its commands.
    """
    space, link, there = (f"h{secrets.token_hex(3)}{end}" for end in ("n", "a", "b"))
    # Processes of tests that run at the same time have networks of their own.
    network = f"10.{200 + os.getpid() % 50}.{number}"
    own, other = f"{network}.1", f"{network}.2"
    host = SshHost(name, folder, link, store)
    for one in (folder / "home", host.temporary, store, Path("/run/sshd")):
        one.mkdir(parents=True, exist_ok=True)
    _keygen(folder / "host_key")
    (folder / "sshd_config").write_text(_SSHD.format(address=other, folder=folder))
    _add_user(host, folder, path)
    (folder / "known_hosts").write_text(f"{other} {(folder / 'host_key.pub').read_text()}")
    _ip("netns", "add", space)
    with contextlib.ExitStack() as ends:
        ends.callback(_ip, "netns", "del", space)
        _ip("link", "add", link, "type", "veth", "peer", "name", there, "netns", space)
        ends.callback(_delete_link, link)
        _ip("addr", "add", f"{own}/24", "dev", link)
        _ip("link", "set", link, "up")
        for words in (["addr", "add", f"{other}/24", "dev", there], ["link", "set", there, "up"]):
            _ip("-n", space, *words)
        _ip("-n", space, "link", "set", "lo", "up")
        sshd = str(process.find_program("sshd"))
        words = ["ip", "netns", "exec", space, sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
        with (folder / "sshd.log").open("wb") as log:
            ends.enter_context(process.start(words, stderr=log.fileno()))
        _await_sshd(folder, name, other)
        yield host


def _add_user(host: SshHost, sshd: Path, path: str) -> None:
    """Make a key for a user, whose commands run in an environment of their own.

    :param host: the host as the user sees it.
    :param sshd: the folder of its sshd.
    :param path: PATH of the commands.
    """
    _keygen(host.folder / "key")
    enter = host.folder / "enter"
    enter.write_text(_ENTER.format(folder=host.folder, store=host.store, path=path))
    enter.chmod(0o755)
    key = (host.folder / "key.pub").read_text()
    with (sshd / "authorized_keys").open("a") as keys:
        keys.write(f'command="{enter}" {key}')


def other_user(host: SshHost, name: str, folder: Path) -> SshHost:
    """Return a host as another user sees it, who is no superuser and has a HOME, a temporary folder and a store.

    :param host: the host.
    :param name: its name for this user.
    :param folder: an empty folder that every user can enter.
    """
    one = SshHost(name, folder, host.link, folder / "store")
    for path in (folder / "home", one.temporary, one.store):
        path.mkdir()
        os.chown(path, _NOBODY, _NOBODY)
    _add_user(one, host.folder, os.defpath)
    one.set_up(before=f"setpriv --reuid {_NOBODY} --regid {_NOBODY} --clear-groups")
    for file in ("known_hosts", "config"):
        text = (host.folder / file).read_text().replace(str(host.folder), str(folder))
        (folder / file).write_text(text.replace(f"Host {host.name}\n", f"Host {name}\n"))
    return one


def _await_sshd(folder: Path, name: str, address: str) -> None:
    (folder / "config").write_text(_CLIENT.format(name=name, address=address, folder=folder))
    deadline = Deadline.after(_SECONDS)
    words = ["ssh", "-F", str(folder / "config"), "-o", "BatchMode=yes", name, "true"]
    while process.run(words, deadline=deadline, check=False).status != 0:
        assert not deadline.is_past, (folder / "sshd.log").read_text()


def path_with_ssh(folder: Path, *hosts: SshHost) -> str:
    """Return a value of PATH on which ``ssh`` knows these hosts.

    :param folder: an empty folder.
    :param hosts: the hosts.
    """
    config = folder / "config"
    config.write_text("".join((host.folder / "config").read_text() for host in hosts))
    wrapper = folder / "ssh"
    wrapper.write_text(f'#!/bin/sh\nexec {process.find_program("ssh")} -F {config} "$@"\n')
    wrapper.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"
