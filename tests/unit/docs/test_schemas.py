# SPDX-License-Identifier: GPL-2.0-only
"""The published JSON Schemas: current, and true of real records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from docs.schemas import PUBLISHED, PublishedFile, render_schema, schema_path
from harness.bisect.state import dump_bisect, load_bisect
from harness.model.run_record import dump_run
from harness.model.series_record import dump_series
from harness.results.folder import load_run
from harness.results.records import load_series
from tests.unit.report.sample import RUN
from tests.unit.series.sample import RECORD

OLD = Path(__file__).parents[2] / "data" / "older" / "8b9f65d"
RUNS = [dump_run(load_run(file.parent)) for file in sorted(OLD.glob("results/*/run.json"))]
SERIES = [dump_series(load_series(file.read_text(), source="x")) for file in sorted(OLD.glob("results/*/series.json"))]
BISECTION = dump_bisect(load_bisect((OLD / "bisect" / "state.json").read_text(), source="x"))
TEXTS = {
    "run.json": [dump_run(RUN), *RUNS],
    "series.json": [dump_series(RECORD), *SERIES],
    "state.json": [BISECTION],
}


def complaints(file: PublishedFile, text: str) -> list[str]:
    """What the published schema says of a file."""
    validator = Draft202012Validator(json.loads(schema_path(file).read_text()))
    return [error.message for error in validator.iter_errors(json.loads(text))]


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_the_schema_in_the_repository_is_current(file: PublishedFile) -> None:
    """``python -m docs.schemas`` writes it after a record was changed."""
    assert schema_path(file).read_text(encoding="utf-8") == render_schema(file)


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_real_records_are_valid(file: PublishedFile) -> None:
    """Of runs, series and a bisection that happened, as the harness of today writes them."""
    Draft202012Validator.check_schema(json.loads(schema_path(file).read_text()))

    assert TEXTS[file.name]
    for text in TEXTS[file.name]:
        assert complaints(file, text) == []


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.name)
def test_each_field_that_is_required_is_missed(file: PublishedFile) -> None:
    """The schema is no empty promise: without a required field, and with one of another type, a file is not valid."""
    whole = json.loads(TEXTS[file.name][0])
    for name in json.loads(schema_path(file).read_text())["required"]:
        assert complaints(file, json.dumps({key: value for key, value in whole.items() if key != name}))
        assert complaints(file, json.dumps({**whole, name: [None]}))


def test_a_file_of_an_older_format_is_not_valid() -> None:
    """The schema is that of one format; the harness itself reads older ones."""
    text = (OLD / "results" / "2026-11-30T090826Z-deb" / "run.json").read_text()

    assert complaints(PUBLISHED[0], text)
