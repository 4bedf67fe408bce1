"""The compiler's warnings on a series: which of them a patch brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.kernel.build.product import read_built
from harness.model.series_record import Level, StyleFinding

Warned = tuple[tuple[int, StyleFinding], ...]
"""Each warning about a line that the series wrote, with the patch that wrote it."""


def read_warnings(folder: Path) -> Warned:
    """The warnings of a kernel that was built, from its folder; none of one that was not built."""
    built = read_built(folder)
    found = built.warnings if built else ()
    return tuple((one.patch, StyleFinding(Level.WARNING, one.file, one.line, one.text)) for one in found)


def new_warnings(number: int, warned: Mapping[int, Warned]) -> tuple[StyleFinding, ...]:
    """The warnings that a patch brings: about lines that it wrote, and about older ones where nobody was warned before.

    A patch may take away the last user of a function that another one added.

    :param warned: what is known of each kernel, by patch.
    """
    before = {(one.file, one.text) for earlier in warned if earlier < number for _, one in warned[earlier]}
    return tuple(one for patch, one in warned.get(number, ()) if patch == number or (one.file, one.text) not in before)
