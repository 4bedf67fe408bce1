# SPDX-License-Identifier: GPL-2.0-only
"""The scanner of the kernel log, on recorded logs of several releases."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernellog.frames import frames_of
from harness.kernellog.growing import SPLAT_LIMIT_BYTES
from harness.kernellog.kinds import search_candidate, start_of
from harness.kernellog.reader import KernelLog, Splat, SplatKind, scan

LOGS = Path(__file__).parents[2] / "data" / "kernellog"
NAMES = sorted(path.name for path in LOGS.glob("*.log"))
CLEAN = [name for name in NAMES if "clean" in name]


def recorded(name: str) -> bytes:
    return (LOGS / name).read_bytes()


def found(name: str) -> tuple[Splat, ...]:
    return scan(recorded(name).decode())


def fed(pieces: Sequence[bytes]) -> list[Splat]:
    log = KernelLog()
    splats = [splat for piece in pieces for splat in log.feed(piece)]
    return splats + log.close()


def stamped(*contents: str) -> bytes:
    return b"".join(f"[{seconds:5d}.000001] {content}\r\n".encode() for seconds, content in enumerate(contents, 1))


def kinds(data: bytes) -> list[SplatKind]:
    return [splat.kind for splat in fed([data])]


@pytest.mark.parametrize("name", NAMES)
def test_recorded_log(name: str) -> None:
    """Each recorded log yields the splats of the table: kind, end in a panic, extent, frames and title."""
    rows = [line.split("\t") for line in (LOGS / "splats.tsv").read_text().splitlines()]
    seen = [
        [
            name,
            splat.kind.value,
            "fatal" if splat.fatal else "-",
            str(splat.line),
            str(len(splat.text.split("\n"))),
            " ".join(frames_of(splat.kind, splat.text)[:5]) or "-",
            splat.title,
        ]
        for splat in found(name)
    ]

    assert seen == [row for row in rows if row[0] == name]


@pytest.mark.parametrize("name", CLEAN)
def test_no_false_alarm(name: str) -> None:
    """A boot, an OOM kill of a memory cgroup, a segmentation fault and sysrq's dumps are no splats."""
    log = KernelLog()

    assert log.feed(recorded(name)) == []
    assert not log.pending
    assert not log.is_panicked


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CLEAN])
def test_splat_is_whole_and_alone(name: str) -> None:
    """A splat's text is a run of consecutive lines of the log, and no line of it is the harness's or a program's."""
    lines = recorded(name).decode().replace("\r", "").split("\n")

    for splat in found(name):
        text = splat.text.split("\n")
        assert lines[splat.line - 1 : splat.line - 1 + len(text)] == text
        # What a case left behind is counted by the guest's init, so its report is the harness's.
        own = splat.text.replace("harness: BUG: left behind: ", "", 1)
        assert not any(word in own for word in ("harness:", "PROVOKE", "insmod: can't", "Segmentation fault"))
        assert text[-1].strip()


@pytest.mark.parametrize("kind", SplatKind)
def test_every_kind_is_recorded(kind: SplatKind) -> None:
    """There is a recorded log of every kind."""
    table = (LOGS / "splats.tsv").read_text()

    assert f"\t{kind.value}\t" in table


@given(st.data())
def test_pieces_do_not_matter(data: st.DataObject) -> None:
    """Fed in pieces of any size, a log yields the same splats as fed whole."""
    whole = b"".join(recorded(name) for name in data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=40)))
    pieces = [whole[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

    assert fed(pieces) == fed([whole])


def test_single_bytes_and_noise() -> None:
    """Fed byte by byte, with NULs, a byte that is no UTF-8 and lines of another's output between, nothing is lost."""
    log = recorded("6.12-oops.log").replace(b"Oops", b"O\0ops").replace(b"Code: ", b"\xff\xfe\r\n[    7.5] Code: ", 1)
    splats = fed([log[at : at + 1] for at in range(len(log))])

    assert [splat.kind for splat in splats] == [SplatKind.OOPS]
    assert "\N{REPLACEMENT CHARACTER}" in splats[0].text
    assert splats[0].fingerprint == found("6.12-oops.log")[0].fingerprint


def test_same_bug_same_name() -> None:
    """One bug seen twice, with other pids, addresses and CPUs, has one title and fingerprint; another bug has not."""
    first, other = recorded("6.12-warning.log"), recorded("6.1-odebug.log")
    again = first.replace(b"CPU: 1", b"CPU: 0").replace(b"PID: 219", b"PID: 77").replace(b"+0x8d/0xe0", b"+0x7c/0xd0")
    splats = fed([first, again, other])

    assert len({splat.title for splat in splats[:2]}) == 1
    assert len({splat.fingerprint for splat in splats[:2]}) == 1
    assert splats[2].fingerprint != splats[0].fingerprint
    assert all(len(splat.fingerprint) == 16 and int(splat.fingerprint, 16) >= 0 for splat in splats)


def test_releases_agree_on_a_warning() -> None:
    """The forms of v6.12 and v6.18 of one warning have one title and one fingerprint."""
    old, new = found("6.12-warning.log"), found("6.18-warning.log")

    assert (old[0].title, old[0].fingerprint) == (new[0].title, new[0].fingerprint)


def test_fake_through_kmsg() -> None:
    """A line written to /dev/kmsg is a splat by its words alone, and takes no ordinary line along."""
    splats = fed(
        [stamped("BUG: faked by a test", "cgroup: ordinary", "WARNING: CPU: 0 PID: 9 at a.c:1 f+0x1/0x2", "more")]
    )

    assert [(splat.kind, splat.text.count("\n")) for splat in splats] == [(SplatKind.BUG, 0), (SplatKind.WARNING, 0)]
    assert splats[1].title == "WARNING: at a.c:1 f"


def test_panic_is_noticed_at_once() -> None:
    """With the panic's own line complete, the log says so, though the splat goes on; and it stays said."""
    log = KernelLog()
    log.feed(stamped("Kernel panic - not syncing: sysrq triggered crash")[:-2])
    before = log.is_panicked
    ended = log.feed(b"\r\n")

    assert not before
    assert log.is_panicked
    assert log.pending
    assert ended == []
    assert [(splat.kind, splat.fatal) for splat in log.close()] == [(SplatKind.PANIC, True)]
    assert log.is_panicked
    assert not log.pending


def test_ended_splat_is_handed_out_while_the_log_goes_on() -> None:
    """A splat is returned by feed() soon after its last line, without close(); one that is a line, at that line."""
    log = KernelLog()
    marked = log.feed(recorded("6.12-warning.log"))
    faked = log.feed(stamped("BUG: faked", *["ordinary"] * 20))
    waits = log.pending
    single = log.feed(
        stamped(
            "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "harness: BUG: left behind: hierarchies: 1, 0 before the case",
            "harness: BUG: left behind: objects of find_css_set: 3, 2 before the case",
        )
    )

    assert [splat.kind for splat in marked] == [SplatKind.WARNING]
    assert [splat.kind for splat in faked] == [SplatKind.BUG]
    assert [splat.kind for splat in single] == [SplatKind.KMEMLEAK, SplatKind.LEFTOVER, SplatKind.LEFTOVER]
    assert len({splat.fingerprint for splat in single}) == 3
    assert not waits
    assert not log.pending


def test_log_goes_on_after_close() -> None:
    """close() ends an unfinished line; after it lines count on, and the next splat is found."""
    log = KernelLog()
    log.feed(stamped("one", "BUG: first").rstrip())
    first = log.close()
    second = log.feed(stamped("three", "BUG: second")) + log.close()

    assert [splat.line for splat in first + second] == [2, 4]


@pytest.mark.parametrize(
    "follow_up",
    ["Fatal exception", "Fatal exception in interrupt", "kernel: panic_on_warn set ...", "softlockup: hung tasks"],
)
def test_panic_after_a_splat_is_part_of_it(follow_up: str) -> None:
    """A panic that says it follows a splat is counted with it, even when another line came in between."""
    log = recorded("6.12-oops.log").split(b"\r\n")
    end = next(at for at, line in enumerate(log) if b"exited with" in line)
    data = b"\r\n".join(
        [*log[: end + 1], b"Killed", f"[    8.0] Kernel panic - not syncing: {follow_up}".encode(), b""]
    )
    splats = fed([data])

    assert [(splat.kind, splat.fatal) for splat in splats] == [(SplatKind.OOPS, True)]


def test_unrelated_panic_is_counted_by_itself() -> None:
    """A panic that comes after other lines, or from sysrq, is not a part of an earlier one-line splat."""
    fake = ("BUG: faked", "ordinary")

    assert kinds(stamped(*fake, "Kernel panic - not syncing: VFS: x")) == [SplatKind.BUG, SplatKind.PANIC]
    assert kinds(stamped(fake[0], "sysrq: Trigger a crash", "Kernel panic - not syncing: sysrq triggered crash")) == [
        SplatKind.BUG,
        SplatKind.PANIC,
    ]


def test_oom_dump_after_a_fake_is_not_swallowed() -> None:
    """A splat without an end mark ends where an OOM kill's or sysrq's own dump begins."""
    fake = stamped("BUG: faked")

    for name in CLEAN:
        if "boot" not in name and "dump-stack" not in name:
            splats = fed([fake + recorded(name)])
            assert [(splat.kind, splat.text.count("\n")) for splat in splats] == [(SplatKind.BUG, 0)], name


def test_two_splats_back_to_back() -> None:
    """A splat that begins before the former has an end mark is another one."""
    assert kinds(recorded("6.1-kasan.log") + recorded("6.1-kcsan.log")) == [SplatKind.KASAN, SplatKind.KCSAN]
    assert kinds(
        stamped(
            "BUG: Bad page state in process a  pfn:1", "BUG: one", "INFO: task a:1 blocked for more than 5 seconds."
        )
    ) == [
        SplatKind.BUG,
        SplatKind.BUG,
        SplatKind.HUNG_TASK,
    ]


def test_rule_above_the_next_splat_is_its_own() -> None:
    """The rule of equal signs that follows a splat directly belongs to the report below it."""
    report = recorded("6.1-kcsan.log").replace(b"][   C0]", b"]").split(b"\r\n", 2)[2]
    splats = fed([stamped("BUG: faked") + report])

    assert [splat.kind for splat in splats] == [SplatKind.BUG, SplatKind.KCSAN]
    assert splats[1].text.split("\n")[0].endswith("=====")


def test_dump_after_an_end_mark_is_not_swallowed() -> None:
    """What looks like a splat but begins after one's end mark (a bare dump_stack()) is left out."""
    dump = recorded("real-6.1-clean-dump-stack.log").partition(b"tainting kernel\r\n")[2]
    warning = recorded("6.12-warning.log").partition(b"[ end trace 0000000000000000 ]---")
    splats = fed([b"".join(warning[:2]) + b"\r\n" + dump])

    assert dump.startswith(b"[")
    assert [splat.text.count("\n") for splat in splats] == [31]


def test_long_story() -> None:
    """A lockdep report is whole however long its list of locks, with no line of a dump in it."""
    story = [f" -> (&lock{at}){{+.+.}}-{{2:2}} ops: 7" for at in range(100)]
    splats = fed([stamped("WARNING: inconsistent lock state", *story, "stack backtrace:", " f+0x1/0x2")])

    assert [splat.text.count("\n") for splat in splats] == [102]


def test_foreign_lines_between() -> None:
    """A few lines of programs and of other CPUs between a splat's own are kept in it."""
    lines = recorded("6.12-warning.log").split(b"\r\n")
    at = next(number for number, line in enumerate(lines) if b"<TASK>" in line)
    data = b"\r\n".join([*lines[:at], b"Killed", b"[    7.2] eth0: renamed", *lines[at:]])
    splats = fed([data])

    assert len(splats) == 1
    assert "eth0: renamed" in splats[0].text
    assert splats[0].text.endswith("---[ end trace 0000000000000000 ]---")


@pytest.mark.parametrize(
    "line",
    [
        "Kernel command line: console=ttyS0 note=BUG: x",
        "systemd[1]: WARNING: something of its own",
        "RETBleed: WARNING: Spectre v2 mitigation leaves CPU vulnerable",
        "traps: a.out[71] general protection fault ip:401000 sp:7ffd0 error:0 in a.out[400000+1000]",
        "a.out[71]: segfault at 0 ip 0000000000401000 sp 00007ffd0 error 6 in a.out[400000+1000]",
        "Memory cgroup out of memory: Killed process 86 (eat) total-vm:9172kB",
        "ODEBUG: selftest passed",
        "INFO: lockdep is turned off.",
        "WARNING: workqueue cpumask: online intersect > possible intersect",
        "Lock dependency validator: Copyright (c) 2006 Red Hat, Inc., Ingo Molnar",
        "==================================================================",
    ],
)
def test_ordinary_line(line: str) -> None:
    """An ordinary line that holds a splat's words is none."""
    assert kinds(stamped(line, "next")) == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("BUG: KASan: use after free in f+0x1/0x2 at addr ffff880012345678", SplatKind.KASAN),
        ("invalid opcode: 0000 [#1] PREEMPT SMP", SplatKind.OOPS),
        ("Oops: invalid opcode: 0000 [#1] SMP NOPTI", SplatKind.OOPS),
        ("divide error: 0000 [#1] PREEMPT SMP", SplatKind.OOPS),
        ("general protection fault: 0000 [#1] SMP", SplatKind.OOPS),
        ("Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008", SplatKind.OOPS),
        ("Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP", SplatKind.OOPS),
        ("BUG: TASK stack guard page was hit at 0000000012345678", SplatKind.OOPS),
        ("BUG kmalloc-64 (Tainted: G    B  ): Right Redzone overwritten", SplatKind.BUG),
        ("BUG: using smp_processor_id() in preemptible [00000000] code: sh/71", SplatKind.BUG),
        ("WARNING: at kernel/cgroup.c:12 f+0x1/0x2()", SplatKind.WARNING),
        ("WARNING: [css == NULL] kernel/cgroup/cgroup.c:12 at f+0x1/0x2, CPU#0: sh/71", SplatKind.WARNING),
        ("WARNING: possible recursive locking detected", SplatKind.LOCKDEP),
        ("[ INFO: inconsistent lock state ]", SplatKind.LOCKDEP),
        ("WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected", SplatKind.LOCKDEP),
        ("[ BUG: sh/71 still has locks held! ]", SplatKind.LOCKDEP),
        ("WARNING: held lock freed!", SplatKind.LOCKDEP),
        ("WARNING: lock held when returning to user space!", SplatKind.LOCKDEP),
        ("[ BUG: Invalid wait context ]", SplatKind.LOCKDEP),
        ("INFO: trying to register non-static key.", SplatKind.LOCKDEP),
        ("rcu: INFO: rcu_preempt self-detected stall on CPU", SplatKind.RCU_STALL),
        ("rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-.... } 21 jiffies", SplatKind.RCU_STALL),
        ("INFO: rcu_tasks detected stalls on tasks:", SplatKind.RCU_STALL),
        ("BUG: soft lockup - CPU#0 stuck for 22s! [sh:71]", SplatKind.SOFT_LOCKUP),
        ("watchdog: CPU3: Watchdog detected hard LOCKUP on cpu 3", SplatKind.HARD_LOCKUP),
        ("list_add double add: new=ffff880012345678, prev=ffff880012345678, next=x.", SplatKind.LIST_CORRUPTION),
        ("refcount_t: underflow; use-after-free.", SplatKind.REFCOUNT),
        ("kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)", SplatKind.KMEMLEAK),
    ],
)
def test_first_line_names_the_kind(line: str, kind: SplatKind) -> None:
    """The first line of a splat names its kind, with level, stamp and caller before it or without any; and the cheap
    question that is asked first lets it pass."""
    forms = (line, f"[    1.5] {line}", f"<4>[    1.5][  T71] {line}", f"sh# [    1.5][   C0] {line}")

    assert [kinds(f"{form}\r\n".encode()) for form in forms] == [[kind]] * len(forms)
    assert start_of(line)
    assert search_candidate(line.encode())


def test_program_output_without_stamp() -> None:
    """Where the kernel stamps its lines, a program's bare ``WARNING:`` on the console is its own; an oops never is."""
    program = b"WARNING: my disk is full\r\nBUG: none of the kernel's\r\n"

    assert kinds(stamped("booted") + program) == []
    assert kinds(b"booted\r\n" + program) == [SplatKind.BUG]
    assert kinds(stamped("BUG: faked") + program) == [SplatKind.BUG]
    assert kinds(stamped("booted") + b"BUG: kernel NULL pointer dereference, address: 0\r\n") == [SplatKind.OOPS]


def test_prelude_of_an_oops_belongs_to_it() -> None:
    """The line on an attempt to execute data is the first of the oops, whose title is still the next one."""
    prelude = "kernel tried to execute NX-protected page - exploit attempt? (uid: 0)"
    splats = fed(
        [stamped(prelude, "BUG: unable to handle page fault for address: ffff888004b1a000", "Oops: 0011 [#1] SMP")]
    )

    assert [(splat.kind, splat.line) for splat in splats] == [(SplatKind.OOPS, 1)]
    assert splats[0].title == "BUG: unable to handle page fault"


def test_cut_mark_alone() -> None:
    """A cut mark that nothing explains is a warning, titled by the words below it."""
    splats = fed(
        [stamped("------------[ cut here ]------------", "something odd", "CPU: 0 PID: 1 Comm: a", "Call Trace:")]
    )

    assert [(splat.kind, splat.title) for splat in splats] == [(SplatKind.WARNING, "something odd")]


@pytest.mark.parametrize(
    "piece",
    [b"x" * (1 << 20), b"[    1.5] \n" * 9000, b"[    1.5]  f+0x1/0x2\n" * 4000, b"[    1.5] words\n" * 6000],
    ids=["no newline", "blank lines", "frames", "words"],
)
def test_memory_is_bounded(piece: bytes) -> None:
    """Neither a line without end, nor a splat without end, grows memory."""
    tracemalloc.start()
    try:
        log = KernelLog()
        log.feed(stamped("BUG: faked"))
        splats = [splat for _ in range(12) for splat in log.feed(piece)]
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak_bytes < 6 * SPLAT_LIMIT_BYTES
    assert sum(len(splat.text) for splat in splats + log.close()) < 2 * SPLAT_LIMIT_BYTES


def test_endless_splat_says_that_it_was_cut() -> None:
    """A splat longer than the bound ends with a line that says so; the log goes on."""
    splats = fed([stamped("BUG: faked") + b"[    2.5]  f+0x1/0x2\n" * 6000 + stamped("BUG: another")])

    assert [splat.title for splat in splats] == ["BUG: faked in f", "BUG: another"]
    assert splats[0].text.endswith("[truncated by the harness: the rest is in the log]")


@pytest.mark.parametrize(
    "line",
    [
        "a" * 16000,
        "[ 1." * 4000,
        "task " * 3000,
        "WARNING: " + "[" * 9000,
        "BUG: " + "x/1" * 5000,
        "INFO: task " + ":1/" * 5000 + " blocked for more than 5 seconds",
        "deadbeef" * 2000,
        " " * 16000,
        "Tainted: " + "G " * 8000,
        "{" + "+." * 8000,
    ],
    ids=lambda line: line[:12],
)
def test_no_line_is_dear(line: str) -> None:
    """No line makes a pattern run away, within a splat or outside: all of them are read to their end."""
    data = b"".join(stamped(start, line, line) for start in ("BUG: KASAN: a", "WARNING: inconsistent lock state", line))

    assert fed([data])


def test_scan_agrees_with_feed() -> None:
    """scan() of a text is feed() and close(), the splat that the log breaks off in included."""
    whole = b"".join(recorded(name) for name in [*NAMES, "real-6.1-panic-sysrq.log"])

    assert list(scan(whole.decode())) == sorted(fed([whole]), key=lambda splat: splat.line)
