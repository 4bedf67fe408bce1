# SPDX-License-Identifier: GPL-2.0-only
"""The process of a batch: runs its cases with pytest, and writes a message to standard output for each of them.

python -m harness.hosts.batch FOLDER
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError
from harness.base.json_records import from_table, parse_json
from harness.base.store import Store
from harness.hosts.local_batch import LENGTH, LocalBatch
from harness.hosts.localize import localized
from harness.hosts.logs import pack
from harness.hosts.wire import HostFacts, Message, MessageKind, dump_message
from harness.kernel.build.options import PREPARE_SECONDS
from harness.model.run_record import dumps_case
from harness.pipeline import Prepared
from harness.run.case import CaseEnvironment, make_environment
from harness.run.pytest_plugin import case_id_of
from harness.run.recorder import InProcess, located_case, pytest_arguments, reported_cases, run_pytest
from harness.run.selection import Selection
from harness.suite.load import suite_semantics


class _Sender:
    """pytest plug-in that sends the results of cases, and runs them in the order of the batch."""

    def __init__(self, environment: CaseEnvironment, ids: tuple[str, ...], number: int, output: BinaryIO) -> None:
        self._environment = environment
        self._ids = {one: at for at, one in enumerate(ids)}
        self._number = number
        self._output = output
        self._root = Path()
        self.broken: list[str] = []

    def pytest_configure(self, config: pytest.Config) -> None:
        """Read the folder that paths in pytest's reports are relative to."""
        self._root = config.rootpath

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None]:
        """Put the cases into the order of the batch."""
        yield
        suite = self._environment.suite
        items.sort(key=lambda item: self._ids[case_id_of(item.path, item.nodeid, suite)])

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note why a file cannot be read here."""
        if report.failed:
            self.broken.append(report.longreprtext)

    def pytest_runtest_logstart(self, nodeid: str, location: tuple[str, int | None, str]) -> None:
        """Send the start of a case."""
        name = located_case(self._root, nodeid, location, self._environment.suite)
        self.send(Message(MessageKind.CASE_STARTED, self._number, name))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send the result of a case, and its files."""
        name = located_case(self._root, report.nodeid, report.location, self._environment.suite)
        records = reported_cases(report, name)
        if not records:
            return
        logs = b""
        if records[-1].folder:
            folder = self._environment.folder / records[-1].folder
            logs = pack(folder)
            shutil.rmtree(folder, ignore_errors=True)
        texts = tuple(map(dumps_case, records))
        self.send(Message(MessageKind.CASE_ENDED, self._number, records[-1].id, texts), logs)

    def send(self, message: Message, logs: bytes = b"") -> None:
        """Write a message.

        :param message: the message.
        :param logs: the archive of the case's files.
        """
        data = dump_message(message, logs)
        self._output.write(LENGTH.pack(len(data)) + data)
        self._output.flush()


def _run(batch: LocalBatch, folder: Path, output: BinaryIO) -> None:
    request = batch.request
    context = Context(Store.default(), Deadline.after(PREPARE_SECONDS))
    prepared = localized(context, batch, logs=folder / "prepare")
    run = folder / "run"
    run.mkdir()
    environment = make_environment(prepared, suite_semantics(prepared.suite), folder=run)
    sender = _Sender(environment, request.ids, request.number, output)
    files = tuple(prepared.suite.folder / name for name in request.files)
    selection = Selection(files, only=request.ids)
    ended = run_pytest(
        pytest_arguments(selection, prepared.suite), [sender, InProcess(environment, selection, order="", past={})]
    )
    went_through = ended.status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    problem = "" if went_through else "\n".join([*sender.broken, ended.stderr.strip()]).strip() or "pytest ran no case"
    sender.send(Message(MessageKind.BATCH_ENDED, request.number, problem=problem, facts=_facts(prepared)))


def _facts(prepared: Prepared) -> HostFacts:
    verdict = prepared.acceleration
    return HostFacts(verdict.acceleration.value, verdict.evidence, prepared.qemu_version, prepared.boot_seconds)


def main() -> None:
    """Run the batch on standard input."""
    # Whatever a case prints must not get between the messages.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    batch = from_table(LocalBatch, parse_json(sys.stdin.readline(), "the batch"), name="batch", source="the batch")
    with output, suppress(BrokenPipeError):
        try:
            _run(batch, Path(sys.argv[1]), output)
        except HarnessError as error:
            data = dump_message(Message(MessageKind.BATCH_ENDED, batch.request.number, problem=str(error)))
            output.write(LENGTH.pack(len(data)) + data)


if __name__ == "__main__":
    main()
