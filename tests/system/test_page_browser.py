# SPDX-License-Identifier: GPL-2.0-only
"""The page in a real browser, opened from disk, with clicks, keys and screenshots.

The screenshots are kept in results/screenshots/ for people to look at.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from harness.base import paths
from harness.base.process import find_program
from harness.model.run_record import MixedValue, RunRecord
from harness.report.page.data import gather
from harness.report.page.html import render_page
from harness.results.compare import ChangeKind, compare
from harness.results.kernel_line import kernel_letters
from harness.results.selected import Reported, find_reported
from harness.suite.load import case_files, default_suite, suite_semantics
from harness.suite.needed_options import needed_options
from tests.unit.report.page.page_sample import HOSTILE_ID, PLAIN, rerun, save_runs

pytestmark = pytest.mark.browser

SIBLINGS = "cases/views/siblings.session"
PICTURES = paths.default_results() / "screenshots"
NAMES = {
    ChangeKind.OTHERWISE: "otherwise",
    ChangeKind.KNOWN: "known",
    ChangeKind.CHANGED: "changed",
    ChangeKind.NOT_RUN: "unrun",
    ChangeKind.SAME: "",
}
"""Class names of changes that differ from the values of the enumeration."""


@dataclass
class Opened:
    """A page in the browser, with its console messages and requests."""

    page: Page
    file: Path
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, place: str = "") -> None:
        """Open the page again at a fragment of its URL."""
        self.page.goto("about:blank")
        self.page.goto(f"file://{self.file}{place}")
        self.page.wait_for_selector("#shown:not(:empty), #title", state="attached")

    def rows(self) -> list[str]:
        """Return the names of the visible rows of the table."""
        return self.page.locator("#table tbody tr:not(.group) th a").all_inner_texts()

    def await_filter(self, words: str) -> None:
        """Wait until that filter is active."""
        self.page.wait_for_selector(f"#chips button[aria-pressed=true]:has-text('{words}')")

    def picture(self, name: str) -> None:
        """Save a screenshot of the whole page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=PICTURES / f"{name}.png", full_page=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Debian's chromium."""
    program = find_program("chromium")
    if program is None:
        pytest.fail("the tests of the page need chromium: apt-get install chromium, or run ./bootstrap test")
    # Chromium's own sandbox cannot be had by root.
    words = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=words)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Reported, ...]]:
    """Write the page of four runs.

    :return: its file, and the runs.
    """
    results = tmp_path_factory.mktemp("results")
    return write_page(results, save_runs(results, rerun()))


def write_page(results: Path, names: Sequence[str]) -> tuple[Path, tuple[Reported, ...]]:
    """Write the page of some runs to a file in their results folder."""
    reported = find_reported(names, results=results)
    semantics = suite_semantics(default_suite())
    suite = default_suite()
    data = gather(
        reported,
        semantics=semantics,
        case_files=case_files(suite),
        results=results,
        needed=needed_options(suite),
    )
    text = render_page(data)
    file = results / "report.html"
    file.write_text(text, encoding="utf-8")
    return file, reported


@pytest.fixture
def opened(browser: Browser, made: tuple[Path, tuple[Reported, ...]]) -> Iterator[Opened]:
    """Open the page; afterwards it must have no messages and no requests."""
    yield from watched(browser, made[0])


def watched(browser: Browser, file: Path) -> Iterator[Opened]:
    """Open a page in a new window."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    one = Opened(context.new_page(), file)
    one.page.on("console", lambda message: one.complaints.append(message.text))
    one.page.on("pageerror", lambda error: one.complaints.append(str(error)))
    one.page.on("request", lambda request: one.requests.append(request.url))
    one.go()
    yield one
    context.close()

    assert one.complaints == []
    assert {url for url in one.requests if not url.startswith("data:")} <= {f"file://{file}", "about:blank"} | {
        url for url in one.requests if url.startswith(f"file://{file}#")
    }


def test_changes_are_shown_first(opened: Opened) -> None:
    """The heading names the regressions and the baseline; the differing rows are shown and marked."""
    cell = opened.page.locator("#table tr", has_text=SIBLINGS).locator("td").nth(1)
    opened.picture("light")

    assert (
        opened.page.locator("h1").inner_text()
        == "▼ 1 trait, 2 cases regressed, 3 more differ compared with A, deb-src:6.1"
    )
    assert SIBLINGS in opened.rows()
    assert "cases/views/children.session" not in opened.rows()
    assert cell.text_content() == "▼ regressed DIFF"


@pytest.mark.parametrize("base", range(4))
def test_marks_match_harness_diff(opened: Opened, made: tuple[Path, tuple[Reported, ...]], base: int) -> None:
    """With every baseline, traits, cases and splats are marked like the comparison of the two runs."""
    letters = kernel_letters(4)
    opened.go(f"#show=all&base={letters[base]}")
    shown = {
        (name, at): change
        for name, changes in opened.page.evaluate(
            """() => [...document.querySelectorAll("#table tbody tr:not(.group)")].map((row) => [
                row.querySelector("th a").textContent,
                [...row.querySelectorAll("td")].map((cell) => (cell.className.match(/c-([a-z]+)/) || ["", ""])[1]),
            ])"""
        )
        for at, change in enumerate(changes)
    }
    records = [one.run for one in made[1]]
    expected = {
        (name, at): change
        for at, run in enumerate(records)
        if at != base
        for name, change in marks(records[base], run).items()
    }

    assert len(expected) > 30
    assert {key: shown[key] for key in expected} == expected
    assert opened.page.locator("#baseline").input_value() == letters[base]


def marks(before: RunRecord, after: RunRecord) -> dict[str, str]:
    """Return the change of each trait, case and splat by the name that the page shows."""
    comparison = compare(before, after)
    changes = {one.trait: one.change for one in comparison.traits if one.before or one.after or one.expected}
    changes |= {one.id: one.change for one in comparison.cases}
    named = {name: NAMES.get(change, str(change)) for name, change in changes.items()}
    [splat] = comparison.splats
    return {**named, PLAIN: NAMES.get(splat.change, str(splat.change))}


def test_search_and_filters(opened: Opened) -> None:
    """The search text narrows all rows; each of the three filters has a key; the URL keeps both."""
    page = opened.page
    page.keyboard.press("a")
    opened.await_filter("All")
    whole = opened.rows()
    page.keyboard.press("/")
    page.keyboard.type("views sibling")
    found = opened.rows()
    page.reload()
    kept = opened.rows()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    opened.await_filter("Not as expected")
    failing = opened.rows()
    page.get_by_role("button", name="Differences").click()
    opened.await_filter("Differences")

    assert len(whole) == 13
    assert found == kept
    assert SIBLINGS in found
    assert all(name.startswith("cases/views/") or name == "outside_view" for name in found)
    assert HOSTILE_ID in failing
    assert "cases/views/children.session" not in failing
    assert len(opened.rows()) < len(whole)
    assert page.locator("#shown").inner_text() == f"{len(opened.rows())} of 13 rows"


def test_the_keyboard_reaches_everything(opened: Opened) -> None:
    """Keys move between rows, open a case, switch kernels and return to the row; help and theme have keys."""
    page = opened.page
    page.keyboard.press("j")
    page.keyboard.press("j")
    row = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")
    page.wait_for_selector("#title")
    title = page.locator("#title").inner_text()
    first = page.locator(".tabs a[aria-current]").inner_text()
    page.keyboard.press("l")
    page.wait_for_function("first => document.querySelector('.tabs a[aria-current]').innerText !== first", arg=first)
    page.keyboard.press("n")
    page.wait_for_function("title => document.getElementById('title').innerText !== title", arg=title)
    page.keyboard.press("p")
    page.wait_for_function("title => document.getElementById('title').innerText === title", arg=title)
    page.keyboard.press("Escape")
    page.wait_for_selector("#table-view:not([hidden])")
    focused = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("?")
    helped = page.locator("#help").inner_text()
    page.keyboard.press("Escape")
    page.keyboard.press("t")
    page.keyboard.press("t")

    assert row == opened.rows()[1] == title == focused
    assert "previous and next kernel" in helped
    assert not page.locator("#help").is_visible()
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_case_page_is_complete(opened: Opened) -> None:
    """A case page has verdict, command, differences, aligned consoles and kernel log, transcript, traits, history."""
    opened.page.locator("#table tr", has_text=SIBLINGS).locator("td").nth(1).click()
    opened.page.wait_for_selector("#title")
    text = opened.page.locator("#page-view").inner_text()
    times = opened.page.locator(".lanes td.time").all_inner_texts()
    lanes = opened.page.locator(".lanes thead").inner_text().split()
    opened.picture("case")

    assert f"mismatch: {SIBLINGS}:9: expected 0::/../b but saw 0::/b" in text
    assert "▼ regressed (A: ok)" in text
    assert f"harness run series:real-path --cases {SIBLINGS}" in text
    assert opened.page.locator(".diff .out").all_inner_texts() == ["    0::/../b", "0::/../b"]
    assert opened.page.locator(".diff .in").all_inner_texts() == ["    0::/b", "0::/b"]
    assert lanes == ["s", "kernel", "log", "admin", "inside"]
    assert [time for time in times if time] == sorted(time for time in times if time)
    assert "· 1.90 s ·" in text
    assert "ns# cat /proc/412/cgroup" in opened.page.locator(".transcript .typed").all_inner_texts()[-1]
    assert "outside_view" in text
    assert opened.page.locator(".bars span").count() >= 3


def test_another_baseline_reverses_the_difference(opened: Opened) -> None:
    """Removed lines become added lines, and the verdict is reversed."""
    opened.go(f"#case={SIBLINGS}&kernel=A&base=B")

    assert opened.page.locator(".diff .out").first.inner_text() == "    0::/b"
    assert opened.page.locator(".diff .in").first.inner_text() == "    0::/../b"
    assert "▲ fixed (B: DIFF)" in opened.page.locator("#page-view").inner_text()


def test_output_of_a_guest_is_text(opened: Opened) -> None:
    """Markup, escape sequences and bidirectional characters of a kernel log are shown without effect."""
    opened.go(f"#case={HOSTILE_ID}&kernel=B")
    elements = opened.page.evaluate("document.querySelectorAll('img, script:not([type]), iframe').length")
    text = opened.page.locator("#page-view").inner_text()
    opened.picture("hostile")
    for place in ("#show=all", "#trait=hostile", "#info=B", "#splat=bad0bad0"):
        opened.go(place)

        assert PLAIN in (opened.page.locator("main").text_content() or "")

    assert text.count(PLAIN) >= 5
    assert elements == 1
    assert "owned" not in opened.page.title()
    assert "\u202e" not in opened.page.content()


def test_a_trait_page_is_complete(opened: Opened) -> None:
    """A trait page has the values of all kernels, the story, the versions in order, the history and the cases."""
    opened.go("#trait=outside_view")
    text = opened.page.locator("#page-view").inner_text()
    dates = opened.page.locator(".past .mono").all_inner_texts()
    opened.picture("trait")
    opened.page.locator(".values a").first.click()
    opened.page.wait_for_function("document.getElementById('title').innerText.startsWith('A')")

    assert "absolute ▼ regressed" in text
    assert len(dates) >= 4
    assert dates == sorted(dates)
    assert "◆ changed" in text
    assert "cgroupns/views/siblings-v2.session" in text
    assert "CONFIG_B" not in opened.page.locator("#page-view").inner_text()


def test_kernel_differences_are_shown(opened: Opened) -> None:
    """The page of a kernel lists patches, facts and options that differ from the baseline, those of cases first."""
    opened.go("#info=B")
    rows = opened.page.locator(".values tbody tr").all_inner_texts()
    opened.picture("kernel")

    assert opened.page.locator(".bars span").count() == 2
    assert rows.index("CONFIG_CPUSETS_V1 (cases name it)\ty\tm") == rows.index("CONFIG_B\ty\tm") - 1
    assert "patch\t-\tcgroup: and in mountinfo" in rows


@pytest.mark.parametrize("name", ["dark", "phone", "print"])
def test_the_page_fits_all_media(opened: Opened, name: str) -> None:
    """In dark mode, on a phone and on paper, nothing exceeds the width of the page."""
    page = opened.page
    if name == "phone":
        page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(
        color_scheme="dark" if name == "dark" else "light", media="print" if name == "print" else "screen"
    )
    for place, picture in (
        ("#show=all", name),
        (f"#case={SIBLINGS}&kernel=B", f"{name}-case"),
        ("#trait=outside_view", ""),
    ):
        opened.go(place)
        if picture:
            opened.picture(picture)
        widths = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")

        assert widths[0] <= widths[1], place
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert paper == (
        "rgb(20, 22, 26)" if name == "dark" else "rgb(255, 255, 255)" if name == "print" else "rgb(252, 252, 251)"
    )


def test_a_single_kernel_shows_unexpected_results(browser: Browser, tmp_path: Path) -> None:
    """Without a comparison the page does not mention a baseline."""
    file, _ = write_page(tmp_path, save_runs(tmp_path)[1:2])
    for one in watched(browser, file):
        one.picture("single")

        assert one.page.locator("h1").inner_text().startswith("✗ 3 of 9 cases not as expected on series:real-path")
        assert not one.page.locator("#baseline").is_visible()
        assert SIBLINGS in one.rows()


def test_a_truncated_file_is_reported(
    browser: Browser, made: tuple[Path, tuple[Reported, ...]], tmp_path: Path
) -> None:
    """Unreadable details are reported in their place, and the table still works."""
    file = tmp_path / "cut.html"
    text = made[0].read_text(encoding="utf-8")
    begin = text.index('<script type="text/plain" id="detail-0">')
    file.write_text(text[: begin + 60] + text[text.index("</script>", begin) :], encoding="utf-8")
    for one in watched(browser, file):
        one.go("#show=all")
        one.page.locator(f"#table a:text-is('{HOSTILE_ID}')").click()
        one.page.wait_for_selector(".notice")
        told = one.page.locator(".notice").inner_text()
        one.page.keyboard.press("Escape")
        one.page.locator(f"#table a:text-is('{SIBLINGS}')").click()

        one.page.wait_for_selector("#title")
        assert "This part of the page cannot be read" in told


def test_unfinished_run_and_mixed_trait_are_visible(browser: Browser, tmp_path: Path) -> None:
    """The heading warns of an interrupted run, a mixed trait has all of its values, and a case that was not run is not
    called gone.
    """
    whole = rerun()
    values = (MixedValue("relative", ("s/a.session:3",)), MixedValue("hidden", ("s/b.session:7",)))
    traits = (replace(whole.traits[0], seen="", mixed=values), *whole.traits[1:])
    cut = replace(whole, complete=False, cases=whole.cases[:1], traits=traits)
    names = save_runs(tmp_path, cut)
    file, reported = write_page(tmp_path, [names[0], names[3]])
    changes = {one.change for one in compare(reported[0].run, reported[1].run).cases}

    assert ChangeKind.NOT_RUN in changes
    assert ChangeKind.GONE not in changes
    for one in watched(browser, file):
        heading = one.page.locator("h1").inner_text()
        one.page.keyboard.press("a")
        text = one.page.locator("#table").inner_text()

        assert heading.startswith("B did not finish: interrupted or killed.")
        assert "mixed (relative, hidden)" in text
        assert one.page.locator("#table .m-gone").count() == 0
        assert one.page.locator("#table .m-unrun").count() > 0
