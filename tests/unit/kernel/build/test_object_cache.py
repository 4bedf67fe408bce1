"""The objects of earlier builds: which of them a build starts from, and which are kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.base.store import Store
from harness.kernel.build import object_cache
from harness.kernel.build.product import KIND
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
    """Another repository with the same history need not build it anew; one with another history does."""
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


def test_many_builds_of_one_repository_leave_the_objects_of_another(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bisection builds a dozen commits of one tree; what other trees start from stays, though it is older."""
    monkeypatch.setattr(object_cache, "_KEPT", 3)
    workshop.build()
    shutil.copytree(workshop.repository.path, tmp_path / "other")
    other = Workshop(FakeRepository(tmp_path / "other"), workshop.store)
    for number in range(4):
        other.repository.commit({"kernel/fork.c": f"{NEW_FORK}/* {number} */\n"})
        other.build()
    kept = [_read_fact(fact)["repository"] for fact in (workshop.store.folder / object_cache.KIND).glob("*.json")]

    assert len(kept) == 3
    assert len(set(kept)) == 2


def test_objects_that_are_damaged_are_not_held_against_the_series(workshop: Workshop) -> None:
    """When a build from objects fails and no patch's line is to blame, it is built from nothing."""
    workshop.build()
    for kept in (workshop.store.folder / object_cache.KIND).glob("*/output/lib/string.o"):
        kept.write_text("not an object")
    workshop.repository.commit({"kernel/fork.c": NEW_FORK})

    assert workshop.build("change fork").reused == ""


def _read_fact(path: Path) -> dict[str, object]:
    fact = json.loads(path.read_text())
    assert isinstance(fact, dict)
    return fact


def test_few_objects_are_kept(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The objects that were used last stay and the others go; a long series does not push out the tree's own."""
    monkeypatch.setattr(object_cache, "_KEPT", 2)
    base = workshop.repository.commits[0]
    workshop.build()
    for number in range(1, 4):
        workshop.repository.commit({"kernel/fork.c": NEW_FORK + f"/* {number} */\n"})
        workshop.build(*(f"change fork {at}" for at in range(number)))
    kept = [str(fact["commit"]) for fact in map(_read_fact, (workshop.store.folder / object_cache.KIND).glob("*.json"))]

    assert sorted(kept) == sorted([base, *workshop.repository.commits[-2:]])
    assert len(list((workshop.store.folder / object_cache.KIND).glob("*/output"))) == 3


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
