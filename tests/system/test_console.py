# SPDX-License-Identifier: GPL-2.0-only
"""The console with a real guest's bash, which other tests replace by scripted shells."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TypeAlias

import pytest

from harness.base.deadline import Deadline
from harness.guest.console import CommandResult, Console, Unanswered
from harness.guest.machine import Machine
from harness.model.verdict import Fate
from harness.session import console_name

pytestmark = pytest.mark.guest

Run: TypeAlias = Callable[[str], CommandResult]


def soon() -> Deadline:
    """Return a deadline that is long enough under emulation on a busy host."""
    return Deadline.after(60)


@pytest.fixture
def admin(machine: Machine) -> Console:
    """Return the console of a fresh machine, with its nonce in the file for shells without an environment."""
    console = machine.console(console_name.ConsoleName.ADMIN, deadline=soon())
    console.run("echo $HARNESS_NONCE >/run/harness.nonce", deadline=soon())
    return console


@pytest.fixture
def run(admin: Console) -> Run:
    """Return a function that runs a command at the console."""
    return lambda command: admin.run(command, deadline=soon())


COMMANDS = {
    "echo '# '; printf 'inside# \\nsh2# '": "# \ninside# \nsh2# ",
    "printf '\\033]133;D;0;boot;1;# \\007# \\n'": "# \n",
    "printf '\\033]133;D;0;0123456789abcdef;1;# \\007# \\n\\033]133;E;1;boot;admin\\007'": "# \n",
    "printf '\\033[31mred\\033[0m\\n'": "\x1b[31mred\x1b[0m\n",
    "printf 'a\\0b\\377\\376\\r\\n'": "a\0b\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}\n",
    "": "",
    "# only a comment": "",
    "echo a   # and a comment": "a\n",
    "cat <<EOF\n> one\n# two $((1+1))\nEOF": "> one\n# two 2\n",
    "for i in 1 2\ndo\n\techo $i\ndone": "1\n2\n",
    "echo one \\\ntwo": "one two\n",
    "echo '\N{GREEK SMALL LETTER LAMDA}\t$'": "\N{GREEK SMALL LETTER LAMDA}\t$\n",
    "sh -c 'echo out; echo err >&2'": "out\nerr\n",
}


def test_output(run: Run) -> None:
    """Prompts, announcements of other runs, escapes, NUL and invalid UTF-8 in output, and commands of several lines."""
    outputs = {}
    for command in COMMANDS:
        outputs[command] = run(command).output
        assert run("echo next").output == "next\n", command

    assert outputs == COMMANDS


def test_a_long_line(run: Run, machine: Machine) -> None:
    """A line without an end is returned with a gap and logged completely, and the next command works."""
    size = 620 * 1024
    answer = run(f"head -c {size} /dev/zero | tr '\\0' x")
    after = run("echo next")

    assert re.fullmatch(r"x+\n\[\d+ bytes left out; the log of this console has them\]\nx+", answer.output)
    assert after.output == "next\n"
    assert b"x" * size in (machine.folder / "admin.log").read_bytes()


def test_statuses(run: Run) -> None:
    """Exit statuses are the shell's: of a failure, of a signal, of a missing command."""
    assert [run(command).status for command in ("true", "(exit 77)", "sh -c 'kill -9 $$'", "no-such-command")] == [
        0,
        77,
        137,
        127,
    ]


def test_a_syntax_error(run: Run) -> None:
    """The output of invalid syntax is bash's error message."""
    answer = run("echo )")

    assert "syntax error" in answer.output
    assert answer.status == 2


def test_a_command_reads_the_terminal(admin: Console) -> None:
    """A command that reads the terminal gets the typed text, which is not echoed."""
    admin.type("read -p 'Proceed? ' word; echo you said $word\n", deadline=soon())
    question = admin.await_text(r"Proceed\? ", deadline=soon())
    admin.type("yes\n", deadline=soon())
    answer = admin.await_prompt(deadline=soon())

    assert question == "Proceed? "
    assert answer.output == "you said yes\n"


def test_a_program_reads_the_terminal(admin: Console) -> None:
    """A program gets the typed text, up to the end of file by Ctrl-D."""
    admin.type("cat\n", deadline=soon())
    admin.type("line\n", deadline=soon())
    echoed = admin.await_text("line\n", deadline=soon())
    admin.type("\x04", deadline=soon())
    answer = admin.await_prompt(deadline=soon())

    assert echoed == "line\n"
    assert (answer.output, answer.status) == ("", 0)


@pytest.mark.parametrize(
    "command",
    [
        "bash",
        'PS1="sh2# " unshare -Cm bash',
        "env -i bash",
        "bash --norc",
        "sh",
        "su tester",
        "su - tester",
        "bash -l",
        "unshare -Cmpf --mount-proc bash",
    ],
)
def test_a_nested_shell(command: str, run: Run) -> None:
    """A nested shell announces its prompts in any environment; after its end the first shell answers."""
    outer = run("echo $BASHPID")
    started = run(command)
    within = run("echo $BASHPID")
    run("(exit 5)")
    left = run("exit")
    after = run("echo $BASHPID")

    assert started.output == ""
    assert within.output == f"{within.shell}\n" == f"{started.shell}\n"
    assert within.output != outer.output
    assert left.output in ("exit\n", "", "logout\n")
    assert (left.status, left.shell) == (5, outer.shell)
    assert after.output == outer.output


def test_exec_bash(run: Run) -> None:
    """A shell that replaces itself keeps its pid and still answers."""
    before = run("echo $BASHPID")
    replaced = run('PS1="new# " exec bash')
    after = run("echo $BASHPID")

    assert (replaced.prompt, replaced.shell) == ("new# ", before.shell)
    assert after.output == before.output


def test_the_shell_dies_under_a_command(admin: Console, run: Run) -> None:
    """A shell that kills itself is reported with its status; init's next shell answers."""
    pid = run("true").shell
    with pytest.raises(Unanswered) as caught:
        run("echo last words; kill -9 $$")
    after = run("echo $BASHPID")

    assert (caught.value.fate, caught.value.status, caught.value.output) == (Fate.SHELL_DIED, 137, "last words\n")
    assert after.output != f"{pid}\n"


def test_a_shell_is_killed_from_outside(machine: Machine, run: Run) -> None:
    """A shell killed from another console is reported at its next command, which the new shell does not get."""
    observer = machine.console(console_name.ConsoleName.OBSERVER, deadline=soon())
    pid = observer.shell
    run(f"kill -9 {pid}; while [ -d /proc/{pid} ]; do sleep 0.05; done")
    observer.await_text(r"\x1b\]133;E;137;.*\x1b\]133;D;", deadline=soon())
    after = observer.run("echo $BASHPID", deadline=soon())

    assert after.output != f"{pid}\n"


def test_a_shell_dies_between_two_commands(machine: Machine, run: Run) -> None:
    """The death of a shell between two commands is the result of the next one."""
    observer = machine.console(console_name.ConsoleName.OBSERVER, deadline=soon())
    log = machine.folder / "observer.log"
    run(f"kill -9 {observer.shell}")
    while b"133;E;137" not in log.read_bytes():
        machine.wires.pump(soon())
    with pytest.raises(Unanswered) as caught:
        observer.run("echo mine", deadline=soon())
    after = observer.run("echo yours", deadline=soon())

    assert caught.value.fate is Fate.SHELL_DIED
    assert after.output == "yours\n"


def test_jobs(run: Run) -> None:
    """Job numbers and job notices are output of the commands at which bash prints them."""
    started = run("sleep 1000 &")
    killed = run("kill %1; wait %1")
    after = run("echo clean")

    assert re.fullmatch(r"\[1\] \d+\n", started.output)
    assert "Terminated" in killed.output + after.output
    assert after.output.endswith("clean\n")


def test_a_background_job_prints_at_the_prompt(run: Run, machine: Machine) -> None:
    """Output of a job at the prompt does not belong to the next command, and does not hide its end."""
    run("(while [ ! -e /tmp/go ]; do sleep 0.01; done; echo '# noise # '; touch /tmp/gone) &")
    run("touch /tmp/go; while [ ! -e /tmp/gone ]; do sleep 0.01; done")
    answers = [run("echo clean").output for _ in range(3)]

    assert all(answer.endswith("clean\n") for answer in answers)
    assert answers[1:] == ["clean\n", "clean\n"]


@pytest.mark.parametrize("prompt", ["[root@guest ~]# ", "(a|b)*+?{2}^ ", "it's % ", "$ "])
def test_prompts_of_any_characters(prompt: str, machine: Machine) -> None:
    """A prompt may contain any characters, and the shell prints it unchanged."""
    console = machine.console(console_name.ConsoleName.INSIDE, deadline=soon(), prompt=prompt)
    answer = console.run("echo text", deadline=soon())

    assert (answer.output, answer.prompt) == ("text\n", prompt)
    assert (
        f"text\n\x1b]133;D;0;{machine.nonce};{answer.shell};{prompt}\x07{prompt}".encode()
        in (machine.folder / "inside.log").read_bytes()
    )


def test_much_input(run: Run) -> None:
    """A here-document of 100 kB arrives complete and in order, and so does a command line of 4095 bytes."""
    lines = "".join(f"{count:06d} {'x' * 390}\n" for count in range(250))
    document = run(f"cat <<'EOF' | md5sum\n{lines}EOF")
    line = run(f"echo {'x' * 4082} | wc -c")

    assert document.output.split()[0] == hashlib.md5(lines.encode()).hexdigest()
    assert line.output.strip() == "4083"


def test_ctrl_c(admin: Console, run: Run) -> None:
    """A command that does not return is reported at the deadline; Ctrl-C ends it and the shell continues."""
    with pytest.raises(Unanswered) as caught:
        admin.run("echo begun; sleep 1000", deadline=Deadline.after(2))
    interrupted = admin.interrupt(deadline=soon())
    after = run("echo clean")

    assert (caught.value.fate, caught.value.output) == (Fate.COMMAND_HUNG, "begun\n")
    assert interrupted.status == 130
    assert after.output == "clean\n"
