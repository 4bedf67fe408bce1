# SPDX-License-Identifier: GPL-2.0-only
"""Find what a series declares: the ``harness.toml`` next to it, or the ``series.toml`` of a shipped one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.kernel.patches.shipped import DESCRIPTION, find_shipped, shipped_names
from harness.model.kernel_spec import parse_patches
from harness.model.series_record import Declared
from harness.results.case_ids import current_case_id
from harness.semantics.traits import Semantics
from harness.series.declared import FILE_NAME, NOTHING, Declarations, parse_declarations

_READ_SECONDS = 60.0


def read_declarations(series: str, subjects: Sequence[str], semantics: Semantics) -> Declarations:
    """Return the declarations in the file next to a series; nothing if there is none.

    :param series: a mailbox, a folder of patches or a range, as typed.
    :param subjects: the titles of its patches, in their order.
    :param semantics: the traits and values that it may name.
    :raises UsageError: the file cannot be read.
    :raises SeriesError: the file is broken.
    """
    path = Path(parse_patches(series).place)
    if not path.exists():  # a range
        return NOTHING
    file = (path if path.is_dir() else path.parent) / FILE_NAME
    if not file.exists():
        is_shipped = path.is_dir() and path.resolve().parent == paths.SERIES.resolve()
        return _declared_by_shipped(path.resolve().name, semantics) if is_shipped else NOTHING
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read", evidence=str(error), remedy="fix it, or remove it") from None
    found = parse_declarations(text, path=str(file), subjects=subjects, semantics=semantics)
    # An entry without a value is a case.
    entries = [one if one.value else replace(one, name=current_case_id(one.name)) for one in found.entries]
    return replace(found, entries=tuple(entries))


def _declared_by_shipped(name: str, semantics: Semantics) -> Declarations:
    """Return what a shipped series declares: the values of its profile that were observed, and those of its traits."""
    if name not in shipped_names():
        return NOTHING
    shipped = find_shipped(name, deadline=Deadline.after(_READ_SECONDS))
    values: dict[str, str] = {}
    if posting := semantics.postings.get(shipped.profile):
        expectations = {trait: posting.expectations[trait] for trait in posting.own}
        values = {trait: expected.value for trait, expected in expectations.items() if expected.confirmed}
    values |= shipped.declaration.traits
    source = f"series/{name}/{DESCRIPTION}"
    known = sorted(trait for trait in values if trait in semantics.traits)
    return Declarations(tuple(Declared(trait, values[trait], source=source) for trait in known))
