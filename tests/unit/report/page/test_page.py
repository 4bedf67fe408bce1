# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the HTML page as text: its content, its policy, and that a guest's text cannot become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base import paths
from harness.report.page.data import gather
from harness.report.page.details import pack
from harness.report.page.html import content_policy, json_for_html, render_page
from harness.results.folder import RUN_NAME
from harness.results.selected import find_merged, find_reported
from harness.suite.load import case_files, default_suite, suite_semantics
from tests.unit.report.page.page_sample import HOSTILE_ID, PLAIN, rerun, save_runs

SEMANTICS = suite_semantics(default_suite())


class Reader(HTMLParser):
    """Collect the elements of a page: tags with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        """Text comes."""
        if self._inside == "script":
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        """An element ends."""
        self._inside = ""

    def attribute(self, tag: str, name: str, **wanted: str) -> str:
        """An attribute of the first such element that has the wanted ones."""
        return next(a[name] or "" for t, a in self.tags if t == tag and all(a.get(k) == v for k, v in wanted.items()))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make the page of the three kernels once for all tests."""
    return make(tmp_path_factory.mktemp("results"))


def make(results: Path) -> str:
    """Make the page of the three kernels in a results folder."""
    reported = find_reported(save_runs(results), results=results)
    return render_page(gather(reported, semantics=SEMANTICS, case_files=case_files(default_suite()), results=results))


def unpack(text: str) -> Any:
    """Unpack the data that :func:`pack` packed."""
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_page_loads_nothing(page: str) -> None:
    """No element refers to anything outside of the page, and no attribute is a script."""
    read = Reader(page)
    links = [attributes[name] or "" for _, attributes in read.tags for name in ("src", "href") if name in attributes]
    handlers = [name for _, attributes in read.tags for name in attributes if name.startswith("on")]

    assert [link for link in links if not link.startswith(("#", "data:"))] == []
    assert handlers == []
    assert {tag for tag, _ in read.tags} & {"iframe", "img", "object", "embed", "form", "base"} == set()


def test_policy_allows_one_script_and_one_style(page: str) -> None:
    """The policy has their digests; everything else is refused, from frames to requests."""
    read = Reader(page)
    policy = read.attribute("meta", "content", **{"http-equiv": "Content-Security-Policy"})
    style = page.partition("<style>")[2].partition("</style>")[0]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (read.scripts[-1], style)]

    assert policy == content_policy(style=style, script=read.scripts[-1])
    assert f"script-src 'sha256-{digests[0]}'" in policy
    assert f"style-src 'sha256-{digests[1]}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert page.index("Content-Security-Policy") < page.index("<style>")


def test_script_does_not_parse_text_as_markup_or_code() -> None:
    """The sources have none of the functions that do so."""
    folder = paths.ROOT / "harness/report/page"
    text = "\n".join(path.read_text() for path in folder.glob("*.js"))

    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function|srcdoc", text)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|https?://", text)


def test_page_escapes_text_of_a_guest(page: str) -> None:
    """Markup in a log, a title, a note or a trait adds no element; the data has it as plain text."""
    read = Reader(page)
    kinds = [attributes.get("type") for tag, attributes in read.tags if tag == "script"]
    overview = json.loads(read.scripts[0])
    at = [one["id"] for one in overview["cases"]].index(HOSTILE_ID)
    detail = unpack(read.scripts[1 + at])

    assert kinds == ["application/json", *["text/plain"] * (len(overview["cases"]) + 1), None]
    assert "\u202e" not in page
    assert PLAIN in detail["texts"]
    assert detail["kernels"][1]["reason"] == PLAIN
    assert overview["splats"][0]["title"] == PLAIN
    assert overview["splats"][0]["function"] == ""


def test_page_of_an_untrusted_run_reads_no_other_files(tmp_path: Path) -> None:
    """Neither a folder outside of the run nor a link in it is followed."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/admin.log").write_text("the secret\n")
    results = tmp_path / "results"
    name = save_runs(results)[0]
    record = json.loads((results / name / RUN_NAME).read_text())
    first, second = (
        next(one for one in record["cases"] if one["folder"] and one["id"].startswith(f"cases/{word}"))
        for word in ("views/siblings", "mounts")
    )
    log = results / name / second["folder"] / "admin.log"
    log.unlink()
    log.symlink_to(tmp_path / "secret/admin.log")
    first["folder"] = "../../secret"
    (results / name / RUN_NAME).write_text(json.dumps(record))
    reported = find_reported([name], results=results)
    text = render_page(gather(reported, semantics=SEMANTICS, case_files={}, results=results))
    packed = Reader(text).scripts[1:-1]

    assert not any("the secret" in json.dumps(unpack(one)) for one in packed)


def test_page_shows_logs_without_times(tmp_path: Path) -> None:
    """A run of an older harness has no wires.times: all its lines are shown without a time."""
    names = save_runs(tmp_path)
    for file in tmp_path.glob("*/cases/**/wires.times"):
        file.unlink()
    reported = find_reported(names[:1], results=tmp_path)
    data = gather(reported, semantics=SEMANTICS, case_files={}, results=tmp_path)
    kernels = [one["kernels"] for one in data.details]
    lanes: Any = next(one[0]["lanes"] for one in kernels if one[0] and one[0]["lanes"])  # type: ignore[index]  # plain values

    assert set(lanes[::3]) == {-1}
    assert len(lanes) > 9


def test_page_of_merged_runs_has_the_logs_of_each(tmp_path: Path) -> None:
    """The logs of a case are those of the run that has its result."""
    names = save_runs(tmp_path, rerun())
    joined = find_merged([names[0], names[3]], results=tmp_path, semantics=SEMANTICS)
    data = gather(joined, semantics=SEMANTICS, case_files={}, results=tmp_path)
    kernels: list[Any] = [one["kernels"][0] for one in data.details]  # type: ignore[index]  # plain values

    assert all(one["lanes"] for one in kernels if one["folder"] and one["machine"] and one["transcript"])
    assert {one["folder"].partition("/")[0] for one in kernels} == {names[3]}


def test_page_reports_an_unreadable_history(tmp_path: Path) -> None:
    """The page is made with a note."""
    names = save_runs(tmp_path)
    (tmp_path / "history.sqlite").write_bytes(b"not a database, and long enough to be looked at" * 40)
    data = gather(find_reported(names, results=tmp_path), semantics=SEMANTICS, case_files={}, results=tmp_path)

    assert "the history cannot be read" in str(data.stories["history_note"])
    assert data.stories["case_history"] == {}


@given(st.recursive(st.text(st.characters(exclude_categories=())), lambda inner: st.lists(inner, max_size=3)))
def test_pack_round_trips_without_markup(value: Any) -> None:
    """For any text, unpacking gives it back, and the packed data has no text that ends a script in HTML."""
    text = json_for_html(value)

    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)
    assert re.fullmatch("[A-Za-z0-9+/=]*", pack(value))
