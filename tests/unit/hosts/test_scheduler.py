# SPDX-License-Identifier: GPL-2.0-only
"""The scheduler speaks only with those that have a certificate of the run."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import ssl
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base import process
from harness.base.errors import HostError, UsageError
from harness.hosts import certificates
from harness.hosts.artifacts import Offer
from harness.hosts.certificates import Authority, Certificate
from harness.hosts.frames import FrameKind, HubFrame, frames, write_frame
from harness.hosts.scheduler import SchedulerLost, SchedulerProcess

_SECONDS = 20.0
BUBBLEWRAP = process.find_program("bwrap")
needs_bubblewrap = pytest.mark.skipif(BUBBLEWRAP is None, reason="bubblewrap is not installed")
FRAMES = st.builds(
    HubFrame,
    st.sampled_from(FrameKind),
    st.text(max_size=9),
    st.text(max_size=9),
    st.integers(0, 99),
    st.integers(0, 99),
)


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


def scheduler_of(own: Authority, offer: Offer | None = None) -> SchedulerProcess:
    """Describe a scheduler, in bubblewrap if there is one."""
    return SchedulerProcess(own, offer or Offer(), listen="127.0.0.1", bubblewrap=BUBBLEWRAP)


def test_only_certificates_of_the_run_are_accepted(tmp_path: Path) -> None:
    """None, or one of another run, ends the connection before a byte was said."""
    own, other = authority(tmp_path / "own"), authority(tmp_path / "other")
    with scheduler_of(own).running() as scheduler:
        assert handshake(scheduler.port, own, own.issue("host")) != b""
        for certificate in (None, other.issue("host")):
            with pytest.raises(ssl.SSLError):
                handshake(scheduler.port, own, certificate)
        with socket.create_connection(("127.0.0.1", scheduler.port), timeout=_SECONDS) as plain:
            plain.sendall(b"\0" * 64)
            with contextlib.suppress(ConnectionResetError):
                assert b"scheduler" not in plain.recv(4096).lower()


def test_a_host_may_have_another_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of the scheduler, the certificate of the host is over; the authority is for one run anyway."""
    own = authority(tmp_path / "own")
    with scheduler_of(own).running() as scheduler:
        monkeypatch.setattr(certificates, "_DAYS", "-1")
        assert handshake(scheduler.port, own, own.issue("host")) != b""


@needs_bubblewrap
def test_the_scheduler_sees_its_own_key_only(tmp_path: Path) -> None:
    """Who controls a worker can run code in it: no HOME, no key of the authority or of a host, no variables."""
    own = authority(tmp_path / "own")
    own.issue("host")
    with scheduler_of(own).running() as scheduler:
        (inner,) = psutil.Process(scheduler.pid).children()
        root = Path(f"/proc/{inner.pid}/root")
        seen = {path.name for path in (root / str(own.folder).lstrip("/")).iterdir()}
        variables = {one.partition("=")[0] for one in (root.parent / "environ").read_text().split("\0") if one}
        homes = {path.name for path in (root / str(Path.home()).lstrip("/")).glob("*")}
        status = (root.parent / "status").read_text()

    assert seen == {"authority.pem", "host-scheduler.pem", "host-scheduler.key"}
    assert variables <= {"PATH", "LC_ALL", "HOME", "PYTHONPATH", "PWD"}
    assert homes <= {".pyenv", ".local"}, "only folders of Python itself"
    assert "CapEff:\t0000000000000000" in status


def test_a_scheduler_that_is_killed_is_reported(tmp_path: Path) -> None:
    """At once, and nothing that is sent to it raises."""
    with scheduler_of(authority(tmp_path / "own")).running() as scheduler:
        os.kill(psutil.Process(scheduler.pid).children()[0].pid if BUBBLEWRAP else scheduler.pid, signal.SIGKILL)
        event = scheduler.event(_SECONDS)
        scheduler.submit("tls://127.0.0.1:1", 1, b"{}")
        scheduler.forget(1)

    assert isinstance(event, SchedulerLost)


def test_a_scheduler_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Such as one that cannot listen on its address."""
    own = authority(tmp_path / "own")
    with (
        pytest.raises(HostError, match="does not start") as caught,
        SchedulerProcess(own, Offer(), listen="192.0.2.1", bubblewrap=BUBBLEWRAP).running(),
    ):
        pass

    assert "Cannot assign requested address" in caught.value.evidence


@given(sent=st.lists(st.tuples(FRAMES, st.binary(max_size=99)), min_size=1, max_size=4), cut=st.integers(0, 9))
def test_frames_are_read_as_they_were_written(sent: list[tuple[HubFrame, bytes]], cut: int) -> None:
    """One that is cut off is left out."""
    held = io.BytesIO()
    for frame, content in sent:
        write_frame(held, frame, content)
    whole = held.getvalue()

    assert list(frames(io.BytesIO(whole))) == sent
    assert list(frames(io.BytesIO(whole[: len(whole) - 1 - cut]))) == sent[:-1]


@pytest.mark.parametrize("data", [b"\0\0\0\3abc", b"\0\0\0\2{}", b"\xff\xff\xff\xff"])
def test_a_damaged_frame_is_an_error_of_the_harness(data: bytes) -> None:
    """The scheduler is untrusted."""
    with pytest.raises(UsageError):
        list(frames(io.BytesIO(data)))


def test_keys_are_for_the_user_only(tmp_path: Path) -> None:
    """Also in a folder that others could read."""
    made = authority(tmp_path / "own")
    keys = [made.issue("host").key, *made.folder.glob("*.key")]

    assert {key.stat().st_mode & 0o777 for key in keys} == {0o600}
