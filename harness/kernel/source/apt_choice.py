# SPDX-License-Identifier: GPL-2.0-only
"""Remember the package that apt chose for an argument, so that apt is not run every time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from harness.base.errors import HarnessError
from harness.base.json_records import recall_facts, to_table
from harness.base.store import Store, digest_of
from harness.kernel.source.apt import Apt, PackageRecord

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class AptChoice:
    """A package of a certain version.

    :param mark: state of apt's lists at the time of the choice (:meth:`harness.kernel.source.apt.Apt.mark`); apt may
        choose another version when its lists change.
    """

    mark: str
    package: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class AptQuestion:
    """A request for a package.

    :param kind: kind of the fact in the store.
    :param word: the argument of the user.
    :param is_exact: whether the argument has a version, so that new lists cannot change the choice.
    :param is_stale: whether the lists are missing or must be refreshed before apt chooses.
    """

    kind: str
    word: str
    is_exact: bool = False
    is_stale: bool = False


def take_chosen(
    store: Store,
    question: AptQuestion,
    *,
    apt: Apt,
    find: Callable[[AptChoice], P | None],
    fetch: Callable[[], tuple[P, PackageRecord]],
) -> tuple[P, str]:
    """Return the remembered product of a request; choose again with apt when its lists have changed.

    :param find: returns the product of a choice, if the store has it.
    :param fetch: runs apt; returns the product and the chosen package.
    :return: the product, and a note when apt failed or has dropped the package and the remembered one was taken.
    :raises HarnessError: the error of ``fetch``, when no product is remembered.
    """
    key = digest_of(question.word, str(apt.config))
    known = recall_facts(AptChoice, store.recall(question.kind, key))
    mark = apt.mark()
    held = find(known) if known else None
    if known and held and (question.is_exact or (known.mark == mark and not question.is_stale)):
        return held, ""
    try:
        product, record = fetch()
    except HarnessError as error:
        if known is None or held is None:
            raise
        return held, f"{known.package} {known.version} was taken from the store, as apt failed: {error.what}"
    mark = apt.mark()  # fetching may have refreshed the lists
    store.remember(question.kind, key, to_table(AptChoice(mark, record.package, record.version, record.architecture)))
    return product, ""
