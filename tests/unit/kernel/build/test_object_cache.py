# SPDX-License-Identifier: GPL-2.0-only
"""The objects of earlier builds: which of them a build starts from, and which are kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.errors import SeriesError
from harness.base.store import Store
from harness.kernel.build import object_cache
from harness.kernel.build.diagnostics import Diagnostic, Severity
from harness.kernel.build.failure import is_surely_the_tree
from harness.kernel.build.product import KIND
from tests.program import environment, start
from tests.unit.kernel.fake_tree import FILES, FakeRepository
from tests.unit.kernel.workshop import NEW_FORK, Workshop


def test_a_patch_builds_only_what_it_changes(workshop: Workshop, tmp_path: Path) -> None:
    """A build of a tree nearby starts from its objects, says so, and gives the image that a clean build gives."""
    base = workshop.build()
    workshop.repository.commit({"kernel/fork.c": NEW_FORK})
    near = workshop.build("change fork")
    compiled = workshop.compiled
    workshop.store = Store(tmp_path / "other")
    clean = workshop.build("change fork")

    assert compiled == {"kernel/fork.o"}
    assert "1 files away" in near.reused
    assert (clean.reused, clean.digest) == ("", near.digest)
    assert clean.digest != base.digest


def test_a_header_that_goes_back_is_built_again(workshop: Workshop) -> None:
    """Objects of a later commit serve an earlier one: whatever differs counts as new."""
    workshop.repository.commit({"include/linux/kernel.h": FILES["include/linux/kernel.h"] + "#define X 1\n"})
    workshop.build()
    workshop.repository.commit({"include/linux/kernel.h": FILES["include/linux/kernel.h"]})
    workshop.build()

    assert len(workshop.compiled) == 4


def test_a_strangers_objects_are_not_used_for_another(workshop: Workshop) -> None:
    """Objects that a series was built to are left alone by others, though they are near; by what follows it not."""
    base = workshop.build()
    workshop.repository.commit({"kernel/fork.c": NEW_FORK})
    workshop.build("change fork")
    first = workshop.repository.commits[-1]
    workshop.repository.commit({"lib/string.c": FILES["lib/string.c"] + "/* more */\n"})
    follower = workshop.build("change fork", "change string")
    workshop.repository.git("reset", "--quiet", "--hard", workshop.repository.commits[0])
    workshop.repository.commit({"kernel/fork.c": NEW_FORK + "/* by another */\n"})
    other = workshop.build("change fork otherwise")

    assert first[:12] in follower.reused
    assert workshop.repository.commits[0][:12] in other.reused
    assert base.reused == ""


def test_a_clone_starts_from_the_objects_of_what_both_have(workshop: Workshop, tmp_path: Path) -> None:
    """Another repository with the same history starts from the same objects; one with another history does not."""
    base = workshop.build()
    built = []
    for name, words in (("clone", ("checkout", "-b", "topic")), ("stranger", ("checkout", "--orphan", "topic"))):
        shutil.copytree(workshop.repository.path, tmp_path / name)
        other = Workshop(FakeRepository(tmp_path / name), workshop.store)
        other.repository.git(*words)
        other.repository.commit({"kernel/fork.c": NEW_FORK + f"/* {name} */\n"}, subject=name)
        built.append(other.build())
    near, far = built

    assert base.reused == ""
    assert workshop.repository.commits[0][:12] in near.reused
    assert far.reused == ""


def test_a_bisection_leaves_what_series_start_from(workshop: Workshop, tmp_path: Path) -> None:
    """The base was built from the bisection's repository, whose commits came after it; a series starts from it."""
    bisected = _clone(workshop, tmp_path / "bisected")
    bisected.build()
    for number in range(7):
        bisected.repository.commit({"kernel/fork.c": f"{NEW_FORK}/* {number} */\n"})
        bisected.build()
    workshop.build()
    workshop.repository.commit({"lib/string.c": FILES["lib/string.c"] + "/* a patch */\n"})

    assert workshop.repository.commits[0][:12] in workshop.build("change string").reused


@pytest.mark.parametrize("of", ["bisection", "series"])
def test_builds_in_a_row_leave_what_series_start_from(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    """Where there is room for three trees only, the base is one of them once a series has started from it."""
    workshop.build()
    base = workshop.repository.commits[0]
    (kept,) = _facts(workshop)
    monkeypatch.setattr(object_cache, "_BYTES", int(str(kept["size"])) * 7 // 2)
    workshop.repository.commit({"lib/string.c": FILES["lib/string.c"] + "/* a patch */\n"})
    workshop.build("change string")
    other = _clone(workshop, tmp_path / "other")
    for number in range(5):
        other.repository.git("reset", "--quiet", "--hard", base if of == "series" else "HEAD")
        other.repository.commit({"kernel/fork.c": f"{NEW_FORK}/* {number} */\n"})
        other.build(*(["change fork"] if of == "series" else []))
    workshop.repository.git("reset", "--quiet", "--hard", base)
    workshop.repository.commit({"lib/string.c": FILES["lib/string.c"] + "/* another */\n"})
    again = workshop.build("change string again")

    assert base[:12] in again.reused
    assert len(_facts(workshop)) == len(list((workshop.store.folder / object_cache.KIND).glob("*/output"))) == 3


def test_a_commit_is_kept_once_for_all_repositories(workshop: Workshop, tmp_path: Path) -> None:
    """Built again from a clone, the objects are the same entry, with what was known of it; both may start from it."""
    built = workshop.build()
    (before,) = _facts(workshop)
    other = _clone(workshop, tmp_path / "other")
    workshop.store.forget(KIND, built.folder.name)
    other.build()
    (after,) = _facts(workshop)

    assert len(_repositories(before)) == 1
    assert len(_repositories(after)) == 2
    assert _repositories(before) < _repositories(after)
    assert (after["commit"], after["starts"], after["series_starts"]) == (before["commit"], 1, 0)
    assert float(str(after["seconds"])) >= float(str(before["seconds"])) > 0


def test_records_of_an_older_harness_are_read(workshop: Workshop) -> None:
    """A record that knows one repository and the time of the last use serves as before, and is measured."""
    built = workshop.build()
    kind = workshop.store.folder / object_cache.KIND
    (new,) = kind.glob("*.json")
    fact = _read_fact(new)
    (repository,) = _repositories(fact)
    old = {name: fact[name] for name in ("commit", "is_patched", "config", "tools", "used_at")}
    new.unlink()
    new.with_suffix("").rename(kind / "0123456789abcdef")
    (kind / "0123456789abcdef.json").write_text(json.dumps({**old, "repository": repository}))
    workshop.repository.commit({"kernel/fork.c": NEW_FORK})
    near = workshop.build("change fork")
    (after,) = (one for one in _facts(workshop) if not one["is_patched"])
    workshop.store.forget(KIND, built.folder.name)
    workshop.repository.commits.pop()
    workshop.build()
    (again,) = (one for one in _facts(workshop) if not one["is_patched"])

    assert workshop.repository.commits[0][:12] in near.reused
    assert (again["starts"], again["series_starts"]) == (2, 1)
    assert new.exists()
    assert _repositories(after) == {repository}
    assert (after["size"], after["starts"], after["series_starts"]) == (fact["size"], 1, 1)


def test_commits_of_another_repository_do_not_hide_the_nearest(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the few objects that are looked at for a build, none is of a commit that its repository does not have."""
    monkeypatch.setattr(object_cache, "_CONSIDERED", 1)
    workshop.build()
    other = _clone(workshop, tmp_path / "other")
    other.repository.commit({"kernel/fork.c": NEW_FORK})
    other.build()
    workshop.repository.commit({"lib/string.c": FILES["lib/string.c"] + "/* more */\n"})

    assert workshop.repository.commits[0][:12] in workshop.build().reused


def test_other_commits_do_not_hide_the_base(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the few objects that are looked at for a series, those of its base are the first, though others are newer."""
    monkeypatch.setattr(object_cache, "_CONSIDERED", 1)
    workshop.build()
    workshop.repository.commit({"include/linux/kernel.h": FILES["include/linux/kernel.h"] + "#define X 1\n"})
    workshop.build()
    workshop.repository.git("reset", "--quiet", "--hard", workshop.repository.commits[0])
    workshop.repository.commit({"lib/string.c": FILES["lib/string.c"] + "/* a patch */\n"})

    assert workshop.repository.commits[0][:12] in workshop.build("change string").reused


def test_what_a_killed_build_left_of_its_objects_is_removed(workshop: Workshop) -> None:
    """Objects without a record and a record without objects: nothing starts from them, nothing would drop them."""
    workshop.build()
    kind = workshop.store.folder / object_cache.KIND
    (fact,) = kind.glob("*.json")
    (kind / "without-record/output").mkdir(parents=True)
    (kind / "without-objects.json").write_text(fact.read_text())
    workshop.repository.commit({"kernel/fork.c": NEW_FORK})
    workshop.build("change fork")

    assert {path.stem for path in kind.iterdir()}.isdisjoint({"without-record", "without-objects"})
    assert len(_facts(workshop)) == 2


def test_objects_leave_half_of_a_small_disk_free(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take no more than they would leave free: with nothing free, half of what they have."""
    for number in range(2):
        workshop.repository.commit({"kernel/fork.c": NEW_FORK + f"/* {number} */\n"})
        workshop.build()
    full = shutil.disk_usage(workshop.store.folder)._replace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: full)
    workshop.repository.commit({"kernel/fork.c": NEW_FORK})
    workshop.build()

    assert [fact["commit"] for fact in _facts(workshop)] == [workshop.repository.commits[-1]]


def test_objects_that_are_damaged_are_not_held_against_the_series(workshop: Workshop) -> None:
    """When a build from objects fails and no patch's line is to blame, it is built from nothing, and says why."""
    workshop.build()
    for kept in (workshop.store.folder / object_cache.KIND).glob("*/output/lib/string.o"):
        kept.write_text("not an object")
    workshop.repository.commit({"kernel/fork.c": NEW_FORK})

    assert workshop.build("change fork").reused == ""
    assert workshop.said == [
        f"building from objects of {workshop.repository.commits[0][:12]}, 1 files away",
        "building from nothing: the build from kept objects failed, and no error is in a changed line",
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("kernel/fork.c", NEW_FORK.replace(";", "", 1)),
        ("include/linux/kernel.h", FILES["include/linux/kernel.h"] + "int missing\n"),
    ],
)
def test_an_error_in_a_changed_line_ends_the_build_at_once(workshop: Workshop, file: str, text: str) -> None:
    """A developer's own mistake is reported with file and line, and nothing is built again from nothing."""
    workshop.build()
    first = workshop.repository.commits[0]
    workshop.repository.commit({file: text})

    with pytest.raises(SeriesError) as caught:
        workshop.build()
    assert workshop.said == [f"building from objects of {first[:12]}, 1 files away"]
    assert "error: expected" in caught.value.what
    if file.endswith(".c"):
        assert f": {file}:" in caught.value.what
        assert caught.value.remedy == f"fix {file}, then repeat the command"


def test_a_linker_error_may_come_from_damaged_objects() -> None:
    """The linker blames lines of unchanged files where an object is damaged: the build is repeated from nothing."""
    error = Diagnostic(Severity.ERROR, "kernel/fork.c", 12, 0, "undefined reference to `memcpy'")

    assert not is_surely_the_tree([error], {"kernel/fork.c"})
    assert is_surely_the_tree([replace(error, patch=1)], {"kernel/fork.c"})
    assert is_surely_the_tree([replace(error, text="expected ';'")], {"kernel/fork.c"})
    assert is_surely_the_tree([replace(error, text="expected ';'")], {"include/linux/x.h"})
    assert not is_surely_the_tree([replace(error, text="expected ';'")], {"lib/string.c"})
    assert not is_surely_the_tree([replace(error, text="expected ';'", line=0)], {"kernel/fork.c"})
    assert not is_surely_the_tree([replace(error, text="x", severity=Severity.WARNING)], {"kernel/fork.c"})


def test_a_build_says_why_it_starts_from_nothing(workshop: Workshop, tmp_path: Path) -> None:
    """Nothing is kept; what is kept has another history; it is of other tools. build.json has it, too."""
    first = workshop.build()
    said = [*workshop.said]
    other = _clone(workshop, tmp_path / "other")
    other.repository.git("checkout", "--quiet", "--orphan", "topic")
    other.repository.commit({"kernel/fork.c": NEW_FORK})
    far = other.build()
    said += other.said
    workshop.repository.commit({"kernel/fork.c": NEW_FORK + "/* more */\n"})
    near = workshop.build()
    said += workshop.said
    workshop.store.forget(KIND, near.folder.name)
    workshop.build(trusted=True)
    said += workshop.said
    reasons = (
        "no objects are kept yet",
        "no kept tree is an ancestor of this one",
        "",
        "kept objects were built with another compiler or other compiler flags",
    )

    assert said == [
        f"building from nothing: {reason}" if reason else f"building from {near.reused}" for reason in reasons
    ]
    facts = [_read_fact(one.folder / "build.json")["from_nothing"] for one in (first, far)]
    assert facts == [*reasons[:2]]


def test_harness_build_shows_why_it_starts_from_nothing(workshop: Workshop) -> None:
    """The line is part of the progress output. What is built is no kernel image, which is another matter."""
    done = start("build", workshop.repository.path, env=environment(HARNESS_STORE=str(workshop.store.folder)))

    assert "building from nothing: no objects are kept yet" in done.stderr.decode()


def _read_fact(path: Path) -> dict[str, object]:
    fact = json.loads(path.read_text())
    assert isinstance(fact, dict)
    return fact


def _facts(workshop: Workshop) -> list[dict[str, object]]:
    """Read the records of all objects that are kept."""
    return [_read_fact(path) for path in sorted((workshop.store.folder / object_cache.KIND).glob("*.json"))]


def _repositories(fact: dict[str, object]) -> set[str]:
    found = fact["repositories"]
    assert isinstance(found, list)
    return set(found)


def _clone(workshop: Workshop, folder: Path) -> Workshop:
    """Copy the repository; the store is shared."""
    shutil.copytree(workshop.repository.path, folder)
    return Workshop(FakeRepository(folder, list(workshop.repository.commits)), workshop.store)


def test_warnings_of_what_is_not_compiled_again_are_told(workshop: Workshop) -> None:
    """Objects come with their warnings: the second patch compiles another file, the third what the first one wrote."""
    fresh = FILES["kernel/fork.c"].replace("{\n", "{\n\tint fresh;\n")
    told = ("kernel/fork.c:4:13: warning: unused variable 'fresh' [-Wunused-variable]", 1)
    workshop.build()
    workshop.repository.commit({"kernel/fork.c": fresh})
    workshop.build("warns")
    workshop.repository.commit({"lib/string.c": FILES["lib/string.c"] + "/* more */\n"})
    second = workshop.build("warns", "does not")
    compiled = workshop.compiled
    workshop.store.forget(KIND, second.folder.name)
    again = workshop.build("warns", "does not")
    compiled_again = workshop.compiled
    workshop.repository.commit({"kernel/fork.c": FILES["kernel/fork.c"]})
    mended = workshop.build("warns", "does not", "mends")

    assert compiled == {"lib/string.o"}
    assert [(one.render(), one.patch) for one in second.warnings] == [told]
    assert compiled_again == set()
    assert again.warnings == second.warnings
    assert workshop.compiled == {"kernel/fork.o"}
    assert mended.warnings == ()
