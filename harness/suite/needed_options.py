# SPDX-License-Identifier: GPL-2.0-only
"""List the configuration options that the cases of a suite need or ask for."""

from __future__ import annotations

import re

from harness.kernel.config.fragment_files import find_named_fragment
from harness.suite.definition import Suite
from harness.suite.load import case_paths

_OPTION = re.compile(r"\bCONFIG_[A-Za-z0-9_]+")


def needed_options(suite: Suite) -> frozenset[str]:
    """Return the options that case files, ``suite.toml`` and the suite's fragments name.

    :param suite: the suite.
    """
    if not suite.file.is_file():  # named by a record, and not made here
        return frozenset()
    fragments = (find_named_fragment(name, suite.config) for name in suite.config.names)
    files = [suite.file, *case_paths(suite), *filter(None, fragments)]
    return frozenset(name for file in files for name in _OPTION.findall(file.read_text(errors="replace")))
