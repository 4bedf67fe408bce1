# SPDX-License-Identifier: GPL-2.0-only
"""Call traces and the guilty function, in the forms of several architectures."""

from __future__ import annotations

import pytest

from harness.kernellog.frames import frames_of
from harness.kernellog.kinds import SplatKind
from harness.kernellog.plumbing import Role, is_allocator, role_of
from harness.kernellog.reader import scan


def test_interrupt_that_noticed_a_stall_is_left_out() -> None:
    """The frames of the timer interrupt do not count for a stall, in the old form and the new; they do for an oops."""
    new = " <IRQ>\n tick+0x1/0x2\n </IRQ>\n <TASK>\n victim+0x1/0x2\n </TASK>\n"
    old = " <IRQ>  [<ffffffff81>] tick+0x1/0x2\n [<ffffffff82>] timer+0x1/0x2\n <EOI>  [<ffffffff83>] victim+0x1/0x2\n"

    assert frames_of(SplatKind.RCU_STALL, new) == ("victim",)
    assert frames_of(SplatKind.SOFT_LOCKUP, old) == ("victim",)
    assert frames_of(SplatKind.OOPS, new) == ("tick", "victim")


def test_softirq_that_stalls_is_guilty() -> None:
    """Below the timer interrupt, within the part of a trace that is marked as an interrupt, a softirq may stall."""
    text = (
        "Call Trace:\n <IRQ>\n rcu_dump_cpu_stacks+0x1/0x2\n rcu_sched_clock_irq+0x1/0x2\n"
        " update_process_times+0x1/0x2\n"
        " tick_nohz_handler+0x1/0x2\n hrtimer_interrupt+0x1/0x2\n __sysvec_apic_timer_interrupt+0x1/0x2\n"
        " asm_sysvec_apic_timer_interrupt+0x1/0x2\nRIP: 0010:_raw_spin_lock+0x1/0x2\n demo_receive+0x1/0x2\n"
        " net_rx_action+0x1/0x2\n handle_softirqs+0x1/0x2\n </IRQ>\n demo_send+0x1/0x2\n"
    )

    assert frames_of(SplatKind.RCU_STALL, text)[0] == "demo_receive"


def test_thread_that_waits_for_a_grace_period_is_not_guilty() -> None:
    """In a report of a stall, the trace of RCU's own thread does not count, even if it comes first."""
    text = (
        "rcu: rcu_preempt kthread starved for 2100 jiffies!\nCall Trace:\n __schedule+0x1/0x2\n schedule+0x1/0x2\n"
        " schedule_timeout+0x1/0x2\n rcu_gp_fqs_loop+0x1/0x2\n rcu_gp_kthread+0x1/0x2\n kthread+0x1/0x2\n"
        "NMI backtrace for cpu 1\nRIP: 0010:demo_spin+0x1/0x2\nCall Trace:\n demo_work+0x1/0x2\n"
    )

    assert frames_of(SplatKind.RCU_STALL, text) == ("demo_spin", "demo_work")


def test_lockdep_counts_from_its_backtrace() -> None:
    """The chain of dependencies of a lockdep report does not count, the backtrace does."""
    text = "-> #1 (a){+.+.}:\n       chain+0x1/0x2\nstack backtrace:\nCall Trace:\n victim+0x1/0x2\n"

    assert frames_of(SplatKind.LOCKDEP, text) == ("victim",)
    assert frames_of(SplatKind.LOCKDEP, "WARNING: a\n victim+0x1/0x2\n") == ("victim",)


def test_earlier_life_of_an_object_does_not_count() -> None:
    """The traces of allocation and free of a memory checker's report are no frames of it."""
    text = "Call Trace:\n dump_stack_lvl+0x1/0x2\n\nAllocated by task 71:\n kmalloc+0x1/0x2\n maker+0x1/0x2\n"

    assert frames_of(SplatKind.KASAN, text) == ()


@pytest.mark.parametrize(
    ("complaint", "held"),
    [
        ("sh/71 is trying to acquire lock:", "ffff888004b1a000 (&demo){+.+.}-{3:3}, at: {}+0x12/0x40"),
        ("sh/71 is trying to acquire lock:", " (&demo){+.+.+.}, at: [<ffffffff81234567>] {}+0x12/0x40"),
        ("sh/71 [HC0[0]:SC0[0]:HE1:SE1] takes:", "ffff888004b1a000 (&demo){?.-.}-{2:2}, at: {}+0x12/0x40"),
        ("sh/71 just changed the state of lock:", "ffff888004b1a000 (&demo){..-.}-{2:2}, at: {}+0x12/0x40"),
        ("sh/71 is trying to release lock (&demo) at:", "[<ffffffff81234567>] {}+0x12/0x40"),
        ("1 lock still held by sh/71:", " #0: ffff888004b1a000 (&demo){+.+.}-{3:3}, at: {}+0x12/0x40"),
    ],
)
def test_lock_names_its_taker(complaint: str, held: str) -> None:
    """The function that takes or releases the lock is guilty of a locking report, with or without a backtrace."""
    head = f"[    3.1] WARNING: possible circular locking dependency detected\n[    3.1] {complaint}\n"
    text = head + f"[    3.1] {held.replace('{}', 'demo_take')}\n"

    assert [splat.function for splat in scan(text)] == ["demo_take"]


ARCHITECTURES = {
    "x86 before 4.10": (
        "IP: [<ffffffff81234567>] guilty+0x12/0x40\nCall Trace:\n [<ffffffff81234577>] caller+0x1/0x20\n"
    ),
    "x86": "RIP: 0010:guilty+0x12/0x40\nCall Trace:\n <TASK>\n caller+0x1/0x20\n",
    "x86, 32 bits": "EIP: guilty+0x12/0x40\nCall Trace:\n caller+0x1/0x20\n",
    "arm64": "pc : guilty+0x12/0x40\nlr : other+0x1/0x20\nsp : ffff80008000bd10\nCall trace:\n caller+0x1/0x20 (P)\n",
    "arm": (
        "PC is at guilty+0x12/0x40\nLR is at other+0x1/0x20\n"
        "[<80101010>] (guilty) from [<80202020>] (caller+0x1/0x20)\n"
        "[<80202020>] (caller) from [<80303030>] (ret_fast_syscall+0x0/0x54)\n"
    ),
    "arm since 5.18": (
        "PC is at guilty+0x12/0x40\n guilty from caller+0x1/0x20\n caller from ret_fast_syscall+0x0/0x54\n"
    ),
    "riscv": (
        "epc : guilty+0x12/0x40\n"
        " ra : other+0x1/0x20\n"
        "[<ffffffff80001234>] guilty+0x12/0x40\n"
        "[<ffffffff80001238>] caller+0x1/0x20\n"
    ),
    "powerpc": (
        "NIP [c000000000123456] guilty+0x12/0x40\nLR [c000000000123466] other+0x1/0x20\nCall Trace:\n"
        "[c000000003abc000] [c000000000123476] caller+0x1/0x20 (unreliable)\n"
    ),
    "s390": (
        "Krnl PSW : 0704c00180000000 0000000000114a2e (guilty+0x12/0x40)\nCall Trace:\n"
        " [<0000000000114a2e>] guilty+0x12/0x40 \n([<0000000000114a00>] caller+0x1/0x20)\n"
    ),
    "loongarch": (
        "pc 9000000000223344 ra 9000000000223355\n"
        "   era: 9000000000223344 guilty+0x12/0x40\n"
        "Call Trace:\n"
        "[<9000000000223344>] guilty+0x12/0x40\n"
        "[<9000000000223355>] caller+0x1/0x20\n"
    ),
    "mips": (
        "epc   : 80123456 guilty+0x12/0x40\n"
        "ra    : 80123466 other+0x1/0x20\n"
        "Call Trace:\n"
        "[<80123456>] guilty+0x12/0x40\n"
        "[<80123476>] caller+0x1/0x20\n"
    ),
}


@pytest.mark.parametrize("dump", ARCHITECTURES.values(), ids=ARCHITECTURES)
def test_architectures(dump: str) -> None:
    """The instruction pointer and the frames are read in the forms of all architectures."""
    assert frames_of(SplatKind.OOPS, dump)[:2] == ("guilty", "caller")


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("dump_backtrace", Role.REPORTER),
        ("check_preemption_disabled", Role.PLUMBING),
        ("panic", Role.REPORTER),
        ("kasan_report", Role.REPORTER),
        ("asm_exc_page_fault", Role.REPORTER),
        ("rcu_gp_kthread", Role.PLUMBING),
        ("context_switch", Role.PLUMBING),
        ("__sanitizer_cov_trace_pc", Role.PLUMBING),
        ("mutex_lock_nested", Role.PLUMBING),
        ("_raw_spin_unlock_irqrestore", Role.PLUMBING),
        ("lock_acquire", Role.REPORTER),
        ("memcpy_orig", Role.PLUMBING),
        ("kmem_cache_alloc_noprof", Role.PLUMBING),
        ("__list_del_entry_valid", Role.PLUMBING),
        ("entry_SYSCALL_64_after_hwframe", Role.ENTRY),
        ("worker_thread", Role.DISPATCHER),
        ("sysvec_apic_timer_interrupt", Role.INTERRUPT),
        ("update_process_times", Role.TICK),
        ("cgroup_mkdir", Role.SUSPECT),
        ("proc_cgroup_show", Role.SUSPECT),
        ("ext4_file_write_iter", Role.SUSPECT),
        ("rtnl_lock", Role.SUSPECT),
        ("tcp_sendmsg", Role.SUSPECT),
        ("__mmdrop", Role.SUSPECT),
        ("kernfs_create_dir_ns", Role.SUSPECT),
        ("copy_process", Role.SUSPECT),
        ("load_elf_binary", Role.SUSPECT),
        ("do_mount", Role.SUSPECT),
        ("exit_aio", Role.SUSPECT),
    ],
)
def test_role(name: str, role: Role) -> None:
    """Functions that serve any caller have a role, functions of a subsystem are suspects."""
    assert role_of(name) is role


def test_allocator_by_its_name() -> None:
    """In a report of a leak, any function that is named after allocation is not the one that leaked."""
    assert is_allocator("sk_prot_alloc")
    assert is_allocator("alloc_inode")
    assert not is_allocator("inet6_create")
