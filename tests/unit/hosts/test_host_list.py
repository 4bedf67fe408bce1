# SPDX-License-Identifier: GPL-2.0-only
"""The argument of ``--hosts`` and the hosts file: errors name the word, and no word becomes an option of ssh."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import ExitStatus, UsageError
from harness.commands.test import hosts_options
from harness.hosts.remote.host_list import (
    Host,
    SchedulerAddress,
    parse_hosts,
    parse_hosts_file,
    parse_scheduler,
)
from tests.command_line import call

FILE = """
silence = 20

[host.big]
ssh = "user@big.example"
slots = 8
store = "/srv/harness"
tags = ["kvm", "lab"]

[host.small]
trust = true
builds = false
tags = ["lab"]
"""


def test_names_are_destinations_of_ssh() -> None:
    """Whatever ssh_config(5) knows under them."""
    assert parse_hosts("a, user@b,c.example-1", {}) == (
        Host("a", "a"),
        Host("user@b", "user@b"),
        Host("c.example-1", "c.example-1"),
    )


def test_local_workers_have_a_number() -> None:
    """They need no ssh."""
    (host,) = parse_hosts("local:4", {})

    assert host.is_local
    assert host.slots == 4


def test_the_file_describes_hosts() -> None:
    """By name, or all with a tag; a host without ``ssh`` is called by its name."""
    file = parse_hosts_file(FILE, path="hosts.toml")
    known = file.hosts
    big = Host("big", "user@big.example", 8, "/srv/harness", ("kvm", "lab"))

    assert file.silence_seconds == 20
    assert parse_hosts("big", known) == (big,)
    assert parse_hosts("tag:lab", known) == (big, Host("small", "small", tags=("lab",), trusts=True, builds=False))
    assert parse_hosts("tag:kvm,other", known) == (big, Host("other", "other"))


@pytest.mark.parametrize(
    "text",
    ["a,a", "local:0", "local:x", "local:99999", "-oProxyCommand=x", "a,,b", " ", "a b", "tag:none", "ssh://a", "a;b"],
)
def test_a_word_that_is_no_host_is_refused(text: str) -> None:
    """The error repeats the word."""
    with pytest.raises(UsageError) as caught:
        parse_hosts(text, {})

    assert caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        "[host.a",
        "[host.a]\nslots = -1",
        "[host.a]\nslots = true",
        "[host.a]\nslots = 5000",
        '[host.a]\nssh = "-F x"',
        "[host.a]\nunknown = 1",
        "[hosts.a]\n",
        'host = "a"',
        "[host.-a]\n",
        "silence = 1\n[host.a]\n",
        '[scheduler]\nauthority = "/a.pem"',
        '[scheduler]\nauthority = "a.pem"\ncertificate = "b.pem"\nkey = "c.pem"',
        '[scheduler]\naddress = "tcp://a:1"',
    ],
)
def test_a_broken_file_is_refused(text: str) -> None:
    """The error names the file, or the word."""
    with pytest.raises(UsageError):
        parse_hosts_file(text, path="hosts.toml")


@pytest.mark.parametrize("text", ["tcp://node1:8786", "tcp://10.0.0.1:8786", "tcp://[fe80::1]:8786"])
def test_the_address_of_a_scheduler(text: str) -> None:
    """As Dask prints it; the file says how long to wait for a worker."""
    file = parse_hosts_file("[scheduler]\nwait = 900", path="hosts.toml")

    assert parse_scheduler(text, file.scheduler) == SchedulerAddress(text, wait_seconds=900)


def test_tls_needs_files() -> None:
    """Without them the connection would be refused, or not be encrypted."""
    lines = ["[scheduler]", 'authority = "/a.pem"', 'certificate = "~/b.pem"', 'key = "/c.pem"']
    known = parse_hosts_file("\n".join(lines), path="hosts.toml").scheduler

    assert parse_scheduler("tls://a:1", known).files == ("/a.pem", "~/b.pem", "/c.pem")
    with pytest.raises(UsageError, match="TLS needs files"):
        parse_scheduler("tls://a:1", SchedulerAddress())


@pytest.mark.parametrize(
    "text", ["", "node1:8786", "tcp://node1", "ucx://a:1", "tcp://a b:1", "tcp://a:1/x", "inproc://"]
)
def test_a_word_that_is_no_address_is_refused(text: str) -> None:
    """The error shows what an address looks like."""
    with pytest.raises(UsageError) as caught:
        parse_scheduler(text, SchedulerAddress())

    assert "tcp://" in caught.value.remedy


def test_a_wrong_word_is_an_error_before_anything_is_prepared(tmp_path: Path) -> None:
    """Of the run and of the check."""
    for arguments in (["run", "--hosts", "local:0", "--results", str(tmp_path)], ["hosts", "check", "local:0"]):
        call(*arguments).require_error(ExitStatus.USAGE, "--hosts local:0: not a number of workers")

    assert list(tmp_path.iterdir()) == []


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the command that installs it."""
    monkeypatch.setattr(hosts_options, "find_spec", lambda _: None)
    done = call("run", "--hosts", "local:2", "--results", tmp_path)

    done.require_error(ExitStatus.USAGE, "not installed: distributed", "pip install 'kernel-patch-harness[cluster]'")
