# SPDX-License-Identifier: GPL-2.0-only
"""The options that a record keeps of a command, and the commands that reports make of them: parsed again by click."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace

import click
import pytest

from harness.commands.test.run import run
from harness.commands.test.series import series
from harness.commands.typed_options import typed_options
from harness.model.command_option import CommandOption, option_words
from harness.report.formats.series_mail import _OWN_OPTIONS, render_mail
from harness.report.page.rerun_command import rerun_commands
from tests.unit.report.sample import KERNEL, RUN, case
from tests.unit.series.sample import RECORD

ODD = "a b-'\"=x"
"""A value that a shell would take apart."""


def value_of(option: click.Option) -> str:
    """Return a value that the option takes and that is not its default."""
    if isinstance(option.type, click.Choice):
        return str(next(one for one in reversed(option.type.choices) if one != option.default))
    return "7" if isinstance(option.type, click.IntRange | click.FloatRange) else ODD


def every_option(command: click.Command) -> Iterator[str]:
    """Yield an argument for each option of a command; a repeatable option comes twice."""
    for option in command.params:
        if not isinstance(option, click.Option) or "-x" in option.opts:
            continue
        name = option.opts[-1]
        if option.is_flag:
            yield name
            continue
        for _ in range(2 if option.multiple else 1):
            yield from CommandOption(name, value_of(option)).words


def parsed(command: click.Command, words: list[str]) -> click.Context:
    """Parse arguments as the command line does, without running the command."""
    return command.make_context(command.name, words)


@pytest.mark.parametrize("command", [run, series])
def test_options_parse_to_what_was_typed(command: click.Command) -> None:
    """Every option of the command, with values that a shell would take apart."""
    argument = "SERIES" if command is series else "deb"
    context = parsed(command, [argument, *every_option(command)])
    again = parsed(command, [argument, *option_words(typed_options(context))])
    names = {one.name for one in typed_options(context)}
    expected = {option.opts[-1] for option in command.params if isinstance(option, click.Option)} - {"--fail-fast"}

    assert again.params == context.params
    assert names == expected


def test_options_at_their_defaults_are_left_out() -> None:
    """-x is repeated as it was typed, not as --maxfail 1; options of config files are included."""
    assert typed_options(parsed(run, ["deb"])) == ()
    assert [one.words for one in typed_options(parsed(run, ["-x"]))] == [("--fail-fast",)]
    assert [one.words for one in typed_options(parsed(run, ["--maxfail", "3"]))] == [("--maxfail=3",)]
    context = run.make_context("run", ["deb"], default_map={"fresh": "boot"})
    assert [one.words for one in typed_options(context)] == [("--fresh=boot",)]


def test_mail_repeats_every_argument_that_matters() -> None:
    """Its command is taken by the real one, with the values that were typed, but for outputs and the base."""
    typed = parsed(series, ["SERIES", *every_option(series)])
    text = render_mail(replace(RECORD, options=typed_options(typed)))
    words = shlex.split(text.splitlines()[-1])
    again = parsed(series, words[2:])
    own = {option.name for option in series.params if {*option.opts} & _OWN_OPTIONS} | {"series"}

    assert words[:2] == ["harness", "series"]
    assert {name: value for name, value in again.params.items() if name not in own} == {
        name: value for name, value in typed.params.items() if name not in own
    }


def test_mail_does_not_show_folders_of_this_host() -> None:
    """The name of a file tells a reader what was used; its folder is private."""
    typed = parsed(series, ["SERIES", "--base", "x", "--cases", "/home/u/own/a.session", "--config", "debug"])
    text = render_mail(replace(RECORD, options=typed_options(typed)))

    assert "/home/u" not in text
    assert text.splitlines()[-1].endswith("--cases=a.session --config=debug")


def test_page_repeats_options_that_change_a_result() -> None:
    """The command of a case has its own cases, and no outputs."""
    typed = parsed(run, ["deb", *every_option(run)])
    one = replace(RUN, kernel=replace(KERNEL, spec="deb"), options=typed_options(typed))
    words, _ = rerun_commands(one, case("s/a.session"))
    again = parsed(run, shlex.split(words)[2:])
    same = (
        "suite",
        "profile",
        "config",
        "machine",
        "accel",
        "fresh",
        "boot_seconds",
        "build_seconds",
        "known",
        "trust",
    )

    assert again.params["cases"] == ("s/a.session",)
    assert {name: again.params[name] for name in same} == {name: typed.params[name] for name in same}
    assert again.params["results"] == parsed(run, []).params["results"]


def test_option_that_the_command_does_not_receive_is_kept() -> None:
    """The source of selftests is used before the command runs, and a report must repeat it."""
    words = ["deb:6.1", "--suite", "selftests:one", "--selftests", "deb-src:6.12"]

    assert typed_options(parsed(run, words)) == (
        CommandOption("--suite", "selftests:one"),
        CommandOption("--selftests", "deb-src:6.12"),
    )
