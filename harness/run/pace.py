# SPDX-License-Identifier: GPL-2.0-only
"""Measure how much slower than this host a guest computes, for the time limits of programs of others.

Their limits are for real machines, and an emulated one needs many times as long. The same loop of the shell is run on
the host and in a guest, once for each kernel of a host. Its time in user mode leaves out the wait for a processor.
"""

from __future__ import annotations

import contextlib
import re

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError
from harness.base.store import Store, digest_of
from harness.guest.console import Console
from harness.guest.template import Template

_KIND = "guest-pace"
_LOOP = "TIMEFORMAT=%U; time for ((i = 0; i < 50000; i++)); do :; done"
_SECONDS = 60.0
_MOST = 5.0
"""Largest factor: the loop is the worst case (28.8 measured under TCG), and a program that hangs has to end."""
_TIME = re.compile(r"^(\d+\.\d+)\s*$", re.MULTILINE)


def slowness(template: Template | None, console: Console, deadline: Deadline) -> float:
    """Return how many times longer than on this host a computation takes in a guest; 1 if it is not known.

    :param template: the template of the machine; None if the machine was booted.
    :param console: a console of the machine.
    :param deadline: the deadline of the measurement.
    :raises Unanswered: the console does not answer.
    """
    if template is None:
        return 1.0
    store, key = Store(template.folder.parents[1]), digest_of(template.folder.name)
    known = store.recall(_KIND, key)
    if known is None:
        with contextlib.suppress(HarnessError):
            here = process.run(["bash", "-c", _LOOP], deadline=Deadline.after(_SECONDS))
            host, guest = _seconds(here.complaint), _seconds(console.run(_LOOP, deadline=deadline).output)
            known = {"factor": guest / host if host and guest else 1.0}
            store.remember(_KIND, key, known)
    factor = known["factor"] if known is not None else 1.0
    return min(max(1.0, float(factor)), _MOST) if isinstance(factor, int | float) else 1.0


def _seconds(text: str) -> float:
    found = _TIME.search(text)
    return float(found[1]) if found else 0.0
