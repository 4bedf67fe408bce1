# SPDX-License-Identifier: GPL-2.0-only
"""Run the tree's own Kconfig tools in the sandbox: make a ``.config``, and query the state of options.

All files are in the output folder, which untrusted Makefiles can write: the harness follows no link there, and writes
to it only before they run.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.errors import SeriesError
from harness.kernel.config.unmet import OptionFacts, parse_answers
from harness.kernel.sandbox.sandbox import InsideResult, Sandbox, make_arguments, run_inside, series_fault
from harness.kernel.toolchain.missing import find_missing_tool

_REQUESTS = "requests"
_ASKER = "ask.c"
_MOST_BYTES = 8 << 20
_TELLING_LINES = 20
_ANSWER = "answer\t"
_QUERY = "the query of the tree's Kconfig"
# Link with all objects of conf except the one with main(). The new conf is newer than its dependencies, so make runs it
# as it is. -DKBUILD_NO_NLS: no translations; the kernel's Makefiles before v5.3 may set it too.
_ASK = """
tree=$1; shift
cc -w -O1 -DKBUILD_NO_NLS -I"$tree/scripts/kconfig" -I"$tree/scripts/include" -o ask ask.c \
    $(ls scripts/kconfig/*.o | grep -Ev '/[gmnq]?conf[.]o$')
mv ask scripts/kconfig/conf
exec "$@"
"""


def prepare(output: Path, *, start: str, requests: str) -> None:
    """Write the input files of the tools to an empty output folder.

    :param start: the text of a whole ``.config`` to start from; empty to start from "all options off".
    :param requests: lines of a fragment; they override the start.
    """
    (output / _ASKER).write_bytes(paths.KCONFIG_ASKER.read_bytes())
    (output / _REQUESTS).write_text(requests)
    if start:
        # As in the kernel's merge_config.sh: the last line of an option counts.
        (output / ".config").write_text(f"{start}\n{requests}", errors="surrogateescape")


def make_config(sandbox: Sandbox, *, has_start: bool, assignments: Sequence[str], deadline: Deadline) -> str:
    """Make the ``.config`` from the input of :func:`prepare`, and return its text.

    :param has_start: whether a whole ``.config`` was prepared.
    :param assignments: variables of make such as ``CC=...``.
    :raises SeriesError: the tree's Kconfig fails.
    :raises HostError: a program that it needs is missing on this host.
    """
    target = "olddefconfig" if has_start else "allnoconfig"
    # Every kernel since 2.6 understands allnoconfig and this variable, and ignores lines of unknown options.
    environment = {} if has_start else {"KCONFIG_ALLCONFIG": f"{sandbox.inside_output}/{_REQUESTS}"}
    arguments = make_arguments(sandbox, target, jobs=1, assignments=assignments)
    _checked(run_inside(sandbox, arguments, deadline=deadline, environment=environment), f"make {target}")
    return _read(sandbox.output / ".config")


def query_options(
    sandbox: Sandbox, options: Sequence[str], *, assignments: Sequence[str], deadline: Deadline
) -> dict[str, OptionFacts]:
    """Query the tree's Kconfig for the state of options under the ``.config`` that was made.

    :param options: their names with ``CONFIG_``.
    :param assignments: variables of make such as ``CC=...``.
    :return: the facts by option.
    :raises SeriesError: as :func:`make_config`.
    :raises HostError: as :func:`make_config`.
    """
    # listnewconfig: the only target since 2.6.36 that writes nothing.
    make = make_arguments(sandbox, "listnewconfig", jobs=1, assignments=assignments)
    arguments = ["sh", "-ec", _ASK, "ask", sandbox.inside_tree, *make]
    environment = {"ASKED": " ".join(option.removeprefix("CONFIG_") for option in options)}
    result = run_inside(sandbox, arguments, deadline=deadline, environment=environment)
    _checked(result, _QUERY)
    lines = [line.removeprefix(_ANSWER) for line in result.lines if line.startswith(_ANSWER)]
    try:
        answers = parse_answers(lines)
    except ValueError as error:
        raise _broken(_QUERY, str(error)) from None
    if missing := [option for option in options if option not in answers]:
        raise _broken(_QUERY, f"no answer for {', '.join(missing)}")
    return answers


def _checked(result: InsideResult, what: str) -> None:
    if result.stopped:
        raise series_fault(result, what)
    if not result.is_success:
        if missing := find_missing_tool(result.lines):
            raise missing
        raise _broken(what, "\n".join(result.lines[-_TELLING_LINES:]))


def _broken(what: str, evidence: str) -> SeriesError:
    return SeriesError(
        f"the kernel cannot be configured: {what} failed",
        evidence=evidence,
        remedy="check which Kconfig file or program of the tree or of a patch causes it",
    )


def _read(path: Path) -> str:
    """Return the text of a file in the output folder; links are not followed, and a pipe does not block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _broken("make", f"{path.name}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise _broken("make", f"{path.name} is not a regular file of at most {_MOST_BYTES >> 20} MiB")
        return file.read(_MOST_BYTES).decode(errors="replace")
