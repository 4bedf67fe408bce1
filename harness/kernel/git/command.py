"""The one door to the git program: it obeys no settings but ours, runs no hook, and asks nobody anything."""

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
"""Name and address of whoever commits. ``git am`` still takes the author from the mail."""

# git-config(1). What is here outranks the user's and the repository's own settings (the environment is the last file).
_LOG = logging.getLogger(__name__)
_SETTINGS = {
    "safe.directory": "*",  # a tree of another user is only read; none of its hooks or settings count
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
    "core.fsync": "none",  # the store can be made again; syncing costs 10 ms for each object
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
    *words: str,
    deadline: Deadline,
    check: bool = True,
    stdin: bytes = b"",
    files: GitFiles = NO_FILES,
) -> Completed:
    """Run ``git WORDS...`` to its end and return what it said.

    :param git_dir: the repository; None lets git look for it, from the folder it starts in upwards.
    :param check: raise when the exit status is not 0.
    :param files: the files to work with.
    :raises HostError: git is missing, failed (with ``check``), or did not end before the deadline.
    """
    _LOG.debug("git of %s: %s", git_dir or files.cwd or "no repository", words)
    return run(
        ["git", *words],
        deadline=deadline,
        check=check,
        stdin=stdin,
        within=Surroundings(
            cwd=files.cwd,
            env=environment(git_dir, files),
            may_set_times=False,  # of a user's objects that ours has borrowed
        ),
        remedy="see whether the disk is full ('harness clean' shows what the store holds), then run it again",
    )


def environment(git_dir: Path | None, files: GitFiles = NO_FILES) -> dict[str, str]:
    """Return the whole environment of a git program, also for one that is talked to while it runs.

    :param git_dir: the repository; None lets git look for it.
    :param files: the files to work with.
    """
    # A run from within a git hook inherits GIT_DIR and GIT_INDEX_FILE: those of the user's repository.
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
    places = {"GIT_DIR": git_dir, "GIT_WORK_TREE": files.work_tree, "GIT_INDEX_FILE": files.index}
    return variables | {name: str(place.absolute()) for name, place in places.items() if place is not None}
