# SPDX-License-Identifier: GPL-2.0-only
"""Cases that an earlier run knows nothing of: they may reach any change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.store import Store
from harness.coverage import files
from harness.coverage.lines import LineCoverage
from harness.guest.coverage.kept import find_kept, keep_run
from harness.model.kernel_spec import parse_spec
from harness.model.run_record import CoverageRecord
from harness.results.find_run import FoundRun
from harness.run.coverage.touching import (
    CHANGES,
    Chosen,
    KnownLines,
    base_of,
    first_cases,
    reach_of_functions,
    unknown_cases,
    unknown_functions,
)
from harness.suite.load import case_id, case_paths, default_suite
from tests.unit.coverage.test_functions import bits
from tests.unit.report.sample import RUN

SUITE = default_suite()
FILES = [case_id(path, SUITE) for path in case_paths(SUITE)]
WHOLE = replace(
    RUN,
    complete=True,
    not_run=(),
    is_partial=False,
    cases=tuple(
        replace(RUN.cases[0], id=name if name.endswith(".session") else f"{name}::test_x[1]") for name in FILES
    ),
)


def test_a_whole_run_knows_all_cases() -> None:
    """Cases in Python are known by their files."""
    assert len(FILES) > 100
    assert unknown_cases(FoundRun(Path("base"), WHOLE), SUITE) == []


def test_a_new_case_is_unknown() -> None:
    """A case that was written after the run is named."""
    run = replace(WHOLE, cases=WHOLE.cases[1:])

    assert unknown_cases(FoundRun(Path("base"), run), SUITE) == [FILES[0]]


@pytest.mark.parametrize("change", [{"is_partial": True}, {"complete": False}, {"not_run": ("cgroupns/a.session",)}])
def test_a_run_of_some_cases_does_not_know_the_others(change: dict[str, object]) -> None:
    """Selected cases only, an interrupted run, and one that -x ended."""
    run = replace(WHOLE, **change)  # type: ignore[arg-type]  # fields by name

    assert unknown_cases(FoundRun(Path("base"), run), SUITE) == ["cases that base did not run"]


@pytest.mark.parametrize(
    ("kernel", "word", "base", "patched"),
    [
        ("deb-src:6.1+a.mbox", CHANGES, "deb-src:6.1", "deb-src:6.1+a.mbox"),
        ("deb-src:6.1+a.mbox", "a.mbox", "deb-src:6.1", "deb-src:6.1+a.mbox"),
        ("deb-src:6.1", "a.mbox", "deb-src:6.1", "deb-src:6.1+a.mbox"),
        ("TREE", CHANGES, "TREE@HEAD", "TREE"),
        ("TREE", "v6.1..HEAD", "TREE@v6.1", "TREE"),
        ("TREE+a.mbox", CHANGES, "TREE", "TREE+a.mbox"),
        ("TREE", "a.mbox", "TREE", "TREE+a.mbox"),
    ],
)
def test_the_base_of_a_change(
    kernel: str, word: str, base: str, patched: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The patches of the kernel, a series on top of it, a range of its tree, or its uncommitted files."""
    tree = tmp_path / "linux"
    tree.mkdir()
    (tmp_path / "a.mbox").touch()
    monkeypatch.chdir(tmp_path)
    spec = parse_spec(kernel.replace("TREE", str(tree)))

    assert base_of(spec, word) == (base.replace("TREE", str(tree)), patched.replace("TREE", str(tree)))


def test_a_kernel_has_another_series_than_the_one_that_is_named() -> None:
    """It is not clear which of the two is the change."""
    with pytest.raises(UsageError, match="has another series"):
        base_of(parse_spec("deb-src:6.1+a.mbox"), "b.mbox")


def covered(folder: Path, name: str) -> FoundRun:
    """Return a whole run with the coverage of one case."""
    run = replace(WHOLE, coverage=CoverageRecord("template"), cases=(replace(RUN.cases[0], folder="case"),))
    (folder / name / "case").mkdir(parents=True)
    files.keep(bits((0x10, 4)), folder / name / "case")
    return FoundRun(folder / name, run)


def test_the_store_keeps_what_the_newest_whole_run_of_an_image_ran(tmp_path: Path) -> None:
    """It does not need the run folder; a run of some cases replaces nothing; an older one is removed."""
    store, first, second = Store(tmp_path / "store"), covered(tmp_path, "first"), covered(tmp_path, "second")
    digest, suite = first.run.kernel.image_digest, first.run.suite
    keep_run(store, first, deadline=Deadline.never())
    keep_run(store, replace(second, run=replace(second.run, is_partial=True)), deadline=Deadline.never())
    kept = find_kept(store, image_digest=digest, suite=suite)
    assert kept is not None
    assert files.load(kept.folder / "case") == bits((0x10, 4))
    assert [case.id for case in kept.run.cases] == [RUN.cases[0].id]

    keep_run(store, second, deadline=Deadline.never())
    newer = find_kept(store, image_digest=digest, suite=suite)
    assert newer is not None
    assert newer.folder != kept.folder
    assert not kept.folder.exists()
    assert find_kept(store, image_digest="0" * 64, suite=suite) is None


TEXT = "int f(void)\n{\n\treturn 1;\n}\n\nint g(void)\n{\n\treturn 2;\n}\n"


def known(*, is_boot: bool = False) -> KnownLines:
    """Return what two cases ran of a file with two functions."""
    code = (LineCoverage("a.c", 3, ("s/a",), is_boot, ("f",)), LineCoverage("a.c", 8, ("s/b",), False, ("g",)))
    return KnownLines(code, 2, {})


def test_the_cases_that_reach_functions_by_their_names() -> None:
    """The functions of an end of a series; what the boot runs leaves a doubt."""
    assert reach_of_functions(known(), {"a.c": TEXT}, {"a.c": frozenset({"g"})}).cases == ("s/b",)
    assert reach_of_functions(known(), {"a.c": TEXT}, {"a.c": frozenset({"h"})}).cases == ()
    assert reach_of_functions(known(), {"a.c": TEXT}, {"a.c": frozenset({"f"})}).doubts == ()
    (doubt,) = reach_of_functions(known(is_boot=True), {"a.c": TEXT}, {"a.c": frozenset({"f"})}).doubts
    assert doubt == "a.c: the boot runs f as well"


def test_functions_that_no_end_has() -> None:
    """A function that one patch adds and a later one removes, and one whose name is not read."""
    ends = [{"a.c": ""}, {"a.c": TEXT}]

    assert unknown_functions(ends, {"a.c": frozenset({"f"})}) == []
    assert unknown_functions(ends, {"a.c": frozenset({"f", "h"})}) == ["a.c: h"]
    assert unknown_functions(ends, {"a.c": frozenset({""})}) == ["a.c: a function"]


def test_a_share_of_the_cases() -> None:
    """Without one, all that reach the change are run."""
    chosen = Chosen(("a", "b", "c"), (), 5, "base")

    assert first_cases(chosen, 100) == ("a", "b", "c")
    assert first_cases(chosen, 40) == ("a", "b")
