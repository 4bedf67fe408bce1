# SPDX-License-Identifier: GPL-2.0-only
"""Make templates in which the preparation of a case is already done, so that their clones need not repeat it.

A preparation is a command of the suite (``harness/session/preparation.py``). A few mounts take 0.3 s of the second that
a short case takes: emulation translates their code again in each clone. A prepared template is made from a clone in
which nothing but the preparation was run.
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
from harness.guest.disks.images import copy_disks
from harness.guest.template import MEMORY, STATE, Template, cloned, read_taint, save_state
from harness.session.console_name import ConsoleName

KIND = "prepared-template"
"""The kind of these products in the store."""

_SECONDS = 60.0
_KEPT = 60
# The first case that needs a preparation runs it itself: for one case, a template costs more than it saves.
_WISHES = 2


class _NotPristineError(Exception):
    """The preparation failed, or it or the kernel printed something: each case has to observe that itself."""


def find_prepared(template: Template, command: str, *, deadline: Deadline) -> Template | None:
    """Find the template in which a preparation is done; it is made at the second request.

    :param template: the template without the preparation.
    :param command: the preparation, typed at the admin console; empty for none.
    :return: the prepared template; None when the case has to run the preparation itself, because this is the first
        request, or because the preparation failed.
    """
    if not command:
        return None
    store = Store(template.folder.parents[1])
    key = digest_of(template.folder.name, command)
    known = store.recall(KIND, key)
    wishes = known["wishes"] if known is not None and isinstance(known["wishes"], int) else 0
    if wishes < 0:
        return None
    folder = store.find(KIND, key)
    if folder is None:
        if wishes + 1 < _WISHES:
            store.remember(KIND, key, {"wishes": wishes + 1})
            return None
        try:
            folder = store.make(
                KIND, key, lambda made: _prepare_and_save(template, command, made, deadline), deadline=deadline
            )
        except (_NotPristineError, Unanswered):
            store.remember(KIND, key, {"wishes": -1})
            return None
        except HarnessError:
            # A full disk or a deadline is not the kernel's fault: the next request tries again.
            return None
        _make_room(store)
    try:
        os.utime(folder)
    except FileNotFoundError:
        # Another run has removed it since it was found.
        return None
    return replace(template, folder=folder)


def _prepare_and_save(template: Template, command: str, folder: Path, deadline: Deadline) -> None:
    """Clone the template, run the preparation, and save the state.

    :raises _NotPristineError: the preparation failed or something was printed.
    :raises Unanswered: the shell does not answer.
    :raises HarnessError: QEMU cannot clone or save.
    """
    memory = folder / MEMORY
    run(["cp", "--sparse=always", template.folder / MEMORY, memory], deadline=deadline)
    copy_disks(template.request.machine_type.disks, template.folder, folder, deadline)
    with cloned(template, folder=folder, memory=memory, deadline=deadline) as machine:
        console = machine.consoles[ConsoleName.ADMIN]
        answer = console.run(command, deadline=machine.deadline(_SECONDS))
        taint = read_taint(console, machine.deadline(_SECONDS))
        if answer.status != 0 or answer.output.strip() or taint != template.taint:
            raise _NotPristineError
        save_state(machine, folder / STATE, deadline)
    if machine.wires.splats:
        raise _NotPristineError
    (folder / "template.json").write_text(json.dumps({"from": template.folder.name, "command": command}, indent=1))


def _make_room(store: Store) -> None:
    """Remove the least recently used prepared templates; they are made again when they are needed."""
    used = []
    for path in (store.folder / KIND).iterdir():
        if path.name.startswith(".") or not path.is_dir():
            continue
        # Another run may remove some at the same time.
        with contextlib.suppress(FileNotFoundError):
            used.append((path.stat().st_mtime_ns, path))
    for _, path in sorted(used, reverse=True)[_KEPT:]:
        # Renamed first: a run that clones it then finds it missing, and never incomplete.
        gone = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with contextlib.suppress(FileNotFoundError):
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
