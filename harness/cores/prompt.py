# SPDX-License-Identifier: GPL-2.0-only
"""Open drgn's prompt on a core; a program of its own, which has the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from drgn.cli import run_interactive

from harness.base.json_records import read_facts
from harness.cores.program import open_program, read_symbols
from harness.cores.read_core import init_task
from harness.cores.request import CoreRequest


def main(argv: Sequence[str]) -> int:
    """Open the prompt for the request of the file that is named."""
    request = read_facts(CoreRequest, Path(argv[1]).read_bytes())
    assert request is not None, f"{argv[1]} was written by the harness"
    symbols = read_symbols(Path(request.symbols).read_text())
    program = open_program(request, symbols)
    init = init_task(program, symbols)

    def add(names: dict[str, object]) -> dict[str, object]:
        return {**names, "init_task": init.address_of_()}

    note = "prog is the core; init_task is the first task, e.g. prog.stack_trace(init_task)"
    run_interactive(program, banner_func=lambda banner: f"{banner}\n{note}", globals_func=add)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
