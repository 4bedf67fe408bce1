# SPDX-License-Identifier: GPL-2.0-only
"""Pack the Python environment of this process for other hosts: the files of the installed packages, as they are.

A host gets what is installed here, so it needs no package index, no pip and no virtual environment. Compiled modules
fit only the same Python version and processor, which ``harness/hosts/remote/ssh.py`` checks.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import platform
import re
import sys
import tarfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePath

import harness
from harness.base import paths
from harness.base.errors import UsageError
from harness.base.store import Store, digest_of

EXTRA = "cluster"
_DISTRIBUTION = "kernel-patch-harness"
_KIND = "host-environment-archive"
_FILE = "environment.tar.gz"
_CODE_FOLDERS = ("harness", "cases", "qemu", "kconfigs", "series")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LEFT_OUT = frozenset(("__pycache__", "tests"))
_FORMAT = "1"


def python_version() -> str:
    """Return the version of Python that hosts need: ``3.11``."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def dependencies() -> list[metadata.Distribution]:
    """Return the installed packages that a worker needs, without the harness itself.

    :raises UsageError: the extra is not installed.
    """
    from packaging.requirements import Requirement

    found: dict[str, metadata.Distribution] = {}
    waiting = [(_DISTRIBUTION, frozenset((EXTRA,)))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if (key, extras) in seen:
            continue
        seen.add((key, extras))
        try:
            found[key] = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            raise missing_extra(name) from None
        for line in found[key].requires or ():
            need = Requirement(line)
            if need.marker is None or any(need.marker.evaluate({"extra": one}) for one in ("", *extras)):
                waiting.append((need.name, frozenset(need.extras)))
    del found[_DISTRIBUTION]
    return [found[name] for name in sorted(found)]


def missing_extra(name: str) -> UsageError:
    """Return the error of a missing package of the extra.

    :param name: the package.
    """
    return UsageError(
        "--hosts: a Python package is missing",
        evidence=f"not installed: {name}",
        remedy=f"install the extra: pip install '{_DISTRIBUTION}[{EXTRA}]'",
    )


def dependency_archive(store: Store) -> Path:
    """Return the archive of the dependencies; it is made once for each set of versions.

    :param store: the store of this host.
    :raises UsageError: the extra is not installed.
    """
    installed = dependencies()
    versions = [f"{one.metadata['Name']} {one.version} {one.locate_file('')}" for one in installed]
    key = digest_of(_FORMAT, python_version(), platform.machine(), *versions)

    def fill(folder: Path) -> None:
        with (folder / _FILE).open("wb") as file:
            file.write(_packed((name, path) for one in installed for name, path in _files_of(one)))

    return store.make(_KIND, key, fill) / _FILE


def _files_of(distribution: metadata.Distribution) -> Iterator[tuple[PurePath, Path]]:
    for one in distribution.files or ():
        path = Path(str(one.locate()))
        if ".." not in one.parts and not _LEFT_OUT & set(one.parts) and path.is_file():
            yield PurePath(*one.parts), path


def code_archive() -> bytes:
    """Return the archive of the harness itself, with its suites; the same files make the same bytes."""
    top = Path(harness.__file__).resolve().parents[1]
    names = _CODE_FOLDERS if paths.IS_CHECKOUT else ("harness",)
    files: list[tuple[PurePath, Path]] = [
        (path.relative_to(top), path) for name in names for path in sorted((top / name).rglob("*"))
    ]
    files = [(name, path) for name, path in files if "__pycache__" not in name.parts and path.is_file()]
    if paths.IS_CHECKOUT:
        files.append((PurePath("pyproject.toml"), top / "pyproject.toml"))
    own = metadata.distribution(_DISTRIBUTION)
    texts = {name: own.read_text(name) or "" for name in ("METADATA", "entry_points.txt")}
    folder = PurePath(f"{_DISTRIBUTION.replace('-', '_')}-{own.version}.dist-info")
    return _packed(iter(files), {folder / name: text for name, text in texts.items()})


def _packed(files: Iterator[tuple[PurePath, Path]], texts: dict[PurePath, str] | None = None) -> bytes:
    """Return an archive of files and texts, without times and owners."""
    held = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=held, mode="wb", compresslevel=5, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, path in files:
            content = path.read_bytes()
            _add(archive, name, content, mode=0o755 if path.stat().st_mode & 0o100 else 0o644)
        for name, text in (texts or {}).items():
            _add(archive, name, text.encode(), mode=0o644)
    return held.getvalue()


def _add(archive: tarfile.TarFile, name: PurePath, content: bytes, *, mode: int) -> None:
    member = tarfile.TarInfo(name.as_posix())
    member.size, member.mode = len(content), mode
    archive.addfile(member, io.BytesIO(content))


def archive_digest(archive: Path | bytes) -> str:
    """Return the SHA-256 of an archive.

    :param archive: the file, or the bytes.
    """
    return hashlib.sha256(archive if isinstance(archive, bytes) else archive.read_bytes()).hexdigest()
