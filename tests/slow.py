# SPDX-License-Identifier: GPL-2.0-only
"""Choose which slow tests run: all of them, or those whose dependencies changed since they last passed.

A slow test names the files and folders its result depends on: ``@pytest.mark.slow("harness/kernel", "series")``.
``tests/slow.json`` records the digest of those files at the last pass of each slow test. ``--slow=due`` leaves out
tests whose digest is unchanged, runs the rest first, the most important at the front, and starts none after twenty
minutes. A test with ``nightly=True`` takes longer than that by itself and is never due. ``--record-slow`` writes the
digests of the tests that pass. The state of the store has no influence.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests" / "slow.json"
DUE_SECONDS = 20 * 60.0
"""Due slow tests that have not started after this time are skipped by name."""
_PROPERTY = "slow_digest"
_SKIPPED_FOLDERS = frozenset({"__pycache__", "_build"})


def add_options(parser: pytest.Parser) -> None:
    """Add the options of this module to pytest."""
    group = parser.getgroup("slow tests")
    group.addoption(
        "--slow",
        choices=("all", "due"),
        default="all",
        help="Which slow tests run: all, or those whose dependencies changed since their last recorded pass.",
    )
    group.addoption("--record-slow", action="store_true", help="Write tests/slow.json for the tests that pass.")


def dependencies(test: pytest.Item) -> tuple[str, ...]:
    """Return the files and folders that a slow test depends on, relative to the root, its own module included.

    :raises pytest.UsageError: the marker names no path, or a path that does not exist.
    """
    paths = [str(path) for marker in test.iter_markers("slow") for path in marker.args]
    missing = [path for path in paths if not (ROOT / path).exists()]
    if not paths or missing:
        found = f"no such path: {', '.join(missing)}" if missing else "it names none"
        raise pytest.UsageError(f"{test.nodeid}: the marker slow names the paths that the test depends on: {found}")
    return tuple(sorted({*paths, test.path.relative_to(ROOT).as_posix()}))


def digest(paths: Iterable[str], root: Path) -> str:
    """Return a digest over the names and contents of files and of all files below folders."""
    total = hashlib.sha256()
    for path in paths:
        for file in sorted(_files(root / path)):
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            total.update(f"{file.relative_to(root).as_posix()} {content}\n".encode())
    return total.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    """Return a file itself, or the files below a folder without build products."""
    if path.is_file():
        return [path]
    return [file for file in path.rglob("*") if file.is_file() and not _SKIPPED_FOLDERS.intersection(file.parts)]


def passed_digests(record: Path) -> dict[str, str]:
    """Return the digest at the last pass of each slow test, by test id; empty if nothing was recorded."""
    if not record.exists():
        return {}
    digests: dict[str, str] = json.loads(record.read_text())
    return digests


def importance(test: pytest.Item) -> int:
    """Return how important a slow test is, 0 by default; higher runs earlier."""
    return max((int(marker.kwargs.get("importance", 0)) for marker in test.iter_markers("slow")), default=0)


def is_nightly(test: pytest.Item) -> bool:
    """Return whether a slow test is for ``tox -e nightly`` alone."""
    return any(marker.kwargs.get("nightly") for marker in test.iter_markers("slow"))


def select(config: pytest.Config, tests: list[pytest.Item], passed: dict[str, str]) -> None:
    """Reorder the collected tests, slow ones first, and deselect the slow ones that are not due.

    The digest of each slow test becomes one of its properties, which pytest-xdist hands to the process that records.

    :param tests: all collected tests; changed in place.
    :param passed: the digest at the last pass of each slow test.
    """
    slow = [test for test in tests if test.get_closest_marker("slow")]
    for test in slow:
        test.user_properties.append((_PROPERTY, digest(dependencies(test), ROOT)))
    chosen = sorted(slow, key=lambda test: -importance(test))
    if config.getoption("slow") == "due":
        unchanged = [
            test for test in slow if is_nightly(test) or (_PROPERTY, passed.get(test.nodeid)) in test.user_properties
        ]
        if unchanged:
            config.hook.pytest_deselected(items=unchanged)
        chosen = [test for test in chosen if test not in unchanged]
    tests[:] = [*chosen, *(test for test in tests if test not in slow)]


class SlowTests:
    """The pytest plugin: selects slow tests, limits their time, and records passes."""

    def __init__(self, config: pytest.Config) -> None:
        """Start the clock in the process that starts the session; workers of pytest-xdist get its start time."""
        worker = getattr(config, "workerinput", None)
        self._start: float = worker[_PROPERTY] if worker else time.time()
        self._passed: dict[str, str] = {}
        self._failed: set[str] = set()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker the start of the session."""
        node.workerinput[_PROPERTY] = self._start

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Select the slow tests."""
        select(config, items, passed_digests(RECORD))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a due slow test that would start too late, so that the summary names it."""
        late = time.time() - self._start > DUE_SECONDS
        if late and item.config.getoption("slow") == "due" and item.get_closest_marker("slow"):
            pytest.skip("due, but the slow tests have used their 20 minutes; run: tox -e nightly")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note which slow tests passed in all phases, with the digests of their dependencies."""
        properties = dict(report.user_properties)
        if _PROPERTY not in properties:
            return
        if not report.passed:
            self._failed.add(report.nodeid)
        elif report.when == "call":
            self._passed[report.nodeid] = str(properties[_PROPERTY])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Record the tests that passed, in the process that started the session."""
        if session.config.getoption("record_slow") and not hasattr(session.config, "workerinput"):
            record({test: digest for test, digest in self._passed.items() if test not in self._failed}, RECORD)


def record(passed: dict[str, str], path: Path) -> None:
    """Write the digests of passed tests and keep the others, without tests whose module no longer exists.

    :param passed: digests of the tests that passed, by test id.
    """
    digests = {**passed_digests(path), **passed}
    kept = {test: value for test, value in sorted(digests.items()) if (ROOT / test.partition("::")[0]).exists()}
    path.write_text(json.dumps(kept, indent=2) + "\n")
