# SPDX-License-Identifier: GPL-2.0-only
"""The process of a build on a host: fetch the files, configure and build in the sandbox, and send the product back.

    python -m harness.hosts.builds.build_process FOLDER

The build is that of a run on this host, with its store: a kernel that was built here before is not built again.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from harness.base.context import Context
from harness.base.errors import HarnessError, HostError
from harness.base.events import Progress, StageEvent
from harness.base.json_records import dump_value, from_table, parse_json
from harness.base.process import patient_deadline
from harness.base.store import Store
from harness.hosts.artifacts import content_digest, source_name
from harness.hosts.builds.job import BUILD_FILE, CONFIG_FILE, BuildJob, BuildResult, dump_event, load_job, record_error
from harness.hosts.builds.sources import has_commits, known_commits, received_repository, take_pack
from harness.hosts.local_batch import LENGTH, LocalBuild
from harness.hosts.logs import pack_to
from harness.hosts.wire import Message, MessageKind, dump_message
from harness.kernel.build.elsewhere import BuildOrder
from harness.kernel.build.options import PREPARE_SECONDS
from harness.kernel.config.configure import KIND as CONFIG_KIND
from harness.kernel.from_source import build_ordered
from harness.kernel.git.repository import Repository
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.sandbox.enclosure import find_enclosure
from harness.kernel.source.tree import Source
from harness.kernel.toolchain.toolchain import find_toolchain

_BETWEEN_SECONDS = 0.5
"""How often progress is sent at most."""


class _Talk:
    """The connection with the submitting host, through the worker."""

    def __init__(self, number: int, output: BinaryIO) -> None:
        self._number = number
        self._output = output
        self._last = 0.0

    def report(self, event: StageEvent) -> None:
        """Send an event; of progress, some are left out."""
        now = time.monotonic()
        if isinstance(event, Progress):
            if now - self._last < _BETWEEN_SECONDS:
                return
            self._last = now
        self.send(Message(MessageKind.BUILD_EVENT, self._number, detail=dump_event(event)))

    def send(self, message: Message) -> None:
        """Write a message."""
        data = dump_message(message)
        self._output.write(LENGTH.pack(len(data)) + data)
        self._output.flush()

    def need(self, name: str) -> Path:
        """Have an artifact fetched, and return its file."""
        self.send(Message(MessageKind.NEED, self._number, name))
        return Path(sys.stdin.readline().rstrip("\n"))

    def give(self, end: str, file: Path) -> str:
        """Have a file sent, and return its digest."""
        self.send(Message(MessageKind.GIVE, self._number, f"{self._number}-{end}", detail=str(file)))
        sys.stdin.readline()
        return content_digest(file)


def _build(local: LocalBuild, job: BuildJob, talk: _Talk, folder: Path) -> BuildResult:
    """Build a kernel, and return the digests of what was sent.

    :raises HarnessError: there is no kernel.
    """
    context = Context(Store.default(), patient_deadline(PREPARE_SECONDS + job.seconds), talk.report)
    own = find_toolchain(job.config.assignments, deadline=context.deadline).render()
    if own != job.toolchain:
        error = HostError(
            "another compiler than on the submitting host: the kernel would be another one",
            evidence=f"here:  {own.strip()}\nthere: {job.toolchain.strip()}",
            remedy="install the same version, or leave the host out of --hosts",
        )
        return BuildResult(error=record_error(error), is_other_compiler=True)
    repository = Repository(Path(job.git_dir)) if job.git_dir else _received(context, job, talk)
    tree = PatchedTree(Source(repository, job.base, job.origin), job.series, job.base, job.commits)
    is_trusted = job.is_trusted or (local.trusts and find_enclosure(context)[0] is None)
    _, built = build_ordered(context, BuildOrder(tree, job.config, is_trusted, job.seconds))
    if job.git_dir:
        return BuildResult()
    digests = []
    config = context.store.place(CONFIG_KIND, job.config.key)
    for end, product in ((CONFIG_FILE, config), (BUILD_FILE, built.folder)):
        file = folder / end
        with file.open("wb") as stream:
            pack_to(stream, product)
        digests.append((end, talk.give(end, file)))
        file.unlink()
    return BuildResult(tuple(digests))


def _received(context: Context, job: BuildJob, talk: _Talk) -> Repository:
    """Return the repository of this host, with the files of the job."""
    repository = received_repository(context, job.object_format)
    commits = (job.base, *job.commits)
    if not has_commits(repository, commits, deadline=context.deadline):
        talk.report(Progress("receiving the files"))
        pack = talk.need(source_name(job.commit, known_commits(context, repository)))
        take_pack(context, repository, pack, commits)
    return repository


def main() -> None:
    """Run the build on standard input."""
    # The agent keeps its files to itself; the sandbox is another user, who must reach the folders of the build.
    os.umask(0o022)
    # Whatever is printed must not get between the messages.
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    line = sys.stdin.readline()
    local = from_table(LocalBuild, parse_json(line, "the build"), name="build", source="the build")
    talk = _Talk(local.number, output)
    with output, suppress(BrokenPipeError):
        try:
            result = _build(local, load_job(local.job), talk, Path(sys.argv[1]))
        except HarnessError as error:
            result = BuildResult(error=record_error(error))
        talk.send(Message(MessageKind.BUILD_ENDED, local.number, detail=dump_value(result, indent=None)))


if __name__ == "__main__":
    main()
