# SPDX-License-Identifier: GPL-2.0-only
"""The ``series`` file of quilt."""

from __future__ import annotations

import pytest

from harness.base.errors import SeriesError
from harness.kernel.patches.quilt import QuiltEntry, parse_quilt


def test_names_options_and_comments_are_read() -> None:
    """One name per line; -p0 is applied, -p1 and -pab are the default."""
    text = "# ours\nb.patch\n\na.patch -p0  # old\nsub/c.patch -p1\nd#1.patch -pab\n"

    assert parse_quilt(text, name="x/series") == (
        QuiltEntry("b.patch"),
        QuiltEntry("a.patch", 0),
        QuiltEntry("sub/c.patch"),
        QuiltEntry("d#1.patch"),
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a.patch -R\n", "x/series, line 1: the option -R of a.patch is not supported"),
        ("a.patch\n../b.patch\n", "x/series, line 2: ../b.patch is not in the folder"),
        ("/etc/b.patch\n", "x/series, line 1: /etc/b.patch is not in the folder"),
        ("a.patch\na.patch\n", "x/series, line 2: a.patch is listed twice"),
    ],
)
def test_what_cannot_be_honoured_is_an_error(text: str, what: str) -> None:
    """With the file and the line."""
    with pytest.raises(SeriesError) as raised:
        parse_quilt(text, name="x/series")

    assert raised.value.what == what
