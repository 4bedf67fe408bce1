# SPDX-License-Identifier: GPL-2.0-only
"""Programs of other suites of Debian's archive, unpacked into a folder: nothing is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.base import process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.store import Store
from harness.kernel.source.apt import Apt
from harness.kernel.source.archive import suite_lists

_SECONDS = 300.0
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")
_XEN = (
    "evtchn1",
    "gnttab1",
    "misc4.14",
    "store3.0",
    "call1",
    "foreignmemory1",
    "devicemodel1",
    "toolcore1",
    "toollog1",
)
OLD = (
    *("qemu-system-x86", "liburing1", "libvirglrenderer1", *(f"libxen{name}" for name in _XEN)),
    *("python3.9-minimal", "libpython3.9-minimal", "libpython3.9-stdlib", "libffi7", "libssl1.1"),
)
"""QEMU 5.2 and Python 3.9 of Debian 11, and the libraries of them that Debian 12 does not have."""


@dataclass(frozen=True)
class OldPrograms:
    """Unpacked packages.

    :param folder: the folder that they are unpacked in.
    """

    folder: Path

    def find(self, name: str) -> Path:
        """Return the only file of a name."""
        return next(path for path in self.folder.rglob(name) if path.is_file())

    def folder_of(self, program: str) -> Path:
        """Return a folder with nothing but one of the programs, for PATH."""
        alone = self.folder / "alone" / program
        alone.mkdir(parents=True, exist_ok=True)
        real = {"python3": "python3.9"}.get(program, program)
        (alone / program).unlink(missing_ok=True)
        (alone / program).symlink_to(self.folder / "usr/bin" / real)
        return alone

    @property
    def settings(self) -> tuple[str]:
        """Return the shell command that lets the programs find their libraries."""
        return (f"export LD_LIBRARY_PATH={':'.join(str(self.folder / name) for name in _LIBRARIES)}",)

    def without_other_pythons(self) -> str:
        """Return a command that starts another one without the Pythons of this machine."""
        pythons = [path for top in ("/usr/bin", "/usr/local/bin") for path in Path(top).glob("python3*")]
        # A character device is no program.
        mounts = "; ".join(f"mount --bind /dev/null {path}" for path in pythons if not path.is_symlink())
        return f"""unshare --mount sh -ec '{mounts}; exec "$@"' sh"""


def unpacked_programs(folder: Path, *, suite: str = "bullseye", packages: Sequence[str] = OLD) -> OldPrograms:
    """Fetch packages of a suite and unpack them.

    :param folder: an empty folder.
    :param suite: the suite.
    :param packages: the names of the packages.
    """
    context = Context(Store.default(), Deadline.after(_SECONDS))
    lists = suite_lists(context.store, suite)
    if lists.is_stale:
        lists.refresh(context, host=Apt())
    content = folder / "content"
    content.mkdir()
    for record in lists.apt.find_all(packages, deadline=context.deadline):
        held = folder / record.package
        held.mkdir()
        file, _ = lists.apt.download(record, held, deadline=context.deadline)
        process.run(["dpkg-deb", "-x", file, content], deadline=context.deadline)
    return OldPrograms(content)
