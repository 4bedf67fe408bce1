"""Templates in which the preparation of a case is done already: a clone of one need not do it.

A preparation is a command of the suite (``harness/session/preparation.py``). A few mounts take 0.3 s of the second that
a short case has: emulation translates all of it again in each clone. A prepared template is itself made from a clone,
and as pristine: nothing but the preparation was done in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from dataclasses import replace
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError
from harness.base.process import run
from harness.base.store import Store, digest_of
from harness.guest.console import Unanswered
from harness.guest.template import MEMORY, STATE, Template, cloned, read_taint, save_state
from harness.session.console_name import ConsoleName

KIND = "prepared-template"
"""The kind of these products in the store."""

_SECONDS = 60.0
_KEPT = 60
# The first case that wants a preparation does it itself: for one, a template is not worth its making.
_WISHES = 2


class _NotPristineError(Exception):
    """The preparation failed, or printed something, or the kernel did: each case has to see that itself."""


def find_prepared(template: Template, command: str, *, deadline: Deadline) -> Template | None:
    """Find the template in which a preparation is done; made when that is wanted a second time.

    :param command: the preparation: what is typed at the admin console.
    :return: None when a case is to do it itself: it was not wanted before, or it went wrong.
    """
    if not command:
        return None
    store = Store(template.folder.parents[1])
    key = digest_of(template.folder.name, command)
    known = store.recall(KIND, key)
    wishes = known["wishes"] if known is not None and isinstance(known["wishes"], int) else 0
    if wishes < 0:
        return None
    place = store.find(KIND, key)
    if place is None:
        if wishes + 1 < _WISHES:
            store.remember(KIND, key, {"wishes": wishes + 1})
            return None
        try:
            place = store.make(
                KIND, key, lambda folder: _prepare_and_save(template, command, folder, deadline), deadline=deadline
            )
        except (_NotPristineError, Unanswered):
            store.remember(KIND, key, {"wishes": -1})
            return None
        except HarnessError:
            # A full disk or a deadline says nothing of the kernel: the next wish tries again.
            return None
        _make_room(store)
    try:
        os.utime(place)
    except FileNotFoundError:
        # Another run has made room since it was found.
        return None
    return replace(template, folder=place)


def _prepare_and_save(template: Template, command: str, folder: Path, deadline: Deadline) -> None:
    """Clone, prepare, save.

    :raises _NotPristineError: see there.
    :raises Unanswered, HarnessError: the machine or QEMU does not do it.
    """
    memory = folder / MEMORY
    run(["cp", "--sparse=always", template.folder / MEMORY, memory], deadline=deadline)
    with cloned(template, folder=folder, memory=memory, deadline=deadline) as machine:
        console = machine.consoles[ConsoleName.ADMIN]
        answer = console.run(command, deadline=deadline.sooner(_SECONDS))
        taint = read_taint(console, deadline.sooner(_SECONDS))
        if answer.status != 0 or answer.output.strip() or taint != template.taint:
            raise _NotPristineError
        save_state(machine, folder / STATE, deadline)
    if machine.wires.splats:
        raise _NotPristineError
    (folder / "template.json").write_text(json.dumps({"from": template.folder.name, "command": command}, indent=1))


def _make_room(store: Store) -> None:
    """Drop those that were not used for longest; they are made again when they are wanted."""
    used = []
    for path in (store.folder / KIND).iterdir():
        if path.name.startswith(".") or not path.is_dir():
            continue
        # Another run may make room, too.
        with contextlib.suppress(FileNotFoundError):
            used.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(used, reverse=True)[_KEPT:]:
        # Away at once: who clones it then sees that it is gone, and not a half of it.
        gone = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with contextlib.suppress(FileNotFoundError):
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
