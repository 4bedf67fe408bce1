# SPDX-License-Identifier: GPL-2.0-only
"""Export each session case of a run, run it by QEMU and bash alone, and compare the verdicts.

    tox -e exports -- RUN            half an hour on two cores

The kernel and the guest are linked into each folder; ``harness export --bundle`` puts the same files into an archive.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError
from harness.base.paths import default_results
from harness.commands import options
from harness.commands.compare.export import prepare_again, qemu_arguments
from harness.export.case import export_case, find_exported
from harness.export.script import QemuArguments, render_bundle_script, render_steps
from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import Outcome
from harness.results.find_run import find_run
from harness.run.interactive import read_case
from harness.suite.definition import Suite

_SECONDS = 900.0
_WANTED = 0.95


@dataclass(frozen=True, slots=True)
class Replay:
    """The result of an exported case.

    :param case: its record in the run.
    :param status: exit status of the script; -1 if the case cannot be exported.
    :param text: the last line of its output, or why it cannot be exported.
    """

    case: CaseRecord
    status: int
    text: str

    @property
    def is_alike(self) -> bool:
        """Return whether the script has the verdict of the harness."""
        return self.status == (0 if self.case.outcome is Outcome.MATCH else 1)


def replay(run: RunRecord, suite: Suite, arguments: QemuArguments, folder: Path, case: CaseRecord) -> Replay:
    """Export a case and run it.

    :param folder: folder with the links ``bzImage`` and ``guest.cpio``.
    """
    own = folder / case.id.replace("/", "-")
    own.mkdir()
    try:
        exported = export_case(read_case(find_exported(run, case.id).id, suite)[0], run)
    except HarnessError as error:
        return Replay(case, -1, f"{error.what}: {error.evidence}")
    (own / "run.sh").write_text(render_bundle_script(exported, arguments))
    (own / "steps.sh").write_text(render_steps(exported), encoding="utf-8", errors="surrogateescape")
    for name in ("bzImage", "guest.cpio"):
        (own / name).symlink_to(folder / name)
    done = process.run(["bash", own / "run.sh"], deadline=Deadline.after(_SECONDS), check=False)
    (own / "log").write_bytes(done.stdout + done.stderr)
    lines = [line for line in (done.text + done.complaint).splitlines() if "mismatch" in line or "skipped" in line]
    return Replay(case, done.status, " | ".join(lines[:3]))


def table(found: Sequence[Replay]) -> Iterator[str]:
    """Yield the lines of the result: the share of equal verdicts, and each other case."""
    exported = [one for one in found if one.status >= 0]
    alike = sum(one.is_alike for one in exported)
    yield f"{len(found)} session cases were run; {len(exported)} can be exported"
    yield f"{alike} of {len(exported)} have the same verdict by QEMU and bash alone"
    for one in found:
        if one.status < 0:
            yield f"not exported: {one.case.id}: {one.text}"
        elif not one.is_alike:
            yield f"differs: {one.case.id}: {one.case.outcome}, by itself status {one.status}: {one.text}"


def main() -> int:
    """Replay all cases, print the table; exit status 1 when less than 95 % have the same verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("-k", default="", help="only cases with this text in their id")
    words = parser.parse_args()
    run = find_run(words.run, results=default_results()).run
    suite = options.suite_of_runs("", [run])
    with tempfile.TemporaryDirectory(prefix="harness-exports-") as name:
        folder = Path(name)
        prepared = prepare_again(run, suite, folder / "logs")
        (folder / "bzImage").symlink_to(prepared.request.image)
        (folder / "guest.cpio").symlink_to(prepared.request.initramfs)
        one = partial(replay, run, suite, qemu_arguments(prepared.request), folder)
        chosen = [
            case
            for case in run.cases
            if case.outcome is not Outcome.SKIPPED and case.id.endswith(".session") and words.k in case.id
        ]
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            found = list(pool.map(one, chosen))
    click.echo("\n".join(table(found)))
    exported = [one for one in found if one.status >= 0]
    return int(sum(one.is_alike for one in exported) < _WANTED * len(exported))


if __name__ == "__main__":
    sys.exit(main())
