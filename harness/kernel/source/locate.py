# SPDX-License-Identifier: GPL-2.0-only
"""Find the image file or kernel tree of a PATH argument; refuse anything else with its type."""

from __future__ import annotations

import difflib
import os
import re
import stat
from pathlib import Path

from harness.base.errors import UsageError
from harness.model.kernel_spec import GRAMMAR, KernelSpec, PathReading, parse_patches

_IMAGE_NAME = re.compile(r"vmlinu[xz].*|bzImage.*|Image.*")
_SHOWN_NAMES = 6
_NEAR = 0.7


def find_named(spec: KernelSpec) -> Path | PathReading:
    """Find what a PATH argument names.

    :return: the path of a regular file, to be read as an image; or the reading of an argument that names a folder, to
        be read as a kernel tree.
    :raises UsageError: no such file, not a regular file (for example a pipe), or no permission.
    """
    path = Path(spec.name)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return _find_source(spec)
    except OSError as error:
        raise cannot_read(spec.name, error) from None
    if stat.S_ISDIR(mode):
        return PathReading(spec.name)
    if not stat.S_ISREG(mode):
        what = f"{spec.name} is not a kernel image: it is not a regular file"
        raise UsageError(what, evidence=f"file mode: {stat.filemode(mode)}", remedy="give the path of an image file")
    return path


def find_host_image(root: Path = Path("/")) -> Path:
    """Find the image of the kernel that this host runs, as distributions install it.

    :param root: the folder that is searched in place of ``/``.
    :raises UsageError: no image is installed, as in a container.
    """
    release = os.uname().release
    places = [root / f"boot/vmlinuz-{release}"]
    places += [root / of / "lib/modules" / release / "vmlinuz" for of in (".", "usr")]
    for place in places:
        if place.is_file():
            return place.resolve()
    raise UsageError(
        f"the image of this host's kernel {release} is not installed",
        evidence="\n".join(["looked for:", *map(str, places)]),
        remedy="give 'deb', or the path of an image",
    )


def cannot_read(name: str, error: OSError) -> UsageError:
    """Return the error for an image that cannot be opened."""
    return UsageError(
        f"the kernel image {name} cannot be read",
        evidence=str(error),
        remedy="copy it to where you may read it (distributions keep /boot/vmlinuz-* to root), or give 'deb'",
    )


def not_a_tree(name: str, path: Path) -> UsageError:
    """Return the error for a folder that is neither a kernel tree nor a repository of one."""
    names = _names_in(path)
    images = sorted(filter(_IMAGE_NAME.fullmatch, names))
    return UsageError(
        f"{name} is a folder, but not a kernel tree",
        evidence="\n".join(["it has:", *images[:_SHOWN_NAMES]])
        if images
        else "no Makefile with VERSION and PATCHLEVEL, no Kconfig, no git repository in it; no image either",
        remedy=f"give {path / images[0]}" if images else "give the path of a kernel tree, or of an image file",
    )


def read_as(reading: PathReading) -> str:
    """Return how an argument was read, for error messages."""
    text = f"read as: path {reading.path}"
    text += f", revision {reading.revision}" if reading.revision else ""
    return text + (f", series {reading.patches}" if reading.patches else "")


def _find_source(spec: KernelSpec) -> PathReading:
    """Return the first reading with a revision or a series whose files exist."""
    there = [reading for reading in spec.readings() if Path(reading.path).exists()]
    if not there:
        raise _missing(spec)
    for reading in there:
        if not Path(reading.path).is_dir():
            what = f"{reading.path} is an image; a revision or a series needs a kernel tree"
            raise UsageError(what, evidence=read_as(reading), remedy=f"to test the image as it is, give {reading.path}")
        # A revision with a + is more often a mistyped name of a mailbox.
        if not reading.patches and "+" not in reading.revision:
            return reading
        word = parse_patches(reading.patches)
        if reading.patches and (Path(word.place).exists() or word.is_range):
            return reading
    raise no_patches(there[0].patches, evidence=read_as(there[0]))


def no_patches(word: str, *, evidence: str = "") -> UsageError:
    """Return the error for a missing series, with similar names."""
    place = Path(parse_patches(word).place)
    near = difflib.get_close_matches(place.name, _names_in(place.parent), _SHOWN_NAMES, _NEAR)
    lines = [evidence, *([f"{place.parent} has:", *near] if near else [])]
    return UsageError(
        f"no mailbox or folder {place}",
        evidence="\n".join(filter(None, lines)),
        remedy="give a mailbox, a folder of patches, or a range A..B of the source's own history after the +; "
        "give a revision whose name has a + by its hash",
    )


def _missing(spec: KernelSpec) -> UsageError:
    path = Path(spec.name)
    names = _names_in(path.parent)
    near = difflib.get_close_matches(path.name, names, _SHOWN_NAMES) or sorted(filter(_IMAGE_NAME.fullmatch, names))
    if path.is_symlink():
        evidence = f"it is a symbolic link to {path.readlink()}, which does not exist"
    elif near:
        evidence = "\n".join([f"{path.parent} has:", *near[:_SHOWN_NAMES]])
    elif not path.parent.is_dir():
        evidence = f"the folder {path.parent} does not exist either"
    else:
        evidence = GRAMMAR
    remedy = "give the path of an image or a kernel tree, or 'deb'"
    if spec.name.startswith("linux-") and "/" not in spec.name:
        remedy = f"for the package of that name, give deb:{spec.name}"
    return UsageError(f"no kernel image or tree {spec.name}", evidence=evidence, remedy=remedy)


def _names_in(folder: Path) -> list[str]:
    """Return the names in a folder; empty for a missing or unreadable one."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
