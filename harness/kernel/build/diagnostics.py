# SPDX-License-Identifier: GPL-2.0-only
"""Parse errors and warnings of compiler, assembler, linker, objtool, modpost and make. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

_MOST_CONTEXT = 5


class Severity(Enum):
    """The severity of a diagnostic."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning of a build.

    :param file: relative to the tree; relative to the output folder for a file that the build made; empty when the
        message names no file.
    :param line: from 1; 0 when the message names no line.
    :param column: from 1; 0 when the message names no column.
    :param text: the message, without file and severity.
    :param context: the lines below the message that belong to it: the source line with its caret.
    :param patch: number of the patch that wrote the line; 0 when no patch did, or it is not known.
    """

    severity: Severity
    file: str
    line: int
    column: int
    text: str
    context: tuple[str, ...] = ()
    patch: int = 0

    def render(self) -> str:
        """Return one line in the format of compilers: ``kernel/x.c:12:5: error: ...``."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        return f"{place}: {self.severity.value}: {self.text}" if place else f"{self.severity.value}: {self.text}"


_PLACE = r"(?P<file>[^\s:()'\"*]+):(?P<line>\d+)(?::(?P<column>\d+))?"
_SEVERITY = r"(?P<severity>fatal error|[Ee]rror|[Ww]arning)"
# Each pattern may name file, line, column, severity and text; without a severity it is an error.
_LINKER = r"(?:\S*ld(?:\.\w+)?: )?"
_CLASH = r"(?P<text>(?:undefined reference to|multiple definition of) .+)"
_TOOL = r"(?:\S*/)?(?:[\w]+-)*(?:gcc|cc1|cc1plus|ld|as|ar|objcopy)(?:[-.]\w+)?"
# ld without debug information names the source without its folder; the object, often on the line before, has it:
#     ld: kernel/x.o: in function `z':
#     x.c:(.text+0x12): undefined reference to `y'
_LINKED = re.compile(rf"{_LINKER}(?:(?P<object>\S+\.o):)?\s*(?P<file>[\w./-]+):?\([.\w]+\+0x[0-9a-f]+\): {_CLASH}")
_IN_OBJECT = re.compile(r".*?: (?:(?P<folder>[\w./-]+)/)?[\w.-]+\.[oa](?:\([^)]*\))?: in function .*:")
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        # gcc, clang, dtc: kernel/x.c:12:5: error: 'y' undeclared; as: x.S:12: Error: no such instruction
        rf"{_PLACE}:\s*{_SEVERITY}:\s*(?P<text>.+)",
        # ld, with debug information: kernel/x.c:12: undefined reference to `y'
        rf"{_LINKER}{_PLACE}: {_CLASH}",
        _LINKED,
        # objtool: kernel/x.o: warning: objtool: y()+0x12: unreachable instruction
        rf"(?P<file>[\w./-]+\.o): {_SEVERITY}: (?P<text>objtool: .+)",
        # modpost: WARNING: modpost: vmlinux.o(.text+0x1): Section mismatch ...; ERROR: "y" [x.ko] undefined!
        r"(?P<severity>ERROR|WARNING): (?P<text>modpost: .+|vmlinux.+|\".+\" \[.+\] undefined!)",
        # make: /src/kernel/Makefile:12: *** missing separator.  Stop.
        rf"{_PLACE}: \*\*\* (?P<text>.+?)(?:\s+Stop\.)?",
        r"make(?:\[\d+\])?: \*\*\* (?P<text>No rule to make target .+?)(?:\s+Stop\.)?",
        # a program that names no file: cc1: out of memory ...; gcc: error: unrecognized command-line option
        rf"(?P<text>{_TOOL}: (?:(?:fatal )?error: )?(?!in function|warning:|\S+: in function).+)",
        rf"{_TOOL}: (?P<severity>warning): (?P<text>.+)",
        r"(?P<text>Error: .+)",
        r"(?P<text>(?:\S*sh: (?:\d+|line \d+): )\S+: (?:not found|command not found|Permission denied))",
    )
)
_MAKE_FAILED = re.compile(r"make(?:\[\d+\])?: \*\*\* (?:\[(?:[^\]]*?:\d+: )?(?P<target>[^\]]+)\] )?(?P<text>.+)")
# A step of kbuild: "  CC      kernel/fork.o". Messages may be indented like one: "  /src is not clean, please run ...".
_STEP = re.compile(r"  (?:[A-Z][A-Z0-9_-]*(?: \[[A-Z]+\])? +\S|Using /)")
# Messages that only repeat that there was an error, and notes of binutils 2.39 on a warning before them ("ld: NOTE: ...
# is deprecated and will be removed in a future version of the linker").
_HOLLOW = re.compile(r"\S*cc1\S*: (?:all|some) warnings being treated as errors|\S*collect2: .*|\S*ld\S*: NOTE: .*")
_SEVERITIES = {"error": Severity.ERROR, "fatal error": Severity.ERROR, "warning": Severity.WARNING}


def parse_diagnostics(lines: Iterable[str], *, tree: str = "/src", output: str = "/out") -> tuple[Diagnostic, ...]:
    """Return the diagnostics in the output of a build, in order, each once.

    :param tree: the path of the tree, as the lines have it.
    :param output: the path of the output folder, as the lines have it.
    """
    found: dict[tuple[str, int, str], Diagnostic] = {}
    failed: list[Diagnostic] = []
    rows = list(lines)
    linked = ""
    for number, line in enumerate(rows):
        if where := _IN_OBJECT.fullmatch(line):
            linked = where["folder"] or ""
        one = _parse(line, (f"{tree}/", f"{output}/", "./"), linked)
        if one is not None:
            full = Diagnostic(
                one.severity, one.file, one.line, one.column, one.text, _context(rows[number + 1 : number + 9])
            )
            found.setdefault((one.file, one.line, one.text), full)
        elif (make := _MAKE_FAILED.fullmatch(line)) and not failed:
            target = (make["target"] or "").removeprefix(f"{output}/")
            failed.append(_failed_step(rows[:number], f"make: {target}: {make['text']}" if target else make["text"]))
    if any(one.severity is Severity.ERROR for one in found.values()):
        return tuple(found.values())
    # No other error: show that of the innermost make, which is the first to fail.
    return (*found.values(), *failed)


def still_valid(
    earlier: Iterable[Diagnostic], *, changed: Collection[str], made: Collection[str]
) -> tuple[Diagnostic, ...]:
    """Return the diagnostics of an earlier build that still hold for a build which started from its objects.

    Those of files that were not compiled again hold.

    :param changed: the files of the tree that differ. An object that includes a changed header is made again, and
        reports its diagnostics itself.
    :param made: the objects that this build made.
    """

    def is_past(one: Diagnostic) -> bool:
        made_of = re.sub(r"\.[cS]$", ".o", one.file)
        return one.file in changed or made_of in made or (not one.file and bool(made))

    return tuple(one for one in earlier if not is_past(one))


def lines_to_show(lines: Sequence[str], diagnostics: Sequence[Diagnostic], *, most: int = 12) -> list[str]:
    """Return the lines to show of a failed build: its errors with their source lines, else its last lines."""
    shown = []
    for one in diagnostics:
        if one.severity is Severity.ERROR:
            shown += [one.render(), *one.context]
    return shown[:most] if shown else list(lines[-most:])


def _parse(line: str, prefixes: Iterable[str], linked: str) -> Diagnostic | None:
    """Return the diagnostic in a line, or None.

    :param linked: the folder of the object that ld named last.
    """
    if _HOLLOW.fullmatch(line):
        return None
    for pattern in _PATTERNS:
        match = pattern.fullmatch(line)
        if match is None:
            continue
        fields = match.groupdict()
        severity = (fields.get("severity") or "error").lower()
        file = fields.get("file") or ""
        for prefix in prefixes:
            file = file.removeprefix(prefix)
        if pattern is _LINKED and "/" not in file:
            folder = (fields["object"] or "").rpartition("/")[0] or linked
            file = f"{folder}/{file}" if folder else file
        number, column = (int(fields.get(name) or 0) for name in ("line", "column"))
        return Diagnostic(_SEVERITIES[severity], file, number, column, fields["text"].strip())
    return None


def _failed_step(before: Sequence[str], message: str) -> Diagnostic:
    """Return an error for the step that make gave up on, with the lines before it, up to the last step, as reason."""
    last = len(before)
    while last and len(before) - last < _MOST_CONTEXT and not _STEP.match(before[last - 1]):
        last -= 1
    why = tuple(map(str.strip, before[last:]))
    return Diagnostic(Severity.ERROR, "", 0, 0, f"{why[-1]} ({message})" if why else message, why[:-1])


def _context(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines below a diagnostic that show the source: ``   12 |   x = y;`` and the caret."""
    shown = []
    for line in lines:
        if not re.match(r"\s*\d* \|", line):
            break
        shown.append(line)
    return tuple(shown[:_MOST_CONTEXT])
