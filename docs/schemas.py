# SPDX-License-Identifier: GPL-2.0-only
"""Write the JSON Schemas of the files that the harness publishes, from the records themselves.

    python -m docs.schemas

Types, defaults and limits are those of the fields; the words are those of the docstrings.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.base.json_records import Table, schema_of
from harness.bisect import state
from harness.bisect.state import BisectState
from harness.model import run_record, series_record
from harness.model.run_record import RunRecord
from harness.model.series_record import SeriesRecord

FOLDER = Path(__file__).parent / "reference" / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_FIELD = re.compile(r":param (?P<name>\w+):(?P<text>.*?)(?=:param \w+:|:raises |\Z)", re.DOTALL)
_MARKUP = re.compile(r":\w+:`~?(?:\w+\.)*(\w+)`|``([^`]*)``")


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file that the harness writes for other programs, too.

    :param name: its name.
    :param record: what it holds.
    :param version: its ``format_version``.
    """

    name: str
    record: type
    version: int


PUBLISHED = (
    PublishedFile("run.json", RunRecord, run_record.FORMAT_VERSION),
    PublishedFile("series.json", SeriesRecord, series_record.FORMAT_VERSION),
    PublishedFile("state.json", BisectState, state.FORMAT_VERSION),
)


def schema_path(file: PublishedFile) -> Path:
    """Return the path of a file's schema: ``reference/schemas/run.json`` below ``docs/``."""
    return FOLDER / file.name


def render_schema(file: PublishedFile) -> str:
    """Return the JSON Schema of a file as text."""
    whole = schema_of(file.record)
    definitions = {name: _described(table) for name, table in sorted(_tables(whole["$defs"]).items())}
    own = definitions.pop(file.record.__name__)
    properties = _tables(own["properties"])
    properties["format_version"] = {"const": file.version, "description": "The format of the file."}
    schema = {
        "$schema": _DIALECT,
        **own,
        "title": file.name,
        "required": ["format_version", *_texts(own["required"])],
        "properties": properties,
        "$defs": definitions,
    }
    return json.dumps(schema, indent=1) + "\n"


def _described(table: Table) -> Table:
    """A definition whose properties have the words of the docstring's fields."""
    text = str(table.get("description", ""))
    words = {found["name"]: _plain(found["text"]).rstrip(";") for found in _FIELD.finditer(text)}
    described = {**table, "description": _plain(text.partition(":param ")[0])}
    if isinstance(table.get("properties"), dict):
        described["properties"] = {
            name: {**one, "description": words[name]} if name in words else one
            for name, one in _tables(table["properties"]).items()
        }
    return described


def _plain(text: str) -> str:
    """The text of a docstring without markup, on one line."""
    return " ".join(_MARKUP.sub(lambda found: found[1] or found[2], text).split())


def _tables(value: object) -> dict[str, Table]:
    assert isinstance(value, dict)
    return value


def _texts(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def main() -> int:
    """Write all schemas."""
    FOLDER.mkdir(exist_ok=True)
    for file in PUBLISHED:
        schema_path(file).write_text(render_schema(file), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
