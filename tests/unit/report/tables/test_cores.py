# SPDX-License-Identifier: GPL-2.0-only
"""What a core holds is shown: who waits for whom, and the stacks that matter."""

from __future__ import annotations

from harness.model.core import CoreFacts, CoreTask, HeldLock, StackFrame
from harness.report.tables.cores import core_json, core_lines

FRAMES = (StackFrame("schedule", 0x5A), StackFrame("f", 16, "kernel/f.c:7"))
FIRST = CoreTask(7, "mkdir", "D", frames=FRAMES, waits_for=HeldLock("mutex", "cgroup_mutex", 8, "rmdir"))
SECOND = CoreTask(8, "rmdir", "D", frames=FRAMES, waits_for=HeldLock("rw_semaphore", "0xff", 7, "mkdir"))
OTHERS = (CoreTask(1, "init", "S", frames=FRAMES), CoreTask(9, "busy", "R", 1, problem="no frame"))


def shown(facts: CoreFacts, *, shows_all: bool = False) -> list[str]:
    """The lines as text."""
    return [line.text for line in core_lines(facts, shows_all=shows_all)]


def test_a_deadlock_is_named() -> None:
    """Two tasks wait for each other; a task that sleeps is not shown, one on a processor is."""
    facts = CoreFacts("6.1", (OTHERS[0], FIRST, SECOND, OTHERS[1]))

    assert shown(facts) == [
        "Linux 6.1: 4 tasks, 2 in state D, 1 on a processor",
        (
            "deadlock: mkdir (pid 7) waits for the mutex cgroup_mutex, held by rmdir (pid 8), "
            "rmdir (pid 8) waits for the rw_semaphore 0xff, held by mkdir (pid 7)"
        ),
        "",
        "mkdir (pid 7), state D, waits for the mutex cgroup_mutex, held by rmdir (pid 8)",
        "    schedule+0x5a",
        "    f+0x10 (kernel/f.c:7)",
        "",
        "rmdir (pid 8), state D, waits for the rw_semaphore 0xff, held by mkdir (pid 7)",
        "    schedule+0x5a",
        "    f+0x10 (kernel/f.c:7)",
        "",
        "busy (pid 9), state R, on processor 1",
        "    (the stack ends here: no frame)",
    ]
    assert core_json(facts, case="a", holder="b", file="c")["deadlock"] == [7, 8]


def test_the_task_that_holds_the_lock_is_shown() -> None:
    """It may sleep in any state; and with --all each task is."""
    facts = CoreFacts("6.1", (*OTHERS, FIRST, CoreTask(8, "rmdir", "S")))

    assert "rmdir (pid 8), state S" in shown(facts)
    assert "init (pid 1), state S" not in shown(facts)
    assert "init (pid 1), state S" in shown(facts, shows_all=True)
    assert facts.circle() == ()


def test_readers_of_a_semaphore_have_no_names() -> None:
    """The kernel keeps no list of them."""
    waits = HeldLock("rw_semaphore", "css_set_rwsem", is_shared=True)
    (line,) = [one for one in shown(CoreFacts("6.1", (CoreTask(7, "a", "D", waits_for=waits),))) if "waits" in one]

    assert line == "a (pid 7), state D, waits for the rw_semaphore css_set_rwsem, held by readers"
