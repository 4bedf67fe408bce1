"""What a word of the user's came to when apt was last asked, so that apt is not asked every time."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from harness.kernel.apt import PackageRecord
from harness.store import Store


@dataclass(frozen=True, slots=True)
class Choice:
    """A package of a certain version.

    :param mark: of apt's lists when it was asked (:meth:`harness.kernel.apt.Apt.mark`); others may choose otherwise.
    """

    mark: str
    package: str
    version: str
    architecture: str


def recall_choice(store: Store, kind: str, key: str) -> Choice | None:
    """What was chosen the last time; None when nothing was, or it cannot be read."""
    fact = store.recall(kind, key) or {}
    try:
        return Choice(**{name: str(fact[name]) for name in ("mark", "package", "version", "architecture")})
    except KeyError:
        return None


def remember_choice(store: Store, kind: str, key: str, record: PackageRecord, *, mark: str) -> None:
    """Keep what was chosen.

    :param mark: of apt's lists before it was asked. :raises UsageError, HostError: as :meth:`Store.remember`.
    """
    store.remember(kind, key, asdict(Choice(mark, record.package, record.version, record.architecture)))
