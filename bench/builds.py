# SPDX-License-Identifier: GPL-2.0-only
"""Measure the speed of builds from source: ratios of one run, as a table and as JSON (``bench/builds.json``).

    tox -e bench-builds                    all figures; half an hour on two slow cores
    tox -e bench-builds -- --without-runs  without the two runs of the whole suite

All commands are ``harness`` commands with their own store, so the user's store does not affect the figures. A figure
for a part of a command (the compilation) is the time that the command recorded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.figures import Figure, arguments, report_figures
from harness.base import process
from harness.base.deadline import Deadline
from harness.base.store import STORE_VARIABLE
from harness.results.folder import load_run

BASE = "deb-src:6.1"
SERIES = ("mountinfo-unscoped", "named-hierarchy-allowed", "move-judged-by-writer", "release-agent-unchecked")
FILES = (
    "kernel/cgroup/cgroup.c",
    "kernel/cgroup/cgroup-v1.c",
    "kernel/cgroup/namespace.c",
    "kernel/cgroup/pids.c",
    "kernel/cgroup/rstat.c",
    "kernel/cgroup/legacy_freezer.c",
    "kernel/nsproxy.c",
    "fs/kernfs/mount.c",
)
"""The files of the eight patches, one file each."""
_SECONDS = 7200.0


class BuildBench:
    """Measure builds; each method returns figures.

    :param folder: folder for the store, the patches and the results; needs a few GiB.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._built = folder
        self.environment = {**os.environ, STORE_VARIABLE: str(folder / "store")}

    def figures(self, *, with_runs: bool) -> list[Figure]:
        """Measure all figures, in the order of their dependencies.

        :param with_runs: whether to run the whole suite, too.
        """
        self._built = first = self._build(BASE)
        facts = json.loads((first / "build.json").read_text())
        clean = float(facts["seconds"])
        found = [self._nothing(), self._plain(first, clean)]
        found += self._patches(first, clean)
        return found + (self._runs() if with_runs else [])

    def _nothing(self) -> Figure:
        """Measure a build whose result is in the store already."""
        waits = [self._timed("build", BASE) for _ in range(3)]
        text = ", ".join(f"{value:.2f} s" for value in waits)
        return Figure("harness build, nothing to do", min(waits), 1.0, True, "s", text)

    def _plain(self, built: Path, clean: float) -> Figure:
        """Compare a clean build with make alone in the same tree and config; ``reproduce.sh`` compares the images.

        :param clean: seconds of the clean build by the harness.
        """
        output = self.folder / "plain"
        started = time.perf_counter()
        with process.start(["sh", str(built / "reproduce.sh"), str(self._tree()), str(output)]) as make:
            status = make.wait(_SECONDS)
        seconds = time.perf_counter() - started
        if status != 0:
            raise SystemExit(f"plain make failed with status {status}, or its image differs")
        shutil.rmtree(output)
        return _ratio("clean build / plain make", clean, seconds, 1.05)

    def _patches(self, built: Path, clean: float) -> list[Figure]:
        """Measure a build after one patch to a .c file, and eight such builds in a row."""
        walls = []
        patches = [self._patch(name) for name in FILES]  # before a build changes the work tree
        for number in range(1, len(FILES) + 1):
            folder = self.folder / f"patches{number}"
            folder.mkdir()
            for at, text in enumerate(patches[:number], start=1):
                (folder / f"{at:04}-touch.patch").write_text(text)
            walls.append(self._timed("build", f"{BASE}+{folder}"))
        one, all_of_them = walls[0], sum(walls)
        return [
            Figure(
                "rebuild after one .c file / clean build", one / clean, 0.10, True, "", f"{one:.1f} s / {clean:.1f} s"
            ),
            Figure(
                "eight patches one after another / clean build",
                all_of_them / clean,
                1.8,
                True,
                "",
                f"{all_of_them:.1f} s / {clean:.1f} s",
            ),
        ]

    def _patch(self, name: str) -> str:
        """Return a patch that adds a function to a file."""
        lines = (self._tree() / name).read_text().splitlines()
        prefix = re.sub(r"\W", "_", name)
        added = [f"int {prefix}_touched(void);", f"int {prefix}_touched(void)", "{", f"\treturn {len(lines)};", "}"]
        shown = lines[-3:]
        hunk = [*(f" {line}" for line in shown), *(f"+{line}" for line in added)]
        head = f"@@ -{len(lines) - 2},3 +{len(lines) - 2},{3 + len(added)} @@"
        return "\n".join([f"--- a/{name}", f"+++ b/{name}", head, *hunk, ""])

    def _runs(self) -> list[Figure]:
        """Compare five kernels, built and tested with all cases, with one kernel; both start without any build."""
        first = _digest(self._built)
        one = self._run_afresh(BASE)
        again = _digest(self._build(BASE))
        if again != first:
            raise SystemExit(f"two clean builds of {BASE} differ: {first} and {again}")
        five = self._run_afresh(BASE, *(f"series:{name}" for name in SERIES))
        return [_ratio("five kernels built and tested / one", five, one, 2.0)]

    def _run_afresh(self, *kernels: str) -> float:
        for kind in (self.folder / "store").glob("kernel-*"):
            if kind.name.startswith(("kernel-build", "kernel-objects")):
                shutil.rmtree(kind)
        results = self.folder / f"results{len(kernels)}"
        seconds = self._timed("run", *kernels, "--results", str(results))
        runs = [load_run(file.parent) for file in results.glob("20*/run.json")]
        assert len(runs) == len(kernels), "the run of a kernel is missing"
        return seconds

    def _tree(self) -> Path:
        """Return the work tree of the build, with the files of the base."""
        return next((self.folder / "store").glob("kernel-worktree/*/0/tree"))

    def _build(self, kernel: str) -> Path:
        done = process.run(
            self._command("build", kernel),
            deadline=Deadline.after(_SECONDS),
            within=process.Surroundings(env=self.environment),
        )
        return Path(done.text.strip())

    def _timed(self, *arguments: str) -> float:
        started = time.perf_counter()
        process.run(
            self._command(*arguments),
            deadline=Deadline.after(_SECONDS),
            within=process.Surroundings(env=self.environment),
        )
        return time.perf_counter() - started

    def _command(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, "-m", "harness", *arguments]


def _digest(kernel: Path) -> str:
    """Return the digest of a kernel's image."""
    return str(json.loads((kernel / "build.json").read_text())["digest"])


def _ratio(name: str, above: float, below: float, bound: float) -> Figure:
    return Figure(name, above / below, bound, True, "", f"{above:.1f} s / {below:.1f} s")


def main() -> None:
    """Measure, print the table, write the JSON; exit status 1 when a bound is missed."""
    parser = arguments(__doc__)
    parser.add_argument("--without-runs", action="store_true", help="leave out the two runs of the whole suite")
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("builds.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        figures = BuildBench(Path(name)).figures(with_runs=not options.without_runs)
    report_figures(figures, options.json, kernel=BASE)


if __name__ == "__main__":
    main()
