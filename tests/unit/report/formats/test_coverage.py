# SPDX-License-Identifier: GPL-2.0-only
"""Lines that were run, for other programs and for people."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run
from harness.coverage.branches import BranchCoverage, Way
from harness.coverage.gutter import GutterLine, Mark, source_file
from harness.coverage.lines import LineCoverage
from harness.report.formats.coverage import render_cobertura, render_lcov
from harness.report.formats.coverage_html import render_files, render_patches

FILE, OTHER = "kernel/a.c", "kernel/b.c"
LINES = [
    LineCoverage(FILE, 2, ("s/a", "s/b"), True, ("f",)),
    LineCoverage(FILE, 3, (), False, ("f",)),
    LineCoverage(FILE, 9, (), True, ("g",)),
    LineCoverage(OTHER, 1, ("s/b",), False, ("h",)),
]
BRANCHES = [
    BranchCoverage(FILE, 2, (Way.TAKEN, Way.NOT_TAKEN)),
    BranchCoverage(FILE, 2, (Way.TAKEN, Way.TAKEN)),
    BranchCoverage(FILE, 2, (Way.TAKEN, Way.UNKNOWN)),
]
HOSTILE = "</td><script>alert(1)</script>\x1b[2J"

_RECORD = re.compile(r"(TN|SF|DA|LF|LH|BRDA|BRF|BRH|end_of_record)(?::(.*))?")


def read_lcov(text: str) -> dict[str, dict[int, int]]:
    """Read a tracefile as geninfo(1) describes it, strictly: counts of lines by file."""
    files: dict[str, dict[int, int]] = {}
    name = ""
    totals: dict[str, int] = {}
    ways: list[str] = []
    for line in text.splitlines():
        found = _RECORD.fullmatch(line)
        assert found is not None, line
        match found[1], found[2]:
            case "SF", value:
                assert not name
                name, totals, ways = value, {}, []
                files[name] = {}
            case "DA", value:
                number, count = value.split(",")
                files[name][int(number)] = int(count)
            case "BRDA", value:
                assert re.fullmatch(r"\d+,\d+,\d+,(\d+|-)", value), value
                ways.append(value.rpartition(",")[2])
            case "LF" | "LH" | "BRF" | "BRH" as kind, value:
                totals[kind] = int(value)
            case "end_of_record", _:
                counts = files[name].values()
                assert totals["LF"] == len(counts)
                assert totals["LH"] == sum(count > 0 for count in counts)
                assert totals.get("BRF", 0) == len(ways)
                assert totals.get("BRH", 0) == sum(way not in ("-", "0") for way in ways)
                name = ""
    assert not name
    return files


def test_lcov_is_read_by_its_own_description() -> None:
    """The boot counts like a case; branches are those of which both ways are known."""
    text = render_lcov(LINES, BRANCHES)

    assert read_lcov(text) == {FILE: {2: 3, 3: 0, 9: 1}, OTHER: {1: 1}}
    assert [line for line in text.splitlines() if line.startswith("BRDA")] == [
        "BRDA:2,0,0,1",
        "BRDA:2,0,1,0",
        "BRDA:2,1,0,1",
        "BRDA:2,1,1,1",
    ]


@pytest.mark.skipif(shutil.which("genhtml") is None, reason="genhtml is not installed: apt-get install lcov")
def test_genhtml_reads_it(tmp_path: Path) -> None:
    """The program of lcov makes its pages, and finds the same numbers."""
    (tmp_path / "coverage.info").write_text(render_lcov(LINES, BRANCHES))
    for name in (FILE, OTHER):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("int a;\n" * 9)
    argv = ["genhtml", "--branch-coverage", "--output-directory", "pages", "coverage.info"]
    done = run(argv, deadline=Deadline.after(60), within=Surroundings(cwd=tmp_path))

    assert "75.0% (3 of 4 lines)" in done.text
    assert "75.0% (3 of 4 branches)" in done.text
    assert (tmp_path / "pages" / "index.html").exists()


def test_cobertura_has_lines_and_branches() -> None:
    """Its rates are those of the lines; a line with a condition says how many ways were taken."""
    root = ElementTree.fromstring(render_cobertura(LINES, BRANCHES, seconds=7))
    lines = {one.get("number"): one for one in root.iter("line")}

    assert (root.get("lines-valid"), root.get("lines-covered"), root.get("line-rate")) == ("4", "3", "0.7500")
    assert (root.get("branches-valid"), root.get("branches-covered")) == ("4", "3")
    assert lines["2"].get("condition-coverage") == "75% (3/4)"
    assert (lines["3"].get("branch"), lines["3"].get("hits")) == ("false", "0")


class _Page(HTMLParser):
    """The elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.texts += [value for name, value in attrs if name == "title" and value]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_the_page_of_files() -> None:
    """It has the source with its numbers, the cases by lines, and files without code."""
    source = "int a;\nif (a)\n\tb();\n"
    page = _Page(render_files("a run", [source_file(FILE, source, LINES[:3], BRANCHES)], absent=["kernel/none.c"]))

    assert "kernel/a.c: 1 of 3 lines (33%)" in page.texts
    assert "s/a, s/b" in page.texts
    assert "≠ 4/6" in page.texts
    assert "kernel/none.c: no code of its own in this kernel" in page.texts
    assert page.texts.count("s/a") == 1


def test_the_page_of_patches_holds_no_markup_of_a_patch() -> None:
    """Titles and lines are text; the policy allows no script."""
    text = render_patches(HOSTILE, [(HOSTILE, HOSTILE, [GutterLine(f"+{HOSTILE}", 3, Mark.RUN, (HOSTILE,))])])

    assert "script" not in _Page(text).tags
    assert "default-src 'none'" in text
    assert "\x1b" not in text


def test_a_line_without_a_case_says_why() -> None:
    """The boot, nothing, or a later patch."""
    marks = [Mark.BOOT, Mark.NOT_RUN, Mark.CHANGED_AGAIN]
    page = _Page(render_patches("t", [("p", "", [GutterLine("+x", 1, mark) for mark in marks])]))

    assert {"boot only", "not run", "later"} <= set(page.texts)
