# SPDX-License-Identifier: GPL-2.0-only
"""The documentation, built: without a warning, without a request to the network, with a man page. Part of ``lint``."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
import pytest

from harness.base import paths
from harness.base.deadline import Deadline
from harness.base.process import run
from harness.cli import main

pytest.importorskip("sphinx", reason="the extra 'docs' is not installed; tox -e lint has it")

_LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]*)"|<link\b[^>]*\bhref="([^"]*)"|url\(([^)]*)\)"""
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the HTML pages in ``html`` and the man page in ``man``; warnings are errors."""
    folder = tmp_path_factory.mktemp("docs")
    for builder in ("html", "man"):
        words = [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-W",
            "--keep-going",
            "-n",
            "-b",
            builder,
            "-d",
            folder / "trees",
        ]
        run([*words, paths.ROOT / "docs", folder / builder], deadline=Deadline.after(300))
    return folder


def test_no_page_loads_anything_from_a_server(built: Path) -> None:
    """Scripts, styles, fonts and pictures are all in the folder."""
    loaded = {
        address
        for path in [*(built / "html").rglob("*.html"), *(built / "html").rglob("*.css")]
        for found in _LOADED.finditer(path.read_text(encoding="utf-8"))
        for address in found.groups()
        if address
    }

    assert len(loaded) > 10
    assert not {address for address in loaded if address.strip("'\"").startswith(("http:", "https:", "//"))}


def test_every_command_is_in_the_man_page(built: Path) -> None:
    """``harness(1)`` has each command and each of its options but the hidden ones, which are old names."""
    text = (built / "man" / "harness.1").read_text(encoding="utf-8").replace("\\-", "-")
    with click.Context(main) as context:
        commands = {name: main.get_command(context, name) for name in main.list_commands(context)}
    shown = [
        one for command in commands.values() if command for one in command.params if not getattr(one, "hidden", False)
    ]
    options = {option for one in shown for option in one.opts}

    assert ".TH" in text
    assert not [name for name in commands if name not in text]
    assert not [option for option in options if option.startswith("--") and option not in text]


def test_every_schema_can_be_downloaded(built: Path) -> None:
    """The page of the schemas links a copy of each file."""
    schemas = {path.name for path in (paths.ROOT / "docs" / "reference" / "schemas").glob("*.json")}
    copies = {path.name for path in (built / "html" / "_downloads").rglob("*.json")}

    assert schemas == copies
