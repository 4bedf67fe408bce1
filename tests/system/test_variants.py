# SPDX-License-Identifier: GPL-2.0-only
"""``--variants``: variants of a made-up tree in seconds, and of Linux 6.1 with planted mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from junitparser import JUnitXml

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import ExitStatus
from harness.model.series_record import EffectKind, PatchState, SeriesRecord
from harness.pipeline import Prepared
from harness.results.records import load_series
from tests.program import environment, harness
from tests.system.bootable_tree import FLAGS, make_bootable, write_cases
from tests.unit.kernel.fake_tree import FILES, FakeRepository

pytestmark = [pytest.mark.guest, pytest.mark.build]
DATA = Path(__file__).parents[1] / "data/variants"
_PLAIN_RULE = "s/#define FLAGS //p"
_VARIANT_RULE = "s/#define '$$(grep -q CONFIG_TWO=y $(out)/.config && echo TWO || echo FLAGS)' //p"
_BROKEN = "\t@! grep CONFIG_BROKEN=y $(out)/.config || { echo kernel/fork.c:1: error: broken >&2; false; }\n"


def run(*words: str | Path, seconds: float = 600) -> process.Completed:
    """Run the harness and return its result."""
    return process.run(
        harness(*words),
        deadline=Deadline.after(seconds),
        check=False,
        within=process.Surroundings(env=environment()),
    )


def flags_of(plain: str, two: str) -> str:
    """Return the file with the byte of the plain kernel and that of the variant."""
    return f"#define FLAGS {plain}\n#define TWO {two}\n"


@pytest.fixture(scope="module")
def tree(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> FakeRepository:
    """Return a tree whose image depends on the variant, with three commits; the second one changes the variant only."""
    tree = make_bootable(tmp_path_factory.mktemp("trees") / "linux", prepared.request.image)
    makefile = (tree.path / "Makefile").read_text().replace(_PLAIN_RULE, _VARIANT_RULE)
    makefile = makefile.replace('\t@echo "  LD      vmlinux"\n', f'{_BROKEN}\t@echo "  LD      vmlinux"\n')
    tree.commit({"Makefile": makefile, FLAGS: flags_of("1", "1")}, subject="base")
    tree.commit({"lib/string.c": f"{FILES['lib/string.c']}/* one */\n"}, subject="lib: a comment")
    tree.commit({FLAGS: flags_of("1", "2")}, subject="kernel: change the flags of the variant")
    tree.commit({"lib/string.c": f"{FILES['lib/string.c']}/* two */\n"}, subject="lib: another comment")
    return tree


@pytest.fixture
def fragments(tmp_path: Path) -> str:
    """Return the argument for a variant that differs and one that does not build."""
    for name in ("two", "broken"):
        (tmp_path / f"variant-{name}.config").write_text(f"# A variant for a test.\nCONFIG_{name.upper()}=y\n")
    return f"{tmp_path}/variant-two.config,{tmp_path}/variant-broken.config"


def test_run_has_a_column_for_each_variant(tree: FakeRepository, fragments: str, tmp_path: Path) -> None:
    """One variant fails a case, another one does not build; the plain kernel and the others go on."""
    results = tmp_path / "results"
    kernel = f"{tree.path}@{tree.commits[-1]}"
    done = run("run", kernel, "--variants", fragments, "--cases", write_cases(tmp_path / "cases"), "--results", results)
    (joint,) = results.glob("*-3-kernels")
    suites = {suite.name: (suite.tests, suite.failures) for suite in JUnitXml.fromfile(str(joint / "junit.xml"))}

    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    assert suites == {kernel: (2, 0), f"{kernel} (two)": (2, 1), f"{kernel} (broken)": (1, 1)}
    assert "does not build" in done.text + done.complaint
    assert [one["variant"] for one in json.loads((joint / "variants.json").read_text())["kernels"]] == [
        "plain",
        "two",
        "broken",
    ]


def test_series_names_the_patch_that_changes_a_variant(tree: FakeRepository, fragments: str, tmp_path: Path) -> None:
    """The plain kernels show nothing; a variant whose base does not build says nothing against the series."""
    results = tmp_path / "results"
    words = ("series", f"{tree.commits[1]}..{tree.commits[-1]}", "--base", f"{tree.path}@{tree.commits[1]}")
    how = ("--variants", fragments, "--cases", write_cases(tmp_path / "cases"), "--no-coverage", "--results", results)
    done = run(*words, *how)
    record = load_of(results)
    effects = [[(one.of, one.variant) for one in patch.effects] for patch in record.posted]
    columns = [[one.state for one in patch.variants] for patch in record.posted]

    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    assert effects == [[], [(EffectKind.CASE, "two")], []]
    assert columns == [
        [PatchState.SUCCESS, PatchState.UNKNOWN],
        [PatchState.FAIL, PatchState.UNKNOWN],
        [PatchState.SUCCESS, PatchState.UNKNOWN],
    ]
    assert "only with two: case" in done.text
    junit = JUnitXml.fromfile(str(next(results.glob("*-series-*/junit.xml"))))
    assert [suite.name for suite in junit if suite.failures and "(two)" in suite.name] == [
        "2/3 (two) kernel: change the flags of the variant"
    ]


def load_of(results: Path) -> SeriesRecord:
    """Return the record of the only series."""
    (file,) = results.glob("*/series.json")
    return load_series(file.read_text(), source=str(file))


@pytest.mark.slow(
    *("harness/kernel/build", "harness/kernel/config", "harness/series", "kconfigs", "qemu", "tests/data/variants"),
    nightly=True,
)
@pytest.mark.network
def test_planted_mistakes_are_found_by_their_variant(tmp_path: Path) -> None:
    """Of Linux 6.1: a sleep under a spinlock, two locks in two orders, a leak, and code that relies on SMP."""
    done = run(
        *("series", DATA / "mistakes", "--base", "deb-src:6.1", "--variants", "debug,up"),
        *("--cases", DATA / "cases", "--no-coverage", "--results", tmp_path),
        seconds=7200,
    )
    record = load_of(tmp_path)
    found = [{(one.variant, one.after) for one in patch.effects} for patch in record.posted]

    assert done.status == ExitStatus.DIFFERS, done.text + done.complaint
    assert ("debug", "bug") in found[0]
    assert ("debug", "lockdep") in found[1]
    assert ("debug", "kmemleak") in found[2]
    assert {variant for variant, _ in found[3]} == {"up"}
    assert all(variant for effects in found for variant, _ in effects)
