# SPDX-License-Identifier: GPL-2.0-only
"""Make the commands that rerun a case on a kernel. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Sequence
from functools import lru_cache

from harness.model.command_option import option_words
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.text import one_line

_SUITE = "--suite"
_KEPT = (
    *(_SUITE, "--selftests", "--profile", "--config", "--make", "--machine", "--append", "--accel", "--fresh"),
    *("--boot-seconds", "--build-seconds", "--known"),
)
"""Options with a value that change the result of a kernel or how it is judged."""
_NOT_OF_SHELL = ("--profile", "--fresh", "--known")
_KEPT_FLAGS = ("--trust",)


def rerun_commands(run: RunRecord, case: CaseRecord) -> tuple[str, str]:
    """Return the command that reruns a case on a kernel, and the one that opens its consoles.

    :return: commands for a shell, each one plain line; the second is empty for a Python case.
    """
    spec = run.kernel.located
    file, mark, test = case.id.partition("::")
    options = _words(run) if run.options else _kept(run.command)
    only = ["-k", test.partition("[")[0]] if mark else []
    words = ["harness", "run", spec, "--cases", file, *only, *options]
    shell = ["harness", "shell", spec, file, *_chosen(options, [one for one in _KEPT if one not in _NOT_OF_SHELL])]
    # A shell plays session files only.
    return one_line(shlex.join(words)), "" if mark or case.is_free_text else one_line(shlex.join(shell))


def _words(run: RunRecord) -> tuple[str, ...]:
    """Return the arguments of the run's options that the rerun needs."""
    return option_words(one for one in run.options if one.name in (*_KEPT, *_KEPT_FLAGS))


@lru_cache(maxsize=32)
def _kept(command: str) -> tuple[str, ...]:
    """Return the arguments of the run's command that the rerun needs."""
    try:
        return tuple(_chosen(shlex.split(command), _KEPT))
    except ValueError:
        return ()


def _chosen(words: Sequence[str], kept: Collection[str]) -> Iterator[str]:
    for at, word in enumerate(words):
        name, has_value, _ = word.partition("=")
        if word in _KEPT_FLAGS or (name in kept and has_value):
            yield word
        elif word in kept and at + 1 < len(words):
            yield from (word, words[at + 1])
