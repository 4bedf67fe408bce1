# SPDX-License-Identifier: GPL-2.0-only
"""Show what a core holds: who waits for whom, and the stacks of the tasks that matter. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.base.json_records import to_table
from harness.model.core import CoreFacts, CoreTask
from harness.report.lines import Line

JSON_VERSION = 1
"""Version of the JSON form; increased when a field changes its meaning."""


def core_lines(facts: CoreFacts, *, shows_all: bool = False) -> list[Line]:
    """Return the lines about a core: tasks in state D, those that they wait for, and those that ran.

    :param shows_all: show the stacks of all tasks.
    """
    shown = _chosen(facts, shows_all=shows_all)
    lines = [Line(_headline(facts))]
    if circle := facts.circle():
        lines.append(Line("deadlock: " + ", ".join(_waits(one) for one in circle)))
    for task in shown:
        lines += [Line(""), Line(_title(task))]
        lines += [Line(f"    {text}") for text in _stack(task)]
    return lines


def core_json(facts: CoreFacts, *, case: str, holder: str, file: str) -> dict[str, object]:
    """Return the JSON form of a core.

    :param case: id of the case that was asked for.
    :param holder: id of the case whose machine it was.
    :param file: the path of the core.
    """
    table = to_table(facts)
    circle = [one.pid for one in facts.circle()]
    return {"version": JSON_VERSION, "case": case, "core_of": holder, "core": file, "deadlock": circle, **table}


def _chosen(facts: CoreFacts, *, shows_all: bool) -> Sequence[CoreTask]:
    if shows_all:
        return facts.tasks
    owners = [facts.task(one.waits_for.owner) for one in facts.stuck if one.waits_for]
    chosen = [*facts.stuck, *filter(None, owners), *facts.running]
    return list({one.pid: one for one in chosen}.values())


def _headline(facts: CoreFacts) -> str:
    stuck, running = len(facts.stuck), len(facts.running)
    return (
        f"Linux {facts.release}: {len(facts.tasks)} tasks, {stuck} in state D, "
        f"{running} on a processor{'' if running else ' (idle)'}"
    )


def _title(task: CoreTask) -> str:
    where = f", on processor {task.processor}" if task.processor >= 0 else ""
    waits = f", waits for {_lock(task)}" if task.waits_for else ""
    return f"{task.name} (pid {task.pid}), state {task.state}{where}{waits}"


def _waits(task: CoreTask) -> str:
    return f"{task.name} (pid {task.pid}) waits for {_lock(task)}"


def _lock(task: CoreTask) -> str:
    lock = task.waits_for
    assert lock is not None
    if lock.owner:
        held = f"held by {lock.owner_name} (pid {lock.owner})"
    else:
        held = "held by readers" if lock.is_shared else "whose holder the kernel does not record"
    return f"the {lock.kind} {lock.name}, {held}"


def _stack(task: CoreTask) -> Iterator[str]:
    for frame in task.frames:
        name = frame.function or "?"
        yield f"{name}+{frame.offset:#x}" + (f" ({frame.source})" if frame.source else "")
    if task.problem:
        yield f"(the stack ends here: {task.problem})"
    elif not task.frames:
        yield "(no stack)"
