# SPDX-License-Identifier: GPL-2.0-only
"""Reports of KUnit are read as the kernel's own parser reads them: its test data, from the source packages of Debian.

Parser and data are in tools/testing/kunit of a kernel; none of it is kept here.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.store import Store
from harness.kernel.source.tree import source_package
from harness.tap.kunit import SEPARATOR, report_lines
from harness.tap.report import TapReport, read_report

pytestmark = pytest.mark.network
SECONDS = 1200.0
FOLDER = "tools/testing/kunit"
PARSE = """
import contextlib, io, json, pathlib, sys
sys.path.insert(0, sys.argv[1])
import kunit_parser

class Quiet:
    def __getattr__(self, name):
        return lambda *words, **more: ""

def leaves(test, above=()):
    for one in test.subtests:
        name = (*above, one.name)
        if one.subtests:
            yield from leaves(one, name)
        else:
            yield "::".join(name), one.status.name

def parse(text):
    lines = kunit_parser.extract_tap_lines(text.splitlines())
    with contextlib.redirect_stdout(io.StringIO()):
        if kunit_parser.parse_run_tests.__code__.co_argcount > 1:
            return kunit_parser.parse_run_tests(lines, Quiet())
        return kunit_parser.parse_run_tests(lines)

found = {}
for file in pathlib.Path(sys.argv[1], "test_data").glob("*.log"):
    test = parse(file.read_text())
    found[file.name] = [list(leaves(test)), test.counts.errors, test.status.name]
print(json.dumps(found))
"""
STATUSES = {"SUCCESS": "pass", "FAILURE": "fail", "SKIPPED": "skip", "TEST_CRASHED": "fail"}
Read = dict[str, tuple[list[tuple[str, str]], int, str]]
"""By file: tests with their status, the number of errors, and the status of the whole."""
OTHERWISE = {
    # Results behind "# " are those of the selftests' runner, which kunit.py does not nest.
    "test_is_test_passed-kselftest.log",
}


@pytest.fixture(scope="module", params=["6.1", "6.12"])
def theirs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Read]:
    """Return the folder of the kernel's parser, and what it reads of each file of its test data."""
    folder = tmp_path_factory.mktemp("kunit")
    deadline = Deadline.after(SECONDS)
    try:
        source = source_package(Context(Store.default(), deadline), request.param)
    except (HostError, UsageError) as error:
        pytest.skip(f"no source of Linux {request.param}: {error.what}")
    (folder / "kunit.tar").write_bytes(
        source.repository.git("archive", source.commit, FOLDER, deadline=deadline).stdout
    )
    process.run(["tar", "-x", "-f", folder / "kunit.tar", "-C", folder], deadline=deadline)
    done = process.run([sys.executable, "-I", "-c", PARSE, folder / FOLDER], deadline=deadline)
    return folder / FOLDER, json.loads(done.text.splitlines()[-1])


def results(report: TapReport) -> list[list[str]]:
    """Return the tests of a report with their results."""
    return [[test.name, str(test.result)] for test in report.tests]


def test_the_kernels_own_test_data_is_read_as_its_parser_does(theirs: tuple[Path, Read]) -> None:
    """Names and results are the same; where its parser counts an error, the report has a fault or no test."""
    folder, found = theirs
    assert len(found) >= 20
    for name in sorted(found.keys() - OTHERWISE):
        tests, errors, _ = found[name]
        report = read_report("\n".join(report_lines((folder / "test_data" / name).read_text())), SEPARATOR)
        # What a crashed suite did not print has no name there.
        named = [[test, STATUSES.get(status, "pass")] for test, status in tests if not test.endswith(SEPARATOR)]

        assert results(report) == named, name
        assert bool(errors) == bool(report.faults or report.empty or not report.tests), name
