# SPDX-License-Identifier: GPL-2.0-only
"""Measure the scanner of the kernel log on a corpus: ``python -m bench.splat_corpus FOLDER [--last N]``.

The corpus is a folder of files in the form of syzkaller's report tests: lines such as ``TITLE: general protection fault
in f``, an empty line, and a log. The files are not part of this repository; fetch them::

    git clone --depth 1 https://github.com/google/syzkaller
    python -m bench.splat_corpus syzkaller/pkg/report/testdata/linux/report --last 399

A title is a fact about the log that follows: what the bug is, and the guilty function. ``corrupted`` in place of a
function means that the log does not show it.
"""

from __future__ import annotations

import itertools
import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from harness.kernellog.reader import KernelLog, Splat, SplatKind

_PIECE_BYTES = 1 << 16
_TITLE = re.compile(r"^TITLE: (.*)$", re.MULTILINE)
_REPORT = re.compile(r"^REPORT:\n", re.MULTILINE)
_FUNCTION = re.compile(r" in (\w+)[\w.]*(?: at addr ADDR)?$")

# What a title begins with, and the kinds that it may be found as; the first match decides.
_KINDS: tuple[tuple[str, str], ...] = (
    (r".*usercopy", "bug warning"),
    (r"KASAN", "kasan"),
    (r"KMSAN", "kmsan"),
    (r"KCSAN", "kcsan"),
    (r"UBSAN", "ubsan"),
    (r"KFENCE", "kfence"),
    (r"memory leak", "kmemleak"),
    (
        (
            r"possible deadlock|inconsistent lock|.*suspicious RCU|.*still has locks|.*bad unlock|.*held lock freed"
            r"|.*non-static key|.*locking bug|.*lock held when|.*circular locking"
        ),
        "lockdep",
    ),
    (r".*rcu detected stall", "rcu_stall"),
    (r".*(?:task hung|can't die)", "hung_task"),
    (r"BUG: soft lockup", "soft_lockup"),
    (r".*refcount bug", "refcount"),
    (r".*ODEBUG bug", "debugobjects"),
    (r".*corrupted list", "list_corruption"),
    (
        (
            r".*(?:unable to handle|general protection|divide error|double fault|guard page|Unhandled fault"
            r"|Alignment trap)"
        ),
        "oops",
    ),
    (r"INFO: (?:Freed|Allocated)", "kasan bug"),
    (r"kernel BUG|BUG:|unregister_netdevice", "bug lockdep"),
    (r"kernel panic", "panic"),
    (r"trusty", "panic warning"),
    (r"WARNING", "warning"),
)


class Sample(NamedTuple):
    """One file of the corpus, and what was found in it."""

    title: str
    data: bytes
    splats: Sequence[Splat]


def read(folder: Path, last: int) -> Iterator[Sample]:
    """Return the files whose name is a number up to ``last`` and that have a title."""
    for path in sorted(folder.iterdir()):
        if path.name.isdigit() and int(path.name) <= last:
            head, _, log = path.read_text(encoding="utf-8", errors="replace").partition("\n\n")
            if title := _TITLE.search(head):
                data = _REPORT.split(log)[0].encode()
                yield Sample(title[1], data, scanned(data))


def scanned(data: bytes) -> list[Splat]:
    """Return the splats of a log that comes in pieces."""
    log = KernelLog()
    found = [splat for at in range(0, len(data), _PIECE_BYTES) for splat in log.feed(data[at : at + _PIECE_BYTES])]
    return found + log.close()


def is_kind_right(title: str, kind: SplatKind) -> bool:
    """Return whether a splat with this title may be of the kind."""
    wanted = next((kinds for pattern, kinds in _KINDS if re.match(pattern, title)), "")
    return not wanted or kind.value in wanted.split()


def seconds_for(data: bytes) -> float:
    """Return the processor's time to scan the bytes, the smallest of five."""

    def once() -> float:
        began = time.process_time()
        scanned(data)
        return time.process_time() - began

    return min(once() for _ in range(5))


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--last", default=399, show_default=True, help="Number of the last file to read.")
def main(folder: Path, last: int) -> None:
    """Print how many splats of the corpus are found, and how well different bugs are distinguished."""
    samples = list(read(folder, last))
    found = [sample for sample in samples if sample.splats]
    titles = [sample.splats[0].title for sample in found]
    right = [sample for sample in found if is_kind_right(sample.title, sample.splats[0].kind)]
    named = [(sample, function[1]) for sample in found if (function := _FUNCTION.search(sample.title))]
    named = [(sample, function) for sample, function in named if function != "corrupted"]
    agreed = [sample for sample, function in named if re.search(rf"\b_*{function}\b", sample.splats[0].title)]
    click.echo(f"found: {len(found)} of {len(samples)}")
    click.echo(f"kind right: {len(right)} of {len(found)}")
    click.echo(f"title names a function: {sum(' in ' in title or ': at ' in title for title in titles)}")
    click.echo(f"title names the function of TITLE: {len(agreed)} of {len(named)}")
    groups: dict[str, list[str]] = defaultdict(list)
    for sample in found:
        groups[sample.splats[0].fingerprint].append(sample.title)
    pairs = [pair for group in groups.values() for pair in itertools.combinations(group, 2)]
    click.echo(f"pairs with one fingerprint and two titles: {sum(one != other for one, other in pairs)}")
    data = b"".join(sample.data for sample in samples)
    click.echo(f"speed: {len(data) / 1e6 / seconds_for(data):.1f} MB/s of {len(data) / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
