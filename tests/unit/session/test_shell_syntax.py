# SPDX-License-Identifier: GPL-2.0-only
"""What a command line tells by being looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.session.shell_syntax import PromptSet, ShellLeft, read_shell, shell_effects


@pytest.mark.parametrize(
    "command",
    [
        "echo 'a",
        'echo "a',
        'echo "a $(date',
        "echo a \\",
        "cat <<EOF",
        "cat <<-'EOF' | sort\na\n b",
        "for i in 1 2; do",
        "while true\ndo echo a",
        "if true; then echo; else",
        "case $x in a) echo;;",
        "(cd /; ls",
        "{ echo a;",
        "true &&",
        "ls |  # piped",
        "f() {",
        "echo ${a",
        "echo `date",
        "echo $'a",
    ],
)
def test_read_shell_finds_incomplete_commands(command: str) -> None:
    """Bash prompts for more lines of these commands."""

    assert read_shell(command).incomplete


@pytest.mark.parametrize(
    "command",
    [
        "",
        "echo 'a'",
        "echo a\\\\",
        "echo it\\'s",
        "echo # don't",
        "cat <<EOF\nit's\nEOF",
        "cat <<-EOF\n\tit's\n\tEOF",
        "cat <<<'a'",
        "for i in 1 2; do echo if; done",
        "if true; then echo done; fi",
        "case $x in a) echo;; (b) ls;; esac",
        "(cd /; ls)",
        "{ echo a; }",
        "f() { ls; }",
        "echo $((1 << 2)) ${a#b} $# $$ $",
        "echo fi done esac } {",
        "sleep 10000 &     # Create a process that lives for a while",
        "diff <(echo a) <(echo b)",
        "while read a; do echo $a; done < file",
        "echo \"it's $(echo 'a)')\"",
        "ls | sort &&\nls",
    ],
)
def test_read_shell_finds_complete_commands(command: str) -> None:
    """Bash runs these commands at once."""

    assert not read_shell(command).incomplete


@pytest.mark.parametrize(
    ("command", "ends"),
    [
        ("echo $$                      # Show PID of this shell", True),
        ("mount --make-rslave / # Don't propagate mount events", True),
        ("echo '# no'", False),
        ("echo a#b", False),
        ("echo \\# no", False),
        ("echo ${#a} $#", False),
        ("true # a\ntrue", False),
        ("true\ntrue # b", True),
    ],
)
def test_read_shell_finds_a_comment_at_the_end(command: str, *, ends: bool) -> None:
    """A comment starts at a number sign that starts a word, outside of quotes."""

    assert read_shell(command).ends_in_comment is ends


@pytest.mark.parametrize(
    ("command", "effects"),
    [
        ('PS1="sh2# " unshare -Cm bash', [PromptSet("sh2# ", nested=True)]),
        ("PS1='x$ ' bash", [PromptSet("x$ ", nested=True)]),
        ("env -i PS1='x# ' bash --norc", [PromptSet("x# ", nested=True)]),
        ("unshare -C env PS1=x# bash", [PromptSet("x#", nested=True)]),
        ("sudo -u nobody PS1='u$ ' sh", [PromptSet("u$ ", nested=True)]),
        ("cd / && A=1 PS1=x# unshare -m sh", [PromptSet("x#", nested=True)]),
        ("export PS1='e# '", [PromptSet("e# ", nested=False)]),
        ("PS1='e# '", [PromptSet("e# ", nested=False)]),
        ('PS1="x\\$ " sh', [PromptSet("x$ ", nested=True)]),
        ("exit", [ShellLeft()]),
        ("exit 3  # leave", [ShellLeft()]),
        ("logout", [ShellLeft()]),
        ("exec bash", [ShellLeft()]),
        ("exec env PS1='n# ' bash", [ShellLeft(), PromptSet("n# ", nested=True)]),
    ],
)
def test_shell_effects_finds_prompts_and_shells(command: str, effects: list[PromptSet | ShellLeft]) -> None:
    """Commands that set a prompt, start a shell with one or leave their shell are found."""

    assert list(shell_effects(command)) == effects


@pytest.mark.parametrize(
    "command",
    [
        "PS1='\\u@\\h# ' bash",
        'PS1="$HOME# " bash',
        "PS1=$(date) bash",
        "PS1= bash",
        "echo PS1=x",
        "grep 'PS1=x# ' /etc/profile",
        "(exit 3)",
        "exec 3</sys/fs/cgroup",
        "exec {fd}<file",
        "echo exit",
        "sh -c 'exit 3'",
        "# exit",
    ],
)
def test_shell_effects_ignores_other_commands(command: str) -> None:
    """A prompt that only the running shell can know, and commands that leave nothing, have no effect."""

    assert shell_effects(command) == ()


@given(st.text(alphabet="ab #'\"\\$(){}<>|&;\n`=EOFifdo", max_size=40))
def test_read_shell_accepts_any_text(command: str) -> None:
    """For any text, the reader ends with a result."""

    assert isinstance(read_shell(command).incomplete, bool)
