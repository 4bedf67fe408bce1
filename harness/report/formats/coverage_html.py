# SPDX-License-Identifier: GPL-2.0-only
"""Write lines that were run for people: a page with a gutter beside each file or patch. Pure.

The page has no script, and its content security policy allows nothing but its own style sheet. Source, names of files
and titles of patches are untrusted: they are text, and control characters in them are shown as such.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape

from harness.coverage.gutter import GutterLine, Mark, SourceFile
from harness.report.text import plain_text

_SHOWN_CASES = 12
_STYLE = """
:root { --paper: #fcfcfb; --ink: #1f2328; --faint: #59616b; --line: #dcdfd9; --run: #14683d; --run-sheet: #e6f4ec;
  --not: #a8201a; --not-sheet: #fdebe9; --boot: #7d5300; --boot-sheet: #fff4d3; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --paper: #14161a; --ink: #e3e6e9; --faint: #9ca5af; --line: #31373e;
  --run: #7bd6a4; --run-sheet: #15301f; --not: #ff9187; --not-sheet: #3b1d1b; --boot: #e8c568;
  --boot-sheet: #352a0e; } }
body { margin: 1.5rem; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; }
table { border-collapse: collapse; }
.source { font: 13px/1.35 ui-monospace, "DejaVu Sans Mono", monospace; }
.source td { padding: 0 0.6rem; white-space: pre; vertical-align: top; }
.source td:nth-child(-n+3) { text-align: right; color: var(--faint); border-right: 1px solid var(--line); }
.run td:nth-child(2) { color: var(--run); background: var(--run-sheet); }
.boot td { background: var(--boot-sheet); } .boot td:nth-child(2) { color: var(--boot); }
.not td { background: var(--not-sheet); } .not td:nth-child(2) { color: var(--not); }
.cases td, .cases th { padding: 0.1rem 0.8rem; text-align: left; } .cases td:first-child { text-align: right; }
summary { cursor: pointer; } .faint { color: var(--faint); }
"""
_CLASSES = {Mark.RUN: "run", Mark.BOOT: "boot", Mark.NOT_RUN: "not"}
_WORDS = {Mark.BOOT: "boot only", Mark.NOT_RUN: "not run", Mark.CHANGED_AGAIN: "later"}
_LEGEND = (
    "The second column has the number of cases that ran the line; point at it for their names. The third one has the "
    "ways of its conditions that were certainly taken; \u2260 marks a condition that went one way only."
)


def render_files(title: str, files: Sequence[SourceFile], *, absent: Iterable[str] = ()) -> str:
    """Return a page with the lines of files, by file and by case.

    :param title: the name of the runs.
    :param files: the files with their lines.
    :param absent: files that have no code in the kernel.
    """
    run, code = sum(one.run for one in files), sum(one.code for one in files)
    body = [f"<p>{run:,} of {code:,} lines with code were run by cases. {_LEGEND}</p>", "<h2>Files</h2>"]
    for one in files:
        share = f"{one.run:,} of {one.code:,} lines ({one.run / max(1, one.code):.0%})"
        body.append(f"<details><summary>{_text(one.name)}: {share}</summary>{_table(one.lines)}</details>")
    body += [f'<p class="faint">{_text(name)}: no code of its own in this kernel</p>' for name in absent]
    body += ["<h2>Cases</h2>", _cases(files)]
    return _page(f"Coverage of {title}", body)


def render_patches(title: str, patches: Sequence[tuple[str, str, Sequence[GutterLine]]]) -> str:
    """Return a page with the patches of a series.

    :param title: the title of the series.
    :param patches: the title of each patch, what was run of it in one line, and its lines.
    """
    body = [f"<p>{_LEGEND} A line marked <i>later</i> is changed or removed by a later patch.</p>"]
    for name, summary, lines in patches:
        body += [f"<h2>{_text(name)}</h2>", f"<p>{_text(summary)}</p>", _table(lines)]
    return _page(title, body)


def _table(lines: Iterable[GutterLine]) -> str:
    return f'<table class="source"><tbody>{"".join(map(_row, lines))}</tbody></table>'


def _row(line: GutterLine) -> str:
    shown = _WORDS.get(line.mark, f"{len(line.cases)}" if line.mark is Mark.RUN else "")
    ways = f"{line.ways[0]}/{line.ways[1]}" if line.ways[1] else ""
    ways = f"\u2260 {ways}".strip() if line.is_one_way else ways
    more = f" and {len(line.cases) - _SHOWN_CASES} more" if len(line.cases) > _SHOWN_CASES else ""
    names = f' title="{_text(", ".join(line.cases[:_SHOWN_CASES]) + more)}"' if line.cases else ""
    name = f' class="{_CLASSES[line.mark]}"' if line.mark in _CLASSES else ""
    return (
        f"<tr{name}><td>{line.number or ''}</td><td{names}>{shown}</td><td>{ways}</td>"
        f"<td>{_text(line.text.expandtabs())}</td></tr>\n"
    )


def _cases(files: Iterable[SourceFile]) -> str:
    counts = Counter(case for one in files for line in one.lines for case in line.cases)
    rows = "".join(f"<tr><td>{count}</td><td>{_text(name)}</td></tr>" for name, count in counts.most_common())
    return f'<table class="cases"><thead><tr><th>Lines</th><th>Case</th></tr></thead><tbody>{rows}</tbody></table>'


def _page(title: str, body: Iterable[str]) -> str:
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="referrer" content="no-referrer"><title>{_text(title)}</title><style>{_STYLE}</style>'
    )
    text = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><h1>{_text(title)}</h1>\n{text}\n</body></html>\n'
    )


def _text(text: str) -> str:
    return escape(plain_text(text))
