# SPDX-License-Identifier: GPL-2.0-only
"""Photograph the HTML page of some runs: ``python -m docs.pictures.page RUN RUN`` writes ``docs/images/page.png``.

The runs are arguments as for ``harness report``; a fragment of the page's address may follow as ``--at '#...'``.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

from harness.base import paths
from harness.base.process import find_program
from harness.report.page.data import gather
from harness.report.page.html import render_page
from harness.results.selected import find_reported
from harness.suite.load import case_files, default_suite, suite_semantics

FILE = Path(__file__).parents[1] / "images" / "page.png"
SIZE = (1200, 800)


def photograph(runs: Sequence[str], *, results: Path, at: str, file: Path) -> None:
    """Open the page of the runs in headless chromium and keep what it shows.

    :param at: the fragment of the address, e.g. that of a case; empty for the start.
    """
    reported = find_reported(runs, results=results)
    data = gather(
        reported, semantics=suite_semantics(default_suite()), case_files=case_files(default_suite()), results=results
    )
    # Chromium's own sandbox does not start as root.
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        page_file = Path(folder, "report.html")
        page_file.write_text(render_page(data), encoding="utf-8")
        browser = driver.chromium.launch(executable_path=find_program("chromium"), args=flags)
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]})
        page.goto(f"file://{page_file}{at}")
        page.wait_for_selector("#shown:not(:empty), #title", state="attached")
        page.screenshot(path=file)
        browser.close()


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--results", type=Path, default=paths.default_results())
    parser.add_argument("--at", default="", help="the fragment of the address")
    given = parser.parse_args()
    photograph(given.runs, results=given.results, at=given.at, file=FILE)


if __name__ == "__main__":
    main()
