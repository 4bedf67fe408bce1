# SPDX-License-Identifier: GPL-2.0-only
"""Pretended kernels: a small tree in git whose file defines what its kernel does, and a runner that reads it.

Only builds and guests are pretended; git, the history, the state on disk and run folders are real.
``kernel/cgroup.c`` of a commit has a line for each trait, ``outside_view = relative``, a line ``broken`` if it does not
build, ``hangs`` if it does not boot, ``splat`` if its first case logs one, lines ``entry_NAME`` for its inventory, and
a value ``a|b`` for a flaky trait.
"""

from __future__ import annotations

import functools
import hashlib
import random
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from harness.base.errors import SeriesError, Stage
from harness.bisect.observed import YES, ObservedRun
from harness.bisect.runner import EVERYTHING, RUNS, Observing, find_file
from harness.bisect.targets import Kind, Target
from harness.model.run_record import CaseRecord, RunRecord
from harness.model.verdict import Outcome, SplatReport, TraitSighting
from harness.pipeline import Options
from harness.results.folder import RunFolder
from harness.run.one_kernel import HERE, Spread
from harness.suite.load import default_suite
from tests.unit.kernel.user_tree import FILES, UserTree
from tests.unit.report.sample import KERNEL

FILE = "kernel/cgroup.c"
CASES = {
    "outside_view": "cgroupns/views/siblings-v2.session",
    "mountinfo_root": "cgroupns/mounts/mountinfo-v2.session",
    "self_view": "cgroupns/views/zombie-v2.session",
}
"""The case that shows each trait; the files are real, as a bisection checks whether they change."""
PASSES = "relative"
"""The value of a trait with which its case matches."""


class PretendedTree(UserTree):
    """A repository of pretended kernels.

    :param said: the lines of the last commit.
    """

    def __init__(self, folder: Path, said: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(folder)
        self.said = dict(said)

    def copy(self, folder: Path) -> PretendedTree:
        """Return a copy of the repository and its files in a folder that does not exist yet."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return PretendedTree(folder, self.said)

    def change(self, *, message: str = "", comment: str = "", **traits: str) -> str:
        """Commit new values of traits; ``broken`` is the reason why the kernel does not build, or empty."""
        self.said = {name: value for name, value in {**self.said, **traits}.items() if value}
        lines = [*(f"{name} = {value}" for name, value in self.said.items()), f"// {comment}"]
        self.write(FILE, "\n".join(lines) + "\n")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message or f"change {traits or comment}")
        return self.git("rev-parse", "HEAD")

    def document(self, text: str) -> str:
        """Commit a file that no build reads."""
        self.write("Documentation/cgroup.rst", text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", f"Documentation: {text}")
        return self.git("rev-parse", "HEAD")


def pretended_tree(folder: Path) -> PretendedTree:
    """Make a tree whose first kernel, ``v9.0``, shows the passing value of each trait."""
    folder.mkdir(parents=True)
    tree = PretendedTree(folder)
    tree.git("init", "--quiet", "--initial-branch=master")
    for name, content in FILES.items():
        tree.write(name, content)
    tree.change(message="the first", **dict.fromkeys(CASES, PASSES))
    tree.git("tag", "v9.0")
    return tree


@functools.cache
def values_of(word: str) -> Mapping[str, str]:
    """Return the lines of the kernel that a KERNEL argument names; commits do not change, so git shows each once."""
    path, _, commit = word.rpartition("@")
    text = UserTree(Path(path)).git("show", f"{commit}:{FILE}")
    return dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)


@dataclass
class PretendedRunner:
    """Runs cases on pretended kernels, as :class:`harness.bisect.runner.CommitRunner` does on real ones; counts calls.

    :param interrupt_at: the number of the call at which Ctrl-C is pressed; 0 for none.
    """

    options: Options
    selection: object
    semantics: object
    store: object
    folder: Path
    display: object
    command: str
    observing: Observing = EVERYTHING
    spread: Spread = HERE
    built: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ahead: list[tuple[str, ...]] = field(default_factory=list)
    interrupt_at: int = 0
    luck: random.Random = field(default_factory=lambda: random.Random(7))

    def image_of(self, word: str, *, name: str) -> str:
        """See :class:`harness.bisect.runner.CommitRunner`."""
        said = values_of(word)
        if word not in self.built:
            self.built.append(word)
        if "broken" in said:
            raise failure(f"it does not build: {said['broken']}", Stage.BUILD)
        if "hangs" in said and self.observing.boots:
            raise failure(f"it does not boot: {said['hangs']}", Stage.BOOT)
        return hashlib.sha256(repr(sorted(said.items())).encode()).hexdigest()

    def build_ahead(self, words: Mapping[str, str]) -> None:
        """See :class:`harness.bisect.runner.CommitRunner`."""
        self.ahead.append(tuple(word.rpartition("@")[2] for word in words))

    def observe_all(self, word: str, *, name: str) -> tuple[ObservedRun, RunRecord | None]:
        """See :class:`harness.bisect.runner.CommitRunner`."""
        self._count(word)
        self.image_of(word, name=name)
        if not self.observing.runs_cases:
            return ObservedRun(stages=self._stages(), inventory=self._inventory(word)), None
        run, folder = self._run(word, tuple(CASES.values()))
        cases = {case.id: case for case in run.cases}
        return ObservedRun(cases, (folder,), self._stages(), self._inventory(word)), run

    def observe(self, word: str, targets: Sequence[Target], *, times: int = 1, name: str) -> list[ObservedRun]:
        """See :class:`harness.bisect.runner.CommitRunner`."""
        self._count(word)
        self.image_of(word, name=name)
        files = tuple(file for target in targets for file in target.files)
        runs = [self._run(word, files) for _ in range(times)] if files else []
        seen = [ObservedRun({case.id: case for case in run.cases}, (folder,)) for run, folder in runs] or [
            ObservedRun()
        ]
        return [replace(seen[0], stages=self._stages(), inventory=self._inventory(word)), *seen[1:]]

    def _stages(self) -> dict[Kind, str]:
        return {Kind.BUILDS: YES, **({Kind.BOOTS: YES} if self.observing.boots else {})}

    def _inventory(self, word: str) -> dict[str, str] | None:
        said = values_of(word)
        entries = {f"tmp: {name}": facts for name, facts in said.items() if name.startswith("entry_")}
        return entries if self.observing.takes_inventory else None

    def _count(self, word: str) -> None:
        self.asked.append(word)
        if self.interrupt_at and len(self.asked) == self.interrupt_at:
            raise KeyboardInterrupt

    def _run(self, word: str, files: Sequence[str]) -> tuple[RunRecord, str]:
        said = {name: self.luck.choice(value.split("|")) for name, value in sorted(values_of(word).items())}
        splats = (SplatReport("warning", "WARNING at f", said["splat"], "text"),) if "splat" in said else ()
        cases = tuple(
            _case(file, {trait: said[trait] for trait in CASES if CASES[trait] == file}, splats) for file in set(files)
        )
        folder = RunFolder.create(self.folder / RUNS, "pretended", time.time())
        run = RunRecord(
            replace(KERNEL, spec=word), 0.0, complete=True, profile="mainline-6.1", suite="cgroupns", cases=cases
        )
        folder.write(run)
        return run, f"{RUNS}/{folder.path.name}"


def failure(what: str, stage: Stage) -> SeriesError:
    """Return the error of a kernel that fails in a stage."""
    error = SeriesError(what, evidence=f"line 1\n{what}")
    error.stage = stage
    return error


def _case(file: str, values: Mapping[str, str], splats: tuple[SplatReport, ...] = ()) -> CaseRecord:
    assert find_file(file, default_suite()).is_file()
    wrong = [f"{trait}: this kernel says {value}" for trait, value in values.items() if value != PASSES]
    shown = "".join(f"    {value}\n" for value in values.values())
    return CaseRecord(
        file,
        "cases",
        file,
        Outcome.MISMATCH if wrong else Outcome.MATCH,
        reason=", ".join(wrong),
        transcript=f"title: x\n\n    # cat f\n{shown}",
        splats=splats,
        sightings=tuple(TraitSighting(trait, value, f"{file}:3") for trait, value in values.items()),
    )
