# SPDX-License-Identifier: GPL-2.0-only
"""Read the argument of ``--hosts`` and the file ``hosts.toml``. Pure.

a,user@b        hosts for ssh(1), or names of the file
local:4         four workers on this host
tag:kvm         each host of the file with that tag
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.base.errors import UsageError
from harness.base.toml_table import Table

FILE_NAME = "hosts.toml"
LOCAL = "local"
SILENCE_SECONDS = 60
WAIT_SECONDS = 60
LEAST_SILENCE_SECONDS = 8
"""The submitting host speaks every two seconds."""
TLS_FILES = ("authority", "certificate", "key")
"""The keys of the files for TLS in the table ``[scheduler]``."""
MOST_WORKERS = 1024
_ADDRESS = re.compile(r"(tcp|tls)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*", re.ASCII)
_REMEDY = "write names for ssh, separated by commas, or local:N: --hosts a,user@b"


@dataclass(frozen=True, slots=True)
class Host:
    """A host of a run.

    :param name: its name in notes.
    :param ssh: the destination for ssh(1); empty for this host.
    :param slots: number of workers; 0 for one per core.
    :param store: path of the store there; empty for the user's default.
    :param tags: tags that choose it.
    :param trusts: whether QEMU may run there without bubblewrap.
    :param builds: whether kernels are built there.
    """

    name: str
    ssh: str = ""
    slots: int = 0
    store: str = ""
    tags: tuple[str, ...] = ()
    trusts: bool = False
    builds: bool = True

    @property
    def is_local(self) -> bool:
        """Return whether the workers run on this host."""
        return not self.ssh


@dataclass(frozen=True, slots=True)
class SchedulerAddress:
    """The scheduler of a Dask cluster that others have started.

    :param address: ``tcp://HOST:PORT`` or ``tls://HOST:PORT``.
    :param authority: path of the certificate of its authority; empty without TLS.
    :param certificate: path of the certificate of this client.
    :param key: path of its key.
    :param wait_seconds: how long to wait for a worker.
    """

    address: str = ""
    authority: str = ""
    certificate: str = ""
    key: str = ""
    wait_seconds: int = WAIT_SECONDS

    @property
    def files(self) -> tuple[str, str, str]:
        """Return the paths of the files for TLS."""
        return self.authority, self.certificate, self.key

    def with_files(self, authority: str, certificate: str, key: str) -> SchedulerAddress:
        """Return the same with other files for TLS."""
        return replace(self, authority=authority, certificate=certificate, key=key)


@dataclass(frozen=True, slots=True)
class HostsFile:
    """The content of a hosts file.

    :param hosts: the hosts by name.
    :param silence_seconds: how long a connection may be silent before its workers end, and their batches run elsewhere.
    :param scheduler: the settings of ``--scheduler``, and its address if one was given.
    """

    hosts: Mapping[str, Host] = field(default_factory=dict)
    silence_seconds: int = SILENCE_SECONDS
    scheduler: SchedulerAddress = SchedulerAddress()


def parse_hosts_file(text: str, *, path: str) -> HostsFile:
    """Read a hosts file: a table ``[host.NAME]`` for each host.

    :param text: the text of the file.
    :param path: its path, for errors.
    :raises UsageError: the file is broken.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        remedy = 'write a table for each host: [host.a] and ssh = "user@a"'
        raise UsageError(f"{path} is not TOML", evidence=str(error), remedy=remedy) from None
    whole = Table(content, path=path, kind=UsageError)
    hosts = {}
    tables = whole.table("host").tables() if "host" in content or "scheduler" not in content else ()
    for name, one in tables:
        ssh = one.text("ssh", default=name)
        _require_name(name, ssh)
        slots = one.count("slots", default=0)
        if slots > MOST_WORKERS:
            raise one.error(f"slots is {slots}", remedy=f"write a number up to {MOST_WORKERS}")
        store, tags = one.text("store", default="") or "", one.texts("tags", default=()) or ()
        flags = {"trusts": one.flag("trust", default=False), "builds": one.flag("builds", default=True)}
        hosts[name] = Host(name, ssh, slots, store, tags, **flags)
        one.close()
    silence = whole.count("silence", default=SILENCE_SECONDS)
    if silence < LEAST_SILENCE_SECONDS:
        raise whole.error(f"silence is {silence}", remedy=f"write seconds from {LEAST_SILENCE_SECONDS}")
    scheduler = _scheduler(whole.table("scheduler")) if "scheduler" in content else SchedulerAddress()
    whole.close()
    return HostsFile(hosts, silence, scheduler)


def _scheduler(one: Table) -> SchedulerAddress:
    """Read the table of a scheduler that exists: files for TLS, all or none."""
    authority, certificate, key = files = [one.text(name, default="") or "" for name in TLS_FILES]
    wait = one.count("wait", default=WAIT_SECONDS)
    if any(files) and not all(files):
        raise one.error("a file for TLS is missing", remedy="give authority, certificate and key")
    if not all(path.startswith(("/", "~")) for path in files if path):
        raise one.error(f"not absolute paths: {', '.join(files)}", remedy="begin each with / or ~")
    one.close()
    return SchedulerAddress("", authority, certificate, key, wait)


def parse_scheduler(text: str, known: SchedulerAddress) -> SchedulerAddress:
    """Read the argument of ``--scheduler``.

    :param text: the argument.
    :param known: the settings of the file.
    :raises UsageError: it is no address, or the files for TLS are missing.
    """
    if not _ADDRESS.fullmatch(text):
        remedy = "write what Dask printed: --scheduler tcp://10.0.0.1:8786, or tls://..."
        raise UsageError(f"--scheduler {text}: not the address of a scheduler", remedy=remedy)
    if text.startswith("tls:") and not known.key:
        remedy = 'write a table [scheduler] with authority, certificate and key = "/path/of/the/file.pem"'
        raise UsageError(f"--scheduler {text}: TLS needs files, which {FILE_NAME} does not name", remedy=remedy)
    return replace(known, address=text)


def parse_hosts(text: str, known: Mapping[str, Host]) -> tuple[Host, ...]:
    """Read the argument of ``--hosts``.

    :param text: the argument.
    :param known: the hosts of the file, by name.
    :raises UsageError: it names no host, or one twice.
    """
    found: dict[str, Host] = {}
    for word in text.split(","):
        for host in _named(word.strip(), known):
            if host.name in found:
                raise UsageError(f"--hosts {text}: the host {host.name} is named twice", remedy="name it once")
            found[host.name] = host
    return tuple(found.values())


def _named(word: str, known: Mapping[str, Host]) -> tuple[Host, ...]:
    kind, colon, rest = word.partition(":")
    if colon and kind == LOCAL:
        if not (rest.isascii() and rest.isdigit() and 1 <= int(rest) <= MOST_WORKERS):
            raise UsageError(f"--hosts {word}: not a number of workers", remedy="write it from 1: --hosts local:4")
        return (Host(LOCAL, slots=int(rest)),)
    if colon and kind == "tag":
        tagged = tuple(host for host in known.values() if rest in host.tags)
        if not tagged:
            tags = sorted({tag for host in known.values() for tag in host.tags})
            evidence = f"tags of {FILE_NAME}: {', '.join(tags) or 'none'}"
            raise UsageError(f"--hosts {word}: no host has this tag", evidence=evidence, remedy="name one of these")
        return tagged
    if word in known:
        return (known[word],)
    _require_name(word, word)
    return (Host(word, word),)


def _require_name(name: str, ssh: str) -> None:
    # A destination that starts with a dash would be an option of ssh.
    for one in (name, ssh):
        if not _NAME.fullmatch(one):
            raise UsageError(f"--hosts: {one!r} is not the name of a host", remedy=_REMEDY)
