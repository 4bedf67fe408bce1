# SPDX-License-Identifier: GPL-2.0-only
"""Run git as a user does, for repositories that are the scenery of a test.

The harness's own wrapper starts setpriv(1) in front of each program, so that it ends with a run; that doubles the
processor time of a short git command, which most tests start dozens of times. Only repositories of tests are written:
no file has to survive a crash of the host, and ``git commit`` looks for no garbage.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

_SETTINGS = {"core.fsync": "none", "maintenance.auto": "false", "gc.auto": "0"}
_QUICK = {"GIT_CONFIG_COUNT": str(len(_SETTINGS))} | {
    f"GIT_CONFIG_{part}_{number}": text
    for number, setting in enumerate(_SETTINGS.items())
    for part, text in zip(("KEY", "VALUE"), setting, strict=True)
}


def user_git(
    folder: Path, *arguments: str | Path, env: Mapping[str, str], stdin: bytes = b"", check: bool = True
) -> bytes:
    """Run git in a folder and return its standard output.

    :param env: the environment, without the settings of this module.
    :param check: fail the test when git fails.
    """
    done = subprocess.run(["git", *arguments], cwd=folder, env={**env, **_QUICK}, input=stdin, capture_output=True)
    assert done.returncode == 0 or not check, f"git failed with {done.returncode}: {arguments}: {done.stderr!r}"
    return done.stdout
