# SPDX-License-Identifier: GPL-2.0-only
"""Building the fake tree: what is kept, what is built again, and who is to blame when it does not build."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, SeriesError
from harness.base.process import find_program
from harness.base.store import Store
from harness.kernel.build import object_cache
from harness.kernel.build.build import LOG_KIND, LOGS_KEPT
from harness.kernel.build.product import find_built
from harness.kernel.config.configure import Config
from tests.unit.kernel.fake_tree import CONFIG, FILES
from tests.unit.kernel.workshop import CONFIGURED, NEW_FORK, Workshop


def test_a_build_leaves_all_that_is_needed(workshop: Workshop) -> None:
    """Image, symbols, config, log and compiler are in one folder, owned by this user, and nothing else."""
    built = workshop.build()

    names = {path.name for path in built.folder.iterdir()}
    assert names == {
        *("bzImage", "vmlinux", "System.map", "config", "build.log", "compiler", "reproduce.sh", "build.json")
    }
    assert (built.release, built.reused, built.warnings, built.notes) == ("6.1.0", "", (), ())
    assert b"harness@harness" in built.image.read_bytes()
    assert hashlib.sha256(built.image.read_bytes()).hexdigest() == built.digest
    assert built.config.read_text() == CONFIG
    assert "  CC      kernel/fork.o" in built.log.read_text().splitlines()
    assert "gcc" in (built.folder / "compiler").read_text()
    assert {path.stat().st_uid for path in built.folder.iterdir()} == {os.geteuid()}


def test_what_was_built_is_found_without_a_work_tree(workshop: Workshop) -> None:
    """The same tree, config and compiler are one product; another config is not."""
    other = Config(CONFIG + "CONFIG_SMP=y\n", "other", ())
    deadline = Deadline.after(60)
    missing = find_built(Context(workshop.store, deadline), workshop.tree(), CONFIGURED)
    built = workshop.build()

    assert missing is None
    assert find_built(Context(workshop.store, deadline), workshop.tree(), CONFIGURED) == built
    assert find_built(Context(workshop.store, deadline), workshop.tree(), other) is None
    assert workshop.build() == built
    assert not workshop.steps


@pytest.mark.skipif(find_program("gcc-12") is None, reason="the host has no gcc-12")
def test_another_compiler_makes_another_kernel(workshop: Workshop) -> None:
    """The compiler that a config was made with builds it, is part of the key, and is in the script that reproduces."""
    config = replace(CONFIGURED, assignments=("CC=gcc-12",))
    usual, built = workshop.build(), workshop.build(config=config)

    assert built.folder != usual.folder
    assert (built.folder / "compiler").read_text().startswith("gcc-12 ")
    assert " CC=gcc-12 bzImage" in (built.folder / "reproduce.sh").read_text()
    assert find_built(Context(workshop.store, Deadline.after(60)), workshop.tree(), config) == built


def test_a_damaged_product_is_made_anew(workshop: Workshop) -> None:
    """A product that lost a file is none."""
    built = workshop.build()
    built.image.unlink()

    assert workshop.build().image.is_file()


def test_the_same_tree_gives_the_same_image(workshop: Workshop, tmp_path: Path) -> None:
    """Two stores, two clean builds: one digest. With --trust the paths are others, and it is the same still."""
    first = workshop.build()
    workshop.store = Store(tmp_path / "elsewhere" / "store")
    second = workshop.build()
    workshop.store = Store(tmp_path / "trusted")
    third = workshop.build(trusted=True)

    assert (second.reused, third.reused) == ("", "")
    assert first.digest == second.digest == third.digest
    assert first.folder != second.folder


def test_the_progress_knows_the_last_build(workshop: Workshop, tmp_path: Path) -> None:
    """The first build of a config counts steps; the next one knows how many there are and how long they take."""
    workshop.build()
    first = list(workshop.steps)
    shutil.rmtree(workshop.store.folder / "kernel-build")
    shutil.rmtree(workshop.store.folder / object_cache.KIND)
    workshop.build()

    assert [step.total for step in first] == [None] * 7
    assert [step.done for step in first] == [1, 2, 3, 4, 5, 6, 7]
    assert [step.total for step in workshop.steps] == [7] * 7
    assert workshop.steps[0].seconds_left is not None


def test_the_script_builds_it_again(workshop: Workshop, tmp_path: Path) -> None:
    """reproduce.sh needs no harness: it applies nothing by itself, says what to apply, and checks the image."""
    workshop.repository.commit({"kernel/fork.c": NEW_FORK}, subject="change fork")
    built = workshop.build("change fork")
    tree, output = tmp_path / "copy", tmp_path / "output"
    workshop.repository.git("clone", "--quiet", str(workshop.repository.path), str(tree))
    script = built.folder / "reproduce.sh"
    done = subprocess.run(["sh", script, tree, output], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert "1. change fork" in script.read_text()
    assert (built.folder / "series.mbox").read_text().count("Subject: [PATCH") == 1


def test_a_header_that_an_old_tree_lacks(workshop: Workshop, tmp_path: Path) -> None:
    """Kernels before 4.2 include one named after gcc's version: it is put there, and by the script as well."""
    of_its_time = (
        "#define __gcc_header(x) #x\n#define _gcc_header(x) __gcc_header(linux/compiler-gcc##x.h)\n"
        "#define gcc_header(x) _gcc_header(x)\n#include gcc_header(__GNUC__)\n"
    )
    files = {
        "Makefile": FILES["Makefile"].replace("VERSION = 6\nPATCHLEVEL = 1", "VERSION = 3\nPATCHLEVEL = 18"),
        "include/linux/kernel.h": of_its_time + FILES["include/linux/kernel.h"],
        "include/linux/compiler-gcc5.h": "#define OF_GCC 5\n",
        "lib/string.c": FILES["lib/string.c"].replace("? 2", "? OF_GCC"),
    }
    workshop.repository.commit(files, subject="an old tree")
    old = workshop.build()
    workshop.repository.commit({"kernel/fork.c": NEW_FORK}, subject="change fork")
    workshop.build("change fork")
    compiled = workshop.compiled
    script, tree = old.folder / "reproduce.sh", tmp_path / "tree"
    workshop.repository.git("worktree", "add", "--quiet", str(tree), "HEAD^")
    done = subprocess.run(["sh", script, tree, tmp_path / "output"], capture_output=True, text=True, check=False)

    assert old.release == "3.18.0"
    assert any("compiler-gcc" in note for note in old.notes)
    assert compiled == {"kernel/fork.o"}
    assert done.returncode == 0, done.stderr


def test_an_error_names_the_patch_that_wrote_the_line(workshop: Workshop) -> None:
    """File, line, message and patch are in one sentence; the source line is the evidence, beside the log."""
    workshop.repository.commit({"lib/string.c": FILES["lib/string.c"] + "\n"})
    workshop.repository.commit({"kernel/fork.c": FILES["kernel/fork.c"].replace("return of", "return off")})
    with pytest.raises(SeriesError) as caught:
        workshop.build("a line more", "rename of")

    logs = list((workshop.store.folder / LOG_KIND).glob("*.log"))
    assert caught.value.what.startswith(
        "patch 2/2 (rename of) does not build: kernel/fork.c:4:16: error: 'off' undeclared"
    )
    assert "return off + length" in caught.value.evidence
    assert caught.value.log == logs[0]
    assert str(logs[0]) not in caught.value.evidence
    assert "'off' undeclared" in logs[0].read_text()


def test_an_error_elsewhere_is_traced_to_what_is_missing(workshop: Workshop) -> None:
    """A use of what a patch took away is not the using line's fault; ld's complaints have no line at all."""
    workshop.repository.commit({"kernel/fork.c": NEW_FORK.replace("fork_one", "fork_two")})
    with pytest.raises(SeriesError) as caught:
        workshop.build("rename fork_one")

    assert "does not build, most likely because of patch 1/1 (rename fork_one)" in caught.value.what
    assert "undefined reference to `fork_one'" in caught.value.what


def test_a_tree_that_does_not_build_without_a_series(workshop: Workshop) -> None:
    """The tree itself is named then."""
    workshop.repository.commit({"kernel/fork.c": "int f(\n"})
    with pytest.raises(SeriesError, match=r"^the tree does not build: kernel/fork\.c:1:"):
        workshop.build()


def test_new_warnings_are_told_with_their_patch(workshop: Workshop) -> None:
    """A warning about a line that a patch wrote is kept; one that was there before is not the series' business."""
    old = FILES["lib/string.c"].replace("{\n", "{\n\tint old;\n")
    workshop.repository.commit({"lib/string.c": old})
    new = FILES["kernel/fork.c"].replace("{\n", "{\n\tint fresh;\n")
    workshop.repository.commit({"kernel/fork.c": new})
    built = workshop.build("a fresh variable")

    assert [(one.render(), one.patch) for one in built.warnings] == [
        ("kernel/fork.c:4:13: warning: unused variable 'fresh' [-Wunused-variable]", 1)
    ]
    assert "old" in built.log.read_text()
    assert (
        find_built(Context(workshop.store, Deadline.after(120)), workshop.tree("a fresh variable"), CONFIGURED) == built
    )


def test_a_program_that_this_host_lacks_is_its_fault(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing flex is named with its package; one that is there is not believed to be missing."""
    deed = 'echo "/bin/sh: 1: flex: not found"; exit 127'
    workshop.repository.commit({"Makefile": FILES["Makefile"].replace('\t@echo "  LD', f'\t@{deed}\n\t@echo "  LD')})
    monkeypatch.setattr("harness.kernel.toolchain.missing.find_program", lambda name: Path("/usr/bin/flex"))
    with pytest.raises(SeriesError):
        workshop.build("a lie")
    monkeypatch.setattr("harness.kernel.toolchain.missing.find_program", lambda name: None)

    with pytest.raises(HostError) as caught:
        workshop.build("a lie")
    assert "flex is missing on this host" in caught.value.what
    assert caught.value.remedy == "apt install flex"


def test_only_a_tree_without_a_series_adds_to_the_compiler_cache(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A series reads what the tree's own build left there and cannot write to it; the image is the same from a hit."""
    cache = workshop.store.folder / "kernel-ccache" / "cache"
    monkeypatch.setenv("HARNESS_CCACHE", "yes")
    base = workshop.build()
    kept = {path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"}
    deed = "-@echo x > /cache/x; touch /cache/y"
    makefile = FILES["Makefile"].replace('\t@echo "  LD', f'\t{deed}\n\t@echo "  LD')
    workshop.repository.commit({"Makefile": makefile, "kernel/fork.c": NEW_FORK})
    workshop.build("a deed")
    after = {path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"}
    workshop.repository.commits.pop()
    for kind in ("kernel-build", object_cache.KIND):
        shutil.rmtree(workshop.store.folder / kind)
    again = workshop.build()

    assert kept
    assert after == kept
    assert (again.digest, again.reused) == (base.digest, "")
    assert stat.S_IMODE(cache.parent.stat().st_mode) == 0o700


def test_logs_do_not_pile_up(workshop: Workshop) -> None:
    """A kernel that was built has its log; of those that were not, the newest are kept."""
    folder = workshop.store.folder / LOG_KIND
    folder.mkdir(parents=True)
    for number in range(LOGS_KEPT + 5):
        (folder / f"{number}.log").touch()
        os.utime(folder / f"{number}.log", (number, number))
    built = workshop.build()

    assert built.log.read_text()
    assert {path.stem for path in folder.iterdir()} == {str(number) for number in range(6, LOGS_KEPT + 5)}
