# SPDX-License-Identifier: GPL-2.0-only
"""The wrapper of git: the settings that it applies, and those that it ignores."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.errors import HostError
from harness.base.store import Store
from harness.kernel.git.command import GitFiles, git
from harness.kernel.git.fast_import import FileMode, TreeFile, import_files
from harness.kernel.git.repository import open_repository
from tests.unit.kernel.user_tree import UserTree, seconds


def test_settings_and_hooks_of_others_do_nothing(
    tree: UserTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own settings, those of the repository, and its hooks: a commit is what it always is."""
    (tmp_path / ".gitconfig").write_text("[user]\nname = Somebody\n[commit]\ngpgSign = true\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    tree.git("config", "core.hooksPath", "hooks")
    tree.git("config", "core.fsmonitor", "touch fsmonitor-ran; false")
    hook = tree.write("hooks/pre-commit", "#!/bin/sh\ntouch hook-ran\nexit 1\n")
    hook.chmod(0o755)
    words = ("commit", "--allow-empty", "--message", "x")
    git(tree.folder / ".git", *words, files=GitFiles(tree.folder, cwd=tree.folder), deadline=seconds(60))
    made = git(tree.folder / ".git", "log", "-1", "--format=%an %ae %at %ct", deadline=seconds(60)).text

    assert made == "Kernel patch harness harness@localhost 946684800 946684800\n"
    assert not list(tree.folder.glob("*-ran"))


def test_a_failure_shows_the_words_and_what_git_said(tree: UserTree) -> None:
    """That is the evidence; the settings that are always given are not in the way."""
    with pytest.raises(HostError) as caught:
        git(tree.folder / ".git", "rev-parse", "--verify", "nothing", deadline=seconds(60))

    assert caught.value.evidence == "$ git rev-parse --verify nothing\nfatal: Needed a single revision"


def test_files_are_imported_with_any_name_and_content(tmp_path: Path) -> None:
    """Also what a shell or git itself would read otherwise; equal files give an equal commit."""
    names = ["a b", 'qu"ote', "back\\slash", "new\nline", "ünï", "\udcff", "-dash", "a/b/c"]
    files = [
        TreeFile(name, FileMode.PLAIN, b"" if name == "a b" else name.encode("utf-8", "replace")) for name in names
    ]
    files.append(TreeFile("run", FileMode.EXECUTABLE, b"data 3\ndone\n"))
    commits = []
    for number in range(2):
        repository = open_repository(Context(Store(tmp_path / str(number)), seconds(60)), "x")
        commits.append(import_files(repository, files, message="done\n", deadline=seconds(60)))
    listed = repository.git("ls-tree", "-r", "-z", "--name-only", commits[0], deadline=seconds(60)).stdout

    assert commits[0] == commits[1]
    assert {name.decode(errors="surrogateescape") for name in listed.split(b"\0") if name} == {*names, "run"}
    assert repository.git("cat-file", "blob", f"{commits[0]}:run", deadline=seconds(60)).stdout == b"data 3\ndone\n"
