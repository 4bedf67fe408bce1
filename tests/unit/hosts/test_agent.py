# SPDX-License-Identifier: GPL-2.0-only
"""The agent of a host ends by itself, says why, and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.json_records import dump_value
from harness.hosts.certificates import Authority
from harness.hosts.wire import AgentSettings
from tests.program import environment

_SECONDS = 60.0


@pytest.mark.parametrize("settings", [b"", b"no settings\n"])
def test_an_agent_without_settings_ends(settings: bytes, tmp_path: Path) -> None:
    """The connection closed before they arrived, or they are damaged."""
    within = process.Surroundings(env=environment(TMPDIR=str(tmp_path)))
    words = process.python("harness.hosts.agent")
    process.run(words, deadline=Deadline.after(_SECONDS), check=False, stdin=settings, within=within)

    assert list(tmp_path.iterdir()) == []


def test_a_silent_connection_ends_an_agent(tmp_path: Path) -> None:
    """The input stays open and says nothing: the workers end, and the folder with the key is removed."""
    certificates, scratch = tmp_path / "certificates", tmp_path / "scratch"
    certificates.mkdir(mode=0o700)
    scratch.mkdir()
    authority = Authority.create(certificates)
    own = authority.issue("host")
    texts = (authority.certificate.read_text(), own.certificate.read_text(), own.key.read_text())
    settings = AgentSettings("a", "tls://127.0.0.1:1", ("tls://127.1.0.1:1",), *texts, silence_seconds=2)
    within = process.Surroundings(env=environment(TMPDIR=str(scratch)))
    words = process.python("harness.hosts.agent")
    with process.start(words, stdin=process.PIPE, stderr=process.PIPE, within=within) as child:
        assert child.stdin is not None
        assert child.stderr is not None
        child.stdin.write(dump_value(settings, indent=None).encode())
        child.stdin.flush()
        status = child.wait(_SECONDS)
        complaint = child.stderr.read()

    assert status == 0
    assert complaint == b""
    assert list(scratch.iterdir()) == []
