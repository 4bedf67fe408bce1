# SPDX-License-Identifier: GPL-2.0-only
"""Run the git program, wrapped: with the harness's settings alone, without hooks and without prompts."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import Completed, Surroundings, run

FIXED_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""The date of every commit that the harness makes: the same input gives the same hash."""
IDENTITY = ("Kernel patch harness", "harness@localhost")
"""Name and address of the committer. ``git am`` still takes the author from the mail."""

# git-config(1). These override the settings of the user and of the repository: the environment is read last.
_LOG = logging.getLogger(__name__)
_SETTINGS = {
    "safe.directory": "*",  # a tree of another user is only read; its hooks and settings are ignored
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.untrackedCache": "false",
    "core.splitIndex": "false",
    "core.sparseCheckout": "false",
    "core.autocrlf": "false",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.quotePath": "false",
    "core.logAllRefUpdates": "false",
    "core.fsync": "none",  # the store can be rebuilt; syncing costs 10 ms for each object
    "core.compression": "1",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "rerere.enabled": "false",
    "commit.gpgSign": "false",
    "diff.renames": "false",
    "advice.detachedHead": "false",
}
_KEPT_VARIABLES = {"GIT_EXEC_PATH", "GIT_SSL_CAINFO"}


@dataclass(frozen=True, slots=True)
class GitFiles:
    """The files that git works with besides the repository.

    :param work_tree: the folder with the files of a commit; None for none.
    :param index: the index file, in place of the repository's own.
    :param cwd: the folder to start git in; None for the current one.
    """

    work_tree: Path | None = None
    index: Path | None = None
    cwd: Path | None = None


NO_FILES = GitFiles()
"""Git works with the repository alone."""


def git(
    git_dir: Path | None,
    *arguments: str,
    deadline: Deadline,
    check: bool = True,
    stdin: bytes = b"",
    files: GitFiles = NO_FILES,
) -> Completed:
    """Run git to its end and return its exit status and output.

    :param arguments: the arguments of git.
    :param stdin: the input of git.

    :param git_dir: the repository; None lets git look for it, from the folder it starts in upwards.
    :param check: raise when the exit status is not 0.
    :param files: the files to work with.
    :raises HostError: git is missing, failed (with ``check``), or the deadline has passed.
    """
    _LOG.debug("git of %s: %s", git_dir or files.cwd or "no repository", arguments)
    return run(
        ["git", *arguments],
        deadline=deadline,
        check=check,
        stdin=stdin,
        within=Surroundings(
            cwd=files.cwd,
            env=environment(git_dir, files),
            may_set_times=False,  # objects of the user's repository must keep their times
        ),
        remedy="check for a full disk with df -h ('harness clean' shows what the store holds), then retry",
    )


def environment(git_dir: Path | None, files: GitFiles = NO_FILES) -> dict[str, str]:
    """Return the whole environment of a git program.

    :param git_dir: the repository; None lets git look for it.
    :param files: the files to work with.
    """
    # A run from within a git hook inherits GIT_DIR and GIT_INDEX_FILE of the user's repository.
    variables = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT_VARIABLES
    }
    date = f"{int(FIXED_TIME.timestamp())} +0000"
    for role in ("AUTHOR", "COMMITTER"):
        variables |= {f"GIT_{role}_NAME": IDENTITY[0], f"GIT_{role}_EMAIL": IDENTITY[1], f"GIT_{role}_DATE": date}
    variables |= {
        "LC_ALL": "C.UTF-8",
        "LANGUAGE": "",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": ":",
        "GIT_CONFIG_COUNT": str(len(_SETTINGS)),
    }
    for number, (name, value) in enumerate(_SETTINGS.items()):
        variables |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    files_of_git = {"GIT_DIR": git_dir, "GIT_WORK_TREE": files.work_tree, "GIT_INDEX_FILE": files.index}
    return variables | {name: str(path.absolute()) for name, path in files_of_git.items() if path is not None}
