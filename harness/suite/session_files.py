# SPDX-License-Identifier: GPL-2.0-only
"""Read session files, each content once in a process: a worker reads those of its suite before its run is known."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

from harness.base.errors import HarnessError
from harness.session.preparation import Preparation
from harness.session.transcript import Transcript, parse
from harness.suite.case_checks import check_case_traits
from harness.suite.load import case_id, read_suite, suite_semantics

_KEPT = 1 << 12


@functools.lru_cache(maxsize=_KEPT)
def read_transcript(text: str, path: str, preparations: tuple[Preparation, ...]) -> Transcript:
    """Read a session file; see :func:`harness.session.transcript.parse`.

    :param text: content of the file.
    :param path: name of the file in messages and results.
    :param preparations: the headers that the suite of the file defines.
    :raises CaseError: the text is not a valid session file.
    """
    return parse(text, path=path, preparations=preparations)


def read_ahead(folder: str) -> None:
    """Read the definition and the session files of a suite, so that later reads of the same content are found.

    What cannot be read here is an error where it is needed.

    :param folder: the folder of the suite.
    """
    with contextlib.suppress(HarnessError, OSError, UnicodeDecodeError):
        suite = read_suite(Path(folder))
        semantics = suite_semantics(suite)
        for file in Path(folder).rglob("*.session"):
            with contextlib.suppress(HarnessError, OSError, UnicodeDecodeError):
                text = file.read_text(encoding="utf-8")
                check_case_traits(read_transcript(text, case_id(file, suite), suite.preparations), suite, semantics)
