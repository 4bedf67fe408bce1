# SPDX-License-Identifier: GPL-2.0-only
"""Read the state of a bisection: which error suggests ``--restart``."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import NewerFormatError, UsageError
from harness.bisect import state_file


@pytest.mark.parametrize(
    ("error", "is_restart"),
    [
        (NewerFormatError("written by a later release", remedy="use that release"), False),
        (UsageError("its format is odd", remedy="run again"), True),
    ],
)
def test_load_state_suggests_restart_by_kind_of_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: UsageError, is_restart: bool
) -> None:
    """A state of a newer harness is sound, and a restart would discard it; the text of the error does not matter."""

    def fail(*_: object, **__: object) -> None:
        raise error

    (tmp_path / state_file.STATE_NAME).write_text("{}")
    monkeypatch.setattr(state_file, "load_bisect", fail)
    with pytest.raises(UsageError) as caught:
        state_file.load_state(tmp_path)

    assert ("--restart" in caught.value.remedy) is is_restart
