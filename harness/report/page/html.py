# SPDX-License-Identifier: GPL-2.0-only
"""Write the page: one HTML file that needs neither network nor server. Only this module imports jinja2.

The page has one script and one style sheet, both allowed by their digests in its content security policy; nothing else
may run, load or be sent. Output of a guest is in the page in two forms only: as text that jinja2 escaped, or as data in
JSON or base64, which the script shows as text (``textContent``). The policy also forbids the script to parse text as
markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.report.page.details import pack

FOLDER = Path(__file__).parent
_STYLE = "page.css"
_SCRIPTS = ("base.js", "compare.js", "table.js", "case.js", "trait.js", "kernel.js", "main.js")


@dataclass(frozen=True, slots=True)
class PageData:
    """The data of the page.

    :param title: the title of the window.
    :param overview: the overview, read at the start.
    :param details: the details of each case, read when it is opened.
    :param stories: the stories of the traits and the history, read when the first of them is shown.
    """

    title: str
    overview: Mapping[str, object]
    details: Sequence[Mapping[str, object]]
    stories: Mapping[str, object]


def render_page(data: PageData) -> str:
    """Return the page as text; to be written as UTF-8."""
    style, script = _read(_STYLE), _script()
    environment = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, keep_trailing_newline=True
    )
    return environment.get_template("page.html").render(
        title=data.title,
        overview=data.overview,
        policy=content_policy(style=style, script=script),
        style=Markup(style),
        script=Markup(script),
        overview_json=Markup(json_for_html(data.overview)),
        details=[Markup(pack(one)) for one in data.details],
        stories=Markup(pack(data.stories)),
    )


def content_policy(*, style: str, script: str) -> str:
    """Return the content security policy that allows only this style sheet and this script (w3.org/TR/CSP3)."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src '{_source(script)}'",
            f"style-src '{_source(style)}'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def json_for_html(value: object) -> str:
    """Return JSON that can neither end its element nor begin a comment in it."""
    text = json.dumps(value, separators=(",", ":"))  # ASCII only: U+2028 and lone surrogates are escaped as well
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _script() -> str:
    parts = "\n".join(map(_read, _SCRIPTS))
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
