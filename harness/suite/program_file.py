# SPDX-License-Identifier: GPL-2.0-only
"""Read a program file, ``NAME.program``: a case that is a program of others, judged by its result. Pure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass

from harness.base.errors import CaseError
from harness.suite.faults import FaultTable

PROGRAM_SUFFIX = ".program"
"""The suffix of the file, which is no part of the case's id."""
RESULTS = ("tap", "ltp")
"""How a program may report its results; the first one includes programs that report nothing."""
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
PROGRAM_SECONDS = 45.0
"""Time limit of a program without a limit of its own; that of the kernel's own runner of selftests."""


@dataclass(frozen=True, slots=True)
class ProgramCase:
    """A program to run on one machine.

    :param path: id of the case.
    :param command: the command line, for the shell of the guest.
    :param title: what it tests, in one line.
    :param directory: the working directory; empty for root's home.
    :param seconds: its time limit.
    :param prepare: a command that is typed first; status 4 skips the case, with the output as the reason.
    :param needs: options and features without which it is skipped.
    :param options: options of the kernel's configuration that its tests may need: those that are off explain a skip.
    :param scales: whether the time limit is for a real machine, and grows with how much slower an emulated guest is.
    :param ends: whether it must end by itself; otherwise it is stopped at its time limit, and judged by the kernel log.
    :param is_of_ltp: whether its results are those of LTP, not of TAP: see ``harness/tap/ltp.py``.
    :param factor_variable: name of an environment variable that gets the factor of ``scales``; empty for none.
    :param unavailable: the reason why it cannot be run, such as a compiler error: the first line is a sentence.
    :param append: kernel parameters that it needs: it runs on a machine that was booted with them, and not on a clone.
    :param kunit: the KUnit suite whose report it prints, which is read from the first line of a report on; empty for
        any other program.
    :param splats: functions whose splats are expected: the test passes because of them.
    :param text: the content of the file.
    """

    path: str
    command: str
    title: str = ""
    directory: str = ""
    seconds: float = PROGRAM_SECONDS
    prepare: str = ""
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    scales: bool = False
    ends: bool = True
    is_of_ltp: bool = False
    factor_variable: str = ""
    unavailable: str = ""
    append: tuple[str, ...] = ()
    kunit: str = ""
    splats: tuple[str, ...] = ()
    text: str = ""


def parse_program(text: str, *, path: str) -> ProgramCase:
    """Read the text of a program file.

    :param text: content of the file.
    :param path: id of the case.
    :raises CaseError: the text is not TOML, a key is unknown or missing, or a value is invalid.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"{path}:1: the file is not TOML", evidence=str(error), remedy="correct that line") from None
    faults: list[str] = []
    table = FaultTable(content, path, faults)
    unavailable = table.text("unavailable", default="")
    program = ProgramCase(
        path,
        table.text("command", default="" if unavailable else None),
        table.text("title", default=""),
        table.text("directory", default=""),
        float(table.number("seconds", default=int(PROGRAM_SECONDS))),
        table.text("prepare", default=""),
        table.texts("needs"),
        table.texts("options"),
        table.flag("scales", default=False),
        table.flag("ends", default=True),
        table.text("results", default=RESULTS[0]) == RESULTS[1],
        table.text("factor_variable", default=""),
        unavailable,
        table.texts("append"),
        table.text("kunit", default=""),
        table.texts("splats"),
        text,
    )
    table.texts("inputs")  # digests of what it is made of: they tell a changed program from a changed kernel
    table.close()
    for key, value in (("command", program.command), ("prepare", program.prepare), ("title", program.title)):
        if "\n" in value:
            table.fault(key, "has more than one line", hint="write a script, and name it in [[guest.file]]")
    if program.directory and not program.directory.startswith("/"):
        table.fault("directory", f"is {program.directory!r}, not an absolute path", hint="write the path in the guest")
    if content.get("results", RESULTS[0]) not in RESULTS:
        table.fault("results", f"is {content['results']!r}", hint=f"write {' or '.join(RESULTS)}")
    if program.factor_variable and not _VARIABLE.fullmatch(program.factor_variable):
        table.fault("factor_variable", "is not the name of a variable", hint="write one such as LTP_TIMEOUT_MUL")
    if program.seconds < 1:
        table.fault("seconds", "is less than 1", hint="write the time limit in seconds")
    if faults:
        raise CaseError(f"{path}:1: {faults[0]}", evidence="\n".join(faults[1:]), remedy="correct the file")
    return program
