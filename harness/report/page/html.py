"""The page: one HTML file that needs nothing else, no network and no server. The one module that imports jinja2.

Everything that runs or styles is one script and one style sheet, both named by their digests in the page's content
security policy; nothing else may run, load, or be sent anywhere. What a guest said stands in the page in two ways only:
as text that jinja2 escaped, or as data in JSON or base64, which the script shows as text (``textContent``); the policy
also refuses the script whatever would read text as markup.
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
    """What the page shows.

    :param title: of the page.
    :param overview: read at the start.
    :param details: of each case, read when it is opened.
    :param stories: of the traits, and the history; read when the first of them is shown.
    """

    title: str
    overview: Mapping[str, object]
    details: Sequence[Mapping[str, object]]
    stories: Mapping[str, object]


def render_page(data: PageData) -> str:
    """The page as text; to be written as UTF-8."""
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
    """The content security policy of a page with these two and nothing else (w3.org/TR/CSP3)."""
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
    """JSON that cannot end the element that it stands in, nor begin a comment in it."""
    text = json.dumps(value, separators=(",", ":"))  # ASCII alone: U+2028 and lone surrogates are escaped as well
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _source(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _script() -> str:
    parts = "\n".join(map(_read, _SCRIPTS))
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
