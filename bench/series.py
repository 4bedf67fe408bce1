# SPDX-License-Identifier: GPL-2.0-only
"""Measure a series of eight patches against one kernel, built and tested (``bench/series.json``).

    tox -e bench-series      half an hour on two slow cores

Both start with a store that contains the source and nothing that was built or booted, so each includes a clean build.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench.builds import BASE, FILES
from bench.figures import Figure, arguments, report_figures
from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import STORE_VARIABLE, Store
from harness.kernel.source.tree import Source, source_package
from harness.model.series_record import SERIES_NAME
from harness.results.records import load_series

_SECONDS = 4 * 3600.0
_MADE = ("kernel-build", "kernel-objects", "template", "mounted-template", "checkpatch", "patched-tree")
"""Kinds of store entries that are removed before the measurement."""
_BOUND = 3.0


def measure(folder: Path) -> list[Figure]:
    """Measure the figure.

    :param folder: folder for the store, the patches and the results; needs a few GiB.
    """
    store = Store(folder / "store")
    source = source_package(Context(store, Deadline.after(_SECONDS)), BASE.partition(":")[2])
    write_patches(source, folder / "topic")
    one = _timed(store, "run", BASE, "--results", str(folder / "one"))
    for kind in store.folder.iterdir():
        if kind.name.startswith(_MADE):
            shutil.rmtree(kind)
    eight = _timed(store, "series", str(folder / "topic"), "--base", BASE, "--results", str(folder / "eight"))
    (file,) = (folder / "eight").glob(f"*/{SERIES_NAME}")
    record = load_series(file.read_text(), source=str(file))
    patches = record.patches
    if any(patch.failed or patch.same_as >= 0 for patch in patches):
        raise SystemExit(f"{file}: a patch failed, or was not tested with its own kernel")
    cases = f"{patches[0].asked} cases at the ends, {max(patch.asked for patch in patches[1:-1])} between"
    detail = f"{eight:.1f} s / {one:.1f} s, {cases}"
    return [Figure("a series of eight patches / one kernel, from scratch", eight / one, _BOUND, True, "", detail)]


def write_patches(source: Source, folder: Path) -> None:
    """Write eight patches that add a function to one file each, so every image differs."""
    folder.mkdir()
    for number, name in enumerate(FILES, start=1):
        blob = source.repository.git("cat-file", "blob", f"{source.commit}:{name}", deadline=Deadline.after(60))
        lines = blob.text.splitlines()
        prefix = re.sub(r"\W", "_", name)
        added = [f"int {prefix}_touched(void);", f"int {prefix}_touched(void)", "{", f"\treturn {len(lines)};", "}"]
        hunk = [*(f" {line}" for line in lines[-3:]), *(f"+{line}" for line in added)]
        head = f"@@ -{len(lines) - 2},3 +{len(lines) - 2},{3 + len(added)} @@"
        text = "\n".join([f"--- a/{name}", f"+++ b/{name}", head, *hunk, ""])
        (folder / f"{number:04}-touch-{prefix}.patch").write_text(text)


def _timed(store: Store, *arguments: str) -> float:
    """Return the seconds of a harness command; exit status 1, a result that differs, is allowed."""
    started = time.perf_counter()
    environment = {**os.environ, STORE_VARIABLE: str(store.folder)}
    command = [sys.executable, "-m", "harness", *arguments]
    done = process.run(
        command, deadline=Deadline.after(_SECONDS), within=process.Surroundings(env=environment), check=False
    )
    if done.status not in (0, 1):
        raise SystemExit(f"harness {' '.join(arguments)} failed with status {done.status}\n{done.complaint}")
    return time.perf_counter() - started


def main() -> None:
    """Measure, print the table, write the JSON; exit status 1 when the bound is missed."""
    parser = arguments(__doc__)
    parser.add_argument("--json", type=Path, default=Path(__file__).with_name("series.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as name:
        figures = measure(Path(name))
    report_figures(figures, options.json, kernel=BASE)


if __name__ == "__main__":
    main()
