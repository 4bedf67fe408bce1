# SPDX-License-Identifier: GPL-2.0-only
"""Find what the compiler reports of a patch and of no state before it, in one way to compile."""

from __future__ import annotations

from harness.checks.frame.bench import MOST_COMPILED, Bench, CheckedPatch
from harness.checks.frame.builds import Compiled, Way
from harness.checks.frame.check import CheckNotRunError
from harness.checks.frame.difference import fresh
from harness.checks.frame.measure import SCRIPT
from harness.model.finding import StyleFinding

_SOURCES = (".c", ".h")
PLAIN = Way("plain", script=SCRIPT)
"""As the kernels that boot are built."""
ALL_MODULES = Way("allmod", target="allmodconfig")
EXTRA = Way("extra", ("W=1",), "-fstack-usage", script=SCRIPT)
"""With more warnings, and a file of the stack use beside each object."""


def compiled_states(bench: Bench, patch: CheckedPatch, way: Way) -> tuple[Compiled, Compiled, Compiled] | None:
    """Return the touched objects of the base, of the patch before, and with the patch.

    :return: None for a patch without C code.
    :raises CheckNotRunError: the config builds no touched file.
    """
    touched = [one for one in patch.files if one.endswith(_SOURCES)]
    if not touched:
        return None
    if len(patch.changes) > MOST_COMPILED:
        raise CheckNotRunError(f"the patch changes {len(patch.changes)} files, more than {MOST_COMPILED}")
    states = bench.compile(way, patch)
    if not bench.objects_of(patch, states[2]):
        config = f"make {way.target}" if way.target else "the config of the base"
        raise CheckNotRunError(f"{config} builds none of the touched files, such as {touched[0]}")
    return states


def new_diagnostics(bench: Bench, patch: CheckedPatch, way: Way, *others: Way) -> tuple[StyleFinding, ...]:
    """Return the errors and warnings that the patch brings in one way to compile and in no other one.

    :param others: the ways of checks that report the same themselves.
    :raises CheckNotRunError: see :func:`compiled_states`.
    """
    states = compiled_states(bench, patch, way)
    if states is None:
        return ()
    base, before, after = states
    found = fresh(after.findings, base.findings, before.findings)
    told = [bench.compile(one, patch)[2].findings for one in others] if found else []
    return fresh(found, *told)
