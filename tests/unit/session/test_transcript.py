# SPDX-License-Identifier: GPL-2.0-only
"""How a session file is read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import CaseError
from harness.session.preparation import Preparation, PreparationRequest, preparation_command
from harness.session.step import undeclared_command
from harness.session.transcript import (
    Alternatives,
    ConsoleName,
    ExpectedLine,
    Guard,
    Transcript,
    check_traits,
    parse,
)

PATH = "cases/a.session"
MOUNTED = Preparation(
    "mounted", "mount-all {at} {words}", words="v2|v1:[a-z]+", hint="write v2 or v1:NAME", at="/sys/fs/cgroup"
)
LOADED = Preparation("loaded", "load {words}")
"""What a suite may define."""


def commands(transcript: Transcript) -> list[tuple[str, str]]:
    """The steps as pairs of console and command."""
    return [(step.console.value, step.command) for step in transcript.steps]


def texts(transcript: Transcript, step: int = 0) -> list[str]:
    """The unguarded lines expected of a step."""
    return [item.text for item in transcript.steps[step].expected if isinstance(item, ExpectedLine)]


def refused(text: str) -> CaseError:
    """The error that reading the text raises."""
    with pytest.raises(CaseError) as caught:
        parse(text, path=PATH, preparations=(MOUNTED, LOADED))
    return caught.value


def test_header_values_are_read() -> None:
    """Each header has its value; a long one continues in indented lines."""
    transcript = parse(
        "title: Views of siblings\n"
        "mounted: v1:freezer v1:cpu\n"
        "    v2\n"
        "loaded: a.b 7\n"
        "at: /cg/\n"
        "varies: 20124\n"
        "\t0:32\n"
        "needs: CGROUPS, CGROUP_FREEZER=y MEMCG\n"
        "timeout: 2.5\n"
        "scenario: P-21, P-22\n"
        "source: cgroup_namespaces(7), Linux man-pages 6.03\n"
        "\n"
        "    # true\n    20124 0:32\n",
        path=PATH,
        preparations=(LOADED, MOUNTED),
    )

    assert transcript.path == PATH
    assert transcript.title == "Views of siblings"
    assert transcript.preparations == (
        PreparationRequest(MOUNTED, ("v1:freezer", "v1:cpu", "v2"), "/cg"),
        PreparationRequest(LOADED, ("a.b", "7")),
    )
    assert transcript.varies == ("20124", "0:32")
    assert transcript.needs == ("CGROUPS", "CGROUP_FREEZER=y", "MEMCG")
    assert transcript.timeout_seconds == 2.5
    assert transcript.scenarios == ("P-21", "P-22")
    assert transcript.source == "cgroup_namespaces(7), Linux man-pages 6.03"


def test_headers_of_another_suite_are_unknown() -> None:
    """The headers that another suite defines are unknown, and so is their path."""
    for header in ("mounted: v2", "at: /mnt"):
        with pytest.raises(CaseError, match="unknown header"):
            parse(f"{header}\n\n    # true\n", path=PATH)


def test_preparation_command_quotes_its_arguments() -> None:
    """An argument is one argument of the shell, with any content; the path is the suite's if the case has none."""
    transcript = parse("loaded: a;b $(c)\nmounted: v2\n\n    # true\n", path=PATH, preparations=(LOADED, MOUNTED))

    assert preparation_command(transcript.preparations) == "load 'a;b' '$(c)' && mount-all /sys/fs/cgroup v2"
    assert preparation_command(()) == ""


def test_header_is_optional() -> None:
    """A file with prose at once, or with nothing but a transcript, has no header."""
    for text in ("Some prose.\n\n    # true\n", "    # true\n", "\nSome: prose\n\n\t# true\n", "# Head\n    # true"):
        transcript = parse(text, path=PATH)

        assert commands(transcript) == [("admin", "true")]
        assert transcript.timeout_seconds is None
        assert (transcript.title, transcript.preparations, transcript.varies) == ("", (), ())


@pytest.mark.parametrize(
    ("header", "line", "what", "remedy"),
    [
        ("title: a\nmouted: v2", 2, "unknown header 'mouted'", "did you mean mounted or"),
        ("Note: prose", 1, "unknown header 'Note'", "empty line above it"),
        ("title: a\ntitle: b", 2, "header 'title' is repeated, first in line 1", "put everything into one"),
        ("title:", 1, "header 'title' is empty", "give it a value"),
        ("title: a\nprose", 2, "the line is not a header", "end the header with an empty line"),
        ("\n\ntitle: a", 3, "the header must start on the first line", "remove the empty lines"),
        ("\ufefftitle: a", 1, "the file starts with a byte order mark", "save it"),
        ("timeout: soon", 1, "the timeout is not a number of seconds", "timeout: 20"),
        ("timeout: 0", 1, "the timeout is not a number of seconds", "timeout: 20"),
        ("timeout: inf", 1, "the timeout is not a number of seconds", "timeout: 20"),
        ("mounted: v2 v3", 1, "mounted does not accept 'v3'", "write v2 or v1:NAME"),
        ("mounted: v2 v2", 1, "mounted names 'v2' twice", "write v2 or v1:NAME"),
        ("at: cgroup", 1, "the value of 'at' is not an absolute path", "/mnt"),
        ("varies: 7 abc", 1, "'abc' has no digit that could vary", "digits"),
        ("varies: 7 7", 1, "'7' is repeated", "once"),
        ("prompt: # ", 1, "the prompt is invalid", 'prompt: admin "root@host:~# "'),
        ('prompt: amdin "x# "', 1, "unknown console 'amdin'", "did you mean admin?"),
        ('prompt: admin "  "', 1, "prompt '  ' is empty", "start it"),
        ('prompt: inside "# "', 1, "prompt '# ' is also a prompt of admin", "declare another prompt"),
        ('prompt: admin "x# "\nprompt: admin "x# "', 2, "prompt 'x# ' is declared twice", "remove one"),
    ],
)
def test_invalid_header_is_refused(header: str, line: int, what: str, remedy: str) -> None:
    """An invalid header is an error with the line and a hint."""
    error = refused(f"{header}\n\n    # true\n")

    assert str(error).startswith(f"{PATH}:{line}: {what}")
    assert remedy in error.remedy


def test_prompt_names_the_console() -> None:
    """The prompt of a line selects the shell; an empty command needs no white space after it."""
    transcript = parse("    # a\n    inside# b\n    observer# c\n    #\n    inside#\n", path=PATH)

    assert commands(transcript) == [("admin", "a"), ("inside", "b"), ("observer", "c"), ("admin", ""), ("inside", "")]


def test_declared_prompt_replaces_the_default() -> None:
    """The first prompt declared for a console takes the place of its default; further ones are nested shells'."""
    transcript = parse(
        'prompt: admin "root@host:~# "\nprompt: admin "a \\"quoted\\"$ "\n\n'
        '    root@host:~# a\n    # no command\n    a "quoted"$ b\n    inside# c\n',
        path=PATH,
    )

    assert commands(transcript) == [("admin", "a"), ("admin", "b"), ("inside", "c")]
    assert texts(transcript) == ["# no command"]
    assert [prompt.text for prompt in transcript.prompts[ConsoleName.ADMIN]] == ["root@host:~# ", 'a "quoted"$ ']
    assert [prompt.text for prompt in transcript.prompts[ConsoleName.INSIDE]] == ["inside# "]


def test_longest_prompt_wins() -> None:
    """If two prompts fit, the longer one is used."""
    transcript = parse('prompt: admin "a"\nprompt: inside "a# "\n\n    a# b\n    ab\n', path=PATH)

    assert commands(transcript) == [("inside", "b"), ("admin", "b")]


def test_command_declares_its_prompt() -> None:
    """After PS1=... the prompt starts commands; before, it is output."""
    transcript = parse('    # a\n    sh2# b\n    # PS1="sh2# " unshare -Cm bash\n    sh2# c\n', path=PATH)

    assert commands(transcript) == [("admin", "a"), ("admin", 'PS1="sh2# " unshare -Cm bash'), ("admin", "c")]
    assert texts(transcript) == ["sh2# b"]
    assert [prompt.text for prompt in transcript.prompts[ConsoleName.ADMIN]] == ["# ", "sh2# "]


def test_prompt_belongs_to_one_console() -> None:
    """Two consoles cannot have the same prompt, because it selects the console of a command."""
    error = refused('    # PS1="sh2# " bash\n    inside# PS1="sh2# " bash\n')

    assert str(error).startswith(f"{PATH}:2: the command sets the prompt 'sh2# ', which is also a prompt of admin")


@pytest.mark.parametrize("line", ["sh2# a", "$ a", "[root@x y]# a", "root@host:~$", "(chroot)# a"])
def test_undeclared_prompt_is_refused(line: str) -> None:
    """A block that starts like a prompt is refused with the header line that declares it."""
    error = refused(f"title: a\n\n    {line}\n")

    assert str(error).startswith(f"{PATH}:3: prompt not declared")
    assert f'prompt: admin "{line.removesuffix(" a")} "' in error.remedy


def test_output_before_a_command_is_refused() -> None:
    """Every block must start with a command."""
    assert str(refused("    out\n    # a\n")).startswith(f"{PATH}:1: output before a command")
    assert str(refused("    # a\n\nprose\n\n    out\n")).startswith(f"{PATH}:5: output before a command")


@pytest.mark.parametrize("text", ["", "title: a\n", "prose\n", "title: a\n\nprose\n\n"])
def test_file_without_a_command_is_refused(text: str) -> None:
    """A file without a command is not a case."""
    assert "the file has no step" in str(refused(text))


def test_output_keeps_indentation_and_blank_lines() -> None:
    """Output keeps its own indentation and inner blank lines; trailing lines and white space are ignored."""
    transcript = parse("    # a  \n\n      one\t \n   \n\n    two\n\n    # b\n\n\nprose\n    # c\n    three", path=PATH)

    assert texts(transcript) == ["", "  one", "", "", "two"]
    assert [texts(transcript, step) for step in (1, 2)] == [[], ["three"]]
    assert [(step.line, step.output_start, step.output_stop) for step in transcript.steps] == [
        (1, 1, 6),
        (8, 8, 8),
        (12, 12, 13),
    ]
    assert [item.line for item in transcript.steps[0].expected if isinstance(item, ExpectedLine)] == [2, 3, 4, 5, 6]


def test_carriage_returns_are_ignored() -> None:
    """A file with CR LF line ends reads as one with LF."""
    transcript = parse("title: a\r\n\r\nprose\r\n\r\n    # b\r\n    out\r\n\r\n    # c\r\n", path=PATH)

    assert transcript.title == "a"
    assert commands(transcript) == [("admin", "b"), ("admin", "c")]
    assert texts(transcript) == ["out"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("    # a\n\tout\n", 2, "tabs and spaces are mixed"),
        ("\t# a\n\n        # b\n", 3, "tabs and spaces are mixed"),
        ("    # a\n  out\n", 2, "the line is indented less than the first one of its block"),
        ("\u00a0\u00a0# a\n", 1, "the line is indented with '\\xa0'"),
    ],
)
def test_ambiguous_indentation_is_refused(text: str, line: int, what: str) -> None:
    """Indentation that could be read in two ways is an error."""
    assert str(refused(text)).startswith(f"{PATH}:{line}: {what}")


def test_blocks_have_their_own_indentation() -> None:
    """One block may have tabs and the next one spaces."""
    assert commands(parse("\t# a\nprose\n  # b\n", path=PATH)) == [("admin", "a"), ("admin", "b")]


def test_continuation_lines_continue_a_command() -> None:
    """Lines after the second prompt continue a command that is incomplete; elsewhere they are output."""
    transcript = parse(
        "    # cat <<EOF\n    > a\n    >\n    > EOF\n    > a\n"
        "    # for i in 1; do\n    >   echo $i\n    > done\n    1\n",
        path=PATH,
    )

    assert commands(transcript) == [("admin", "cat <<EOF\na\n\nEOF"), ("admin", "for i in 1; do\n  echo $i\ndone")]
    assert texts(transcript) == ["> a"]
    assert texts(transcript, 1) == ["1"]


def test_deeper_comment_continues_a_comment() -> None:
    """A comment deeper than the prompt, directly after a command that ends in a comment, is not a command."""
    transcript = parse(
        "    # mount --make-rslave /     # Don't propagate\n"
        "                                # to other namespaces\n"
        "      # at all\n"
        "    out\n"
        "      # output\n",
        path=PATH,
    )

    assert commands(transcript) == [("admin", "mount --make-rslave /     # Don't propagate")]
    assert texts(transcript) == ["out", "  # output"]
    assert transcript.steps[0].output_start == 3


def test_comment_at_the_margin_continues_in_a_nested_shell() -> None:
    """It looks like a command of the outer shell, which cannot answer while the inner one runs."""
    transcript = parse(
        '    # PS1="sh2# " bash  # nested\n    # shell\n'
        "    sh2# a # Don't\n    # to others\n    #\n    sh2# b\n    # c\n",
        path=PATH,
    )

    assert commands(transcript) == [
        ("admin", 'PS1="sh2# " bash  # nested'),
        ("admin", "a # Don't"),
        ("admin", "b"),
        ("admin", "c"),
    ]


@pytest.mark.parametrize("leave", ["exit", "logout", "exec true", "exit 3"])
def test_comment_after_a_nested_shell_is_a_command(leave: str) -> None:
    """After `exit` the outer shell answers, and a line at its prompt is a command."""
    transcript = parse(f'    # PS1="sh2# " bash\n    sh2# {leave}  # back\n    # a\n', path=PATH)

    assert commands(transcript)[-1] == ("admin", "a")


def test_other_lines_after_a_comment_are_commands() -> None:
    """Without a nested shell, on another console, or after output, a line at a prompt is a command."""
    assert commands(parse("    # a # b\n    # c\n", path=PATH))[-1] == ("admin", "c")
    assert commands(parse('    # PS1="s# " bash\n    inside# a # b\n    # c\n', path=PATH))[-1] == ("admin", "c")
    assert commands(parse('    # PS1="s# " bash\n    s# a # b\n    out\n    # c\n', path=PATH))[-1] == ("admin", "c")
    assert commands(parse('    # PS1="s# " bash\n    s# a\n    # c\n', path=PATH))[-1] == ("admin", "c")


def test_outer_prompt_ends_nested_shells() -> None:
    """A command at an outer prompt shows that the inner shells have ended."""
    transcript = parse('    # PS1="s# " bash\n    s# kill $$\n    # a # b\n    # c\n', path=PATH)

    assert commands(transcript)[-1] == ("admin", "c")


def test_guarded_output_is_a_choice() -> None:
    """Adjacent guarded lines of one trait are one choice; a bare guard is an alternative without lines."""
    transcript = parse(
        "    sh2# cat /proc/1/cgroup\n".replace("sh2", "inside")
        + "    first\n"
        + "    (outside_view = relative) 7:freezer:/..\n"
        + "    (outside_view = absolute) 7:freezer:/\n"
        + "    (outside_view = absolute)\n"
        + "    (outside_view = absolute) 8:memory:/\n"
        + "    (outside_view = hidden)\n"
        + "    (pinning = no) moved\n"
        + "    last\n",
        path=PATH,
    )
    first, view, pinning, last = transcript.steps[0].expected

    assert isinstance(view, Alternatives)
    assert isinstance(pinning, Alternatives)
    assert [(a.guard.value, a.line, [line.text for line in a.lines]) for a in view.alternatives] == [
        ("relative", 3, ["7:freezer:/.."]),
        ("absolute", 4, ["7:freezer:/", "", "8:memory:/"]),
        ("hidden", 7, []),
    ]
    assert (pinning.trait, len(pinning.alternatives)) == ("pinning", 1)
    assert isinstance(first, ExpectedLine)
    assert isinstance(last, ExpectedLine)


def test_guard_before_a_prompt_guards_the_step() -> None:
    """The output follows as usual."""
    transcript = parse("    (setns = yes) # nsctl setns\n    ok\n    (a = b) no\n    # true\n", path=PATH)

    assert transcript.steps[0].guard == Guard("setns", "yes")
    assert transcript.steps[1].guard is None
    assert texts(transcript) == ["ok"]
    assert [choice.trait for choice in transcript.steps[0].choices] == ["a"]


def test_second_alternative_of_a_value_is_refused() -> None:
    """A value has one alternative in each choice."""
    error = refused("    # a\n    (t = x) 1\n    (t = y) 2\n    (t = x) 3\n")

    assert str(error).startswith(f"{PATH}:4: two alternatives for t = x")


def test_too_many_combinations_are_refused() -> None:
    """The number of combinations of alternatives in a step has a limit."""
    guards = "".join(f"    (t{trait} = v{value})\n" for trait in range(9) for value in range(2))

    assert str(refused(f"    # a\n{guards}")).startswith(f"{PATH}:2: the step has too many combinations")


def test_unknown_trait_is_refused() -> None:
    """A guard on an unknown trait or value is an error with its line and similar names."""
    known = {"outside_view": ["relative", "absolute"], "pinning": ["yes", "no"]}
    output = parse("    # a\n    (outside_vew = relative) x\n", path=PATH)
    command = parse("    # b\n    (pinning = maybe) # a\n", path=PATH)
    good = parse("    # b\n    (pinning = yes)\n    (pinning = no) # a\n", path=PATH)

    with pytest.raises(CaseError, match=rf"{PATH}:2: unknown trait 'outside_vew'[^$]*mean outside_view\?"):
        check_traits(output, known)
    with pytest.raises(CaseError, match=rf"{PATH}:2: trait 'pinning' has no value 'maybe'[^$]*no, yes"):
        check_traits(command, known)
    check_traits(good, known)


def test_backslash_escapes_a_line() -> None:
    """A backslash makes a line output that would be read otherwise; a second one stands for itself."""
    transcript = parse("    # a\n    \\# b\n    \\(t = x) y\n    \\\\c\n    \\...\n    (t = x) \\# d\n", path=PATH)
    lines = [item for item in transcript.steps[0].expected if isinstance(item, ExpectedLine)]

    assert commands(transcript) == [("admin", "a")]
    assert [line.text for line in lines] == ["# b", "(t = x) y", "\\c", "..."]
    assert not lines[-1].is_any_lines
    assert transcript.steps[0].choices[0].alternatives[0].lines[0].text == "# d"


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("varies: 20124\n\n    # echo 20124\n    20124\n", 3, "token '20124' of `varies` is used in a command before"),
        ("varies: 7 9\n\n    # a\n    7\n", 1, "token '9' of `varies` is not in the transcript"),
        ("title: a\nvaries: 7\n\n    # a\n    /sub7 17 7a\n", 2, "token '7' of `varies` is not in the transcript"),
        ("varies: 7\n\n    # a\n    \\7\n", 1, "token '7' of `varies` is not in the transcript"),
        ("varies: 1\n\n    # a\n    [1]+  Done\n", 1, "token '1' of `varies` is not in the transcript"),
    ],
)
def test_token_must_be_shown_before_use(text: str, line: int, what: str) -> None:
    """A token that no earlier output shows cannot be used in a command."""
    assert str(refused(text)).startswith(f"{PATH}:{line}: {what}")


def test_token_of_an_alternative_may_be_used() -> None:
    """A token in an alternative counts as shown; only the run can decide whether it was."""
    assert len(parse("varies: 42\n\n    # a\n    (t = x) 42\n    # echo 42\n", path=PATH).steps) == 2


PIECES = [
    *("    # a", "  # c", "\t# b", "    (t = x) # b", "    # echo '", '    # PS1="x# " bash # c', "    x# exit # d"),
    *("", "prose", "title: x", "varies: 7"),
    *("    out", "    7", "    > a", "    (t = x)", "    ...", "     # e", "    \\"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_any_text_is_read_or_refused_with_a_line(lines: list[str]) -> None:
    """Any text is read, or the error names a line of it; the parts that were read cover the file."""
    try:
        transcript = parse("\n".join(lines), path=PATH)
    except CaseError as error:
        number = int(str(error).split(":")[1])

        assert 1 <= number <= max(1, len(lines))
        return

    assert transcript.lines == tuple(lines)
    assert all(step.line <= step.output_start <= step.output_stop <= len(lines) for step in transcript.steps)


@pytest.mark.parametrize("line", ["root@host:~# ls", "sh2# ls", "$ ls", "[root@host ~]# ls", "user@host$ ls -l"])
def test_command_after_an_undeclared_prompt_is_noted(line: str) -> None:
    """It is read as output; a mismatch there explains nothing without the note. A backslash makes it plain output."""
    [step] = parse(f"    # true\n    x\n    {line}\n", path="a.session").steps
    [literal] = parse(f"    # true\n    \\{line}\n", path="a.session").steps

    assert undeclared_command(step) == (
        f'line 3 looks like a command, but the prompt "{line.rpartition(" ls")[0]} " is not declared'
    )
    assert undeclared_command(literal) == ""


@pytest.mark.parametrize("line", ["#subsys_name hierarchy", "100% ls", "a # b", "cost: 5 $ each", "x#"])
def test_output_with_signs_of_a_prompt_is_not_noted(line: str) -> None:
    """A prompt is one word that ends in its sign, or is in brackets."""
    [step] = parse(f"    # true\n    {line}\n", path="a.session").steps

    assert undeclared_command(step) == ""
