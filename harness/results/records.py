# SPDX-License-Identifier: GPL-2.0-only
"""Read the records of runs and series, in the newest format or an older one. Pure."""

from __future__ import annotations

from harness.base.json_records import RecordFormat, from_table, load_value, parse_json
from harness.model import run_record, series_record
from harness.model.run_record import CaseRecord, RunRecord
from harness.model.series_record import SeriesRecord
from harness.results.older_formats import upgrade_case, upgrade_run, upgrade_series

_RUN = RecordFormat(run_record.FORMAT_VERSION, upgrade_run, name="run", described="run record format")
_SERIES = RecordFormat(series_record.FORMAT_VERSION, upgrade_series, name="series")


def load_run_record(text: str, *, source: str = "the run record") -> RunRecord:
    """Read the record that :func:`~harness.model.run_record.dump_run` wrote.

    :param text: the record as JSON.
    :param source: the name of the text in errors, e.g. the path of the file.
    :raises UsageError: the text is damaged.
    :raises NewerFormatError: a newer harness wrote it.
    """
    return load_value(RunRecord, text, _RUN, source=source)


def loads_case(line: str, *, source: str = "the case record") -> CaseRecord:
    """Read the case that :func:`~harness.model.run_record.dumps_case` wrote.

    :param line: the record as JSON.
    :param source: the name of the line in errors.
    :raises UsageError: the line is damaged.
    """
    value = parse_json(line, source)
    table = upgrade_case(value) if isinstance(value, dict) else value
    return from_table(CaseRecord, table, name="case", source=source)


def load_series(text: str, *, source: str) -> SeriesRecord:
    """Read the record that :func:`~harness.model.series_record.dump_series` wrote.

    :param text: the record as JSON.
    :param source: the name of the text in errors.
    :raises UsageError: the text is damaged.
    :raises NewerFormatError: a newer harness wrote it.
    """
    return load_value(SeriesRecord, text, _SERIES, source=source)
