# SPDX-License-Identifier: GPL-2.0-only
"""The scheduler speaks only with those that have a certificate of the run."""

from __future__ import annotations

import contextlib
import socket
import ssl
from pathlib import Path

import pytest

from harness.hosts.artifacts import Offer
from harness.hosts.certificates import Authority, Certificate
from harness.hosts.scheduler import SchedulerThread

_SECONDS = 20.0


def authority(folder: Path) -> Authority:
    """Make an authority in a new folder."""
    folder.mkdir(mode=0o700)
    return Authority.create(folder)


def handshake(port: int, trusted: Authority, own: Certificate | None) -> bytes:
    """Connect, and return the first bytes that the scheduler sends after the handshake."""
    context = ssl.create_default_context(cafile=str(trusted.certificate))
    context.check_hostname = False
    if own is not None:
        context.load_cert_chain(str(own.certificate), str(own.key))
    with (
        socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as plain,
        context.wrap_socket(plain) as secure,
    ):
        # In TLS 1.3 the server checks the client's certificate after the client's side of the handshake.
        return secure.recv(1)


def test_only_certificates_of_the_run_are_accepted(tmp_path: Path) -> None:
    """None, or one of another run, ends the connection before a byte was said."""
    own, other = authority(tmp_path / "own"), authority(tmp_path / "other")
    with SchedulerThread(own, Offer(), listen="127.0.0.1").running() as scheduler:
        assert handshake(scheduler.port, own, own.issue("host")) != b""
        for certificate in (None, other.issue("host")):
            with pytest.raises(ssl.SSLError):
                handshake(scheduler.port, own, certificate)
        with socket.create_connection(("127.0.0.1", scheduler.port), timeout=_SECONDS) as plain:
            plain.sendall(b"\0" * 64)
            with contextlib.suppress(ConnectionResetError):
                assert b"scheduler" not in plain.recv(4096).lower()


def test_keys_are_for_the_user_only(tmp_path: Path) -> None:
    """Also in a folder that others could read."""
    made = authority(tmp_path / "own")
    keys = [made.issue("host").key, *made.folder.glob("*.key")]

    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
