# SPDX-License-Identifier: GPL-2.0-only
"""Write the steps of a case as a bash script, for a machine without the harness. Pure."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import PurePath

from harness.export.steps import ExportedStep
from harness.model.run_record import CaseRecord, RunRecord
from harness.report.text import one_line

_STATUS_SKIP = 4
_COLUMNS = 64
"""Longest part of a text on one line: lines of the kernel's scripts have at most 100 columns."""


@dataclass(frozen=True, slots=True)
class Helper:
    """A helper program of the guest.

    :param name: its name.
    :param sources: pairs of a file name and its text; the first one is compiled, the others are its headers.
    """

    name: str
    sources: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ExportedCase:
    """A case to export.

    :param id: its id.
    :param title: its title, in one line.
    :param preparation: the command line before the first step; empty for none.
    :param base_prompts: pairs of a console and its first prompt, where that is not the usual one.
    :param tokens: the numbers that vary.
    :param steps: its commands and outputs.
    :param timeout: seconds for each step.
    :param helpers: the helper programs that the commands use.
    """

    id: str
    title: str
    preparation: str
    base_prompts: tuple[tuple[str, str], ...]
    tokens: tuple[str, ...]
    steps: tuple[ExportedStep, ...]
    timeout: int
    helpers: tuple[Helper, ...] = ()


@dataclass(frozen=True, slots=True)
class QemuArguments:
    """How QEMU boots the kernel.

    :param program: name of the program.
    :param options: its options, without serial ports, kernel and initramfs.
    :param command_line: the command line of the kernel.
    """

    program: str
    options: tuple[str, ...]
    command_line: str


def render_bundle_script(case: ExportedCase, qemu: QemuArguments) -> str:
    """Return ``run.sh``: it boots ``bzImage`` with ``guest.cpio`` and judges the session in ``steps.sh``."""
    options = " ".join(map(shlex.quote, qemu.options))
    head = f"""\
#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Boot the kernel in QEMU, type the session of steps.sh at its consoles, and compare the output.
# Exit status: 0 match, 1 mismatch, 2 cannot be run, 4 the kernel does not have what the case needs.

cd "$(dirname "$0")" || exit 2
export LC_ALL=C
TIMEOUT=${{TIMEOUT:-{case.timeout}}}
QEMU=${{QEMU:-{shlex.quote(qemu.program)}}}
OPTIONS=({options})
APPEND={shlex.quote(qemu.command_line)}

"""
    return head + "\n".join([_part("player.sh"), _part("machine.sh"), ". ./steps.sh\n", _part("verdict.sh")])


def render_steps(case: ExportedCase) -> str:
    """Return ``steps.sh``: the preparation and the session of a case, with what is expected."""
    lines = ["# ---- the session ----", "", 'at="the start: "']
    lines += [f"shapes[{shlex.quote(one)}]={shlex.quote(_shape(one))}" for one in case.tokens]
    lines += ["limit=$TIMEOUT TIMEOUT=$((TIMEOUT * 5)) # a boot takes longer than a step"]
    lines += ["for name in admin inside observer; do await $name; done", "TIMEOUT=$limit"]
    if case.preparation:
        lines += ["", f"step 0 admin '# ' {_quoted(case.preparation)}"]
        lines += [
            f'[ "$status" != {_STATUS_SKIP} ] || end {_STATUS_SKIP} "skipped: $out"',
            '[ "$status" = 0 ] || end 1 "mismatch: the preparation failed"',
        ]
    lines += [f"plan {len(case.steps)}"]
    for console, prompt in case.base_prompts:
        usual = "# " if console == "admin" else f"{console}# "
        lines += [f"step 0 {console} {shlex.quote(usual)} {shlex.quote('PS1=' + shlex.quote(prompt))}"]
    for step in case.steps:
        lines += ["", *_step(step)]
    return "\n".join(lines) + "\n"


def render_script(case: ExportedCase) -> str:
    """Return a script that types the session at shells of the machine that it runs on."""
    head = f"""\
#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2016,SC2034,SC2089,SC2090,SC2317
{_comment(f"{case.id}: {case.title}")}
#
# Type the session at three shells of this machine, and compare the output. It may change any state
# of the kernel: run it as root of a machine for tests. Exit status: 0 match, 1 mismatch,
# 2 cannot be run, 4 skipped.

export LC_ALL=C
TIMEOUT=${{TIMEOUT:-{case.timeout}}}

"""
    parts = [_part("player.sh"), _helpers(case), _part("local.sh"), render_steps(case), _part("verdict.sh")]
    return head + "\n".join(parts)


def render_kselftest(case: ExportedCase) -> str:
    """Return a test for tools/testing/selftests of a kernel tree: TAP, a test for each step, status 4 for a skip."""
    head = f"""\
#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck disable=SC2016,SC2034,SC2089,SC2090,SC2317
{_comment(case.title)}
#
# Type a session at three shells and compare its output.

export LC_ALL=C
TIMEOUT=${{TIMEOUT:-{case.timeout}}}
echo "TAP version 13"

"""
    tap = [_part("player.sh"), _part("tap.sh"), _helpers(case), _part("local.sh"), render_steps(case)]
    return head + "\n".join([*tap, _part("verdict.sh")])


def _comment(text: str) -> str:
    return textwrap.fill(one_line(text), 96, initial_indent="# ", subsequent_indent="# ")


def _helpers(case: ExportedCase) -> str:
    """Return the function that compiles the helper programs."""
    lines = ["# ---- helper programs ----", "", "build_helpers() {"]
    if not case.helpers:
        return "\n".join([*lines, "\t:", "}", ""])
    lines += ['\tcommand -v cc >/dev/null || end 4 "skipped: cc is missing: apt install gcc libc6-dev"']
    for helper in case.helpers:
        for name, text in helper.sources:
            own = re.sub(r"\A(//|/\*) SPDX-License-Identifier: .*\n", "", text)  # that of the script holds
            lines += [f"\tcat >\"$folder/{name}\" <<'END_OF_FILE'", own.rstrip("\n"), "END_OF_FILE"]
        source = f'"$folder/{helper.sources[0][0]}"'
        built = f'cc -O2 -I"$folder" -o "$folder/bin/{helper.name}" {source}'
        lines += [f"\t{built} ||", f'\t\tend 2 "{helper.name} does not compile"']
    return "\n".join([*lines, "}", ""])


def render_readme(case: ExportedCase, run: RunRecord, record: CaseRecord) -> str:
    """Return the README of a bundle.

    :param run: the run that the case is exported from.
    :param record: the result of the case in it.
    """
    result = f"{record.outcome}{f': {one_line(record.reason)}' if record.reason else ''}"
    return f"""\
{case.id}
{case.title}

This case was run on {run.kernel.release} ({run.kernel.origin}),
judged by the profile {run.profile}. The result was:

    {result}

To run it again without the harness, on any machine with bash and QEMU:

    ./run.sh

It boots bzImage with guest.cpio, types the session of steps.sh at the consoles of the
guest, shows it, and ends with a verdict. Exit status: 0 match, 1 mismatch, 2 it cannot be
run, 4 the kernel does not have what the case needs.

To test another kernel, replace bzImage. QEMU=PROGRAM ./run.sh takes another QEMU,
TIMEOUT=SECONDS another time limit for each step. With KVM instead of emulation, put
"-accel kvm" and "-cpu host" into OPTIONS of run.sh.

{PurePath(case.id).name} is the session as it is read by people. steps.sh is made of it:
"step" types a command, "expect" compares its output with a regular expression.
"""


def _step(step: ExportedStep) -> Iterator[str]:
    yield f"step {step.line} {step.console} {_quoted(step.prompt)} {_quoted(step.command)}"
    checks = [" ".join(["expect", _quoted(one.expression), *map(shlex.quote, one.tokens)]) for one in step.expectations]
    yield f"if {' || '.join(checks)}; then passed; else differ; fi" if checks else "differ"


def _quoted(text: str) -> str:
    """Return text as one word of bash; a long one is joined from lines."""
    pieces = [text[at : at + _COLUMNS] for at in range(0, len(text), _COLUMNS)] or [""]
    return "\\\n".join(map(_quoted_piece, pieces))


def _quoted_piece(text: str) -> str:
    if not re.search(r"[\x00-\x1f\x7f]", text):
        return shlex.quote(text)
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t")
    return "$'" + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\x{ord(found.group()):02x}", escaped) + "'"


def _shape(token: str) -> str:
    """Return the expression of the texts that a token stands for."""
    return re.sub(r"[^0-9A-Za-z]", r"[\g<0>]", re.sub(r"[0-9]+", "0", token)).replace("0", "[0-9]+")


def _part(name: str) -> str:
    text = (files("harness.export") / name).read_text(encoding="utf-8")
    return text.removeprefix("# SPDX-License-Identifier: GPL-2.0-only\n").lstrip("\n")


def line_count(texts: Sequence[str]) -> int:
    """Return the number of lines of code, without empty lines and comments."""
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") for text in texts for line in text.splitlines())
