# SPDX-License-Identifier: GPL-2.0-only
"""Compare the results of hosts, and decide which host is taken out of a run. Pure.

Each host first runs the same reference cases, and one case in a hundred runs on two hosts. The first verdict on a case
stands. A host that is alone with its results, or at fault several times, gets no further batch.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from harness.model.verdict import Outcome

REFERENCES = 5
"""The number of cases that each host runs first: the quickest ones."""
LEAST_CASES = 20
"""The least number of cases for each host in a round with reference cases; a shorter one would be slow with them."""
ONE_IN = 100
MOST_FAULTS = 3
"""A host that was at fault that often is taken out."""
MOST_DISSENTS = 2
"""A host that was alone with its result in that many cases is taken out: one may be a flaky case."""


@dataclass
class HostChecks:
    """What is known about the hosts of a run.

    :ivar out: the hosts that get no further batch, and why.
    :ivar notes: notes for the user, to be taken away.
    """

    out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    _hosts: tuple[str, ...] = ()
    _round: int = 0
    _references: tuple[str, ...] = ()
    _referred: set[str] = field(default_factory=set)
    _doubled: set[str] = field(default_factory=set)
    _given: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _seen: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    _faults: Counter[str] = field(default_factory=Counter)
    _dissents: Counter[str] = field(default_factory=Counter)

    def begin(self, ids: Sequence[str], seconds: Mapping[str, float], hosts: Collection[str]) -> None:
        """Begin a round.

        :param ids: the ids of its cases.
        :param seconds: the expected duration of each.
        :param hosts: the names of the hosts.
        """
        self._hosts = tuple(hosts)
        self._round += 1
        self._doubled, self._references = set(), ()
        self._given.clear()
        self._seen.clear()
        if len(hosts) < 2:
            return
        if len(ids) >= LEAST_CASES * len(hosts):
            self._references = tuple(sorted(ids, key=lambda one: (seconds.get(one, 0.0), one))[:REFERENCES])
        rest = [one for one in ids if one not in self._references]
        by_luck = sorted(rest, key=lambda one: hashlib.sha256(f"{self._round} {one}".encode()).digest())
        self._doubled = set(by_luck[: len(ids) // ONE_IN])

    def extra(self, host: str) -> tuple[str, ...]:
        """Return the cases that a host runs besides those of its next batch, or instead of one.

        :param host: the name of the host.
        """
        wanted = []
        if self._references and host not in self._referred:
            self._referred.add(host)
            wanted += [one for one in self._references if host not in self._given[one]]
        wanted += [one for one in self._open() if host not in self._given[one]]
        for one in wanted:
            self._given[one].append(host)
        return tuple(dict.fromkeys(wanted))

    def _open(self) -> list[str]:
        """Return the cases that another host is to run."""
        doubled = [one for one in self._given if one in self._doubled and len(self._given[one]) == 1]
        disputed = [one for one, seen in self._seen.items() if len(set(seen.values())) > 1 and not self._winner(one)]
        return [*doubled, *(one for one in disputed if len(self._seen[one]) == len(self._given[one]))]

    @property
    def is_done(self) -> bool:
        """Return whether no case waits for a host that could run it."""
        able = [host for host in self._hosts if host not in self.out]
        return not any(host not in self._given[one] for one in self._open() for host in able)

    def give(self, host: str, ids: Collection[str]) -> None:
        """Note that a host is to run cases.

        :param host: the name of the host.
        :param ids: the ids of the cases.
        """
        for one in ids:
            if host not in self._given[one]:
                self._given[one].append(host)

    def lose(self, host: str, ids: Collection[str]) -> None:
        """Note that a host will not run cases that were given to it.

        :param host: the name of the host.
        :param ids: the ids of the cases.
        """
        for one in ids:
            if host in self._given[one] and host not in self._seen[one]:
                self._given[one].remove(host)

    def end_case(self, host: str, case: str, outcome: Outcome) -> None:
        """Note a result, and compare it with those of other hosts.

        :param host: the name of the host.
        :param case: the id of the case.
        :param outcome: the outcome.
        """
        seen = self._seen[case]
        seen[host] = outcome.value
        if outcome is Outcome.LOST:
            self._doubled.add(case)  # a machine that is lost elsewhere too is the kernel's fault
        if len(set(seen.values())) < 2:
            return
        shown = ", ".join(f"{result} on {name}" for name, result in seen.items())
        if not (winner := self._winner(case)):
            self.notes.append(f"hosts disagree on {case}: {shown}; the first verdict stands")
            return
        for name, result in seen.items():
            if result != winner:
                self._dissents[name] += 1
                if self._dissents[name] >= MOST_DISSENTS or result == Outcome.LOST.value:
                    self.take_out(name, f"it disagrees with the other hosts, last on {case}: {shown}")

    def _winner(self, case: str) -> str:
        """Return the result of most hosts; empty if two results are as frequent, as those of two hosts are."""
        counts = Counter(self._seen[case].values()).most_common(2)
        is_clear = len(counts) < 2 or counts[0][1] > counts[1][1]
        return counts[0][0] if is_clear else ""

    def blame(self, host: str, why: str) -> None:
        """Note a fault of a host: a lost worker, a case or a batch that it could not run.

        :param host: the name of the host.
        :param why: the reason.
        """
        self._faults[host] += 1
        if self._faults[host] >= MOST_FAULTS:
            self.take_out(host, f"it was at fault {self._faults[host]} times, last: {why}")

    def take_out(self, host: str, why: str) -> None:
        """Take a host out of the run, unless it is the last one.

        :param host: the name of the host.
        :param why: the reason.
        """
        if host in self.out or not self.others(host):
            return
        self.out[host] = why
        self.notes.append(f"host {host} is taken out: {why}")

    def others(self, host: str) -> tuple[str, ...]:
        """Return the hosts that can run what this one cannot.

        :param host: the name of the host.
        """
        return tuple(one for one in self._hosts if one != host and one not in self.out)

    def take_notes(self) -> list[str]:
        """Return the notes since the last call."""
        notes, self.notes = self.notes, []
        return notes
