# SPDX-License-Identifier: GPL-2.0-only
"""Run tox, and name at the end what failed: the output of the commands before is thousands of lines up by then.

``python -m tests.tox_summary ARGUMENTS`` is ``tox run ARGUMENTS``, with its exit status.
"""

from __future__ import annotations

import json
import runpy
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_SHOWN_LINES = 12
_PYTEST_LINES = ("FAILED ", "ERROR ")


def failures(result: dict[str, Any]) -> Iterator[str]:
    """Yield the lines that name each failed command of a run of tox and what it printed of its failures.

    :param result: the document that ``tox run --result-json FILE`` writes
    """
    for name, environment in result.get("testenvs", {}).items():
        for stage in ("setup", "test"):
            for command in environment.get(stage, ()):
                # A request to the backend that packs the project has none: it ends with that process.
                if command["retcode"] not in (0, None):
                    yield f"failed: {name}: {_line(command['command'])} (exit status {command['retcode']})"
                    yield from (f"    {line}" for line in _what_failed(command))


def main(arguments: list[str]) -> int:
    """Run tox with these arguments and print what failed to standard error.

    :return: the exit status of tox
    """
    with tempfile.TemporaryDirectory() as folder:
        written = Path(folder, "result.json")
        sys.argv = ["tox", "run", "--result-json", str(written), *arguments]
        try:
            runpy.run_module("tox", run_name="__main__", alter_sys=True)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        if status != 0 and written.exists():
            sys.stderr.writelines(f"{line}\n" for line in failures(json.loads(written.read_text())))
    return status


def _line(command: list[str]) -> str:
    return shlex.join([Path(command[0]).name, *command[1:]])


def _what_failed(command: dict[str, Any]) -> list[str]:
    lines = [line for line in (command["output"] + command["err"]).splitlines() if line.strip()]
    return [line for line in lines if line.startswith(_PYTEST_LINES)] or lines[-_SHOWN_LINES:]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
