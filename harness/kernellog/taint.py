# SPDX-License-Identifier: GPL-2.0-only
"""Decode the taint flags of a kernel, /proc/sys/kernel/tainted. Pure.

Bits, letters and meanings: Documentation/admin-guide/tainted-kernels.rst (v6.16).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Taint:
    """One taint flag.

    :param bit: its number; the flag adds ``1 << bit`` to /proc/sys/kernel/tainted.
    :param letter: the letter that the kernel prints if the flag is set.
    :param meaning: the event that sets it.
    :param matters: whether it is a sign of a fault of the kernel or its processor; false for a property of the kernel
        or its modules, such as an out-of-tree module.
    """

    bit: int
    letter: str
    meaning: str
    matters: bool = False


TAINTS: tuple[Taint, ...] = (
    Taint(0, "P", "a proprietary module was loaded"),
    Taint(1, "F", "a module was force-loaded"),
    Taint(2, "S", "the processor is used out of its specification"),
    Taint(3, "R", "a module was force-unloaded"),
    Taint(4, "M", "the processor reported a machine check", matters=True),
    Taint(5, "B", "a bad page was referenced or had unexpected flags", matters=True),
    Taint(6, "U", "user space set the taint"),
    Taint(7, "D", "the kernel died: an oops or a BUG", matters=True),
    Taint(8, "A", "an ACPI table was overridden"),
    Taint(9, "W", "the kernel issued a warning", matters=True),
    Taint(10, "C", "a staging driver was loaded"),
    Taint(11, "I", "a firmware bug was worked around"),
    Taint(12, "O", "an out-of-tree module was loaded"),
    Taint(13, "E", "an unsigned module was loaded"),
    Taint(14, "L", "a soft lockup occurred", matters=True),
    Taint(15, "K", "the kernel was live-patched"),
    Taint(16, "X", "auxiliary taint of the distribution"),
    Taint(17, "T", "the kernel was built with structure randomization"),
    Taint(18, "N", "an in-kernel test was run"),
    Taint(19, "J", "a debug operation of fwctl changed a device"),
)

# "Tainted: G        W  OE      6.1.0 #1", "(Tainted: G    B  )", and since v6.11 a second line
# "Tainted: [W]=WARN, [O]=OOT_MODULE" that repeats the first.


def decode_taint(number: int) -> tuple[Taint, ...]:
    """Decode the number in /proc/sys/kernel/tainted into flags, ordered by bit.

    An unknown bit has the letter ``?`` and counts as a fault, because it may be one. To judge a case, decode the flags
    that it added: ``decode_taint(after & ~before)``.

    :raises ValueError: the number is negative.
    """
    if number < 0:
        raise ValueError(f"{number} is not a set of taint flags")
    known = tuple(taint for taint in TAINTS if number >> taint.bit & 1)
    unknown = tuple(
        Taint(bit, "?", f"unknown taint, bit {bit}", matters=True)
        for bit in range(len(TAINTS), number.bit_length())
        if number >> bit & 1
    )
    return known + unknown
