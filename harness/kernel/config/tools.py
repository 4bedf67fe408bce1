"""The tree's own Kconfig tools, run in the sandbox: they make a ``.config``, and tell why it is as it is.

All files are in the output folder, where a stranger's Makefile has been: what is read there is no link, and nothing
that the harness writes there comes after that Makefile.
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
from harness.kernel.sandbox.sandbox import InsideResult, Sandbox, make_words, run_inside, series_fault
from harness.kernel.toolchain.missing import find_host_lack

_REQUESTS = "requests"
_ASKER = "ask.c"
_MOST_BYTES = 8 << 20
_TELLING_LINES = 20
_ANSWER = "answer\t"
# Link with all that conf was linked with but the file that has main(). conf is newer than what it is made of, so make
# runs what stands there. -DKBUILD_NO_NLS: no translations, as the kernel's Makefile of before v5.3 may have it.
_ASK = """
tree=$1; shift
cc -w -O1 -DKBUILD_NO_NLS -I"$tree/scripts/kconfig" -I"$tree/scripts/include" -o ask ask.c \
    $(ls scripts/kconfig/*.o | grep -Ev '/[gmnq]?conf[.]o$')
mv ask scripts/kconfig/conf
exec "$@"
"""


def prepare(output: Path, *, start: str, requests: str) -> None:
    """Put into an empty output folder what the tools read.

    :param start: the text of a whole ``.config`` to start from; empty to start from "all options off".
    :param requests: lines of a fragment; they outrank the start.
    """
    (output / _ASKER).write_bytes(paths.KCONFIG_ASKER.read_bytes())
    (output / _REQUESTS).write_text(requests)
    if start:
        # As the kernel's merge_config.sh does it: the last line of an option counts.
        (output / ".config").write_text(f"{start}\n{requests}", errors="surrogateescape")


def make_config(sandbox: Sandbox, *, has_start: bool, assignments: Sequence[str], deadline: Deadline) -> str:
    """The text of the ``.config`` that the tree makes of what was prepared.

    :param assignments: words for make such as ``CC=...``.
    :raises SeriesError: the tree's Kconfig does not work. :raises HostError: a program for it is missing here.
    """
    target = "olddefconfig" if has_start else "allnoconfig"
    # allnoconfig and this variable are understood by every kernel since 2.6; lines of unknown options are passed over.
    environment = {} if has_start else {"KCONFIG_ALLCONFIG": f"{sandbox.inside_output}/{_REQUESTS}"}
    words = make_words(sandbox, target, jobs=1, assignments=assignments)
    _checked(run_inside(sandbox, words, deadline=deadline, environment=environment), f"make {target}")
    return _read(sandbox.output / ".config")


def ask(
    sandbox: Sandbox, options: Sequence[str], *, assignments: Sequence[str], deadline: Deadline
) -> dict[str, OptionFacts]:
    """What the tree's Kconfig says about options, under the ``.config`` that was made.

    :param options: by their names with ``CONFIG_``.
    :raises SeriesError, HostError: as :func:`make_config`.
    """
    # listnewconfig: the one target since 2.6.36 that writes nothing.
    make = make_words(sandbox, "listnewconfig", jobs=1, assignments=assignments)
    words = ["sh", "-ec", _ASK, "ask", sandbox.inside_tree, *make]
    environment = {"ASKED": " ".join(option.removeprefix("CONFIG_") for option in options)}
    result = run_inside(sandbox, words, deadline=deadline, environment=environment)
    _checked(result, "asking the tree's Kconfig")
    lines = [line.removeprefix(_ANSWER) for line in result.lines if line.startswith(_ANSWER)]
    try:
        answers = parse_answers(lines)
    except ValueError as error:
        raise _broken("asking the tree's Kconfig", str(error)) from None
    if missing := [option for option in options if option not in answers]:
        raise _broken("asking the tree's Kconfig", f"no answer about {', '.join(missing)}")
    return answers


def _checked(result: InsideResult, what: str) -> None:
    if result.stopped:
        raise series_fault(result, what)
    if not result.is_success:
        if lacking := find_host_lack(result.lines):
            raise lacking
        raise _broken(what, "\n".join(result.lines[-_TELLING_LINES:]))


def _broken(what: str, evidence: str) -> SeriesError:
    return SeriesError(
        f"the kernel cannot be configured: {what} failed",
        evidence=evidence,
        remedy="see which Kconfig file or program of the tree, or of a patch, does that",
    )


def _read(path: Path) -> str:
    """The text of a file in the output folder; no link is followed, and no pipe waited for."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _broken("make", f"{path.name}: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
            raise _broken("make", f"{path.name} is no file of at most {_MOST_BYTES >> 20} MiB")
        return file.read(_MOST_BYTES).decode(errors="replace")
