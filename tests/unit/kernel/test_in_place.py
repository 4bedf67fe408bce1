# SPDX-License-Identifier: GPL-2.0-only
"""Building in the user's own folder: nothing else is written, and nothing is compiled again."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, SeriesError, UsageError
from harness.base.process import Surroundings, run
from harness.base.store import Store
from harness.kernel.build.options import BuildOptions
from harness.kernel.config.kconfig import GUEST_NEEDS
from harness.kernel.from_source import SourceKernel
from harness.kernel.in_place import kernel_in_place
from harness.kernel.toolchain.toolchain import find_toolchain
from harness.model.kernel_spec import parse_spec
from tests.unit.kernel.fake_tree import MAKEFILE, FakeRepository, make_repository
from tests.unit.kernel.user_tree import photograph

_COMPILE_H = """
$(out)/include/generated/compile.h: FORCE
	@mkdir -p $(@D)
	@printf '#define LINUX_COMPILE_BY "%s"\\n' "$(or $(KBUILD_BUILD_USER),$(shell whoami))" > $@.new
	@cmp -s $@ $@.new || cp $@.new $@
	@rm $@.new
FORCE:
$(out)/init/main.o: $(out)/include/generated/compile.h
"""
"""Who compiled the kernel is compiled in, as kbuild does it."""
MAKE = MAKEFILE.replace("out := $(O)", "out := $(or $(O),$(src))") + _COMPILE_H
OPTIONS = "".join(f"{need.option}=y\n" for need, _ in GUEST_NEEDS if not need.negated)


def config(*, compiler: str = "", architecture: str = "x86", options: str = OPTIONS) -> str:
    """Return a ``.config`` that runs the guest."""
    version = compiler or find_toolchain(deadline=Deadline.after(60)).lines[0][1]
    return f'# Linux/{architecture} 6.1.0 Kernel Configuration\nCONFIG_CC_VERSION_TEXT="{version}"\n{options}'


@pytest.fixture
def tree(tmp_path: Path) -> FakeRepository:
    """Return the fake tree, which builds in place as well."""
    repository = make_repository(tmp_path / "linux")
    repository.commit(
        {
            "Makefile": MAKE,
            ".gitignore": "*.o\n.*\n!.gitignore\n/vmlinux\n/System.map\narch/\ninclude/*/\n!include/linux/\n",
        },
        subject="make",
    )
    return repository


@pytest.fixture
def output(tree: FakeRepository, tmp_path: Path) -> Path:
    """Return a configured folder of ``make O=``, as kbuild leaves it."""
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "source").symlink_to(tree.path)
    (folder / ".config").write_text(config())
    return folder


def build(word: Path | str, tmp_path: Path, **environment: str) -> SourceKernel:
    """Build in place, with a store of the test's own."""
    context = Context(Store(tmp_path / "store"), Deadline.after(120))
    options = BuildOptions(is_in_place=True, seconds=60)
    return kernel_in_place(context, parse_spec(str(word)), options, environment=environment)


def own_make(tree: Path, output: Path | None = None) -> None:
    """Run make as the user would."""
    words = ["make", "-C", str(tree), *([f"O={output}"] if output else []), "bzImage"]
    run(words, deadline=Deadline.after(60), within=Surroundings(env={"PATH": os.environ["PATH"]}))


def files_of(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return what a photograph shows of the files of a folder."""
    return {name: facts for name, facts in photograph(folder).items() if Path(name).is_file()}


def error_of(word: Path | str, tmp_path: Path, **environment: str) -> HarnessError:
    """Return the error of a build in place, which has a hint."""
    with pytest.raises(HarnessError) as caught:
        build(word, tmp_path, **environment)
    assert caught.value.remedy
    return caught.value


def test_only_the_folder_of_o_is_written(tree: FakeRepository, output: Path, tmp_path: Path) -> None:
    """The tree is byte by byte what it was, its times included; so is the ``.config`` of the folder."""
    before, settings = photograph(tree.path), photograph(output)[str(output / ".config")]
    built = build(output, tmp_path)

    assert photograph(tree.path) == before
    assert photograph(output)[str(output / ".config")] == settings
    assert (output / "arch/x86/boot/bzImage").read_bytes() == built.image.read_bytes()
    assert built.image.is_relative_to(tmp_path / "store")
    assert str(output) in built.notes[0]


def test_in_the_tree_itself_no_source_is_written(tree: FakeRepository, tmp_path: Path) -> None:
    """Only new files appear, which git ignores; what was there is what it was."""
    (tree.path / ".config").write_text(config())
    before = files_of(tree.path)
    build(tree.path, tmp_path)
    after = files_of(tree.path)

    assert {name: after[name] for name in before} == before
    assert not tree.git("status", "--porcelain")
    assert (tree.path / "arch/x86/boot/bzImage").is_file()


@pytest.mark.parametrize("is_tree", [True, False])
def test_after_the_users_own_make_nothing_is_compiled(
    is_tree: bool, tree: FakeRepository, output: Path, tmp_path: Path
) -> None:
    """Their objects are used as they are; after an edit one file is compiled."""
    folder = tree.path if is_tree else output
    (folder / ".config").write_text(config())
    own_make(tree.path, None if is_tree else output)
    before = files_of(folder)
    first = build(folder, tmp_path)
    unchanged = files_of(folder) == before
    (tree.path / "kernel/fork.c").write_text("int fork_one(int of)\n{\n\treturn of;\n}\n")
    second = build(folder, tmp_path)

    assert "make compiled 0 files" in first.notes[0]
    assert unchanged
    assert "make compiled 1 files" in second.notes[0]
    assert second.came_from.uncommitted == 1
    assert second.image != first.image


def test_kbuild_output_names_the_folder_of_a_tree(tree: FakeRepository, output: Path, tmp_path: Path) -> None:
    """As it does for make."""
    built = build(tree.path, tmp_path, KBUILD_OUTPUT="../output")

    assert str(output) in built.notes[0]


def test_a_folder_whose_makefile_names_the_tree(tree: FakeRepository, output: Path, tmp_path: Path) -> None:
    """Where the link to the source is missing."""
    (output / "source").unlink()
    (output / "Makefile").write_text(f"# Automatically generated\ninclude {tree.path}/Makefile\n")

    assert build(output, tmp_path).image.is_file()


def test_a_makefile_can_write_nowhere_else(tree: FakeRepository, output: Path, tmp_path: Path) -> None:
    """Neither to the tree, nor to the .config, nor beside the folder."""
    for place in (tree.path / "escaped", output / ".config", tmp_path / "escaped"):
        escape = f"bzImage: escape\nescape:\n\techo x > {place}\n"
        (tree.path / "Makefile").write_text(MAKE.replace("bzImage: $(out)", f"{escape}\nbzImage: $(out)", 1))
        with contextlib.suppress(HarnessError):  # /tmp inside is another one: writing there works, and stays there
            build(output, tmp_path)

        assert not place.exists() or place.read_text() == config()


def test_a_config_that_is_a_link_is_read_and_not_written(output: Path, tmp_path: Path) -> None:
    """Some keep their configurations in a folder of their own."""
    kept = tmp_path / "configs" / "mine"
    kept.parent.mkdir()
    (output / ".config").rename(kept)
    (output / ".config").symlink_to(kept)

    assert build(output, tmp_path).image.is_file()
    assert kept.read_text() == config()


def test_a_folder_without_a_config_is_not_configured(tree: FakeRepository, tmp_path: Path) -> None:
    """The hint configures it."""
    error = error_of(tree.path, tmp_path)

    assert isinstance(error, UsageError)
    assert "not configured" in error.what
    assert f"make -C {tree.path} defconfig" in error.remedy


def test_options_that_the_guest_needs_are_named(output: Path, tmp_path: Path) -> None:
    """Before anything is built."""
    (output / ".config").write_text(config(options=OPTIONS.replace("CONFIG_TTY=y\nCONFIG_PRINTK=y\n", "")))
    error = error_of(output, tmp_path)

    assert "CONFIG_TTY is not set; CONFIG_PRINTK is not set" in error.what
    assert "the consoles are terminals" in error.evidence
    assert not (output / "vmlinux").exists()


def test_a_config_of_another_architecture_is_refused(output: Path, tmp_path: Path) -> None:
    """A cross-compiled tree."""
    (output / ".config").write_text(config(architecture="arm64"))

    assert "is configured for arm64" in error_of(output, tmp_path).what


def test_objects_of_another_compiler_are_refused(output: Path, tmp_path: Path) -> None:
    """make would change the .config and compile everything again."""
    (output / ".config").write_text(config(compiler="gcc (Another) 99.1"))
    error = error_of(output, tmp_path)

    assert "built with another compiler" in error.what
    assert "gcc (Another) 99.1" in error.evidence
    assert not (output / "vmlinux").exists()


def test_the_compiler_of_the_objects_is_used(output: Path, tmp_path: Path) -> None:
    """It stands in the command files of kbuild; one that is not installed is named."""
    (output / "init").mkdir()
    (output / "init/.main.o.cmd").write_text("savedcmd_init/main.o := no-such-gcc -Wp,-MMD,init/.main.o.d -c\n")

    assert "no-such-gcc" in error_of(output, tmp_path).what


def test_a_tree_with_a_build_of_its_own_is_refused(tree: FakeRepository, output: Path, tmp_path: Path) -> None:
    """make itself refuses O= then; the hint cleans the tree."""
    (tree.path / ".config").write_text(config())

    assert f"make -C {tree.path} mrproper" in error_of(output, tmp_path).remedy


def test_a_dirty_tree_is_built_as_it_is(tree: FakeRepository, output: Path, tmp_path: Path) -> None:
    """With the number of changed files in its origin."""
    (tree.path / "lib/string.c").write_text("int length(const char *of)\n{\n\treturn 0;\n}\n")
    (tree.path / "new.c").write_text("\n")
    built = build(output, tmp_path)

    assert built.origin.endswith("with 1 uncommitted change")


def test_an_error_of_the_compiler_names_file_and_line(tree: FakeRepository, output: Path, tmp_path: Path) -> None:
    """As for any other build."""
    (tree.path / "kernel/fork.c").write_text("int fork_one(int of\n")
    error = error_of(output, tmp_path)

    assert isinstance(error, SeriesError)
    assert f"{output} does not build: kernel/fork.c:" in error.what
    assert error.log is not None


def test_a_question_of_kconfig_is_the_users(tree: FakeRepository, output: Path, tmp_path: Path) -> None:
    """The hint answers it."""
    question = "bzImage: ask\nask:\n\t@echo 'Error in reading or end of file.'; false\n"
    (tree.path / "Makefile").write_text(MAKE.replace("bzImage: $(out)", f"{question}\nbzImage: $(out)", 1))
    error = error_of(output, tmp_path)

    assert isinstance(error, UsageError)
    assert "olddefconfig" in error.remedy


@pytest.mark.parametrize("word", ["deb", "deb-src:6.1", "linux@HEAD", "no-such-folder"])
def test_in_place_takes_a_folder_alone(word: str, tree: FakeRepository, tmp_path: Path) -> None:
    """No package, no revision."""
    error = error_of(word if ":" in word or word == "deb" else f"{tmp_path}/{word}", tmp_path)

    assert isinstance(error, UsageError)


def test_a_folder_of_another_user_is_refused(output: Path, tmp_path: Path) -> None:
    """What make writes there would belong to the wrong user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    subprocess.run(["chown", "1234", output], check=True)

    assert "belongs to another user" in error_of(output, tmp_path).what
