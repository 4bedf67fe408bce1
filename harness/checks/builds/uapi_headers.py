# SPDX-License-Identifier: GPL-2.0-only
"""Compile each touched UAPI header alone, in C and C++, as the tree installs it for user space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness.base.scratch import scratch_folder
from harness.checks.abi.uapi_types import is_uapi
from harness.checks.frame.bench import BOUNDS, Bench, CheckedPatch
from harness.checks.frame.check import Check, CheckNotRunError, Group, Need
from harness.checks.frame.difference import fresh
from harness.kernel.build.diagnostics import Severity, parse_diagnostics
from harness.kernel.git.worktree import checked_out
from harness.kernel.sandbox.sandbox import Sandbox, make_arguments, run_inside
from harness.model.finding import Level, StyleFinding

_BOUNDS = replace(BOUNDS, seconds=600.0, disk_mebibytes=256, processes=256)
# The flags of usr/include/Makefile; a header is read twice to check its guard.
_SCRIPT = """
for header in "$@"; do
	[ -f "usr/include/$header" ] || continue
	twice="-include $header -include $header"
	LC_ALL=C gcc -std=c90 -Wall -Iusr/include -fsyntax-only $twice -x c /dev/null 2>&1
	if command -v g++ >/dev/null; then
		LC_ALL=C g++ -Wall -Iusr/include -fsyntax-only $twice -x c++ /dev/null 2>&1 |
			sed 's/: error: /: error: in C++: /'
	fi
done
:
"""


def _examine(bench: Bench, patch: CheckedPatch) -> Iterable[StyleFinding]:
    headers = [one for one in patch.files if is_uapi(one)]
    if not headers:
        return ()
    states = dict.fromkeys((patch.commit, patch.parent, bench.base.commit))
    found = [_of_state(bench, commit, headers) for commit in states]
    return fresh(found[0], *found[1:])


def _of_state(bench: Bench, commit: str, headers: Sequence[str]) -> list[StyleFinding]:
    names = {one.partition("include/uapi/")[2]: one for one in headers}
    context = bench.context
    with (
        scratch_folder("check") as folder,
        checked_out(context, bench.base.repository, commit) as tree,
    ):
        output = folder / "output"
        output.mkdir(mode=0o755)
        sandbox = Sandbox(tree.path, output, bench.building.is_trusted, _BOUNDS)
        install = f"INSTALL_HDR_PATH={sandbox.inside_output}/usr"
        made = run_inside(
            sandbox,
            make_arguments(sandbox, "headers_install", jobs=2, assignments=[install]),
            deadline=context.deadline,
        )
        if not made.is_success:
            why = made.stopped or (made.lines[-1] if made.lines else f"status {made.status}")
            raise CheckNotRunError(f"make headers_install failed: {why}")
        result = run_inside(sandbox, ["sh", "-c", _SCRIPT, "sh", *names], deadline=context.deadline)
    found = parse_diagnostics(result.lines, tree=sandbox.inside_tree, output=sandbox.inside_output)
    return [
        StyleFinding(
            Level.ERROR if one.severity is Severity.ERROR else Level.WARNING,
            names.get(one.file.removeprefix("usr/include/"), one.file),
            one.line,
            one.text,
        )
        for one in found
    ]


CHECK = Check(
    "uapi-headers",
    "touched UAPI headers alone, in C and C++",
    Group.BUILD,
    _examine,
    (Need("gcc", "gcc"), Need("g++", "g++"), Need("make", "make")),
)
