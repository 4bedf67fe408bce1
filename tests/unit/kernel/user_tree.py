# SPDX-License-Identifier: GPL-2.0-only
"""A user's kernel tree in git, small, and a photograph of all that is in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from harness.base.deadline import Deadline
from tests.user_git import user_git

MAKEFILE = b"VERSION = 9\nPATCHLEVEL = 1\nSUBLEVEL = 0\n"
FILES: Mapping[str, bytes] = {
    "Makefile": MAKEFILE,
    "Kconfig": b'mainmenu "Linux"\n',
    ".gitignore": b"*.o\n.*\n!.gitignore\n",
    "init/main.c": b"int main;\n",
    "kernel/cgroup.c": b"int cgroup;\n",
    "include/a.h": b"#define A\n",
}


def seconds(number: float) -> Deadline:
    """The deadline of a test's step; an overloaded host is slow."""
    return Deadline.after(number)


class UserTree:
    """A git repository with a work tree, made by the git program as a user would, without the harness's own door."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def git(self, *words: str | Path, at: Path | None = None) -> str:
        """Run git in it; returns its output."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        env |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        for role in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{role}_NAME": "User", f"GIT_{role}_EMAIL": "user@host"}
        return user_git(at or self.folder, *words, env=env).decode(errors="replace").strip()

    def write(self, name: str, content: bytes | str) -> Path:
        """Write a file of the work tree."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def commit(self, files: Mapping[str, bytes | str], *, tag: str = "") -> str:
        """Write files, commit all that differs, tag it; returns the hash."""
        for name, content in files.items():
            self.write(name, content)
        self.git("add", "--all", "--force", *files)
        self.git("commit", "--quiet", "--allow-empty", "--message", f"change {', '.join(files)}")
        if tag:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")


def kernel_tree(folder: Path, *, options: tuple[str, ...] = ()) -> UserTree:
    """A kernel tree with two commits, ``v9.0`` and ``v9.1``."""
    folder.mkdir(parents=True)
    tree = UserTree(folder)
    tree.git("init", "--quiet", "--initial-branch=master", *options)
    tree.commit(FILES, tag="v9.0")
    tree.commit({"kernel/cgroup.c": "int cgroup;\nint namespace;\n"}, tag="v9.1")
    return tree


def photograph(folder: Path) -> dict[str, tuple[object, ...]]:
    """All that is below a folder: kind and mode, owner, number of links, time of change, and content of each."""
    seen: dict[str, tuple[object, ...]] = {}
    for place in (folder, *sorted(folder.rglob("*"))):
        status = place.lstat()
        content = b""
        if stat.S_ISREG(status.st_mode):
            content = place.read_bytes()
        elif stat.S_ISLNK(status.st_mode):
            content = os.fsencode(place.readlink())
        identity = (status.st_ino, status.st_mode, status.st_uid, status.st_nlink)
        seen[str(place)] = (*identity, status.st_mtime_ns, status.st_ctime_ns, content)
    return seen
