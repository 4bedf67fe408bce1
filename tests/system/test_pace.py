# SPDX-License-Identifier: GPL-2.0-only
"""How much slower than the host a guest computes, measured in a real guest."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import pipeline
from harness.base.deadline import Deadline
from harness.base.store import Store, digest_of
from harness.pipeline import Prepared
from harness.run import pace
from harness.session.console_name import ConsoleName

pytestmark = pytest.mark.guest


def test_pace_is_measured_once_and_bounded(prepared: Prepared, tmp_path: Path) -> None:
    """The factor is kept for the template; a time limit grows by no more than the bound."""
    template = prepared.template
    assert template is not None
    store, key = Store(template.folder.parents[1]), digest_of(template.folder.name)
    soon = Deadline.after(120.0)
    with pipeline.machine(prepared, folder=tmp_path, deadline=soon) as machine:
        console = machine.console(ConsoleName.ADMIN, deadline=soon)
        measured = pace.slowness(template, console, soon)
        store.remember("guest-pace", key, {"factor": 1000.0})
        bounded = pace.slowness(template, console, soon)
        store.remember("guest-pace", key, {"factor": 0.5})
        quick = pace.slowness(template, console, soon)
        unknown = pace.slowness(None, console, soon)
        store.remember("guest-pace", key, {"factor": measured})  # the store is the user's

    assert 1.0 <= measured <= bounded == 5.0
    assert quick == unknown == 1.0
