"""The image file that a PATH word names; everything else at that place is refused by what it is."""

from __future__ import annotations

import difflib
import re
import stat
from pathlib import Path

from harness.errors import UsageError
from harness.spec import GRAMMAR, KernelSpec, PathReading

_TREE_FILES = ("Makefile", "Kbuild", "arch")
_TREE_IMAGE = Path("arch/x86/boot/bzImage")
_IMAGE_NAME = re.compile(r"vmlinu[xz].*|bzImage.*|Image.*")
_SHOWN_NAMES = 6


def find_image_file(spec: KernelSpec) -> Path:
    """The regular file that a PATH word names.

    :raises UsageError: nothing is there, or a folder, a tree, a pipe, ...; or it may not be looked at.
    """
    path = Path(spec.name)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise _missing(spec) from None
    except OSError as error:
        raise cannot_read(spec.name, error) from None
    if stat.S_ISDIR(mode):
        raise _folder(spec.name, path)
    if not stat.S_ISREG(mode):
        what = f"{spec.name} is not a kernel image: it is no regular file"
        raise UsageError(what, evidence=f"file mode: {stat.filemode(mode)}", remedy="give the path of an image file")
    return path


def cannot_read(name: str, error: OSError) -> UsageError:
    """The error for an image that may not be opened."""
    return UsageError(
        f"the kernel image {name} cannot be read",
        evidence=str(error),
        remedy="copy it to where you may read it (distributions keep /boot/vmlinuz-* to root), or give 'deb'",
    )


def _missing(spec: KernelSpec) -> UsageError:
    for reading in spec.readings():
        place = Path(reading.path)
        if (reading.revision or reading.patches) and place.exists():
            return _source(spec.name, reading, place)
    path = Path(spec.name)
    names = _names_in(path.parent)
    near = difflib.get_close_matches(path.name, names, _SHOWN_NAMES) or sorted(filter(_IMAGE_NAME.fullmatch, names))
    if path.is_symlink():
        evidence = f"it is a symbolic link to {path.readlink()}, and that is not there"
    elif near:
        evidence = "\n".join([f"in {path.parent} there is:", *near[:_SHOWN_NAMES]])
    elif not path.parent.is_dir():
        evidence = f"there is no folder {path.parent} either"
    else:
        evidence = GRAMMAR
    remedy = "give the path of an image, or 'deb'"
    if spec.name.startswith("linux-") and "/" not in spec.name:
        remedy = f"for the package of that name give deb:{spec.name}"
    return UsageError(f"there is no kernel image {spec.name}", evidence=evidence, remedy=remedy)


def _source(name: str, reading: PathReading, place: Path) -> UsageError:
    """The error for ``PATH@REVISION`` and ``PATH+SERIES``."""
    read_as = f"read as: path {reading.path}"
    read_as += f", revision {reading.revision}" if reading.revision else ""
    read_as += f", series {reading.patches}" if reading.patches else ""
    if place.is_dir():
        return not_in_this_release(name, "building a kernel tree", evidence=read_as)
    what = f"{reading.path} is an image; a revision or a series needs a kernel tree"
    return UsageError(what, evidence=read_as, remedy=f"to test the image as it is give {reading.path}")


def not_in_this_release(name: str, what: str, *, evidence: str = "") -> UsageError:
    """The error for a word whose grammar is known and whose work is not done yet."""
    return UsageError(
        f"{what} is not in this release (for {name})",
        evidence=evidence,
        remedy=f"build it yourself and give the image, e.g. {_TREE_IMAGE} in the tree; or give 'deb'",
    )


def _folder(name: str, path: Path) -> UsageError:
    if all((path / entry).exists() for entry in _TREE_FILES):
        built = path / _TREE_IMAGE
        if built.is_file():
            what = f"{name} is a kernel tree, and building one is not in this release"
            return UsageError(what, evidence=f"an image has been built in it: {built}", remedy=f"give {built}")
        return not_in_this_release(name, "building a kernel tree")
    images = sorted(filter(_IMAGE_NAME.fullmatch, _names_in(path)))
    return UsageError(
        f"{name} is a folder, not a kernel image",
        evidence="\n".join(["in it there is:", *images[:_SHOWN_NAMES]]) if images else "no image in it, by the names",
        remedy=f"give {path / images[0]}" if images else "give the path of an image file",
    )


def _names_in(folder: Path) -> list[str]:
    """The names in a folder; none when it is not there or closed."""
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError:
        return []
