"""The state of a bisection on disk: which error asks for --restart."""

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
def test_load_state_advises_a_restart_by_the_kind_of_the_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: UsageError, is_restart: bool
) -> None:
    """Whatever the sentence says: a state of a newer harness is sound, and a restart would throw it away."""

    def fail(*_: object, **__: object) -> None:
        raise error

    (tmp_path / state_file.STATE_NAME).write_text("{}")
    monkeypatch.setattr(state_file, "load_bisect", fail)
    with pytest.raises(UsageError) as caught:
        state_file.load_state(tmp_path)

    assert ("--restart" in caught.value.remedy) is is_restart
