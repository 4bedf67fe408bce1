# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/base/toml_table.py``."""

from __future__ import annotations

import tomllib
from collections.abc import Callable

import pytest

from harness.base.errors import CaseError
from harness.base.toml_table import Table


def _table(text: str) -> Table:
    return Table(tomllib.loads(text), path="some.toml", kind=CaseError)


@pytest.mark.parametrize(
    ("text", "read", "problem"),
    [
        ("", lambda table: table.text("a"), "some.toml: a is missing"),
        ("a = 1", lambda table: table.text("a"), "some.toml: a is not a string"),
        ("a = ' '", lambda table: table.text("a"), "some.toml: a is empty"),
        ("a = 'true'", lambda table: table.flag("a"), "some.toml: a is not true or false"),
        ("a = '2015-11-16'", lambda table: table.date("a"), "some.toml: a is not a date such as 2015-11-16"),
        ("a = ['x', 1]", lambda table: table.texts("a"), "some.toml: a holds something that is not a string"),
        ("", lambda table: table.texts("a"), "some.toml: a is missing"),
        ("a = []", lambda table: table.table_list("a"), "some.toml: a is not a list of tables"),
        ("a = 1", lambda table: table.table("a"), "some.toml: a is not a table"),
        ("[a.b]", lambda table: table.table("a").table("b").text("c"), "some.toml: a.b.c is missing"),
        ("a = [{}]", lambda table: table.table_list("a")[0].text("c"), "some.toml: a[0].c is missing"),
        ("a = 1", lambda table: table.close(), "some.toml: a is not a known key"),
    ],
)
def test_errors_name_file_and_key(text: str, read: Callable[[Table], object], problem: str) -> None:
    """Each broken key is an error of the caller's class that names file and dotted key, with a hint."""
    with pytest.raises(CaseError) as caught:
        read(_table(text))

    assert caught.value.what == problem
    assert caught.value.remedy


def test_values_are_read_by_type() -> None:
    """Every type is read, and a table closes when all its keys were read."""
    table = _table("a = 'x'\nb = true\nc = 2015-11-16\nd = ['y']\n[e.f]\n")

    assert (table.text("a"), table.flag("b"), table.date("c"), table.texts("d")) == ("x", True, "2015-11-16", ("y",))
    assert table.texts("none", default=None) is None
    assert table.texts("none", default=()) == ()
    assert [name for name, _ in table.table("e").tables()] == ["f"]
    table.close()
