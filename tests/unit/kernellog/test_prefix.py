# SPDX-License-Identifier: GPL-2.0-only
"""Prefixes of lines, in the forms of many tools."""

from __future__ import annotations

import pytest

from harness.kernellog.kinds import SplatKind
from harness.kernellog.prefix import read_line
from harness.kernellog.reader import Splat, scan
from tests.unit.kernellog.made_up import KINDS, Lines

TIME = "12:00:07"
FORMS = {
    "plain": "",
    "dmesg": "[    7.123456] ",
    "dmesg with caller": "[    7.123456] [   T71] ",
    "console with caller": "[    7.123456][   T71] ",
    "dmesg -T": f"[Mon Nov 30 {TIME} 2026] ",
    "dmesg -T with caller": f"[Mon Nov 30 {TIME} 2026] [   T71] ",
    "dmesg -x": "kern  :warn  : [    7.123456] ",
    "dmesg -d": "[    7.123456 <    0.000012>] ",
    "dmesg -e": "[  +0.000012] ",
    "dmesg -r": "<4>[    7.123456] ",
    "dmesg --time-format iso": f"2026-11-30T{TIME},123456+00:00 ",
    "dmesg in color": "\x1b[32m[    7.123456] \x1b[0m\x1b[33m",
    "journal": f"Nov 30 {TIME} host-7 kernel: ",
    "journal, precise": f"Nov 30 {TIME}.123456 host-7 kernel: ",
    "journal, iso": f"2026-11-30T{TIME}+0100 host-7 kernel: ",
    "journal, full": f"Mon 2026-11-30 {TIME} UTC host-7 kernel: ",
    "journal, unix": "1796040000.123456 host-7 kernel: ",
    "journal, monotonic": "[    7.123456] host-7 kernel: ",
    "/dev/kmsg": "4,1077,7123456,-;",
    "/dev/kmsg with caller": "4,1077,7123456,-,caller=T71;",
    "syslog": f"Nov 30 {TIME} host-7 kernel: [    7.123456] ",
    "syslog with priority": f"<4>Nov 30 {TIME} host-7 kernel: [    7.123456] ",
    "syslog, RFC 5424": f"<4>1 2026-11-30T{TIME}.123456Z host-7 kernel - - - [    7.123456] ",
    "busybox": f"Nov 30 {TIME} host-7 kern.warn kernel: [    7.123456] ",
    "OpenWrt": f"Mon Nov 30 {TIME} 2026 kern.warn kernel: [    7.123456] ",
    "logcat": f"11-30 {TIME}.123     0     0 W kernel  : ",
    "logcat without tag": f"11-30 {TIME}.123     0     0 W         : ",
    "logcat -v brief": "W/kernel  (    0): ",
    "Android, one vendor": "<4>[    7.123456]  [1:  kworker/1:1:   71] ",
    "Android, another vendor": "<4>[    7.123456] (1)[71:kworker/1:1]",
    "netconsole, extended": "6.12.1-demo,4,1077,7123456,-;",
    "netconsole with address": "192.0.2.7:6665 [    7.123456] ",
    "serial, ts(1)": f"Nov 30 {TIME} ",
    "serial, iso": f"2026-11-30 {TIME}.123 ",
    "serial, iso and stamp": f"2026-11-30T{TIME}.123456Z [    7.123456] ",
    "serial, brackets": f"[2026-11-30 {TIME}.123] ",
    "serial, clock": f"[{TIME}.123] [    7.123456] ",
    "serial, seconds": "[1796040000.123456] [    7.123456] ",
    "grabserial": "[9.000120 0.000120] [    7.123456] ",
}


def found(lines: Lines, prefix: str) -> list[tuple[SplatKind, str, str]]:
    splats = scan("".join(f"{prefix}{line}\n" for line in lines))
    return [(splat.kind, splat.title, splat.fingerprint) for splat in splats]


def texts() -> dict[str, Lines]:
    names = ("demo_first", "demo_second", "demo_third")
    return {maker.__name__: maker(names, 71) for makers in KINDS.values() for maker in makers}


@pytest.mark.parametrize("name", texts())
@pytest.mark.parametrize("prefix", FORMS.values(), ids=FORMS)
def test_every_form_of_a_log(prefix: str, name: str) -> None:
    """A splat has one kind, title and fingerprint, whatever tool wrote the log."""
    lines = texts()[name]

    assert len(found(lines, prefix)) == 1
    assert found(lines, prefix) == found(lines, "[    7.123456] ")


def test_tag_of_logcat_is_the_first_word_of_the_message() -> None:
    """logcat takes the word before a colon for a tag; it is put back."""
    line = read_line(f"11-30 {TIME}.123     0     0 E BUG     : KASAN: use-after-free in demo+0x1/0x2")

    assert line.content == "BUG: KASAN: use-after-free in demo+0x1/0x2"


@pytest.mark.parametrize(
    ("text", "caller"),
    [
        ("[    7.123456][   T71] words", "T71"),
        ("[    7.123456] [     C1] words", "C1"),
        (f"[Mon Nov 30 {TIME} 2026] [   T71] words", "T71"),
        ("4,1077,7123456,-,caller=C12;words", "C12"),
        ("[    7.123456] words", ""),
        ("[    7.123456] [T]ypo words", ""),
    ],
)
def test_caller(text: str, caller: str) -> None:
    """The caller is read where the kernel or a tool puts it."""
    assert read_line(text).caller == caller


@pytest.mark.parametrize(
    "text",
    [
        f"Nov 30 {TIME} host-7 sshd[71]: BUG: nothing of the kernel's",
        f"2026-11-30T{TIME}+0000 host-7 systemd[1]: WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2",
        "[    7.123456] host-7 app[71]: BUG: KASAN: use-after-free in f+0x1/0x2",
        " SUBSYSTEM=BUG: pci",
    ],
)
def test_line_of_another_program(text: str) -> None:
    """What a program writes to the system's log is not the kernel's, whatever its words."""
    assert read_line(text).foreign
    assert scan(f"{text}\n") == ()


def test_program_within_a_splat_of_the_journal() -> None:
    """Lines of other programs between those of a splat do not end it."""
    prefix = FORMS["journal"]
    lines = [f"{prefix}{line}\n" for line in texts()["oops"]]
    noise = f"Nov 30 {TIME} host-7 sshd[71]: a login\n" * 40
    (splat,) = scan("".join([*lines[:8], noise, *lines[8:]]))

    assert splat.title == "BUG: kernel NULL pointer dereference in demo_first"


def only(text: str) -> Splat:
    (splat,) = scan(text)
    return splat


@pytest.mark.parametrize("unfinished", ["demo: read 12 bytes", "[    3.000001] demo: read 12 bytes", "sh# "])
@pytest.mark.parametrize(
    "head", ["BUG: KASAN: use-after-free in demo+0x1/0x20", "WARNING: CPU: 0 PID: 1 at a.c:1 demo+0x1/0x2"]
)
def test_head_behind_an_unfinished_line(unfinished: str, head: str) -> None:
    """A head that follows an unfinished line of another message begins a splat, with a stamp of its own or without."""
    assert only(f"{unfinished}[    3.200001] {head}\n").function == "demo"
    assert only(f"{unfinished}{head}\n").function == "demo"
