# SPDX-License-Identifier: GPL-2.0-only
"""A package repository in a folder, and an apt of its own that reads it: no network, no root, real apt and dpkg."""

from __future__ import annotations

import functools
import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.base.deadline import Deadline
from harness.base.process import Surroundings, run
from harness.kernel.source.apt import Apt

ARCHITECTURE = "amd64"


class Repository:
    """Packages under ``folder/pool``, and an apt whose lists, settings and cache are under ``folder`` too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pool = folder / "pool"
        for name in ("pool", "etc/sources.list.d", "lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "etc/sources.list").write_text(f"deb [trusted=yes] copy:{self.pool} ./\n")
        config = folder / "apt.conf"
        config.write_text(
            f'APT::Architecture "{ARCHITECTURE}";\nAPT::Architectures "{ARCHITECTURE}";\nAPT::Sandbox::User "";\n'
            f'Dir::State "{folder}";\nDir::State::lists "{folder}/lists";\nDir::State::status "{folder}/status";\n'
            f'Dir::Cache "{folder}/cache";\nDir::Etc "{folder}/etc";\nAcquire::Languages "none";\n'
        )
        self.apt = Apt(lists=folder / "lists", settings=folder / "etc", config=config)

    def add(self, package: str, version: str, *, depends: str = "", files: Mapping[str, bytes] | None = None) -> Path:
        """Build a package with these files (paths from the root) into the pool; seen by apt after :meth:`update`."""
        control = f"Package: {package}\nVersion: {version}\nArchitecture: {ARCHITECTURE}\nMaintainer: Tester <t@host>\n"
        control += f"Depends: {depends}\n" if depends else ""
        control += "Description: crafted for a test\n"
        file = self.pool / f"{package}_{version}.deb"
        file.write_bytes(_build(tuple({"DEBIAN/control": control.encode(), **(files or {})}.items())))
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        stanza = f"{control}Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n"
        file.with_suffix(".stanza").write_text(stanza)
        return file

    def remove(self, package: str) -> None:
        """Take every version of a package out of the pool; apt's lists have them until :meth:`update`."""
        for file in self.pool.glob(f"{package}_*"):
            file.unlink()

    def update(self) -> None:
        """``apt-get update`` for what is in the pool now."""
        stanzas = [file.read_text() for file in sorted(self.pool.glob("*.stanza"))]
        (self.pool / "Packages").write_text("\n".join(stanzas))
        env = dict(os.environ, APT_CONFIG=str(self.apt.config))
        run(["apt-get", "-q", "update"], deadline=Deadline.after(120), within=Surroundings(env=env))


@functools.cache
def _build(files: tuple[tuple[str, bytes], ...]) -> bytes:
    """Build a package with these files; many tests want the same one, and dpkg-deb starts tar twice."""
    with tempfile.TemporaryDirectory() as folder:
        root, file = Path(folder) / "root", Path(folder) / "package.deb"
        for name, content in files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)
        run(["dpkg-deb", "--build", "--root-owner-group", "-Znone", root, file], deadline=Deadline.after(120))
        return file.read_bytes()
