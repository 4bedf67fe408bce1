# SPDX-License-Identifier: GPL-2.0-only
"""Make certificates for one run with openssl(1): an authority, and one certificate for each host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.base import process
from harness.base.deadline import Deadline
from harness.base.errors import HostError

_SECONDS = 30.0
_DAYS = "7"
"""Validity; nothing in a run looks at it, because the clocks of hosts differ: see ``hub.py``."""
_SETTINGS = """[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[host]
basicConstraints = critical, CA:false
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its key.

    :param certificate: path of the certificate.
    :param key: path of the key, a file of mode 0600.
    """

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority of one run: who has one of its certificates is part of the run.

    :param folder: a folder of mode 0700.
    """

    folder: Path

    @property
    def certificate(self) -> Path:
        """Return the path of its own certificate."""
        return self._pair("authority").certificate

    @classmethod
    def create(cls, folder: Path) -> Authority:
        """Make the authority of a run.

        :param folder: an empty folder of mode 0700.
        :raises HostError: openssl is missing or fails.
        """
        authority = cls(folder)
        (folder / "settings").write_text(_SETTINGS)
        own = authority._pair("authority")
        authority._new_key(own)
        authority._openssl(
            *("req", "-x509", "-key", own.key, "-subj", "/CN=kernel-patch-harness", "-extensions", "authority"),
            *("-config", folder / "settings", "-days", _DAYS, "-out", own.certificate),
        )
        return authority

    def issue(self, name: str) -> Certificate:
        """Make a certificate of this authority.

        :param name: a name of letters, digits and ``-``, different for each certificate.
        :raises HostError: openssl fails.
        """
        own, by = self._pair(f"host-{name}"), self._pair("authority")
        self._new_key(own)
        request = self.folder / f"host-{name}.request"
        self._openssl(
            *("req", "-new", "-key", own.key, "-subj", f"/CN={name}", "-config", self.folder / "settings"),
            *("-out", request),
        )
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", by.certificate, "-CAkey", by.key, "-CAcreateserial"),
            *("-extfile", self.folder / "settings", "-extensions", "host", "-days", _DAYS, "-out", own.certificate),
        )
        return own

    def _new_key(self, pair: Certificate) -> None:
        # openssl makes key files with mode 0600.
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", pair.key)

    def _pair(self, name: str) -> Certificate:
        return Certificate(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def _openssl(self, *arguments: str | Path) -> None:
        program = process.find_program("openssl")
        if program is None:
            raise HostError("openssl is not installed", remedy="apt-get install openssl", packages=("openssl",))
        process.run([program, *arguments], deadline=Deadline.after(_SECONDS), remedy="check the free space in /tmp")
