# SPDX-License-Identifier: GPL-2.0-only
"""An archive with suites in a folder, signed by a key of its own: what apt verifies on a mirror, without network."""

from __future__ import annotations

import datetime
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import run
from harness.kernel.source.apt import Apt, Archive
from tests.unit.kernel.repository import ARCHITECTURE, Repository


@dataclass(frozen=True)
class SigningKey:
    """A key without a passphrase.

    :param home: the folder of gpg with the secret key.
    :param keyring: the public key, as a keyring of apt.
    """

    home: Path
    keyring: Path

    def sign(self, text: str) -> bytes:
        """Return a text with its signature around it, as ``InRelease`` has it."""
        return self._gpg("--clearsign", stdin=text.encode())

    def _gpg(self, *words: str, stdin: bytes = b"") -> bytes:
        argv = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--no-tty", *words]
        return run(argv, stdin=stdin, deadline=Deadline.after(60)).stdout

    def create(self) -> None:
        """Generate the key."""
        self._gpg("--passphrase", "", "--quick-generate-key", "Archive <archive@host>", "ed25519", "sign", "never")
        self.keyring.write_bytes(self._gpg("--export"))


@contextmanager
def signing_key() -> Iterator[SigningKey]:
    """Generate a key, and end gpg's agent at the end of the block."""
    # Not pytest's tmp_path: the path of the agent's socket may have 107 characters.
    home = Path(tempfile.mkdtemp(prefix="gpg-"))
    try:
        key = SigningKey(home, home / "keyring.gpg")
        key.create()
        yield key
    finally:
        run(["gpgconf", "--homedir", home, "--kill", "all"], deadline=Deadline.after(120), check=False)
        shutil.rmtree(home, ignore_errors=True)


class SignedArchive:
    """``folder/current`` and ``folder/old``, each with suites; a host's apt that takes its suites from them."""

    def __init__(self, folder: Path, key: SigningKey) -> None:
        self.folder, self.key = folder, key
        self.host = Repository(folder / "host")
        for name in ("current", "old"):
            (folder / name).mkdir()
        archive = Archive(
            mirror=f"copy:{folder}/current/",
            security=f"copy:{folder}/security/",
            old=f"copy:{folder}/old/",
            keyring=key.keyring,
            removed_keys=folder / "none.gpg",
        )
        self.apt: Apt = replace(self.host.apt, archive=archive)

    def publish(self, suite: str, packages: Repository, *, of: str = "current", valid_days: int = 7) -> Path:
        """Publish the packages of a repository as a suite, in place of those that it has; return its folder.

        :param of: ``current`` or ``old``.
        :param valid_days: the days until the lists expire; negative for expired ones.
        """
        root = self.folder / of
        folder = root / "dists" / suite
        index = folder / f"main/binary-{ARCHITECTURE}/Packages"
        index.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(packages.pool, root / "pool", dirs_exist_ok=True)
        stanzas = [file.read_text() for file in sorted(packages.pool.glob("*.stanza"))]
        index.write_text("\n".join(stanzas).replace("Filename: ./", "Filename: pool/"))
        content = index.read_bytes()
        now = datetime.datetime.now(datetime.UTC)
        until = now + datetime.timedelta(days=valid_days)
        entry = f" {hashlib.sha256(content).hexdigest()} {len(content)} {index.relative_to(folder)}\n"
        release = (
            f"Origin: Debian\nSuite: {suite}\nCodename: {suite}\nDate: {now - datetime.timedelta(days=30):{_TIME}}\n"
        )
        release += f"Valid-Until: {until:{_TIME}}\nArchitectures: {ARCHITECTURE}\nComponents: main\nSHA256:\n{entry}"
        (folder / "InRelease").write_bytes(self.key.sign(release))
        return folder


_TIME = "%a, %d %b %Y %H:%M:%S UTC"
