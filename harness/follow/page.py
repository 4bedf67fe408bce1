# SPDX-License-Identifier: GPL-2.0-only
"""Write the static page of what ran: a list, and a page for each series; only what changed is written.

No script runs on it and nothing is loaded, which its policy says to the browser as well. All text of mails and logs is
escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from harness.base.atomic_write import write_whole
from harness.follow.job import ANSWERS_NAME
from harness.follow.queue import Queue
from harness.follow.state.rows import SERIES_COLUMNS, SeriesRow, SeriesState, read_series_row
from harness.report.text import bound, one_line, plain_text

INDEX_NAME = "index.html"
_LISTED = 500
_AT_ONCE = 500
_ANSWER_LENGTH = 100_000
_ANSWER_NAME = "answer.txt"
_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #1f2328; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .2em .7em .2em 0; }
tr { border-bottom: 1px solid #d0d7de; } pre { background: #f6f8fa; padding: 1em; overflow-x: auto; }
.fail { color: #cf222e; } .success { color: #1a7f37; } .warning { color: #9a6700; } .note { color: #57606a; }
"""


def write_page(queue: Queue, folder: Path) -> int:
    """Write the pages of the series that changed since the last call, and the list; return their number.

    :raises OSError: the folder cannot be written.
    """
    database, fact = queue.database, f"page {folder}"
    known = int(database.fact(fact) or 0)
    newest = database.number("SELECT max(changed) FROM series")
    if newest == known and (folder / INDEX_NAME).exists():
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    query = f"SELECT {SERIES_COLUMNS} FROM series WHERE changed > ? ORDER BY changed LIMIT ?"
    rows = [read_series_row(row) for row in database.rows(query, known, _AT_ONCE)]
    for row in rows:
        _write(folder / page_name(row), _series_page(queue, row))
    _write(folder / INDEX_NAME, _index(queue))
    with database.transaction():
        database.set_fact(fact, str(rows[-1].changed if rows else newest))
    return len(rows)


def page_name(row: SeriesRow) -> str:
    """Return the file name of the page of a series."""
    return f"{row.id}.html"


def _write(path: Path, lines: str) -> None:
    write_whole(path, lines.encode(errors="backslashreplace"), mode=0o644)


def _index(queue: Queue) -> str:
    untested = (SeriesState.UNWANTED, SeriesState.RESENT)
    query = f"SELECT {SERIES_COLUMNS} FROM series WHERE state NOT IN (?, ?) ORDER BY id DESC LIMIT ?"
    rows = [read_series_row(row) for row in queue.database.rows(query, *untested, _LISTED)]
    counts = queue.database.rows("SELECT count(*) || ' ' || state FROM series GROUP BY state ORDER BY state")
    body = [f"<p>{escape(', '.join(str(count) for (count,) in counts))}</p>", "<table>"]
    body.append("<tr><th>series<th>version<th>patches<th>title<th>rule<th>result<th>whole since</tr>")
    body += (
        f'<tr><td><a href="{page_name(row)}">{row.id}</a><td>{escape(row.version)}<td>{row.patches}'
        f"<td>{_text(row.title)}<td>{escape(row.rule)}<td>{_result(row)}<td>{_time(row.arrived)}</tr>"
        for row in rows
    )
    return _page(queue.config.name, [*body, "</table>"])


def _result(row: SeriesRow) -> str:
    """Return the verdict, or the state of a series without one."""
    word = row.verdict or row.state.value
    return f'<span class="{escape(word)}">{escape(word)}</span>'


def _series_page(queue: Queue, row: SeriesRow) -> str:
    facts = (
        ("state", row.state.value),
        ("verdict", row.verdict),
        ("note", row.note),
        ("sender", row.sender),
        ("Message-ID", row.message_id),
        ("commits", row.range),
        ("base", row.base),
        ("rule", row.rule),
        ("whole since", _time(row.arrived)),
        ("tested", f"{_time(row.began)}, {max(0.0, row.ended - row.began):.0f} s" if row.ended and row.began else ""),
    )
    body = ["<table>", *(f"<tr><th>{name}<td>{_text(value)}</tr>" for name, value in facts if value), "</table>"]
    body.append(f'<p><a href="{INDEX_NAME}">all series</a></p>')
    answer = queue.database.path.parent / row.folder / ANSWERS_NAME / _ANSWER_NAME
    if row.verdict and row.folder and answer.is_file():
        text = bound(plain_text(answer.read_text(encoding="utf-8", errors="replace")), _ANSWER_LENGTH)
        body.append(f"<pre>{escape(text)}</pre>")
    return _page(f"{row.version} {one_line(row.title)}", body)


def _page(title: str, body: list[str]) -> str:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    return "\n".join(_lines(escape(title), f"default-src 'none'; style-src 'sha256-{digest}'", body)) + "\n"


def _lines(title: str, policy: str, body: list[str]) -> Iterator[str]:
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    yield from body
    yield "</body>\n</html>"


def _text(text: str) -> str:
    return escape(one_line(text))


def _time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC" if seconds else ""
