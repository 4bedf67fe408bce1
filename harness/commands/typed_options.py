# SPDX-License-Identifier: GPL-2.0-only
"""Record the options of a command, so that a report can repeat it: one place for all commands."""

from __future__ import annotations

from collections.abc import Iterator

import click
from click.core import ParameterSource

from harness.model.command_option import CommandOption

KEPT = "harness.option."
"""Begins the key in click's ``meta`` of an option's value that its command does not receive."""


def typed_options(context: click.Context) -> tuple[CommandOption, ...]:
    """Return the options of a command that are not left at their built-in defaults, in the order of ``--help``.

    Values from config files and the environment are included: another host has other files.

    :param context: the context of the command.
    """
    return tuple(one for option in _given(context) for one in _typed(option, context))


def _given(context: click.Context) -> Iterator[click.Option]:
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if isinstance(option, click.Option) and source not in (None, ParameterSource.DEFAULT):
            yield option


def _typed(option: click.Option, context: click.Context) -> Iterator[CommandOption]:
    own = option.name or ""
    value = context.params[own] if option.expose_value else context.meta.get(KEPT + own, "")
    name = max(option.opts, key=lambda one: one.startswith("--"))
    if option.is_flag:
        if value is True if option.is_bool_flag else value == option.flag_value:
            yield CommandOption(name)
        return
    # Another spelling of the same option that is a flag, as -x for --maxfail 1, is repeated as the flag.
    twins = [one for one in context.command.params if one.name == option.name and one is not option]
    if any(isinstance(one, click.Option) and one.is_flag and one.flag_value == value for one in twins):
        return
    for one in value if option.multiple else (value,):
        if one is not None and str(one):
            yield CommandOption(name, str(one))
