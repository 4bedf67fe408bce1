"""The one door to the git program: it obeys no settings but ours, runs no hook, and asks nobody anything."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import Completed, run

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


def git(
    git_dir: Path | None,
    *words: str,
    deadline: Deadline,
    check: bool = True,
    stdin: bytes = b"",
    work_tree: Path | None = None,
    index: Path | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run ``git WORDS...`` to its end and return what it said.

    :param git_dir: the repository; None lets git look for it, from ``cwd`` upwards.
    :param check: raise when the exit status is not 0.
    :param index: the index file to use in place of the repository's.
    :param env: more variables, over those that are always set.
    :raises HostError: git is missing, failed (with ``check``), or did not end before the deadline.
    """
    _LOG.debug("git of %s: %s", git_dir or cwd or "no repository", words)
    return run(
        ["git", *words],
        deadline=deadline,
        check=check,
        stdin=stdin,
        cwd=cwd,
        env=environment(git_dir, work_tree=work_tree, index=index, more=env),
        may_set_times=False,  # of a user's objects that ours has borrowed
        remedy="see whether the disk is full ('harness clean' shows what the store holds), then run it again",
    )


def environment(
    git_dir: Path | None,
    *,
    work_tree: Path | None = None,
    index: Path | None = None,
    more: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The whole environment of a git program, for who has to start one that is talked to while it runs."""
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
    places = {"GIT_DIR": git_dir, "GIT_WORK_TREE": work_tree, "GIT_INDEX_FILE": index}
    variables |= {name: str(place.absolute()) for name, place in places.items() if place is not None}
    return {**variables, **(more or {})}
