"""What a word of the user's came to when apt was last asked, so that apt is not asked every time."""

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

    :param mark: state of apt's lists when it was asked (:meth:`harness.kernel.source.apt.Apt.mark`); apt may choose
        another version when its lists change.
    """

    mark: str
    package: str
    version: str
    architecture: str


@dataclass(frozen=True, slots=True)
class AptQuestion:
    """What apt is asked for.

    :param kind: of the fact in the store.
    :param word: what the user wrote.
    :param is_exact: whether the word has a version, so that new lists cannot change what it names.
    """

    kind: str
    word: str
    is_exact: bool = False


def take_chosen(
    store: Store,
    question: AptQuestion,
    *,
    apt: Apt,
    find: Callable[[AptChoice], P | None],
    fetch: Callable[[], tuple[P, PackageRecord]],
) -> tuple[P, str]:
    """What a word names: what it named the last time, or, when apt's lists have changed since, what apt says now.

    :param find: the product of a choice, when the store has it.
    :param fetch: asks apt; the product, and the package that was chosen.
    :return: the product, and a note: when apt cannot be asked, or has dropped the package, the held one is taken.
    :raises HarnessError: what ``fetch`` raises, when nothing is held.
    """
    key = digest_of(question.word, str(apt.config))
    known = recall_facts(AptChoice, store.recall(question.kind, key))
    mark = apt.mark()
    held = find(known) if known else None
    if known and held and (known.mark == mark or question.is_exact):
        return held, ""
    try:
        product, record = fetch()
    except HarnessError as error:
        if known is None or held is None:
            raise
        return held, f"{known.package} {known.version} was taken from the store, newer or not: {error.what}"
    store.remember(question.kind, key, to_table(AptChoice(mark, record.package, record.version, record.architecture)))
    return product, ""
