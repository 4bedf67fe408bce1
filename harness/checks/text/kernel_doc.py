# SPDX-License-Identifier: GPL-2.0-only
"""Check the kernel-doc comments of the touched files with the base's own script."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.checks.frame.bench import Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group, Need
from harness.checks.frame.difference import fresh
from harness.model.finding import Level, StyleFinding

# The newest place first: the script was rewritten in Python in 6.16, and moved to tools/ after 6.18.
SCRIPTS = ("tools/docs/kernel-doc", "scripts/kernel-doc.py", "scripts/kernel-doc")
_SAID = re.compile(r"(?:(?P<before>[Ww]arning|[Ee]rror): ?)?(?P<file>[^\s:]+):(?P<line>\d+): ?(?P<rest>.*)")
_LEVELS = {"warning": Level.WARNING, "error": Level.ERROR}


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    touched = [
        one for one in patch.files if one.endswith((".c", ".h")) and "/**" in (bench.text(patch.commit, one) or "")
    ]
    if not touched:
        return ()
    script = next((one for one in SCRIPTS if bench.has(bench.base.commit, one)), "")
    if not script:
        raise CheckNotRunError("the base has no scripts/kernel-doc")
    states = dict.fromkeys((patch.commit, patch.parent, bench.base.commit))
    found = [_of_state(bench, script, commit, touched) for commit in states]
    return fresh(found[0], *found[1:])


def _of_state(bench: Bench, script: str, commit: str, files: Sequence[str]) -> list[StyleFinding]:
    texts = {one: text for one in files if (text := bench.text(commit, one)) is not None}
    if not texts:
        return []
    first = (bench.text(bench.base.commit, script) or "").partition("\n")[0]
    program = "perl" if "perl" in first else "python3"
    contents = {name: text.encode() for name, text in texts.items()}
    result = bench.run_script([program, f"{{tree}}/{script}", "-none", *texts], contents)
    if result.stopped:
        raise CheckNotRunError(f"{script} of the base was stopped: it {result.stopped}")
    found = list(_parse(result.lines))
    # It exits with the number of errors; without a message about a file, it did not run.
    if result.status not in (0, 1, len(found)) and not found:
        raise CheckNotRunError(f"{script} of the base failed: {result.lines[-1] if result.lines else result.status}")
    return found


def _parse(lines: Iterable[str]) -> Iterator[StyleFinding]:
    for line in lines:
        found = _SAID.fullmatch(line.strip())
        if found is None:
            continue
        level, text = (found["before"] or "").lower(), found["rest"]
        if not level:
            level, _, text = text.partition(": ")
        if level.lower() in _LEVELS:
            yield StyleFinding(_LEVELS[level.lower()], found["file"], int(found["line"]), text.strip())


CHECK = Check(
    "kernel-doc",
    "the kernel-doc comments of touched files match the code",
    Group.TEXT,
    _examine,
    needs=(Need("perl", "perl"), Need("python3", "python3")),
    needs_of_tree="scripts/kernel-doc",
)
