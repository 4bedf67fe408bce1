# SPDX-License-Identifier: GPL-2.0-only
"""Package lists of any suite of Debian's archive, kept in the store: without root, and apart from the host's apt.

Each suite has a folder with a configuration of its own (``APT_CONFIG`` of apt.conf(5)): sources, lists, cache and
status are in the folder. Of the host's configuration only the mirror, proxies and the rules for old lists are taken.
apt verifies every list with the archive keyring of the host.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, UsageError
from harness.base.store import Store, digest_of
from harness.kernel.source.apt import Apt, Archive
from harness.kernel.source.newest import OfferedKernel, offered

_KIND = "apt-suite"
_KEYRING_PACKAGE = "debian-archive-keyring"
FRESH_SECONDS = 6 * 3600.0
"""Lists are refreshed at most every six hours: sid's change four times a day."""
_SUITES = "bullseye, bookworm, trixie, trixie-backports, forky, sid, experimental"
# Settings of the host that also hold for a suite: how to reach a mirror, and how old its lists may be.
_TAKEN = (
    *("Acquire::http::", "Acquire::https::", "Acquire::socks::", "Acquire::Retries", "Acquire::ForceIPv"),
    *("Acquire::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date", "Acquire::Max-ValidTime"),
    "APT::Architecture ",
)
_TARGET = "$(ORIGIN)|$(RELEASE)|$(REPO_URI)"
_EXPIRED = re.compile(r"^E: .*\bis expired\b.*", re.MULTILINE)
_NO_KEY = re.compile(r"^.*(?:NO_PUBKEY|is not signed|Missing key|EXPKEYSIG|BADSIG|invalid signature).*", re.MULTILINE)
# Without network apt keeps the lists that it has, and its status is 0.
_NOT_FETCHED = re.compile(r"^W: (?:Failed to fetch|Some index files failed)", re.MULTILINE)
_NO_SUITE = re.compile(r"^E: .*does not have a Release file.*", re.MULTILINE)


def host_archive(apt: Apt, *, deadline: Deadline) -> Archive:
    """Return Debian's archive with the mirrors that the host uses.

    :raises HostError: apt is missing.
    """
    archive = apt.archive
    for line in apt.index_targets(_TARGET, deadline=deadline):
        origin, release, uri = line.split("|")[:3]
        # Without lists, as in a fresh container, apt does not know the origin.
        is_debian = origin == "Debian" or (not origin and "/debian" in uri)
        if is_debian and release.endswith("-security"):
            archive = replace(archive, security=uri)
        elif is_debian:
            archive = replace(archive, mirror=uri)
    return archive


@dataclass(frozen=True, slots=True)
class SuiteLists:
    """The package lists of one suite.

    :param apt: apt with these lists.
    :param folder: the folder in the store.
    """

    apt: Apt
    folder: Path

    @property
    def is_stale(self) -> bool:
        """Return whether the lists are missing or old."""
        try:
            return time.time() - self._stamp.stat().st_mtime > FRESH_SECONDS
        except OSError:
            return True

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the user should know of the lists, one line each."""
        suite, notes = self.apt.suite, []
        if self.is_old_release:
            notes.append(f"the suite {suite} is an old release and was taken from the archive of old releases")
        elif (until := self._valid_until()) and until < datetime.now(UTC):
            notes.append(
                f"the package lists of {suite} are past their Valid-Until, {until:%Y-%m-%d}; "
                "this host's apt is configured to accept them (Acquire::Check-Valid-Until)"
            )
        return tuple(notes)

    @property
    def is_old_release(self) -> bool:
        """Return whether the lists are those of the archive of old releases."""
        return self._stamp.is_file() and self._stamp.read_text() == "old"

    def refresh(self, context: Context, *, host: Apt) -> None:
        """Fetch the lists and verify them.

        :param host: the host's apt, for its mirror and settings.
        :raises UsageError: the archive has no such suite.
        :raises HostError: apt or the keyring is missing, the lists are not signed by it or expired, or no network.
        """
        lock = context.store.lock(_KIND, self.folder.name)
        with context.store.complaints(), lock:
            one = host_archive(host, deadline=context.deadline)
            uri = one.security if self.apt.suite.endswith("-security") else one.mirror
            error = self._update(context, uri, one.keyring, host=host)
            if isinstance(error, UsageError):
                error = self._update(context, one.old, one.keyring, host=host, old=one)
                if error is not None and not isinstance(error, UsageError):
                    error = _unreachable(self.apt.suite, uri, error)
                uri = one.old
            if error is not None:
                raise error
            self._stamp.write_text("old" if uri == one.old else "current")

    def _update(
        self, context: Context, uri: str, keyring: Path, *, host: Apt, old: Archive | None = None
    ) -> HarnessError | None:
        """Run ``apt-get update`` with one source; return its error.

        :param old: the archive, when the source is the archive of old releases.
        """
        if not keyring.is_file():
            return HostError(
                f"the keyring of Debian's archive is missing: {keyring}",
                evidence=f"without it the package lists of {self.apt.suite} cannot be verified",
                remedy=f"sudo apt-get install {_KEYRING_PACKAGE}",
                packages=[_KEYRING_PACKAGE],
            )
        keys = [keyring, *([old.removed_keys] if old and old.removed_keys.is_file() else [])]
        self._configure(uri, keys, host=host, may_be_expired=old is not None, deadline=context.deadline)
        done = self.apt.update(deadline=context.deadline)
        complaints = done.stderr.decode(errors="replace")
        if done.status == 0 and not _NOT_FETCHED.search(complaints):
            return None
        return _error(self.apt, uri, complaints)

    def _configure(
        self, uri: str, keyrings: list[Path], *, host: Apt, may_be_expired: bool, deadline: Deadline
    ) -> None:
        """Write the configuration and the source; an unchanged source keeps its time, which :meth:`Apt.mark` reads."""
        folder = self.folder
        for name in ("etc/apt.conf.d", "lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        lines = [
            *host.settings_of(_TAKEN, deadline=deadline),
            f'Dir::Etc "{folder}/etc";',
            'Dir::Etc::netrc "/etc/apt/auth.conf";',
            'Dir::Etc::netrcparts "/etc/apt/auth.conf.d";',
            f'Dir::State "{folder}";',
            f'Dir::State::lists "{folder}/lists";',
            f'Dir::State::status "{folder}/status";',
            f'Dir::Cache "{folder}/cache";',
            'APT::Sandbox::User "root";',  # _apt could not write into the store of root
            'Acquire::Languages "none";',
            'Acquire::GzipIndexes "true";',
            'Acquire::PDiffs "false";',
            *(['Acquire::Check-Valid-Until "false";'] if may_be_expired else []),
        ]
        assert self.apt.config
        self.apt.config.write_text("\n".join(lines) + "\n")
        keys = ",".join(map(str, keyrings))
        source, text = folder / "etc/sources.list", f"deb [signed-by={keys}] {uri} {self.apt.suite} main\n"
        if not source.is_file() or source.read_text() != text:
            source.write_text(text)

    def _valid_until(self) -> datetime | None:
        """Return when the lists expire; None when they do not."""
        for file in (self.folder / "lists").glob("*_InRelease"):
            found = re.search(r"^Valid-Until: (.*)$", file.read_text(errors="replace"), re.MULTILINE)
            if found:
                return parsedate_to_datetime(found[1].replace("UTC", "+0000"))
        return None

    @property
    def _stamp(self) -> Path:
        return self.folder / "updated"


@dataclass(frozen=True, slots=True)
class Offer:
    """The kernels of one suite.

    :param notes: what the user should know of the lists, one line each.
    """

    kernels: tuple[OfferedKernel, ...]
    notes: tuple[str, ...] = ()


_HOST_APT = Apt()


def offered_by(
    context: Context, suite: str, *, all_packages: bool = False, update: bool = False, apt: Apt = _HOST_APT
) -> Offer:
    """List the kernels of a suite, or of the suites that the host uses.

    :param suite: the suite of Debian's archive; empty for the suites of the host.
    :param all_packages: see :func:`harness.kernel.source.newest.offered`.
    :param update: refresh the lists, even if they are fresh.
    :param apt: the host's apt.
    :raises UsageError: the archive has no such suite.
    :raises HostError: as :meth:`SuiteLists.refresh`, or the lists are empty.
    """
    if not suite:
        return Offer(tuple(offered(apt, all_packages=all_packages, deadline=context.deadline)))
    lists = suite_lists(context.store, suite)
    if update or lists.is_stale:
        lists.refresh(context, host=apt)
    kernels = offered(lists.apt, all_packages=all_packages, deadline=context.deadline)
    return Offer(tuple(kernels), lists.notes)


def suite_lists(store: Store, suite: str) -> SuiteLists:
    """Return the lists of a suite, which may be stale or missing."""
    folder = store.place(_KIND, digest_of(suite)).absolute()
    apt = Apt(lists=folder / "lists", settings=folder / "etc", config=folder / "apt.conf", suite=suite)
    return SuiteLists(apt, folder)


def _unreachable(suite: str, uri: str, error: HarnessError) -> HostError:
    """Return the error for a suite that may be an old release."""
    return HostError(
        f"the suite {suite} is not at {uri}, and the archive of old releases could not be read",
        evidence="\n".join(filter(None, [error.what, error.evidence])),
        remedy=f"give one of {_SUITES}; a package of an old release is at https://snapshot.debian.org: "
        "download it and give its path",
    )


def _error(apt: Apt, uri: str, complaints: str) -> HarnessError:
    """Return the error for a failed ``apt-get update``."""
    suite = apt.suite
    if _NO_SUITE.search(complaints):
        return UsageError(
            f"Debian's archive has no suite {suite}",
            evidence=f"neither {uri} nor the archive of old releases has it",
            remedy=f"give one of {_SUITES}, or a codename with -security, -updates or -backports",
        )
    if found := _EXPIRED.search(complaints):
        return HostError(
            f"the package lists of {suite} are past their Valid-Until: the mirror may be out of date",
            evidence=found[0],
            remedy="use another mirror, or accept old lists: "
            "echo 'Acquire::Check-Valid-Until \"false\";' > ~/old-lists.conf; "
            "then run with APT_CONFIG=~/old-lists.conf",
        )
    if found := _NO_KEY.search(complaints):
        return HostError(
            f"the package lists of {suite} are not signed with a key of this host's keyring",
            evidence=found[0],
            remedy=f"sudo apt-get update && sudo apt-get install {_KEYRING_PACKAGE}",
            packages=[_KEYRING_PACKAGE],
        )
    return HostError(
        f"the package lists of {suite} could not be fetched",
        evidence="\n".join(complaints.strip().splitlines()[-6:]) or f"from {uri}",
        remedy="check the network and the mirror in apt's sources, and run again",
    )
