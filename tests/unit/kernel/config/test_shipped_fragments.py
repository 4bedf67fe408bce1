# SPDX-License-Identifier: GPL-2.0-only
"""The shipped fragments hold on every release from Linux 3.16 to 7.3; the facts are a table, checked in."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.kernel_release import Release
from harness.kernel.config.fragment import OptionRequest, parse_fragment

TABLE = Path(__file__).parents[3] / "data/kconfig/options.toml"
# A variant's options are wishes: a kernel without one of them is noted, so they need no releases.
SHIPPED = [path for path in sorted(paths.KCONFIGS.glob("*.config")) if not path.stem.startswith("variant-")]
FRAGMENTS = (*SHIPPED, *sorted((paths.ROOT / "cases").glob("*/kconfigs/*.config")))
FACTS = tomllib.loads(TABLE.read_text())
ROWS = {row["option"]: row for row in FACTS["row"]}


@cache
def requests_of(path: Path) -> tuple[OptionRequest, ...]:
    return parse_fragment(path.read_text(), name=path.stem).requests


def comment_above(path: Path, option: str) -> str:
    """Return the comment of the paragraph that requests an option, in one line."""
    paragraph = next(part for part in path.read_text().split("\n\n") if re.search(rf"^{option}=", part, re.MULTILINE))
    return " ".join(line.removeprefix("# ") for line in paragraph.split("\n") if line.startswith("# "))


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: path.stem)
def test_marks_of_shipped_fragments_agree_with_the_table(path: Path) -> None:
    """Every mark has a row with the same range, and the comment above the option cites the commit of the row."""
    marked = {one.option: str(one.versions) for one in requests_of(path) if one.versions}
    uncited = [option for option in marked if ROWS[option]["commit"] not in comment_above(path, option)]

    assert marked == {option: ROWS[option]["versions"] for option in marked}
    assert uncited == []


def test_each_row_of_the_table_is_a_mark() -> None:
    """The table has no row that no fragment uses."""
    marked = {one.option for path in FRAGMENTS for one in requests_of(path) if one.versions}

    assert marked == ROWS.keys()


def test_an_option_is_requested_only_of_trees_that_define_it() -> None:
    """A tree that defines an option and gets no request has a reason in the table."""
    wrong = []
    for path in FRAGMENTS:
        for request in requests_of(path):
            row = ROWS.get(request.option, {"present": FACTS["trees"]})
            for tree in FACTS["trees"]:
                is_requested = request.applies_to(Release.parse(tree))
                is_present = tree in row["present"]
                if (is_requested and not is_present) or (is_present and not is_requested and "note" not in row):
                    wrong.append(f"{path.stem}: {request.option} on {tree}")

    assert wrong == []


def test_pci_is_requested_where_acpi_needs_it() -> None:
    """Up to 4.20, and of no later release."""
    by_option = {one.option: one for one in requests_of(paths.KCONFIGS / "base.config")}
    releases = ["3.16", "3.18.140", "4.4.11", "4.20", "5.0", "6.1.192", "7.3"]

    assert [by_option["CONFIG_PCI"].applies_to(Release.parse(one)) for one in releases] == [True] * 4 + [False] * 3
    assert by_option["CONFIG_ACPI"].versions is None
