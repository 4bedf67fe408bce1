# SPDX-License-Identifier: GPL-2.0-only
"""Find the state of a service in the store, and say which process works on it; imported by a report, so it is small."""

from __future__ import annotations

from pathlib import Path

from harness.base.errors import UsageError
from harness.base.store import Store
from harness.follow.state.config import Config, parse_config

KIND = "follow"
LOCK_NAME = "follow.lock"
PROCESS = "process"
"""The name of the fact with the process that works on the state."""
MODE, ONCE = "mode", "once"
"""The name of the fact that says how the service was started, and its value for a timer."""
PAUSED = "paused"
"""The name of the fact that says why nothing is tested."""
_CONFIG_BYTES = 1 << 20


def read_config(path: Path) -> Config:
    """Read the configuration of a service.

    :raises UsageError: the file cannot be read, or is not valid.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_CONFIG_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        remedy = "copy examples/follow/follow.toml and edit it"
        raise UsageError(f"{path} cannot be read", evidence=str(error), remedy=remedy) from None
    return parse_config(text, path=str(path), folder=path.absolute().parent)


def state_folder(store: Store, config: Config) -> Path:
    """Return the folder of the state of a service, which may not exist."""
    return store.folder / KIND / config.name


def no_state(config: Config, folder: Path) -> UsageError:
    """Return the error for a service that was never started."""
    remedy = "start it: harness follow CONFIG"
    return UsageError(f"there is no state of {config.name} in {folder}: it was never started", remedy=remedy)


def describe_process(pid: int) -> str:
    """Return a process id with the time of its start, which together are unique; empty when it does not run."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # The name of the program, in parentheses, may contain blanks; starttime is the 22nd field (proc(5)).
    return f"{pid} {text.rpartition(')')[2].split()[19]}"
