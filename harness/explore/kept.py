# SPDX-License-Identifier: GPL-2.0-only
"""Keep findings, and sequences that reached new code, in the store; the next exploration begins with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from harness.base.json_records import read_facts
from harness.base.store import Store, digest_of

FINDINGS_KIND, CORPUS_KIND = "explore-finding", "explore-corpus"
"""The kinds of these facts in the store."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A sequence that a kernel once answered in another way than expected.

    :param suite: the argument that names the suite.
    :param operations: the shrunk sequence.
    :param kernel: the KERNEL argument.
    :param release: release of that kernel.
    :param line: what differed.
    """

    suite: str
    operations: tuple[str, ...]
    kernel: str
    release: str
    line: str


def keep_finding(store: Store, finding: Finding) -> None:
    """Keep a finding; the same sequence is kept once."""
    store.remember(FINDINGS_KIND, digest_of(finding.suite, *finding.operations), asdict(finding))


def find_findings(store: Store, suite: str) -> list[Finding]:
    """Return the findings of a suite, the shortest first; one that cannot be read is left out."""
    found = []
    for path in sorted((store.folder / FINDINGS_KIND).glob("*.json")):
        with contextlib.suppress(OSError):
            finding = read_facts(Finding, path.read_bytes())
            if finding is not None and finding.suite == suite and finding.operations:
                found.append(finding)
    return sorted(found, key=lambda one: (len(one.operations), one.operations))


def keep_corpus(store: Store, key: str, sequences: Iterable[Sequence[str]]) -> None:
    """Keep the sequences that reached new code of a kernel.

    :param key: digest of the kernel and the suite.
    """
    store.remember(CORPUS_KIND, key, {"sequences": [list(one) for one in sequences]})


def find_corpus(store: Store, key: str) -> list[tuple[str, ...]]:
    """Return the sequences that reached new code of a kernel before."""
    known = store.recall(CORPUS_KIND, key) or {}
    sequences = known.get("sequences")
    if not isinstance(sequences, list):
        return []
    return [tuple(map(str, one)) for one in sequences if isinstance(one, list)]
