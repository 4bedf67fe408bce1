# SPDX-License-Identifier: GPL-2.0-only
"""The console with any output that a command can print; the guest at the other end is a script.

What becomes of shells and machines is in ``test_console_fates.py``; what only a real bash can show, in
``test_console_boot.py``.
"""

from __future__ import annotations

import itertools
import socket
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.deadline import Deadline
from harness.base.errors import CaseError
from harness.guest.console import CommandResult, Console, Unanswered
from harness.guest.prompt import as_text
from harness.guest.qemu import PORT_NAMES
from harness.guest.wires import Wires
from harness.model.verdict import Fate
from tests.unit.guest.scripted import NONCE, ScriptedShell, printing, scripted_guest, soon

OTHER = b"fedcba9876543210"
MEBI = 1 << 20
KEPT = (512 + 64) * 1024 - len("\x1b]133;C;\x07") - len(NONCE)
"""Bytes of output that an answer holds when there are more."""


def answer_to(output: bytes, folder: Path, *, prompt: str = "# ", status: int = 0) -> CommandResult:
    """What the console makes of a command that prints that, having adopted the shell."""
    with scripted_guest(folder, {b"command": printing(output, status=status)}) as guest:
        console = guest.console()
        console.adopt(NONCE, prompt=prompt, deadline=soon())
        answer = console.run("command", deadline=soon())
        assert console.run("", deadline=soon()).output == ""
        return answer


def test_run_returns_output_status_shell_and_time(tmp_path: Path) -> None:
    """Output, exit status, shell, prompt and time are returned; the log has every byte."""
    answer = answer_to(b"7:freezer:/sub\n", tmp_path, prompt="sh2# ", status=3)

    assert (answer.output, answer.status, answer.shell, answer.prompt) == ("7:freezer:/sub\n", 3, 30655, "sh2# ")
    assert 0 < answer.seconds < 10
    assert b"command\n\x1b]133;C;" in (tmp_path / "admin.log").read_bytes()


@pytest.mark.parametrize(
    "output",
    [
        b"# ",
        b"# \ninside# \nobserver# \nsh2# ",
        b"root@host:~# echo $?\r\n0\r\nroot@host:~# ",
        b"\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]133;A\x07 \x1b]133;",
        b"\x1b]133;D;0;" + OTHER + b";1;# \x07# ",
        b"\x1b]133;D;0;boot;1;# \x07# \n\x1b]133;E;137;boot;admin\x07",
        b"\x1b]133;C;" + OTHER + b"\x07text",
        b"\x1b]133;D;0;" + NONCE.encode()[:-1] + b";1;# \x07",
        b"\x1b]133;D;0;" + NONCE.encode() + b"0;1;# \x07",
        b"\x1b]133;D;0;" + NONCE.encode() + b";1",
        b"\x00\x00a\x00b",
        b"\xff\xfe\x80 \xc3",
        b"\r\n\n\r",
        b"",
    ],
)
def test_run_accepts_any_output(output: bytes, tmp_path: Path) -> None:
    """Prompts, escapes, other or cut announcements, NUL and invalid UTF-8 do not end a command.

    Announcements are taken out, line ends are made one, invalid UTF-8 is shown; the rest is as it was printed.
    """
    clean = output
    for found in (b"D;0;" + OTHER + b";1;# ", b"D;0;boot;1;# ", b"E;137;boot;admin", b"C;" + OTHER):
        clean = clean.replace(b"\x1b]133;" + found + b"\x07", b"")
    for near in (NONCE.encode()[:-1], NONCE.encode() + b"0"):
        clean = clean.replace(b"\x1b]133;D;0;" + near + b";1;# \x07", b"")
    answer = answer_to(output, tmp_path)

    assert answer.output == clean.replace(b"\r\n", b"\n").decode(errors="replace")
    assert (answer.status, answer.shell, answer.prompt) == (0, 30655, "# ")


def in_pieces(pieces: list[bytes], folder: Path) -> CommandResult:
    """What the console makes of a command whose output arrives in those pieces, each by itself."""
    pairs = {name: socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for name in PORT_NAMES}
    wires = Wires({name: ours for name, (ours, _) in pairs.items()}, folder=folder)
    try:
        console = Console(wires, "admin")
        console.type("command\n", deadline=soon())
        for piece in pieces:
            pairs["admin"][1].send(piece)
        return console.await_prompt(deadline=soon())
    finally:
        wires.close()
        for _, theirs in pairs.values():
            theirs.close()


WORDS = (
    b"\x1b]133;",
    b"\x1b",
    b"\x07",
    b";",
    b"C;",
    b"D;0;",
    b"E;9;",
    b";1;# ",
    OTHER,
    b"# ",
    b"\r\n",
    b"\n",
    b"\xff",
    b"\0",
)


@given(
    output=st.lists(st.sampled_from(WORDS) | st.binary(max_size=20), max_size=20).map(b"".join),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_run_does_not_depend_on_pieces(
    output: bytes, cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The answer does not depend on how the output is split into pieces."""
    said = b"\x1b]133;C;boot\x07" + output + b"\x1b]133;D;3;boot;42;# \x07# "
    places = sorted({min(cut, len(said)) for cut in cuts} | {0, len(said)})
    pieces = [said[start:end] for start, end in itertools.pairwise(places)]
    folder = tmp_path_factory.mktemp("pieces", numbered=True)
    whole, cut_up = in_pieces([said], folder), in_pieces(pieces, folder)

    assert (cut_up.output, cut_up.status, cut_up.shell, cut_up.prompt) == (whole.output, 3, 42, "# ")
    assert whole.output == as_text(output)


def test_run_keeps_head_and_tail_of_a_long_line(tmp_path: Path) -> None:
    """The head and the tail of a very long line are returned with a note on the gap; the log has all of it."""
    line = b"".join(b"%07d " % count for count in range(MEBI // 8))
    answer = answer_to(line, tmp_path)
    missing = MEBI - KEPT

    assert answer.output.startswith("0000000 0000001 ")
    assert answer.output.endswith("0131070 0131071 ")
    assert f"\n[{missing} bytes left out; the log of this console has them]\n" in answer.output
    assert line in (tmp_path / "admin.log").read_bytes()


def test_run_bounds_memory(tmp_path: Path) -> None:
    """100 MB of output need less than 8 MiB of memory, and the answer has the number of omitted bytes."""
    amount = 100_000_000
    block = b"x" * 999_999 + b"\n"

    def flood(shell: ScriptedShell) -> None:
        shell.begin()
        for _ in range(amount // len(block)):
            shell.say(block)
        shell.end()

    with scripted_guest(tmp_path, {b"flood": flood}) as guest:
        console = guest.adopted()
        tracemalloc.start()
        answer = console.run("flood", deadline=soon())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        after = console.run("flooded", deadline=soon())
    log = tmp_path / "admin.log"
    size = log.stat().st_size
    log.unlink()

    assert peak < 8 * MEBI
    assert f"[{amount - KEPT} bytes left out" in answer.output
    assert len(answer.output) < 600 * 1024
    assert after.status == 127
    assert size > amount


@pytest.mark.parametrize(
    "prompt", ["[root@guest ~]# ", "(a|b)*+?{2}^$ ", "it's # ", ".", "# # ", "\N{GREEK SMALL LETTER LAMDA} "]
)
def test_prompt_is_not_a_pattern(prompt: str, tmp_path: Path) -> None:
    """A prompt is matched as text, with any characters."""
    answer = answer_to(b"[root@guest ~]# .\n", tmp_path, prompt=prompt)

    assert (answer.output, answer.prompt) == ("[root@guest ~]# .\n", prompt)


def test_empty_prompt_is_announced(tmp_path: Path) -> None:
    """A shell without a prompt announces the end of its commands."""
    answer = answer_to(b"text\n", tmp_path, prompt="")

    assert (answer.output, answer.prompt) == ("text\n", "")


@pytest.mark.parametrize("command", ["", "# only a comment", "   "])
def test_run_of_an_empty_command_has_no_output(command: str, tmp_path: Path) -> None:
    """An empty line and a comment are answered by a prompt and no output."""
    with scripted_guest(tmp_path, {b"   ": ScriptedShell.end}) as guest:
        answer = guest.adopted().run(command, deadline=soon())

    assert (answer.output, answer.status) == ("", 0)


def test_run_types_a_here_document(tmp_path: Path) -> None:
    """The lines of a here-document are one command; bash's prompts for more lines are not output."""

    def cat(shell: ScriptedShell) -> None:
        shell.say(b"> ")
        lines = []
        while (line := shell.read()) != b"EOF":
            lines.append(line + b"\n")
            shell.say(b"> ")
        printing(b"".join(lines))(shell)

    with scripted_guest(tmp_path, {b"cat <<EOF": cat}) as guest:
        answer = guest.adopted().run("cat <<EOF\n> one\n# two\nEOF", deadline=soon())

    assert answer.output == "> one\n# two\n"


@pytest.mark.parametrize(
    "command", ["echo a\necho b", "if true\nthen echo a\nfi\necho b", "# comment\necho a", "\necho a"]
)
def test_run_refuses_two_commands(command: str, tmp_path: Path) -> None:
    """Two commands in one text are refused before a byte is typed: their results could not be separated."""
    with scripted_guest(tmp_path, {}) as guest:
        console = guest.adopted()
        with pytest.raises(CaseError, match="more than one command") as caught:
            console.run(command, deadline=soon())
        answer = console.run("after", deadline=soon())

    assert "echo" in caught.value.evidence
    assert ";" in caught.value.remedy
    assert answer.status == 127
    assert b"echo" not in (tmp_path / "admin.log").read_bytes().split(b"nonce")[-1]


def test_run_refuses_a_line_of_4096_bytes(tmp_path: Path) -> None:
    """A line of 4096 bytes is an error of the case, because the terminal would cut it; one of 4095 passes."""
    longest = "x" * 4095
    with scripted_guest(tmp_path, {longest.encode(): printing(b"whole\n")}) as guest:
        console = guest.adopted()
        answer = console.run(longest, deadline=soon())
        with pytest.raises(CaseError, match="4096 bytes") as caught:
            console.run(longest + "x", deadline=soon())

    assert answer.output == "whole\n"
    assert "here-document" in caught.value.remedy


def test_type_answers_a_question(tmp_path: Path) -> None:
    """A command that reads the terminal is answered: type, wait for the question, answer it, wait for the prompt."""

    def ask(shell: ScriptedShell) -> None:
        shell.begin()
        shell.say(b"Proceed? [y/n] ")
        said = shell.read()
        shell.say(b"you said " + said + b"\n")
        shell.end(int(said != b"y"))

    with scripted_guest(tmp_path, {b"ask": ask}) as guest:
        console = guest.adopted()
        console.type("ask\n", deadline=soon())
        question = console.await_text(r"\[y/n\] ", deadline=soon())
        console.type("n\n", deadline=soon())
        answer = console.await_prompt(deadline=soon())

    assert question == "Proceed? [y/n] "
    assert (answer.output, answer.status) == ("you said n\n", 1)


def test_await_text_finds_a_question_after_much_output(tmp_path: Path) -> None:
    """A question is found after any amount of output."""

    def ask(shell: ScriptedShell) -> None:
        shell.begin()
        shell.say(b"x" * MEBI + b"\nProceed? ")
        shell.say(b"you said " + shell.read())
        shell.end()

    with scripted_guest(tmp_path, {b"ask": ask}) as guest:
        console = guest.adopted()
        console.type("ask\n", deadline=soon())
        deadline = soon()
        question = console.await_text(r"Proceed\? ", deadline=deadline)
        seconds_left = deadline.seconds_left
        console.type("y\n", deadline=soon())
        answer = console.await_prompt(deadline=soon())

    assert question.endswith("xxx\nProceed? ")
    assert "bytes left out" in question
    assert seconds_left > 10
    assert answer.output == "you said y"


def test_await_text_ends_at_the_deadline(tmp_path: Path) -> None:
    """A wait for text that is not printed ends at the deadline and shows the output."""
    with scripted_guest(tmp_path, {b"ask": printing(b"no question\n")}) as guest:
        console = guest.adopted()
        console.type("ask\n", deadline=soon())
        with pytest.raises(Unanswered) as caught:
            console.await_text("Proceed", deadline=Deadline.after(0.3))
        answer = console.run("", deadline=soon())

    assert caught.value.fate is Fate.COMMAND_HUNG
    assert caught.value.output.startswith("no question\n")
    assert answer.output == ""


def test_boot_nonce_counts_until_replaced(tmp_path: Path) -> None:
    """The first prompt is announced with the nonce of the boot; later only the machine's own counts."""
    with scripted_guest(tmp_path, {b"echo": printing(b"e\n")}) as guest:
        guest.shells["admin"].say(b"Welcome\n")
        guest.shells["admin"].end()
        console = guest.console()
        console.await_first_prompt(soon())
        first = console.prompt
        console.adopt(NONCE, prompt="$ ", deadline=soon())
        answer = console.run("echo", deadline=soon())

    assert first == "# "
    assert (answer.output, answer.prompt) == ("e\n", "$ ")


def test_await_first_prompt_reports_a_missing_prompt(tmp_path: Path) -> None:
    """A shell without a prompt is reported at the deadline, with its output."""
    with scripted_guest(tmp_path, {}) as guest:
        guest.shells["admin"].say(b"bash: cannot execute\n")
        with pytest.raises(Unanswered, match="cannot execute") as caught:
            guest.console().await_first_prompt(Deadline.after(0.3))

    assert caught.value.fate is Fate.COMMAND_HUNG
