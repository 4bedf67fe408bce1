# SPDX-License-Identifier: GPL-2.0-only
"""Locate the files that ship with the harness, and its results.

In a checkout these are folders of the checkout. An installed package has a copy of them as ``harness/data/``; its
results are in the user's state folder (XDG Base Directory Specification: "actions history (logs, history, ...)").
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from harness.base.errors import UsageError

APPLICATION = "kernel-patch-harness"
"""The name of the folders that the harness makes in the user's cache, state and configuration folders."""
_PACKAGE = Path(__file__).resolve().parents[1]
IS_CHECKOUT = (_PACKAGE.parent / "pyproject.toml").is_file()
"""True in a checkout or an unpacked source archive, False in an installed package."""


def _find_root() -> Path:
    if IS_CHECKOUT:
        return _PACKAGE.parent
    from importlib.resources import files  # here, because it takes 10 ms that a checkout does not need

    # QEMU, gcc and pytest open these files themselves: they must be files on disk, as pip unpacks them.
    return Path(str(files("harness") / "data"))


ROOT = _find_root()
"""The folder with ``cases/``, ``qemu/``, ``kconfigs/`` and ``series/``."""

SUITES = ROOT / "cases"
"""The shipped suites, a folder each."""
SUITES_FILE = SUITES / "suites.toml"
PYTEST_SETTINGS = SUITES / "pytest.ini"
SERIES = ROOT / "series"
MACHINE_TYPES = ROOT / "qemu"
GUESTS = MACHINE_TYPES / "guests"
"""The definitions of guests that are whole systems, such as Debian."""
GUEST_DEFINITION = MACHINE_TYPES / "guest.toml"
GUEST_INIT = MACHINE_TYPES / "init.sh"
GUEST_HELPER = MACHINE_TYPES / "nsctl.c"
GUEST_HEADER = MACHINE_TYPES / "guest_helper.h"
GUEST_INVENTORY = MACHINE_TYPES / "inventory.c"
"""The header that C helpers of guests may include."""
SELFTESTS_SETUP = MACHINE_TYPES / "selftests.sh"
"""The script that prepares a machine for the kernel's selftests."""
KUNIT_PROGRAM = MACHINE_TYPES / "kunit.sh"
"""The program of the guest that runs KUnit suites."""
LTP_RUNNER = MACHINE_TYPES / "ltp.sh"
"""The script that runs one line of a runtest file of LTP."""
COVERAGE_PLUGIN = MACHINE_TYPES / "coverage.c"
KCONFIGS = ROOT / "kconfigs"
KCONFIG_ASKER = KCONFIGS / "ask.c"
COMPILERS = KCONFIGS / "compilers.toml"


def default_results() -> Path:
    """Return the folder of the run folders: ``results/`` of a writable checkout, else of the user's state folder.

    :raises UsageError: the user's state folder is needed, and there is no home folder.
    """
    here = ROOT / "results"
    if IS_CHECKOUT and os.access(here if here.exists() else ROOT, os.W_OK):
        return here
    import platformdirs

    return user_folder(platformdirs.user_state_dir, option="--results") / "results"


def user_folder(find: Callable[[str], str], *, option: str) -> Path:
    """Return the harness's folder in the user's cache, state or configuration folder.

    :param find: a function of platformdirs, such as ``user_cache_dir``.
    :param option: the option or variable that names another folder, for the error.
    :raises UsageError: the user has no home folder: neither ``$HOME`` nor an entry in the password database.
    """
    try:
        folder, problem = Path(find(APPLICATION)), ""
    except RuntimeError as error:  # a newer platformdirs; an older one leaves the "~"
        folder, problem = Path("~"), str(error)
    if folder.is_absolute():
        return folder
    raise UsageError(
        "this user has no home folder",
        evidence=problem or f"HOME is not set, and the password database has no entry for this user: {folder}",
        remedy=f"set HOME, or name a folder with {option}",
    )
