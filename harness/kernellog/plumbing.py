# SPDX-License-Identifier: GPL-2.0-only
"""List the functions that are in call traces for reasons other than the bug. Pure.

Each group is a tuple of patterns that must match a whole name without compiler suffixes. To add a function, add a
pattern to the group that describes it, and a trace to ``tests/unit/kernellog/test_frames.py``.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache, lru_cache

REPORTERS = (
    # Print a stack, warn, panic, die.
    r"_*dump_stack(?:_lvl|_print_info)?",
    r"_*(?:show|print)_(?:stack|regs|trace\w*|registers)",
    r"(?:dump|unwind|show)_backtrace\w*|walk_stackframe|dump_backtrace_\w+|save_stack\w*|__save_stack_trace|stack_trace_\w+",
    r"arch_(?:stack_walk|dump_stack)\w*",
    r"_*(?:v?panic|nmi_panic\w*|check_panic_on_warn|oops_\w+|die(?:_body|_kernel_fault|_addr)?|crash_kexec|bust_spinlocks)",
    r"_*warn(?:_slowpath\w*|_printk)?|_*report_bug|handle_bug|fixup_bug|bug_handler|call_break_hook|_*stack_chk_fail",
    r"printk|_printk|vprintk\w*|_*dev_v?printk\w*|_dev_(?:info|warn|err|notice|crit|alert|emerg)|spin_(?:bug|dump)|rwlock_bug|console_unlock|console_flush_all|printk_\w+|pr_cont_\w+",
    r"nmi_(?:trigger_)?(?:cpu_backtrace\w*|cpumask_backtrace\w*)|arch_trigger_\w+|trigger_\w+_backtrace\w*|raise_backtrace\w*",
    r"_*sched_show_task|show_state_filter|debug_show_(?:all|held)_locks\w*|show_workqueue\w*",
    # Catch an exception.
    r"(?:asm_)?exc_\w+|do_(?:error_trap|trap\w*|invalid_op|divide_error|double_fault\w*)|invalid_op|divide_error|error_entry",
    r"double_fault|stack_segment|do_stack_segment|alignment_check|error_code|common_exception(?:_\w+)?|common_interrupt",
    r"no_context|_*bad_area\w*|page_fault\w*|_*do_page_fault|trace_do_page_fault|async_page_fault|page_fault_oops",
    r"trace_page_fault|do_(?:user_addr|kern_addr)_fault|handle_page_fault|spurious_\w+|general_protection|do_general_protection",
    r"fixup_exception|mmput_async|kernelmode_fixup_or_oops|search_exception_tables",
    r"(?:do_)?(?:mem_abort|translation_fault|debug_exception|undefinstr|el1_undef|el1_abort|sp_pc_abort|brk_handler)\w*",
    r"el[01]_?(?:sync|irq|error|fiq|da|dbg|h_64)\w*|el1h?_64_\w+|__(?:do_kernel_fault|und_svc|dabt_svc|pabt_svc)\w*|do_DataAbort",
    r"do_(?:undef\w*|PrefetchAbort|alignment\w*|bad_area\w*|sect_fault|kernel_fault)|handle_exception|program_check_\w+",
    r"pgm_check_\w+|do_pgm_check|data_access_\w+|handle_bug_exception|ret_from_exception",
    # Check memory.
    r"_*(?:kasan|kcsan|kmsan|kfence|ubsan)_\w+|_*(?:asan|tsan|msan|hwasan)_\w+|print_(?:address_description|report\w*|trailer)",
    r"check_memory_region\w*|check_region_inline|report_\w*(?:enabled|free)|end_report|start_report|handle_overflow|object_err",
    r"slab_\w*err\w*|slab_(?:bug|fix|pad_check|fix)|check_(?:object|slab|bytes_and_report|poison_obj)|free_debug_processing",
    r"alloc_debug_processing|free_to_partial_list|bad_page\w*|free_page_is_bad\w*|check_(?:new|free)_page\w*|print_bad_pte",
    r"_*usercopy_\w+|_*check_(?:heap_)?object\w*|report_usercopy|usercopy_warn",
    r"kmsan_\w+|metadata_\w+|set_track|__phys_addr_symbol|kasan_\w+|qlink_\w+",
    # Check locks and context.
    r"_*lockdep_\w+|print_\w*(?:bug|bug_header|dependency|deadlock|imbalance|usage|inversion|entry|context)\w*",
    r"check_(?:noncircular|prev\w*|deadlock|irq_usage|usage\w*|wait_context|flags|chain_key|lock_\w+|redundant|segment)",
    r"validate_chain|_*lock_(?:acquire|release|acquired|contended|downgrade|set_class|is_held)\w*|mark_(?:lock\w*|usage|held_locks)",
    r"valid_state|mark_lock_irq|debug_check_no_locks\w*|register_lock_class|look_up_lock_class|add_chain_\w+|assign_lock_key",
    r"reacquire_held_locks|find_held_lock|match_held_lock|hlock_\w+|debug_rt_mutex_\w+|debug_mutex_\w+|print_\w*lock\w*",
    r"might_(?:sleep|resched|fault)|_*might_(?:sleep|resched|fault)\w*|_*schedule_bug|_*cant_(?:sleep|migrate)",
    r"rcu_(?:dump\w*|check\w*|sched_clock\w*|lockdep_\w+|is_watching\w*|stall_\w+)|print_(?:cpu_stall|other_cpu_stall|task\w*)\w*",
    r"check_cpu_stall\w*|refcount_warn_saturate|refcount_error_report",
    r"debug_(?:print_object|object_\w+|check_no_obj_freed)|_*debug_(?:check_no_obj_freed|object_\w+)",
    r"_*report_bad_irq|note_interrupt|handle_irq_event\w*|watchdog(?:_\w+)?|is_(?:soft|hard)lockup|check_hung_\w+",
    r"_*cfi_\w+|report_cfi_failure|handle_cfi_failure",
    r"rust_(?:begin_unwind|panic\w*|helper_BUG)|_R\w*(?:panicking|begin_unwind|unwrap_failed|expect_failed)\w*",
)
"""Print the splat, catch the exception, or check what went wrong: they are in every splat of a kind."""

INTERRUPTS = (
    r"(?:smp_|asm_sysvec_|sysvec_|_*)(?:local_)?apic_timer_interrupt\w*|asm_\w*sysvec_\w+|sysvec_\w+|_*do_(?:IRQ|irq)|do_IRQ",
    r"asm_common_interrupt|common_interrupt|ret_from_intr|irq_entries_start|smp_\w+_interrupt\w*|call_function_\w*interrupt",
    r"reschedule_interrupt|irq_work_interrupt|interrupt_entry|gic_handle_irq|handle_arch_irq\w*|call_on_irq_stack|do_interrupt_handler",
    r"_*(?:irq|fiq)_svc|el1_irq|el1h?_64_irq\w*|el1_interrupt|riscv_intc_irq|do_riscv_irq|timer_interrupt|decrementer_\w+",
    r"do_irq_async|ext_int_handler|__do_softirq_irq|nmi|end_repeat_nmi|asm_exc_nmi|exc_nmi|do_nmi|default_do_nmi",
)
"""Enter an interrupt: what they interrupted is above them in the call chain, what noticed the stall is below."""

TICKS = (
    r"update_process_times|tick_\w+|_*hrtimer_\w+|local_apic_timer_interrupt|rcu_(?:check_callbacks|sched_clock_irq)",
    r"arch_timer_handler\w*|timer_\w*interrupt|handle_percpu_\w+|generic_handle_\w+|_*handle_(?:domain_)?irq\w*|handle_irq_\w+",
    r"_*perf_(?:event_overflow|event_nmi_handler|swevent_\w+)|intel_pmu_\w+|nmi_handle|flush_smp_call\w*",
)
"""The timer interrupt, which notices stalls."""

LOCKS = (
    r"_*raw_(?:spin|read|write)_\w+|_*do_raw_\w+|_*(?:native_)?queued_\w+_slowpath|_*pv_queued\w*|_*arch_spin_\w+|_*spin_\w+",
    r"virt_spin_lock|queued_\w+lock\w*|mcs_spin_lock|osq_lock|osq_wait_next|kvm_wait|pv_wait\w*|__raw_callee_save\w+",
    r"_*mutex_(?:lock|unlock|trylock|spin|optimistic)\w*|_*(?:down|up)(?:_read|_write|_interruptible|_killable|_timeout|_trylock)?\w*",
    r"_*(?:rwsem|rt_mutex|percpu_(?:down|up|rwsem)|ww_mutex|rwbase|rt_spin|rt_read|rt_write|read|write)_(?:\w*lock\w*|down\w*|up\w*|wait\w*|mark\w*|optimistic\w*)",
    r"call_rwsem_\w+|_*percpu_\w*(?:down|up)_(?:read|write)\w*|_*(?:lock|release)_sock\w*|rcu_(?:read_)?(?:un)?lock\w*|_*seqcount_\w+",
    r"(?:read|write)_seq\w+|bit_spin_\w+|lock_page|__lock_page\w*|folio_(?:lock|wait)\w*|__folio_lock\w*",
    r"ldsem_\w+|_*(?:task|this)_rq_lock\w*|console_lock|down_console_sem|_*srcu_read_\w*lock\w*",
    r"_*local_bh_(?:en|dis)able\w*|_*bh_(?:un)?lock\w*|_*(?:up|down)",
)
"""Take and release locks: the caller is the one that did it wrong."""

INSTRUMENTATION = (
    r"_*sanitizer_\w+|write_comp_data|canonicalize_ip|check_kcov_mode|_*fentry_*|_*mcount|ftrace_\w+|_*trace_(?:hard|soft)irqs_\w+",
    r"(?:check_)?preemption?_(?:disabled|count\w*)|check_preemption_disabled|_*this_cpu_preempt_check|debug_smp_processor_id",
    r"_*preempt_(?:count_\w+|schedule\w*|latency\w*)|debug_lockdep_rcu_enabled|rcu_is_(?:watching|cpu_rrupt\w*)\w*|_*rcu_is_watching",
    r"_*rcu_(?:is_)?watching\w*|arch_local_irq_\w+|arch_local_save_flags|native_(?:save_fl|restore_fl|irq_\w+|safe_halt)|_*kcsan_\w+|_*trace_\w+_caller",
    r"(?:hard|soft)irqs_\w+|trace_event_\w+|__bpf_trace_\w+|kasan_\w+|perf_trace_\w+|stack_depot_\w+|_*stack_depot_\w+|depot_\w+",
    r"_*x86_(?:indirect|return)_thunk\w*|_*indirect_thunk_start|retbleed_\w+|srso_\w+|zen_untrain_ret|rep_nop|cpu_relax",
)
"""Added by the compiler or by debug options to any function."""

MEMORY = (
    r"_*(?:mem(?:cpy|set|move|cmp|chr|scan|zero|dup)\w*|str(?:n?len|n?cmp|n?cpy|lcpy|scpy|cat|n?chr|n?str|sep|casecmp|dup\w*|rchr|spn|pbrk|sized\w*)\w*)",
    r"_*(?:raw_)?copy_(?:from|to|in)_(?:user|kernel)\w*|_*copy_user\w*|copy_user_\w+|_*clear_user\w*|copyout|copyin|_*copy_(?:to|from)_iter\w*",
    r"_*(?:get|put)_user\w*|_*clear_page\w*|copy_page\w*|rep_(?:movs|stos)\w*|read_word_at_a_time|_*memcpy_\w+|memdup_\w+|vmemdup_\w+|kmemdup\w*",
    r"find_(?:next|first)_\w*bit\w*|_*find_(?:next|first)_bit\w*|_*sw_hweight\w*|crc32\w*|csum_partial\w*|_*do_csum|hex_\w+",
    r"_*(?:bitmap|cpumask)_\w+|_*test_and_\w+_bit|_*(?:set|clear|change)_bit|_*(?:read|write)_once\w*|_*(?:xchg|cmpxchg)\w*",
    r"(?:raw_|arch_|instrument_)?atomic(?:64|_long)?_\w+|instrument_\w+|_*put_unaligned\w*|_*get_unaligned\w*",
)
"""Copy, compare and clear memory for any caller."""

ALLOCATORS = (
    r"_*(?:do_)?k[mzv]?[mzcr]?alloc(?:ate)?\w*|_*krealloc\w*|_*kv[mzcr]*alloc\w*|_*k[v]?free\w*|kvfree\w*|kstrdup\w*|kasprintf|kvasprintf\w*",
    r"_*kmem_cache_\w+|kmem_\w+|_*slab_\w+|_{2,}slab_\w+|_*cache_(?:alloc|free|flusharray|grow)\w*|allocate_slab|new_slab|_*unfreeze_partials|_*put_partials",
    r"_*alloc_pages?\w*|_*get_free_pages?|get_page_from_freelist|_*free_pages?\w*|_*free_(?:unref|hot_cold|pcppages|one|the)_\w*page\w*",
    r"free_(?:pcp|pcppages)_bulk|free_unref_\w+|prep_new_page|post_alloc_hook|rmqueue\w*|_*vmalloc\w*|vzalloc\w*|v[zm]?alloc_\w+|_*vfree\w*|vunmap",
    r"_*pcpu_alloc\w*|_*alloc_percpu\w*|free_percpu|_*folio_alloc\w*|_*devm_k\w+|devres_alloc\w*|mempool_\w+|memcg_\w+|_*mem_cgroup_\w+charge\w*",
    r"kmemleak_\w+|create_object\w*|_*kmalloc_\w+|kfree_\w+|do_slab_free|___cache_free|_*usercopy_\w+|warn_alloc\w*",
)
"""Allocate and free memory for any caller."""

LISTS = (
    r"_*list_(?:add|del|move|splice|replace|empty|lru)\w*|_*h?list_(?:add|del)\w*|_*list_(?:add|del)_(?:entry_)?valid\w*|_*hlist_\w+",
    r"refcount_(?:\w+_)?(?:warn_saturate|checked|inc\w*|dec\w*|add\w*|sub\w*|read|set)\w*|_*refcount_\w+|kref_\w+|kobject_(?:get|put)",
    r"rb_(?:insert|erase|next|prev|first|last)\w*|_*rb_(?:insert|erase|rotate|next|prev)\w*|_*xa_\w+|xas_\w+|radix_tree_\w+|_*radix_tree_\w+|idr_\w+|ida_\w+",
    r"_*plist_\w+|llist_\w+|_*skb_(?:unlink|queue\w*|insert)|skb_(?:queue|dequeue)\w*|rht_\w+|mas_\w+|mt_\w+",
)
"""Link objects into lists and count references for any caller."""

HELPERS = (
    r"_*queue_(?:delayed_)?work\w*|work_is_static_object|insert_work|_*call_rcu\w*|_*mod_timer\w*|debug_timer_\w+|timer_\w*(?:fixup|assert)\w*",
    r"_*(?:add|del|try_to_del|timer_delete)_timer\w*|should_fail\w*|fault_create_\w+|string(?:_nocheck)?|number|pointer|widen_string|format_decode",
    r"_*v?s[cn]*printf|bprintf|_*proc_(?:register|create|mkdir|symlink)\w*|remove_proc_\w+|kobject_(?:add|init|create|set|del|cleanup|release|uevent)\w*",
    r"sysfs_(?:warn_dup|create|add|do_create|remove|get)\w*|_*skb_(?:pull|push|put|trim|over_panic|under_panic|panic|copy_bits)\w*|_*pskb_\w+",
)
"""Queue work, start timers, format text, register names for any caller."""

WAITS = (
    r"_*schedule(?:_\w+)?|_*io_schedule\w*|context_switch|switch_to\w*|_*switch_to\w*|_*cond_resched\w*|preempt_schedule\w*|finish_task_switch\w*",
    r"_*wait_(?:for_common|for_completion|on_bit|on_page|on_freeing|on_buffer|event|woken|rcu_gp|on_bit_lock)\w*|do_wait_(?:for_common|intr)\w*",
    r"_*wait_for_(?:completion|common)\w*|out_of_line_wait_on\w*|bit_wait\w*|schedule_timeout\w*|usleep_\w+|msleep\w*|_*(?:const_)?[un]?delay\w*|delay_\w+",
    r"(?:prepare|finish)_(?:to_)?(?:wait|swait)\w*|prepare_to_\w*wait\w*|_*wake_up(?:_(?:process|state|q|all|locked|bit|sync|interruptible|common|var|poll)\w*)?|autoremove_wake\w*|complete(?:_all)?|swake_\w+|try_to_wake_up|default_wake_function",
    r"_*flush_work|_*rcu_gp_kthread|rcu_gp_(?:fqs_loop|cleanup|init)\w*|swait_\w+|_*hrtimer_nanosleep|io_wait\w*|idle_\w+_idle|native_safe_halt",
    r"blocking_notifier_call_chain|default_idle\w*|rcu_nocb_\w+kthread|cpuidle_\w+|mwait_\w+|intel_idle\w*|acpi_(?:idle|safe)\w*|pv_native_safe_halt",
    r"smp_call_function_(?:many|any)\w*|on_each_cpu\w*|csd_lock_wait\w*",
    r"rest_init|__wait_rcu_gp|_*filemap_fdatawait\w*|filemap_write_and_wait\w*|fdatawait_\w+|kthread_(?:stop|park)",
    r"(?:drain|flush|destroy)_workqueue|_*flush_work\w*|_*cancel_(?:delayed_)?work\w*",
)
"""Wait and switch to other tasks: a hung task hangs in their caller."""

PRINTERS = (
    r"wait_for_(?:xmitr|lsr)\w*|(?:io|mem32?|mem)_serial_(?:in|out)|serial8250_console_\w+|serial_(?:in|out|port_\w+)|uart_console_write|pl011_console_\w+",
    r"univ8250_\w+|call_console_drivers\w*|early_serial_\w+|vt_console_print|netconsole_\w+|write_msg|console_trylock\w*|_*down_trylock_console\w*",
)
"""Print to the console, which is slow: what they print is caused by another function."""

ENTRIES = (
    r"_*entry_\w+|do_syscall_\w+|do_fast_syscall_32|do_int80\w*|_*x64_sys_call|ia32_sys_call|syscall_(?:return|exit|enter|trace)\w*",
    r"ret_fast_syscall|system_call\w*|do_\w*syscall\w*|(?:tracesys|stub|sysenter)_\w+|invoke_syscall\w*|el0_\w+|el0t?_64_sync\w*",
    r"_*ret_?(?:int|from|to|q|u)_?\w*|exit_to_user\w*|prepare_exit_to_\w+|kernel_thread\w*|copy_thread|kthread|secondary_start\w*|start_secondary\w*",
    r"x86_64_start_\w+|i386_start_kernel|head_64\w*|_stext|_etext|_text|instr_sysvec_\w+|irq_exit_rcu|bpf_dispatcher_\w+",
)
"""Enter the kernel, mostly in assembly: they are in all traces of an architecture."""

DISPATCHERS = (
    r"worker_thread|process_(?:one_work|scheduled_works)|rescuer_thread|kthread_worker_fn|smpboot_thread_fn|cpu_stopper_thread",
    r"run_ksoftirqd|ksoftirqd\w*|_*do_softirq\w*|handle_softirqs|invoke_softirq|_*irq_exit\w*|call_softirq|softirq_\w+|exiting_irq",
    r"cpu_startup_entry|do_idle|cpu_idle\w*|arch_cpu_idle|net_rx_action|process_backlog|_*napi_poll|run_timer_softirq|_*run_timers?\w*",
    r"call_timer_fn|expire_timers|_*tasklet_\w+|run_timer_base|timer_expire_\w+|rcu_(?:core\w*|do_batch|process_callbacks|cpu_kthread)",
    r"_*rcu_process_callbacks|invoke_rcu_\w+|task_work_run|do_exit|do_group_exit|get_signal\w*|do_signal|arch_do_signal\w*|_{2,}fput",
    r"do_one_initcall|do_init_module|load_module|kernel_init\w*|do_initcalls?|start_kernel|(?:raw_|atomic_)?notifier_call_chain\w*",
    r"_*(?:x64|ia32|se|do|arm64|riscv|s390x?)_(?:compat_)?sys_\w+|[Ss]y[Ss]_\w+|(?:C_)?SYSC_\w+|compat_[Ss]y[Ss]_\w+|__do_compat_sys_\w+",
    r"stop_\w+_cpu\w*|multi_cpu_stop|migration_cpu_stop",
)
"""Call the function of a work, a timer, a system call: named only if no function is below them."""


def _whole(*groups: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one})" for group in groups for one in group))


@cache
def _roles() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Compile the groups. Most commands import this module and read no splat; compiling takes them 17 ms."""
    return (
        ("reporter", _whole(REPORTERS)),
        ("interrupt", _whole(INTERRUPTS)),
        ("tick", _whole(TICKS)),
        ("plumbing", _whole(LOCKS, INSTRUMENTATION, MEMORY, ALLOCATORS, LISTS, HELPERS, WAITS, PRINTERS)),
        ("entry", _whole(ENTRIES)),
        ("dispatcher", _whole(DISPATCHERS)),
    )


_ALLOCATOR = re.compile(r".*alloc.*|.*_new|_*sget_userns|.*kmem.*|pcpu_.*")


class Role(StrEnum):
    """The role of a function in a call trace."""

    REPORTER = "reporter"
    """Prints the splat, catches the exception, or checks for errors."""
    INTERRUPT = "interrupt"
    """Enters an interrupt."""
    TICK = "tick"
    """Belongs to the timer interrupt."""
    PLUMBING = "plumbing"
    """Serves any caller: locks, copies, allocators, lists, waits."""
    ENTRY = "entry"
    """Enters the kernel."""
    DISPATCHER = "dispatcher"
    """Calls the function of a work, a timer or a system call."""
    SUSPECT = "suspect"
    """Any other function: the bug may be there."""


@lru_cache(maxsize=8192)
def role_of(name: str) -> Role:
    """Return the role of a function, by its name without compiler suffixes."""
    return next((Role(role) for role, pattern in _roles() if pattern.fullmatch(name)), Role.SUSPECT)


def plain_name(name: str) -> str:
    """Return the name of a function without the suffixes of the compiler, such as ``.isra.0`` and ``.cold``."""
    return name.partition(".")[0] if "::" not in name else name


@lru_cache(maxsize=1024)
def is_allocator(name: str) -> bool:
    """Return whether the function allocates, by its name: in a report of a leak, its caller leaked."""
    return _ALLOCATOR.fullmatch(name) is not None


@cache
def _lock() -> re.Pattern[str]:
    """Compile the names of lock functions when the first splat needs them."""
    return _whole(LOCKS)


@lru_cache(maxsize=1024)
def is_lock(name: str) -> bool:
    """Return whether the function takes or releases a lock for its caller."""
    return _lock().fullmatch(name) is not None
