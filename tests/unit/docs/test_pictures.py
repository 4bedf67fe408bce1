# SPDX-License-Identifier: GPL-2.0-only
"""The pictures of the documentation: the run's is what the display draws today, and no picture loads anything."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from docs.pictures import run, watch
from harness.base import paths

IMAGES = sorted((paths.ROOT / "docs" / "images").glob("*.svg"))


def _words(svg: str) -> list[str]:
    """Return the words of the picture's texts, so that another version of rich that places them differently fits."""
    return " ".join(html.unescape(text) for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)).split()


def test_the_run_is_current() -> None:
    """The committed picture shows what the live display shows today; ``python -m docs.pictures.run`` writes it."""
    assert _words(run.FILE.read_text(encoding="utf-8")) == _words(run.draw(run.read_record()))


def test_the_run_shows_a_difference() -> None:
    """The picture is worth looking at: a match, a mismatch and the trait that explains it."""
    words = _words(run.FILE.read_text(encoding="utf-8"))

    assert {"ok", "DIFF", "mountinfo_root", "$"} <= set(words)


def test_the_watch_is_what_its_recording_leaves_on_the_terminal() -> None:
    """An edit that changes a trait; ``python -m docs.pictures.watch`` draws it."""
    words = _words(watch.FILE.read_text(encoding="utf-8"))

    assert words == _words(watch.draw(watch.RECORDING.read_text(encoding="utf-8")))
    assert {"changed:", "regressed", "mountinfo_root:"} <= set(words)


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_no_picture_loads_anything(path: Path) -> None:
    """Neither fonts nor scripts come from a server."""
    text = path.read_text(encoding="utf-8")

    assert "url(" not in text.replace("url(#", "")
    assert "<script" not in text
    assert "href" not in text
