# SPDX-License-Identifier: GPL-2.0-only
"""Read the tasks, their stacks and the locks that they wait for from a core, with drgn; a program of its own.

The core and the kernel are untrusted, so :mod:`harness.cores.reader` runs this in the sandbox. What it needs comes as a
file of JSON; what it finds is printed as JSON.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import drgn
from drgn import FaultError, Object, Program, StackTrace, offsetof
from drgn.helpers.linux.list import list_for_each_entry

from harness.base.errors import HarnessError
from harness.base.json_records import dump_value, read_facts
from harness.cores.program import KERNEL_START, SYMBOL_GAP, KernelSymbols, open_program, read_symbols
from harness.cores.request import CoreAnswer, CoreRequest
from harness.model.core import CoreFacts, CoreTask, HeldLock, StackFrame

_MOST_TASKS = 20_000
_MOST_WAITERS = 1_000
_STACK_WORDS = 128
_PAGE_BYTES = 4096
_STACK_BYTES = 1 << 16  # at least; that of a kernel with KASAN is 32 KiB
# A part of the names of functions that wait for it, the type of the lock, and that of an entry in its list.
_LOCKS = (
    ("rwsem_down", "rw_semaphore", "rwsem_waiter"),
    ("mutex", "mutex", "mutex_waiter"),
    ("down", "semaphore", "semaphore_waiter"),
)
_FLAG_BITS = 7  # of the owner of a mutex or a rw_semaphore, whose tasks are aligned
_READERS = 1  # of the owner of a rw_semaphore: readers hold it
_IDLE = 0x402  # TASK_IDLE: TASK_UNINTERRUPTIBLE | TASK_NOLOAD
# TASK_INTERRUPTIBLE and so on; /proc shows TASK_RTLOCK_WAIT and TASK_FROZEN as D, too.
_STATES = ((0x1, "S"), (0x9002, "D"), (0x4, "T"), (0x8, "t"), (0x10, "X"), (0x20, "Z"), (0x40, "P"))
_UNREADABLE = (FaultError, LookupError, ValueError, TypeError, AttributeError, OSError, MemoryError)


def read_core(request: CoreRequest) -> CoreFacts:
    """Read a core.

    :raises Exception: drgn cannot read it; the text says why.
    """
    symbols = read_symbols(Path(request.symbols).read_text())
    program = open_program(request, symbols)
    tasks = tuple(sorted(_tasks(program, symbols), key=lambda one: one.pid))
    return CoreFacts(request.release, tasks)


def init_task(program: Program, symbols: KernelSymbols) -> Object:
    """Return the task that the list of all processes starts at."""
    return Object(program, program.type("struct task_struct"), address=symbols.by_name["init_task"])


def _tasks(program: Program, symbols: KernelSymbols) -> Iterator[CoreTask]:
    """Yield all threads, from the list of processes that starts at init_task."""
    init, task_type, count = init_task(program, symbols), program.type("struct task_struct"), 0
    for leader in list_for_each_entry(task_type, init.tasks.address_of_(), "tasks"):
        for thread in list_for_each_entry(task_type, leader.signal.thread_head.address_of_(), "thread_node"):
            yield _task(program, thread, symbols)
            count += 1
            if count >= _MOST_TASKS:
                return


def _task(program: Program, task: Object, symbols: KernelSymbols) -> CoreTask:
    state = _state(task)
    frames: list[StackFrame] = []
    problem = ""
    if state not in "XZ":
        try:
            frames = list(_frames(program.stack_trace(task)))
        except (FaultError, ValueError, LookupError) as error:
            problem = str(error)
    waits = _waits_for(program, task, frames, symbols) if state == "D" else None
    name = task.comm.string_().decode(errors="replace")
    return CoreTask(int(task.pid.value_()), name, state, _processor(task), tuple(frames), problem, waits)


def _processor(task: Object) -> int:
    """Return the processor that a task ran on; -1 if it did not run. A kernel without SMP has neither member."""
    if not hasattr(task, "on_cpu") or not task.on_cpu.value_():
        return -1
    return int(task.cpu.value_() if hasattr(task, "cpu") else task.thread_info.cpu.value_())


def _state(task: Object) -> str:
    """Return the letter of a task's state, as ``ps`` has it."""
    member = "__state" if hasattr(task, "__state") else "state"
    value = int(getattr(task, member).value_()) | int(task.exit_state.value_())
    if value & _IDLE == _IDLE:
        return "I"
    return next((letter for bit, letter in _STATES if value & bit), "R")


def _frames(trace: StackTrace) -> Iterator[StackFrame]:
    for frame in trace:
        if frame.pc < KERNEL_START:
            return
        try:
            place = frame.source()
            source = f"{place[0]}:{place[1]}"
        except LookupError:
            source = ""
        offset = 0
        name = frame.name or ""
        try:
            symbol = frame.symbol()
            name, offset = frame.name or symbol.name, frame.pc - symbol.address
        except LookupError:
            pass
        yield StackFrame(name, offset, source)


def _waits_for(program: Program, task: Object, frames: Sequence[StackFrame], symbols: KernelSymbols) -> HeldLock | None:
    """Find the lock that a task sleeps on.

    The list of a lock's waiters has an entry on the stack of each of them, which names its task; the element of the
    list that is on no such stack is that of the lock. What kind of lock it is, the functions on the stack say.
    """
    names = [frame.function for frame in frames]
    for part, kind, waiter in _LOCKS:
        if any(part in name for name in names):
            try:
                types = program.type(f"struct {kind}"), program.type(f"struct {waiter}")
                head = _find_head(program, task, types[1])
                if head:
                    at = head - offsetof(types[0], "wait_list")
                    return _held(kind, Object(program, types[0], address=at), symbols)
            except (LookupError, FaultError):
                continue
    return None


def _find_head(program: Program, task: Object, waiter: drgn.Type) -> int:
    """Return the address of the list head of the lock that a task waits for; 0 if there is none."""
    top = int(task.thread.sp.value_())
    stack = _read_stack(program, top)
    own = task.value_().to_bytes(8, "little")
    for at in range(0, len(stack), 8):
        if stack[at : at + 8] != own:
            continue
        entry = Object(program, waiter, address=top + at - offsetof(waiter, "task"))
        try:
            if entry.list.next.prev.value_() == entry.list.address_:
                return _walk_to_head(program, entry, waiter)
        except FaultError:  # the word is a copy of the task's address elsewhere
            continue
    return 0


def _read_stack(program: Program, top: int) -> bytes:
    """Return the innermost words of a stack; a page without memory follows its end."""
    end, data = top + 8 * _STACK_WORDS, b""
    while top < end:
        size = min(end, (top // _PAGE_BYTES + 1) * _PAGE_BYTES) - top
        try:
            data += program.read(top, size)
        except FaultError:
            break
        top += size
    return data


def _walk_to_head(program: Program, entry: Object, waiter: drgn.Type) -> int:
    place = entry.list
    for _ in range(_MOST_WAITERS):
        place = place.next[0]
        address = int(place.address_ or 0)
        one = Object(program, waiter, address=address - offsetof(waiter, "list"))
        try:
            start = int(one.task.stack.value_())
        except FaultError:
            return address
        if not start <= address < start + _STACK_BYTES:
            return address
    return 0


def _held(kind: str, lock: Object, symbols: KernelSymbols) -> HeldLock:
    address = int(lock.address_ or 0)
    found = symbols.at(address)
    name = f"{address:#x}"
    if found is not None and found[2] < SYMBOL_GAP:
        name = found[0] if found[1] == address else f"{found[0]}+{address - found[1]:#x}"
    if not hasattr(lock, "owner"):  # semaphore
        return HeldLock(kind, name)
    value = int(lock.owner.counter.value_()) & 0xFFFFFFFFFFFFFFFF
    if kind == "rw_semaphore" and value & _READERS:
        return HeldLock(kind, name, is_shared=True)
    if not value & ~_FLAG_BITS:
        return HeldLock(kind, name)
    owner = Object(lock.prog_, lock.prog_.type("struct task_struct"), address=value & ~_FLAG_BITS)
    try:
        return HeldLock(kind, name, int(owner.pid.value_()), owner.comm.string_().decode(errors="replace"))
    except FaultError:
        return HeldLock(kind, name)


def main(argv: Sequence[str]) -> int:
    """Read the request of the file that is named, and print what the core holds, or why it cannot be read."""
    request = read_facts(CoreRequest, Path(argv[1]).read_bytes())
    assert request is not None, f"{argv[1]} was written by the harness"
    try:
        answer = CoreAnswer(read_core(request))
    # What drgn raises for a damaged core, or a kernel that it does not know; the harness is another process.
    except (
        FaultError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        OSError,
        MemoryError,
        HarnessError,
    ) as error:
        answer = CoreAnswer(problem=f"{type(error).__name__}: {error}")
    sys.stdout.write(dump_value(answer, indent=None))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
