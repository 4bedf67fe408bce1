# SPDX-License-Identifier: GPL-2.0-only
"""Measure the service on 1,000 queued series: its memory, a status answer, the intake of mails; no kernel is built.

    tox -e bench-follow

The mails are made up; all else is real. The smallest of several status answers counts, since other load on the host can
only add time.
"""

from __future__ import annotations

import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Figure, arguments, report_figures
from harness.base.deadline import Deadline
from harness.base.process import Surroundings, python, run
from harness.base.store import STORE_VARIABLE
from tests.unit.follow.inboxes import START, GitInbox, Post, make_tree, series

SERIES, REPLIES = 1000, 9000
REPEATS = 5
CONFIG = """
name = "bench"
[[source]]
name = "list"
kind = "public-inbox"
path = "inbox"
since_days = 4000
[[rule]]
name = "all"
base = "{folder}/tree@main"
[limits]
sender_series = 100000
[keep]
free = "900T"
"""
_PROGRAM = """
import resource, sys, time
from pathlib import Path
from harness.base.store import Store
from harness.follow.opening import World, open_service
from harness.follow.state.place import read_config
began = time.monotonic()
with open_service(read_config(Path(sys.argv[1])), Store.default(), World()) as service:
    service.run(is_once=True)
print(time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def fill(folder: Path) -> Path:
    """Write an inbox with the series and replies, and the configuration; return its path."""
    inbox = GitInbox(folder / "inbox")
    mails: list[bytes] = []
    for at in range(SERIES):
        sender = f"Author {at % 300} <author{at % 300}@host.example>"
        mails += (
            one.render()
            for one in series(f"s{at}", [f"topic {at}, part 1", "part 2"], cover=f"topic {at}", sender=sender)
        )
    mails += (Post(f"Re: talk {at}", f"re{at}@host", "s1-v1-0@host", file="").render() for at in range(REPLIES))
    inbox.add(mails)
    make_tree(folder / "tree")
    config = folder / "follow.toml"
    config.write_text(CONFIG.format(folder=folder))
    return config


def measure(folder: Path) -> list[Figure]:
    """Measure all figures."""
    config = fill(folder)
    within = Surroundings(env={**os.environ, STORE_VARIABLE: str(folder / "store")})
    taken = []
    for _ in range(2):  # the second time, nothing is new
        done = run([sys.executable, "-c", _PROGRAM, str(config)], deadline=Deadline.after(1800), within=within)
        taken.append([float(word) for word in done.text.split()[-2:]])
    times, processor = [], []
    for _ in range(REPEATS):
        began, used = time.perf_counter(), _processor_seconds()
        words = [*python("harness"), "follow", str(config), "--status", "--json"]
        status = run(words, deadline=Deadline.after(60), check=False, within=within).text
        times.append(time.perf_counter() - began)
        processor.append(_processor_seconds() - used)
    found = re.search(r'"waiting": (\d+)', status)
    queued = int(found[1]) if found else 0
    mails = SERIES * 3 + REPLIES
    seconds, peak = taken[0]
    return [
        Figure("memory of the service while it takes all in", peak, 200, True, "MiB", f"largest; {mails:,} mails"),
        Figure("memory of the service with a full queue", taken[1][1], 200, True, "MiB", f"{queued:,} series queued"),
        Figure(
            "a status answer, the whole command: processor time",
            *(min(processor), 0.2, True, "s", f"{min(times):.2f} s passed, {queued:,} series queued"),
        ),
        Figure("taking in a mail, and assembling series", seconds / mails * 1000, 20, True, "ms", f"{seconds:.1f} s"),
        Figure("series queued", queued, SERIES, False, "", f"from {START}"),
    ]


def _processor_seconds() -> float:
    """Return the processor time of the programs that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure and report."""
    arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report_figures(measure(Path(folder)), Path("bench/last-follow.json"))


if __name__ == "__main__":
    main()
