# SPDX-License-Identifier: GPL-2.0-only
"""Divide the cases of a run into shards, for hosts that know nothing of each other. Pure.

The partition depends on the ids of the cases and on the durations in a file, never on earlier results of the host: each
job of a CI computes the same one. A case without a known duration goes where the digest of its id leads, so a new case
moves no other one.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from harness.base.errors import UsageError
from harness.base.json_records import Seconds

DURATIONS_NAME = "durations.json"
"""The file of a suite with the durations of its cases."""
MOST_SHARDS = 10_000
_FORMAT = 1
_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of a run.

    :param number: its number, from 1.
    :param count: the number of all shards.
    :param seconds: durations of cases in seconds, by id; they balance the shards.
    """

    number: int
    count: int
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def ids(self, ids: Collection[str]) -> frozenset[str]:
        """Return the cases of this shard.

        :param ids: the ids of the cases of all shards.
        """
        return partition(ids, self.seconds, self.count)[self.number - 1]

    def record(self, ids: Collection[str], *, is_of_whole_suite: bool) -> ShardRecord:
        """Return the record of this shard.

        :param ids: the ids of the cases of all shards.
        :param is_of_whole_suite: whether these are all cases of the suite.
        """
        shards = partition(ids, self.seconds, self.count)
        text = json.dumps([sorted(one) for one in shards])
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return ShardRecord(self.number, self.count, digest, len(set(ids)), is_of_whole_suite)


@dataclass(frozen=True, slots=True)
class ShardRecord:
    """The shard that a run ran; all fields are empty for a run without shards.

    :param number: its number, from 1.
    :param count: the number of all shards.
    :param partition: digest of the cases of each shard; shards of one run have the same one.
    :param cases: the number of cases of all shards.
    :param is_of_whole_suite: whether these are all cases of the suite.
    """

    number: int = 0
    count: int = 0
    partition: str = ""
    cases: int = 0
    is_of_whole_suite: bool = False


NO_SHARD = ShardRecord()


def parse_shard(text: str, seconds: Mapping[str, float]) -> Shard:
    """Read the argument of ``--shard``: ``2/5``.

    :param seconds: durations of cases in seconds, by id.
    :raises UsageError: it names no shard.
    """
    match = _SHARD.fullmatch(text)
    number, count = (int(part) for part in match.groups()) if match else (0, 0)
    if not 1 <= number <= count <= MOST_SHARDS:
        remedy = f"write the number of the shard and of all shards, at most {MOST_SHARDS}: --shard 1/4 to --shard 4/4"
        raise UsageError(f"--shard {text}: not a shard", remedy=remedy)
    return Shard(number, count, seconds)


def partition(ids: Collection[str], seconds: Mapping[str, float], count: int) -> tuple[frozenset[str], ...]:
    """Divide cases into shards: the slowest case first, each to the shard that has the least to do.

    :param ids: the ids of the cases, in any order.
    :param seconds: durations in seconds, by id; other cases are dealt by the digests of their ids.
    :param count: the number of shards.
    :return: the ids of each shard.
    """
    known = sorted((one for one in set(ids) if one in seconds), key=lambda one: (-seconds[one], one))
    shards: list[set[str]] = [{one for one in set(ids) - set(known) if _dealt(one, count) == at} for at in range(count)]
    loads = [0.0] * count
    for one in known:
        least = min(range(count), key=lambda at: (loads[at], at))
        shards[least].add(one)
        loads[least] += seconds[one]
    return tuple(map(frozenset, shards))


def _dealt(one: str, count: int) -> int:
    return int.from_bytes(hashlib.sha256(one.encode("utf-8", "surrogateescape")).digest()[:8]) % count


def dump_durations(seconds: Mapping[str, Seconds]) -> str:
    """Return durations of cases as the text of a durations file, in hundredths of a second."""
    rounded = {name: round(value, 2) for name, value in sorted(seconds.items())}
    return json.dumps({"format": _FORMAT, "seconds": rounded}, indent=1) + "\n"


def read_durations(text: str, *, path: str) -> dict[str, float]:
    """Read a durations file.

    :param path: its path, for messages.
    :raises UsageError: the text is not that of a durations file.
    """
    remedy = f"write it again: harness report RUN --format durations --output {path}"
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not a durations file", evidence=str(error), remedy=remedy) from None
    match table:
        case {"format": int(number)} if number > _FORMAT:
            newer = f"it has format {number}; this harness reads up to {_FORMAT}"
            raise UsageError(f"{path}: the format is too new", evidence=newer, remedy="update the harness")
        case {"format": 1, "seconds": dict(seconds)}:
            for name, value in seconds.items():
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                    raise UsageError(
                        f"{path}: not a durations file", evidence=f"{name}: {value!r} is not seconds", remedy=remedy
                    )
            return {name: float(value) for name, value in seconds.items()}
        case _:
            expected = 'expected {"format": 1, "seconds": {"CASE": 0.8}}'
            raise UsageError(f"{path}: not a durations file", evidence=expected, remedy=remedy)
