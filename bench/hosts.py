# SPDX-License-Identifier: GPL-2.0-only
"""Simulate runs on 1 to 256 hosts with the batching of real runs, or measure runs on two hosts.

    tox -e bench-hosts                       simulate; no kernel is started
    tox -e bench-hosts -- --measured         see bench/real_hosts.py
    tox -e bench-hosts -- --measured --keep  write the table into docs/how-to/hosts.md as well

The simulator calls ``harness/hosts/batches.py``, as the dispatcher of real runs does, and takes the durations of the
cases from a durations file. A figure is the end of a run / max((work + boots) / hosts, a boot + the longest case): no
distribution of the cases can beat that.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.figures import Figure, arguments, keep_table, report_figures
from harness.base import paths
from harness.hosts.batches import Work
from harness.hosts.checks import HostChecks
from harness.model.shard import read_durations
from harness.model.verdict import Outcome
from harness.suite.load import default_suite

HOSTS = (1, 2, 4, 16, 64, 256)
KERNELS = 20
BOOT_SECONDS = 5.0
"""A boot of the template under emulation; each host boots each kernel once that it gets cases of."""
BATCH_SECONDS = 1.0
"""Start of the process of a batch: Python, pytest, and the collection of its files."""
NOISE = 0.2
"""Durations differ from the expected ones by up to this share."""
MOST = 1.1
"""Bound of the figures."""


@dataclass(frozen=True)
class Costs:
    """What a simulated run costs besides its cases.

    :param batch: seconds for the start of a batch.
    :param boot: seconds for the boot of a template.
    :param noise: the share that durations differ from the expected ones by.
    """

    batch: float = BATCH_SECONDS
    boot: float = BOOT_SECONDS
    noise: float = NOISE


USUAL = Costs()


@dataclass(frozen=True)
class Simulated:
    """The result of a simulated run.

    :param seconds: the end of the last case.
    :param batches: the number of batches.
    :param bound: the time that no distribution of the cases can beat.
    """

    seconds: float
    batches: int
    bound: float


def simulate(
    expected: Mapping[str, float], hosts: int, *, seed: int, checks: HostChecks, costs: Costs = USUAL
) -> Simulated:
    """Simulate a run of some cases on one kernel, with one worker on each host.

    :param expected: the expected duration of each case.
    :param hosts: the number of hosts.
    :param seed: the seed of the durations.
    :param checks: what is known about the hosts of the run.
    :param costs: what the run costs besides its cases.
    """
    luck = random.Random(seed)
    actual = {name: seconds * luck.uniform(1 - costs.noise, 1 + costs.noise) for name, seconds in expected.items()}
    names = [f"host{at}" for at in range(hosts)]
    work = Work(list(expected), expected)
    checks.begin(list(expected), expected, names)
    free = [(0.0, name) for name in names]
    booted: set[str] = set()
    end, batches = 0.0, 0
    while free:
        now, name = heapq.heappop(free)
        batch = work.take(name, hosts=names, workers=hosts, extra=checks.extra(name))
        if batch is None:
            continue
        checks.give(name, batch.ids)
        batches += 1
        now += costs.batch + (0.0 if name in booted else costs.boot)
        booted.add(name)
        for case in batch.ids:
            now += actual[case]
            work.end_case(case)
            checks.end_case(name, case, Outcome.MATCH)
        work.end_batch(batch.number)
        end = max(end, now)
        heapq.heappush(free, (now, name))
    total = sum(actual.values())
    return Simulated(end, batches, max((total + costs.boot * len(booted)) / hosts, costs.boot + max(actual.values())))


def figures(kernels: int) -> list[Figure]:
    """Simulate runs on several kernels, one after the other, as a real run does.

    :param kernels: the number of kernels.
    """
    file = default_suite().durations_file
    seconds = read_durations(file.read_text(), path=str(file))
    found = []
    for hosts in HOSTS:
        checks = HostChecks()
        runs = [simulate(seconds, hosts, seed=seed, checks=checks) for seed in range(kernels)]
        took, bound = (sum(getattr(run, name) for run in runs) for name in ("seconds", "bound"))
        detail = f"{took:.0f} s / {bound:.0f} s; {sum(run.batches for run in runs)} batches"
        name = f"time / bound: {kernels} kernels x {len(seconds)} cases, {hosts} host{'s' if hosts > 1 else ''}"
        found.append(Figure(name, took / bound, MOST, True, "", detail))
    return found


def main() -> None:
    """Simulate or measure, print the table, keep it in the documentation, and write the JSON file."""
    parser = arguments(__doc__)
    parser.add_argument("--measured", action="store_true", help="run the cases on two hosts of one core; needs root")
    parser.add_argument("-k", dest="expression", default="", help="with --measured: the cases that match")
    parser.add_argument("--keep", action="store_true", help="write the table into the documentation")
    chosen = parser.parse_args()
    if chosen.measured:
        from bench.real_hosts import measured_figures

        found, name = measured_figures(chosen.expression), "measured"
    else:
        found, name = figures(KERNELS), "simulated"
    if chosen.keep:
        keep_table(paths.ROOT / "docs" / "how-to" / "hosts.md", f"bench-hosts {name}", found)
    report_figures(found, Path(__file__).with_name(f"last-hosts-{name}.json"))


if __name__ == "__main__":
    main()
