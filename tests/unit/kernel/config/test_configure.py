# SPDX-License-Identifier: GPL-2.0-only
"""Configs of kernels: made by the tree's own tools, checked, remembered; a fake tree obeys make where it can."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base import paths
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, NotInKernelError, SeriesError, UsageError
from harness.base.store import Store
from harness.kernel.build.variants import read_variants
from harness.kernel.config.configure import DEFAULT, KIND, Config, configure, find_config, fragment_names, refusal
from harness.kernel.config.fragment import OptionRequest, RequestOrigin
from harness.kernel.config.kconfig import ConfigSource, check_bootable, parse_config
from harness.kernel.config.unmet import OptionFacts
from harness.kernel.git.worktree import WorkTree, checked_out
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.source.tree import source_package, source_tree
from harness.kernel.toolchain import missing
from harness.model.variant import Variant
from harness.suite.load import default_suite
from tests.unit.kernel.user_tree import UserTree

SOON = Deadline.after(3600)
SUITE = default_suite().config
OF_A_SERIES = paths.SERIES / "ns-cgroup/ns.config"
HEADER = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.5 Kernel Configuration\n#\n"
# A kernel tree that grants all requests except lines that match $(refused), and counts the runs of Kconfig.
MAKEFILE = """\
VERSION = 6
PATCHLEVEL = 1
refused = ^$$
allnoconfig:
	@printf '{header}' > $(O)/.config
	@grep -Ev '$(refused)' $$KCONFIG_ALLCONFIG >> $(O)/.config; {after}
	@echo asked >> {log}
olddefconfig:
	@{after}
"""


def fake_tree(folder: Path, *, refused: str = "^$$", after: str = ":") -> Path:
    """Such a tree. :param after: a command of the shell for when the config is made."""
    folder.mkdir()
    header = HEADER.replace("\n", "\\n")
    text = MAKEFILE.format(header=header, log=folder.parent / "asked.log", after=after)
    (folder / "Makefile").write_text(text.replace("refused = ^$$", f"refused = {refused}"))
    (folder / "Kconfig").write_text("\n")
    (folder / "tools").mkdir()
    (folder / "tools/config").write_text("CONFIG_FROM_TREE=m\n")
    return folder


def configured(tmp_path: Path, tree: Path, *fragments: str | Path | Variant) -> Config:
    """Return the config that a fake tree gives for the default fragments, those of a suite, and the named ones."""
    store = Store(tmp_path / "store")
    source = source_tree(Context(store, SOON), tree)
    worktree = WorkTree(tree, tree / ".git", source.commit)
    patched = PatchedTree(source, None, source.commit)
    return configure(Context(store, SOON), patched, worktree, fragments=(*DEFAULT, SUITE, *fragments), trusted=True)


def options(config: Config) -> dict[str, str]:
    """What a config says, by option."""
    return dict(parse_config(config.text, ConfigSource.BESIDE).options)


def test_what_the_fragments_ask_for_is_in_the_config(tmp_path: Path) -> None:
    """Of the default fragments, of one of the user's and of one in the tree; the guest comes up with it."""
    mine = tmp_path / "mine.config"
    mine.write_text('CONFIG_MINE="yes"\n')
    config = configured(tmp_path, fake_tree(tmp_path / "tree"), mine, "tools/config")

    assert options(config)["CONFIG_CGROUP_FREEZER"] == "y"
    assert options(config)["CONFIG_MINE"] == "yes"
    assert options(config)["CONFIG_FROM_TREE"] == "y"
    assert check_bootable(parse_config(config.text, ConfigSource.BESIDE)) == ()
    assert config.fragments == (*DEFAULT, *SUITE.names, str(mine), "tools/config")
    assert "CONFIG_PCI" not in options(config)
    (note,) = config.notes
    assert note.startswith("Linux 6.1.5: options for other releases are passed over: CONFIG_PCI (..4.20), ")


def test_the_same_question_is_asked_once(tmp_path: Path) -> None:
    """A tree with the same Kconfig files gives the same config, and make does not run again."""
    tree = fake_tree(tmp_path / "tree")
    first = configured(tmp_path, tree)
    (tree / "fork.c").write_text("int fork;\n")
    second = configured(tmp_path, tree)

    assert first == second
    assert (tmp_path / "asked.log").read_text() == "asked\n"


@pytest.mark.parametrize("notes", ["[", '{"notes": []}', "[1]", "\udcff"])
def test_configure_replaces_a_damaged_config(tmp_path: Path, notes: str) -> None:
    """Notes in the store that cannot be read count as a missing config, which is made again."""
    tree = fake_tree(tmp_path / "tree")
    store = Store(tmp_path / "store")
    source = source_tree(Context(store, SOON), tree)
    first = configured(tmp_path, tree)
    (file,) = (store.folder / KIND).glob("*/notes.json")
    file.write_text(notes, errors="surrogateescape")
    damaged = find_config(Context(store, SOON), PatchedTree(source, None, source.commit), fragments=(*DEFAULT, SUITE))

    assert damaged is None
    assert configured(tmp_path, tree) == first


def test_another_kconfig_file_is_another_question(tmp_path: Path) -> None:
    """A series may change what is granted."""
    tree = fake_tree(tmp_path / "tree")
    configured(tmp_path, tree)
    (tree / "init").mkdir()
    (tree / "init/Kconfig").write_text("# changed\n")
    configured(tmp_path, tree)

    assert (tmp_path / "asked.log").read_text() == "asked\nasked\n"


def test_an_edit_in_git_is_another_question_if_it_is_of_kconfig(tmp_path: Path) -> None:
    """What an uncommitted change does not touch is read from the commit below it, also the first file of the change."""
    tree = UserTree(fake_tree(tmp_path / "tree"))
    tree.git("init", "--quiet")
    tree.git("add", "--all", "--force")
    tree.git("commit", "--quiet", "--message", "first")
    configured(tmp_path, tree.folder)
    for name in ("fork.c", "Kconfig.debug", "Kconfig.debug", "fork.c"):
        with (tree.folder / name).open("a") as file:
            file.write("# edit\n")
        configured(tmp_path, tree.folder)
    tree.git("add", "--all", "--force")
    tree.git("commit", "--quiet", "--message", "second")
    configured(tmp_path, tree.folder)

    assert (tmp_path / "asked.log").read_text() == "asked\n" * 3


def test_what_is_known_needs_no_work_tree(tmp_path: Path) -> None:
    """Before the first time nothing is known; then the whole config is."""
    tree = fake_tree(tmp_path / "tree")
    store = Store(tmp_path / "store")
    source = source_tree(Context(store, SOON), tree)
    patched = PatchedTree(source, None, source.commit)

    assert find_config(Context(store, SOON), patched, fragments=(*DEFAULT, SUITE)) is None
    assert configured(tmp_path, tree) == find_config(Context(store, SOON), patched, fragments=(*DEFAULT, SUITE))


def test_a_whole_config_is_the_start(tmp_path: Path) -> None:
    """The default fragments are not asked for then, but for what the guest needs, which is said."""
    whole = tmp_path / "whole"
    whole.write_text(HEADER + "CONFIG_SMP=y\n# CONFIG_CGROUPS is not set\nCONFIG_FUSE_FS=m\n")
    config = configured(tmp_path, fake_tree(tmp_path / "tree"), whole)

    assert options(config)["CONFIG_SMP"] == "y"
    assert options(config)["CONFIG_CGROUPS"] == "y"
    assert "CONFIG_KERNEL_GZIP" not in options(config)
    assert check_bootable(parse_config(config.text, ConfigSource.BESIDE)) == ()
    assert config.notes == (
        f"{whole}: changed by a request: CONFIG_CGROUPS n -> y",
        f"{whole}: 1 options are modules (=m), which the guest does not load",
    )


def test_there_is_one_start(tmp_path: Path) -> None:
    """Two whole configs are refused, by name."""
    for name in ("one", "two"):
        (tmp_path / name).write_text(HEADER)

    with pytest.raises(UsageError, match=r"two whole \.config files") as caught:
        configured(tmp_path, fake_tree(tmp_path / "tree"), tmp_path / "one", tmp_path / "two")
    assert caught.value.evidence == f"{tmp_path / 'one'}\n{tmp_path / 'two'}"


def test_a_series_asks_for_options_of_its_own(tmp_path: Path) -> None:
    """By a fragment in its folder, which is named as people find it, and which counts beside a whole config, too."""
    whole = tmp_path / "whole"
    whole.write_text(HEADER)
    tree = fake_tree(tmp_path / "tree")

    for fragments in ([OF_A_SERIES], [OF_A_SERIES, whole]):
        config = configured(tmp_path, tree, *fragments)
        assert options(config)["CONFIG_CGROUP_NS"] == "y"
        assert "series/ns-cgroup/ns.config" in config.fragments


def test_a_fragment_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """Names of the harness's own are the most likely meant."""
    with pytest.raises(UsageError, match="no config fragment kasam") as caught:
        configured(tmp_path, fake_tree(tmp_path / "tree"), "kasam")

    assert ", ".join(fragment_names(SUITE)) in caught.value.evidence


def test_a_tree_whose_make_fails_is_the_authors_fault(tmp_path: Path) -> None:
    """The error has make's output; the failure is not remembered, so Kconfig of a fixed tree runs again."""
    with pytest.raises(SeriesError, match="the kernel cannot be configured") as caught:
        configured(tmp_path, fake_tree(tmp_path / "tree", after="echo no rule >&2; false"))

    assert "no rule" in caught.value.evidence
    assert not list((tmp_path / "store/kernel-config").glob("[!.]*"))


def test_a_program_that_kconfig_needs_is_missing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is this host's fault, with the package to install; if the program is here, it is the tree's."""
    tree = fake_tree(tmp_path / "tree", after="echo '/bin/sh: 1: bison: not found' >&2; false")
    monkeypatch.setattr(missing, "find_program", lambda name: None)

    with pytest.raises(HostError, match="bison is missing on this host") as caught:
        configured(tmp_path, tree)
    assert caught.value.remedy == "apt install bison"
    monkeypatch.undo()
    if shutil.which("bison"):
        with pytest.raises(SeriesError, match="the kernel cannot be configured"):
            configured(tmp_path, tree)


@pytest.mark.parametrize(("version", "value"), [("4", None), ("6", "y")])
def test_a_request_for_other_releases_is_passed_over(tmp_path: Path, version: str, value: str | None) -> None:
    """The tree would grant it; the mark decides, by the release in the tree's Makefile, and the note says so."""
    mine = tmp_path / "mine.config"
    mine.write_text("# versions: 5.0..\nCONFIG_MINE=y\n")
    tree = fake_tree(tmp_path / "tree")
    makefile = tree / "Makefile"
    makefile.write_text(makefile.read_text().replace("VERSION = 6", f"VERSION = {version}"))
    config = configured(tmp_path, tree, mine)

    assert options(config).get("CONFIG_MINE") == value
    assert any(note.startswith(f"{mine}:2: CONFIG_MINE is passed over: 5.0.. only") for note in config.notes) == (
        value is None
    )


def test_refusal_claims_nothing_about_other_kernels() -> None:
    """The hint compares the Kconfig files and offers a whole config; it does not claim what other kernels grant."""
    request = OptionRequest("CONFIG_ACPI", "y", "base.config:1", "CONFIG_ACPI=y", RequestOrigin.DEFAULT)
    facts = OptionFacts("CONFIG_ACPI", "bool", depends=("CONFIG_PCI [=n]",))
    error = refusal({request: None}, {"CONFIG_ACPI": facts}, [request], "3.18.140")

    assert isinstance(error, SeriesError)
    assert error.what == "Linux 3.18.140 does not grant CONFIG_ACPI"
    assert "other kernels" not in error.remedy
    assert "--config FILE" in error.remedy


@pytest.mark.parametrize(
    "after",
    [
        "ln -sf /etc/passwd $(O)/.config",
        "rm $(O)/.config; mkfifo $(O)/.config",
        "truncate -s 1G $(O)/.config",
        "rm $(O)/.config",
    ],
)
def test_what_a_strangers_makefile_leaves_is_no_link(tmp_path: Path, after: str) -> None:
    """A config that leads out of the output folder, never ends or is not there is not read."""
    with pytest.raises(SeriesError, match="the kernel cannot be configured"):
        configured(tmp_path, fake_tree(tmp_path / "tree", after=after))


@pytest.fixture(scope="session")
def linux(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, PatchedTree, WorkTree]]:
    """Debian's 6.1, checked out."""
    store = Store.default()
    source = source_package(Context(store, SOON), "6.1")
    with checked_out(Context(store, SOON), source.repository, source.commit) as worktree:
        yield store, PatchedTree(source, None, source.commit), worktree


def of_linux(linux: tuple[Store, PatchedTree, WorkTree], *fragments: str | Path | Variant) -> Config:
    """The config of a real kernel."""
    store, tree, worktree = linux
    return configure(Context(store, SOON), tree, worktree, fragments=(*DEFAULT, SUITE, *fragments))


@pytest.mark.build
@pytest.mark.network
@pytest.mark.parametrize(
    "name", [one for one in fragment_names() if one not in DEFAULT and not one.startswith("variant-")]
)
def test_a_real_kernel_grants_every_shipped_fragment(linux: tuple[Store, PatchedTree, WorkTree], name: str) -> None:
    """Each request beyond the default ones is granted; the only note is about options of other releases."""
    config = of_linux(linux, name)

    assert [note.partition(": ")[2].partition(":")[0] for note in config.notes] == [
        "options for other releases are passed over"
    ]
    assert check_bootable(parse_config(config.text, ConfigSource.BESIDE)) == ()


@pytest.mark.build
@pytest.mark.network
def test_a_real_kernel_says_why_it_does_not_grant(linux: tuple[Store, PatchedTree, WorkTree], tmp_path: Path) -> None:
    """Unmet dependencies, selects, another of a choice, a range and an unknown option, from the kernel's own parser."""
    mine = tmp_path / "mine.config"
    lines = ["DEBUG_INFO_BTF=y", "NO_SUCH=y", "OBJTOOL=n", "KERNEL_LZ4=y", "LOG_BUF_SHIFT=99"]
    mine.write_text("".join(f"CONFIG_{line}\n" for line in lines))

    with pytest.raises(UsageError) as caught:
        of_linux(linux, mine)
    *pairs, rival = caught.value.evidence.split("\n")
    said = dict(zip(*[iter(pairs)] * 2, strict=True))
    assert said[f"{mine}:1: CONFIG_DEBUG_INFO_BTF=y"].endswith(
        "requested y, got n; needs CONFIG_DEBUG_INFO [=n] and CONFIG_BPF_SYSCALL [=n]"
    )
    assert said[f"{mine}:2: CONFIG_NO_SUCH=y"].endswith("has no such option")
    assert "requested n, got y; selected by CONFIG_HAVE_" in said[f"{mine}:3: CONFIG_OBJTOOL=n"]
    assert said[f"{mine}:5: CONFIG_LOG_BUF_SHIFT=99"].endswith("valid range [12 25]")
    assert rival == f"    by {mine}:4: CONFIG_KERNEL_LZ4=y"
    choice = [line for place, line in said.items() if "CONFIG_KERNEL_" in place]
    assert [line.partition("; ")[2].startswith("the same choice is set to CONFIG_KERNEL_") for line in choice] == [True]


@pytest.mark.build
@pytest.mark.network
def test_a_real_kernel_is_built_without_an_optional_option(
    linux: tuple[Store, PatchedTree, WorkTree], tmp_path: Path
) -> None:
    """What it does not grant is kept with Kconfig's reason, also when the config is found again."""
    mine = tmp_path / "mine.config"
    wanted = ["KUNIT=y", "RUNTIME_TESTING_MENU=y", "EXT4_KUNIT_TESTS=y", "LIST_KUNIT_TEST=y"]
    mine.write_text("".join(f"# optional: a test\nCONFIG_{line}\n" for line in wanted))

    config, again = of_linux(linux, mine), of_linux(linux, mine)
    assert options(config)["CONFIG_LIST_KUNIT_TEST"] == "y"
    ((option, reason),) = config.ungranted
    assert option == "CONFIG_EXT4_KUNIT_TESTS"
    assert reason == f"{option}: requested y, got n; needs CONFIG_BLOCK [=n] and CONFIG_EXT4_FS [=n]"
    assert again == config


@pytest.mark.build
@pytest.mark.network
def test_what_a_series_asks_for_and_does_not_get_is_its_fault(linux: tuple[Store, PatchedTree, WorkTree]) -> None:
    """Its Kconfig files have to offer it; those of Linux 6.1 do not."""
    with pytest.raises(SeriesError, match="does not grant CONFIG_CGROUP_NS") as caught:
        of_linux(linux, OF_A_SERIES)

    assert caught.value.evidence.startswith("series/ns-cgroup/ns.config:2: CONFIG_CGROUP_NS=y\n")


@pytest.mark.build
@pytest.mark.network
def test_a_real_kernel_takes_a_kselftests_config(linux: tuple[Store, PatchedTree, WorkTree]) -> None:
    """By its path in the tree."""
    config = of_linux(linux, "tools/testing/selftests/cgroup/config")

    assert config.text == of_linux(linux).text


@pytest.mark.build
@pytest.mark.network
def test_a_real_kernel_starts_from_a_whole_config(linux: tuple[Store, PatchedTree, WorkTree], tmp_path: Path) -> None:
    """Its own config, taken as the start, comes out as it went in."""
    text = of_linux(linux).text
    whole = tmp_path / "whole"
    whole.write_text(text)
    again = of_linux(linux, whole)

    assert again.text == text
    assert again.notes == ()


@pytest.mark.build
@pytest.mark.network
def test_an_option_of_a_later_kernel_is_passed_over(linux: tuple[Store, PatchedTree, WorkTree], tmp_path: Path) -> None:
    """It is not requested, with a note; so is one that is to be off, which a kernel without it grants."""
    mine = tmp_path / "mine.config"
    mine.write_text("# versions: 6.11..\nCONFIG_MEMCG_V1=y\n# CONFIG_NO_SUCH is not set\n")
    config = of_linux(linux, mine)

    passed_over, absent = config.notes
    assert passed_over.endswith(
        "passed over: CONFIG_PCI (..4.20), CONFIG_RESOURCE_COUNTERS (..3.18), CONFIG_MEMCG_V1 (6.11..), "
        "CONFIG_CPUSETS_V1 (6.12..)"
    )
    assert absent.partition("Linux")[0] == f"{mine}:3: CONFIG_NO_SUCH: "


def test_variant_wins_over_the_default_fragments(tmp_path: Path) -> None:
    """The variant without SMP replaces what every kernel is built with, and is another config in the store."""
    tree = fake_tree(tmp_path / "tree")
    (up,) = read_variants("up")
    plain, variant = configured(tmp_path, tree), configured(tmp_path, tree, up)

    assert options(plain)["CONFIG_SMP"] == "y"
    assert options(variant)["CONFIG_SMP"] == "n"
    assert variant.fragments == (*plain.fragments, "variant-up")


@pytest.mark.build
@pytest.mark.network
def test_variant_may_exclude_a_default_option(linux: tuple[Store, PatchedTree, WorkTree]) -> None:
    """Without SMP, Linux 6.1 has no cpusets, which the suite's kernels have: that is noted, and no error."""
    (up,) = read_variants("up")
    config = of_linux(linux, up)

    assert "CONFIG_SMP" not in {name for name, value in options(config).items() if value == "y"}
    assert "variant up: without CONFIG_NR_CPUS, CONFIG_CPUSETS, CONFIG_PROC_PID_CPUSET" in config.notes


@pytest.mark.build
@pytest.mark.network
@pytest.mark.parametrize("name", ["debug", "kcsan", "clang"])
def test_a_real_kernel_grants_every_option_of_a_variant(linux: tuple[Store, PatchedTree, WorkTree], name: str) -> None:
    """Linux 6.1 has all options of these variants."""
    config = of_linux(linux, replace(read_variants(name)[0], make=()))

    assert not [note for note in config.notes if note.startswith("variant ")]


@pytest.mark.build
@pytest.mark.network
def test_kernel_without_what_a_variant_is_made_of(linux: tuple[Store, PatchedTree, WorkTree]) -> None:
    """It does not have the variant, which says nothing against it: PREEMPT_RT is in mainline on x86 since 6.12."""
    (rt,) = read_variants("rt")

    with pytest.raises(NotInKernelError, match=r"does not have the variant rt: CONFIG_PREEMPT_RT") as caught:
        of_linux(linux, rt)

    assert "ARCH_SUPPORTS_RT" in caught.value.evidence


@pytest.mark.build
@pytest.mark.network
def test_own_variant_must_be_granted(linux: tuple[Store, PatchedTree, WorkTree], tmp_path: Path) -> None:
    """An option that the tree does not have is an error of the user's fragment, with its line."""
    file = tmp_path / "variant-mine.config"
    file.write_text("# Mine.\nCONFIG_NONSENSE=y\n")

    with pytest.raises(UsageError, match=r"does not grant CONFIG_NONSENSE") as caught:
        of_linux(linux, read_variants(str(file))[0])

    assert not isinstance(caught.value, NotInKernelError)
    assert f"{file}:2: CONFIG_NONSENSE=y" in caught.value.evidence
