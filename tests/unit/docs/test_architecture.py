# SPDX-License-Identifier: GPL-2.0-only
"""The architecture page: its picture is current, it names every room, and every path in it exists."""

from __future__ import annotations

import re

from docs.pictures import layers
from harness.base import paths
from tests.unit.test_layers import ROWS

PAGE = paths.ROOT / "docs" / "explanation" / "architecture.md"
ROOMS = [room for row in ROWS for room in row]


def test_the_picture_is_current() -> None:
    """The committed picture is what the code draws today; ``python -m docs.pictures.layers`` writes it."""
    assert layers.FILE.read_text(encoding="utf-8") == layers.draw()


def test_every_room_has_a_purpose() -> None:
    """No room is drawn without words, and no words are left of a room that is gone."""
    assert sorted(layers.PURPOSES) == sorted(ROOMS)


def test_every_room_is_described() -> None:
    """The page names each folder of the package."""
    text = PAGE.read_text(encoding="utf-8")
    missing = [room for room in ROOMS if f"harness/{room.replace('.', '/')}" not in text]

    assert not missing


def test_every_path_exists() -> None:
    """What the page sends its reader to is there."""
    named = re.findall(
        r"`((?:harness|cases|qemu|kconfigs|series|bench|tests|docs|examples)/[\w./-]*)`", PAGE.read_text()
    )

    assert len(named) > len(ROOMS)
    assert not [path for path in named if not (paths.ROOT / path).exists()]


def test_a_stage_is_two_hops_away() -> None:
    """README links the page, and the page names the module of each stage of a run."""
    readme = (paths.ROOT / "README.md").read_text(encoding="utf-8")
    pipeline = (paths.ROOT / "harness" / "pipeline.py").read_text(encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    stages = ("kernel spec", "source", "series", "patched tree", "config", "build", "guest image", "machine type")

    assert "docs/explanation/architecture.md" in readme
    assert all(stage in pipeline and stage in page for stage in (*stages, "acceleration", "template", "machine"))
