"""The commands that ask a case of a kernel again. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from functools import lru_cache

from harness.model.run_record import CaseRecord, RunRecord
from harness.report.text import one_line

_SUITE = "--suite"
_KEPT = (
    *(_SUITE, "--profile", "--config", "--machine", "--accel", "--fresh"),
    *("--boot-seconds", "--build-seconds", "--known"),
)
"""Options with a value that change what a kernel answers or how it is judged."""
_KEPT_FLAGS = ("--trust",)


def commands_again(run: RunRecord, case: CaseRecord) -> tuple[str, str]:
    """The command that runs this case on this kernel, and the one that puts a person at its consoles.

    :return: words as a shell takes them, each on one plain line.
    """
    spec = run.kernel.spec
    file, mark, test = case.id.partition("::")
    options = _kept(run.command)
    only = ["-k", test.partition("[")[0]] if mark else []
    words = ["harness", "run", spec, "--cases", file, *only, *options]
    shell = ["harness", "shell", spec, file, *_suite_of(options)]
    return one_line(shlex.join(words)), "" if mark else one_line(shlex.join(shell))


def _suite_of(options: Sequence[str]) -> Sequence[str]:
    """Of the words that are said again, those that name the suite."""
    at = next((at for at, word in enumerate(options) if word.partition("=")[0] == _SUITE), len(options))
    return options[at : at + (2 if _SUITE in options else 1)]


@lru_cache(maxsize=32)
def _kept(command: str) -> tuple[str, ...]:
    """The words of the run's command that have to be said again."""
    try:
        return tuple(_chosen(shlex.split(command)))
    except ValueError:
        return ()


def _chosen(words: Sequence[str]) -> Iterator[str]:
    for at, word in enumerate(words):
        name, has_value, _ = word.partition("=")
        if word in _KEPT_FLAGS or (name in _KEPT and has_value):
            yield word
        elif word in _KEPT and at + 1 < len(words):
            yield from (word, words[at + 1])
