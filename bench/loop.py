# SPDX-License-Identifier: GPL-2.0-only
"""Measure the time from an edit to its verdict: ratios of one run, as a table and as JSON (``bench/loop.json``).

    tox -e bench-loop              one .c file, and nothing to do; a few minutes
    tox -e bench-loop -- --header  a header that many files include as well; half an hour

The tree is Debian's source package with the mistake of a shipped negative control, one line of kernel/cgroup/cgroup.c.
What cannot be avoided is the sum of plain ``make bzImage`` of the same edit, a boot of that image by QEMU alone until
its shells, and the one case that fails. make runs at the priority of the harness on a copy of the same objects, so that
other work on the host slows both down. The user's store is used: with a warm one nothing is built from nothing.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import click

from bench.bench import Bench, timed
from bench.figures import Figure, arguments, report_figures
from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.events import PhaseStarted
from harness.base.store import Store
from harness.kernel.build.object_cache import KIND as OBJECTS
from harness.kernel.git.worktree import EPOCH
from harness.kernel.sandbox.bubblewrap import INSIDE_OUTPUT, INSIDE_TREE, Mounts, bubblewrap_arguments
from harness.kernel.sandbox.sandbox import REPRODUCIBLE
from harness.kernel.source.tree import Source, source_package
from harness.report.display.events import CaseEnded, CaseStarted
from harness.watch.round import started_round
from harness.watch.wire import Request

BASE = "deb-src:6.1"
FILE = "kernel/cgroup/cgroup.c"
HEADER = "include/linux/cgroup-defs.h"
_MISTAKE = re.compile(r"^\t\.show_path\t\t= cgroup_show_path,\n", re.MULTILINE)
_SECONDS = 7200.0
_ROUNDS = 2
_CASES = "cases until the first that fails"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run of the harness until its first failing case, and what cannot be avoided of it.

    :param first: seconds until the verdict.
    :param whole: seconds until the end.
    :param make: seconds of plain make.
    :param boot: seconds of a boot by QEMU alone.
    :param case: seconds of the case.
    :param phases: each phase with its begin in seconds.
    """

    first: float
    whole: float
    make: float
    boot: float
    case: float
    phases: tuple[tuple[str, float], ...]

    @property
    def least(self) -> float:
        """Return the sum of what cannot be avoided."""
        return self.make + self.boot + self.case

    def profile(self) -> list[str]:
        """Return the seconds of each phase, as rows of a table."""
        ends = [*(begin for _, begin in self.phases[1:]), self.first]
        return [f"| {name} | {end - begin:.1f} s |" for (name, begin), end in zip(self.phases, ends, strict=True)]


@dataclass(slots=True)
class LoopBench:
    """Measure edits of a kernel tree.

    :param folder: folder for the trees, the objects and the results; 3 GiB.
    """

    folder: Path
    verdicts: list[Verdict] = field(default_factory=list)
    _edits: int = 0
    _began: int = field(default_factory=lambda: int(time.time()))
    """Part of each edit: the store has the kernels of an earlier bench."""

    def figures(self, *, with_header: bool) -> list[Figure]:
        """Measure all figures."""
        self._prepare()
        self._judged()  # the failing case is known from now on, as in a developer's second round
        self.verdicts = [self._verdict() for _ in range(_ROUNDS)]
        best = self.best
        parts = f"make {best.make:.1f} s, boot {best.boot:.1f} s, case {best.case:.1f} s"
        found = [
            _ratio("edit to first failing verdict / what cannot be avoided", best.first, best.least, 1.25, parts),
            Figure("-x: from that verdict to the end", best.whole - best.first, 2.0, True, "s", f"{best.whole:.1f} s"),
            self._build(FILE, "harness build / plain make, one .c file", 1.15),
        ]
        waits = [timed(lambda: self._harness("build", self._tree)) for _ in range(3)]
        text = ", ".join(f"{one:.2f} s" for one in waits)
        found.append(Figure("harness build, nothing to do", min(waits), 0.5, True, "s", text))
        if with_header:
            found.append(self._build(HEADER, f"harness build / plain make, {HEADER}", 1.05))
        return found

    @property
    def best(self) -> Verdict:
        """Return the run with the smallest ratio: other load on the host can only add time."""
        return min(self.verdicts, key=lambda one: one.first / one.least)

    @property
    def _tree(self) -> Path:
        return self.folder / "linux"

    @property
    def _output(self) -> Path:
        return self.folder / "output"

    def _prepare(self) -> None:
        """Build the base, check out two trees, and copy the objects of the base for plain make."""
        context = Context(Store.default(), Deadline.after(_SECONDS))
        self._harness("build", BASE)
        source = source_package(context, BASE.partition(":")[2])
        for tree in (self._tree, self.folder / "plain"):
            _check_out(source, tree)
        built = Path(self._harness("build", self._tree))
        facts = json.loads((built / "build.json").read_text())
        kept = [
            file.with_suffix("")
            for file in (context.store.folder / OBJECTS).glob("*.json")
            if (record := json.loads(file.read_text())).items()
            >= {"commit": source.commit, "is_patched": False}.items()
            and record["config"] == facts["config"]
        ]
        shutil.copytree(kept[0] / "output", self._output, symlinks=True)
        for path in (self.folder / "plain").rglob("*"):
            os.utime(path, (EPOCH, EPOCH), follow_symlinks=False)
        self._plain_make()

    def _edit(self, name: str = FILE) -> None:
        """Make the mistake in both trees, and another function each time, so that the image is a new one."""
        self._edits += 1
        for tree in (self._tree, self.folder / "plain"):
            text = _MISTAKE.sub("", (tree / FILE).read_text(), count=1)
            called = f"harness_edit_{self._began}_{self._edits}"
            added = f"int {called}(void);\nint {called}(void)\n{{\n\treturn 1;\n}}\n"
            (tree / FILE).write_text(text + (added if name == FILE else ""))
            if name != FILE:
                (tree / name).write_text(f"{(tree / name).read_text()}\n/* edit {self._began} {self._edits} */\n")

    def _verdict(self) -> Verdict:
        self._edit()
        make = timed(self._plain_make)
        boot = self._bare_boot()
        return replace(self._judged(), make=make, boot=boot)

    def _judged(self) -> Verdict:
        """Run the cases until one fails."""
        if not self._edits:
            self._edit()
        words = [str(self._tree), "-x", "--results", str(self.folder / "results")]
        phases: list[tuple[str, float]] = [("start of the program", 0.0)]
        first = case = 0.0
        began = time.perf_counter()
        with started_round(words, width=80, folder=self.folder) as one, selectors.DefaultSelector() as selector:
            one.begin(Request())
            for pipe in one.pipes:
                selector.register(pipe, selectors.EVENT_READ)
            while one.pipes:
                selector.select()
                before = one.pipes
                for event in one.read():
                    now = time.perf_counter() - began
                    if isinstance(event, PhaseStarted):
                        phases.append((_name(event), now))
                    if isinstance(event, CaseStarted) and phases[-1][0] != _CASES:
                        phases.append((_CASES, now))
                    if isinstance(event, CaseEnded) and event.case.is_failure and not first:
                        first, case = now, event.case.seconds
                for pipe in before - one.pipes:
                    selector.unregister(pipe)
            whole = time.perf_counter() - began
            if not first:
                raise SystemExit(f"no case failed: {one.complaint}")
        return Verdict(first, whole, 0.0, 0.0, case, tuple(phases))

    def _bare_boot(self) -> float:
        """Boot the image of plain make by QEMU alone."""
        bench = Bench(self.folder / "machines")
        image = self._output / "arch/x86/boot/bzImage"
        bench.prepared = replace(bench.prepared, request=replace(bench.prepared.request, image=image))
        return min(bench.bare_boot() for _ in range(2))

    def _build(self, name: str, called: str, bound: float) -> Figure:
        self._edit(name)
        make = timed(self._plain_make)
        return _ratio(called, timed(lambda: self._harness("build", self._tree)), make, bound)

    def _plain_make(self) -> None:
        """Run make on the copy of the objects, under the paths that they were built with."""
        mounts = Mounts(self.folder / "plain", self._output)
        words = ["make", "-C", INSIDE_TREE, f"O={INSIDE_OUTPUT}", f"-j{len(os.sched_getaffinity(0))}", "bzImage"]
        with Path(os.devnull).open("wb") as status:
            number = status.fileno()
            inside = bubblewrap_arguments(mounts, user=os.geteuid(), scratch_mebibytes=512, status_descriptor=number)
            within = process.Surroundings(env=dict(REPRODUCIBLE), pass_fds=[number])
            process.run(["nice", "-n", "10", *inside, *words], deadline=Deadline.after(_SECONDS), within=within)

    def _harness(self, *words: str | Path) -> str:
        argv: Sequence[str | Path] = [sys.executable, "-m", "harness", *words]
        return process.run(argv, deadline=Deadline.after(_SECONDS)).text.strip()


def _check_out(source: Source, tree: Path) -> None:
    """Check out a source package as a user's tree in git, which borrows the objects of the store."""
    deadline = Deadline.after(_SECONDS)
    process.run(["git", "init", "--quiet", tree], deadline=deadline)
    (tree / ".git/objects/info/alternates").write_text(f"{source.repository.git_dir / 'objects'}\n")
    process.run(["git", "-C", tree, "checkout", "--quiet", "--detach", source.commit], deadline=deadline)


def _name(event: PhaseStarted) -> str:
    """Return the name of a phase without the names of this bench's folders and commits."""
    for beginning in ("kernel:", "building from", "booting"):
        if event.text.startswith(beginning):
            return beginning.rstrip(":")
    return event.text


def _ratio(name: str, above: float, below: float, bound: float, detail: str = "") -> Figure:
    more = f": {detail}" if detail else ""
    return Figure(name, above / below, bound, True, "", f"{above:.1f} s / {below:.1f} s{more}")


def main() -> None:
    """Measure, print the table and the profile, write the JSON; exit status 1 when a bound is missed."""
    parser = arguments(__doc__)
    parser.add_argument("--header", action="store_true", help=f"measure an edit of {HEADER} as well")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("loop.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        (Path(name) / "machines").mkdir()
        bench = LoopBench(Path(name))
        figures = bench.figures(with_header=options.header)
        click.echo("\n".join(["| phase | time |", "|---|---|", *bench.best.profile(), ""]))
    report_figures(figures, options.json, kernel=BASE)


if __name__ == "__main__":
    main()
