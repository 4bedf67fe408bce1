# SPDX-License-Identifier: GPL-2.0-only
"""The patches of a folder: a maildir, a quilt folder with its ``series`` file, or files in the order of the series."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from harness.base.errors import SeriesError, UsageError
from harness.kernel.mail.diff import add_prefixes, diff_lines, has_diff, lacks_prefixes, unwrapped, without_returns
from harness.kernel.mail.grouping import Posting
from harness.kernel.mail.headers import NO_DATE, NO_SENDER
from harness.kernel.mail.mailbox import Mail, read_mailbox
from harness.kernel.mail.mbox import is_mail, is_mailbox, trim
from harness.kernel.mail.posting import choose_posting
from harness.kernel.mail.subject import Subject
from harness.kernel.patches.quilt import SERIES_FILE, QuiltEntry, parse_quilt
from harness.kernel.patches.safety import SERIES_LIMIT_BYTES
from harness.model.series_choice import NEWEST, SeriesChoice, SeriesVersion

_SUFFIXES = (".patch", ".diff", ".mbox", ".mbx", ".eml")
_PACKED = (".gz", ".bz2", ".xz")
# git-format-patch(1): v2-0003-title.patch
_FORMATTED = re.compile(r"(?:v(\d+)-)?(\d{4,})-.*")
_SHOWN_BYTES = 80
_LEADING_NUMBER = re.compile(r"^(?:v\d+-)?\d+[-_. ]+(?=.)")
_MAILDIR = ("cur", "new", "tmp")


def is_maildir(path: Path) -> bool:
    """Return whether a folder is a maildir."""
    return sum((path / name).is_dir() for name in _MAILDIR) > 1


def read_maildir(path: Path) -> tuple[Mail, ...]:
    """Read the mails of a maildir, ordered by file name, which begins with the time of delivery.

    :raises UsageError: it cannot be read.
    """
    folders = [path / name for name in ("cur", "new") if (path / name).is_dir()]
    files = sorted((file for folder in folders for file in folder.iterdir()), key=lambda file: file.name)
    shown = (file for file in files if file.is_file() and not file.name.startswith("."))
    return tuple(mail for file in shown for mail in read_mailbox(read_data(file)))


def read_folder(path: Path, *, choice: SeriesChoice = NEWEST) -> Posting:
    """Read the patches of a folder, in order.

    Files are put into a folder by hand, so a gap in their numbers is a note and no error. Where the mails are a thread,
    of several versions or with replies, the same posting is taken as from a mailbox of them.

    :param choice: the one asked for; else the newest, where names of git-format-patch(1) or subjects tell of several.
    :raises UsageError: it holds no patch, not what was asked for, or cannot be read.
    :raises SeriesError: its ``series`` file names what is not there, or an option that cannot be heeded.
    """
    listed = path / SERIES_FILE
    if listed.is_file():
        if choice != NEWEST:
            raise UsageError(
                f"{path} has a {SERIES_FILE} file, which has one version only", remedy="remove the part after the ?"
            )
        return _read_quilt(path, parse_quilt(read_data(listed).decode(errors="replace"), name=str(listed)))
    files = sorted((file for file in path.iterdir() if _may_hold_patches(file)), key=_natural)
    if not files:
        below = path / "patches"
        known = ", ".join(_SUFFIXES)
        hint = f"did you mean the folder {below}?" if below.is_dir() else f"known file names: {known}"
        raise UsageError(
            f"the folder {path} has no patch", evidence=hint, remedy="give a folder of patches or a mailbox"
        )
    chosen, notes = _of_version(files, choice, path)
    read = [read_file(file) for file in chosen]
    mails = tuple(mail for held in read for mail in held)
    if not any(mail.has_diff for mail in mails):
        raise UsageError(f"the files of the folder {path} have no diff", remedy="give a folder of patches or a mailbox")
    asked = replace(choice, version=None) if notes or choice.version is None else choice
    if _is_thread(read) or asked != NEWEST:
        posting = choose_posting(mails, choice=asked, name=str(path))
        return replace(posting, notes=(*notes, *posting.notes))
    return _in_order(mails, notes, path)


def read_file(path: Path, *, strip: int = 1) -> tuple[Mail, ...]:
    """Read the mails of one file: a mailbox, a mail, or a bare diff, whose subject comes from the file's name.

    :param strip: how many folders of its paths are not of the tree; 0 is made 1.
    :raises UsageError: it cannot be read, or is none of these.
    """
    data = trim(read_data(path))
    if is_mailbox(data) or is_mail(data):
        mails = read_mailbox(data)
    else:
        text = unwrapped(without_returns(data))
        if text.strip() and not has_diff(text):
            raise _not_a_patch(path, text)
        mails = (Mail("", Subject(_title(path)), NO_SENDER, NO_DATE, "", text),) if text.strip() else ()
    return tuple(
        replace(mail, text=add_prefixes(mail.text)) if strip == 0 or lacks_prefixes(mail.text) else mail
        for mail in mails
    )


def _not_a_patch(path: Path, text: bytes) -> UsageError:
    first = text.strip().splitlines()[0][:_SHOWN_BYTES].decode(errors="replace")
    is_page = first.lower().startswith(("<!doctype", "<html"))
    return UsageError(
        f"{path} is neither a mailbox nor a patch",
        evidence=f"it begins: {first}",
        remedy="it is a web page: an archive offers the thread as mbox or mbox.gz, and 'b4 mbox MESSAGE-ID' fetches it"
        if is_page
        else "save the thread as a mailbox (mbox), or a mail with its headers",
    )


def read_data(path: Path) -> bytes:
    """Read a file's bytes, uncompressed: archives offer threads as ``t.mbox.gz``.

    :raises UsageError: it cannot be read.
    :raises SeriesError: it is larger than any series.
    """
    try:
        with path.open("rb") as file:
            data = _unpack(file, file.read(SERIES_LIMIT_BYTES + 1))
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UsageError(f"{path} cannot be read", evidence=str(error), remedy="give a file that can be read") from None
    if len(data) > SERIES_LIMIT_BYTES:
        raise SeriesError(
            f"{path} is too large for a series: more than {SERIES_LIMIT_BYTES} bytes", remedy="save one thread only"
        )
    return data


def _unpack(file: IO[bytes], data: bytes) -> bytes:
    """Return a file's uncompressed content, at most one byte more than the limit; ``data`` is its raw content."""
    bound = SERIES_LIMIT_BYTES + 1
    file.seek(0)
    if data.startswith(b"\x1f\x8b"):
        with gzip.open(file) as unpacked:
            return unpacked.read(bound)
    if data.startswith(b"BZh"):
        with bz2.open(file) as unpacked:
            return unpacked.read(bound)
    if data.startswith(b"\xfd7zXZ\x00"):
        with lzma.open(file) as unpacked:
            return unpacked.read(bound)
    return data


def _may_hold_patches(file: Path) -> bool:
    """Return whether a file's name may be that of a patch; mail programs call a mail by a bare number (MH)."""
    name = file.name.lower()
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return file.is_file() and not name.startswith(".") and (name.endswith(_SUFFIXES) or name.isdecimal())


def _natural(file: Path) -> list[tuple[int, str]]:
    """Return a sort key that puts ``2-x.patch`` before ``10-x.patch``."""
    parts = re.split(r"(\d+)", file.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _is_thread(read: Sequence[Sequence[Mail]]) -> bool:
    """Return whether the mails of the files are a thread of an archive, with several versions or replies."""
    mails = [mail for held in read for mail in held]
    versions = {mail.subject.posted_as for mail in mails if mail.has_diff and mail.subject.number}
    has_replies = any(mail.subject.is_reply for held in read if len(held) > 1 for mail in held)
    return len(versions) > 1 or has_replies


def _in_order(mails: Sequence[Mail], notes: Sequence[str], path: Path) -> Posting:
    """Order the patches by the numbers of their subjects if these are of one series, else by file name."""
    patches = [mail for mail in mails if mail.has_diff and mail.subject.number != 0]
    cover = next((mail for mail in mails if mail.subject.number == 0), None)
    unique = list({(mail.subject.number, diff_lines(mail.text)): mail for mail in reversed(patches)}.values())[::-1]
    numbers = [mail.subject.number for mail in unique]
    totals = {mail.subject.total for mail in unique}
    told = list(notes)
    if len(totals) == 1 and None not in totals and len(set(numbers)) == len(numbers):
        patches = sorted(unique, key=lambda mail: mail.subject.number or 0)
        if any(one is not other for one, other in zip(unique, patches, strict=True)):
            told.append(f"taken in the order of the numbers in their subjects, not of the names in {path}")
        told += _gaps(patches, path)
    version = patches[0].subject.posted_as if patches else SeriesVersion(1)
    return Posting(version.major, len(patches), dict(enumerate(patches, 1)), cover, tuple(told), version.suffix)


def _read_quilt(path: Path, entries: Sequence[QuiltEntry]) -> Posting:
    absent = [entry.file for entry in entries if not (path / entry.file).is_file()]
    if absent:
        raise SeriesError(
            f"{path / SERIES_FILE} lists missing patches",
            evidence="\n".join(absent),
            remedy="add the files, or remove their lines",
        )
    if not entries:
        raise UsageError(f"{path / SERIES_FILE} lists no patch", remedy="list the patches, one per line")
    mails: list[Mail] = []
    for entry in entries:
        found = [mail for mail in read_file(path / entry.file, strip=entry.strip) if mail.has_diff]
        if not found:
            raise SeriesError(f"{path / entry.file} has no diff", remedy="remove it from the series file")
        mails += found
    named = {entry.file for entry in entries}
    others = sorted(file.name for file in path.iterdir() if file.suffix in _SUFFIXES and file.name not in named)
    covers = [mail for other in others for mail in read_file(path / other) if mail.subject.number == 0]
    left = [other for other in others if not re.match(r"(?:v\d+-)?0+-cover", other)]
    notes = (f"not in {path / SERIES_FILE}, so not applied: {', '.join(left)}",) if left else ()
    return Posting(1, len(mails), dict(enumerate(mails, 1)), next(iter(covers), None), notes)


def _of_version(files: Sequence[Path], choice: SeriesChoice, path: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Return the files of one version, where file names show several, and a note on the others."""
    names = {file: _FORMATTED.fullmatch(file.name) for file in files}
    versions = {file: int(found.group(1) or 1) if found else 1 for file, found in names.items()}
    held = sorted(set(versions.values()))
    if choice.ids or len(held) == 1:
        return list(files), ()
    wanted = choice.version.major if choice.version else held[-1]
    if wanted not in held:
        shown = ", ".join(f"v{one}" for one in held)
        raise UsageError(
            f"{path} has no v{wanted} of the series", evidence=f"it has {shown}", remedy=f"use ?v={held[-1]}"
        )
    others = ", ".join(f"v{one}, which ?v={one} takes" for one in held if one != wanted)
    note = f"v{wanted} was taken; the folder also has {others}"
    return [file for file in files if versions[file] == wanted], (note,)


def _gaps(mails: Sequence[Mail], path: Path) -> tuple[str, ...]:
    """Return a note on missing numbers; a folder is filled by hand, so a gap is not an error."""
    total = mails[0].subject.total or 0
    held = {mail.subject.number for mail in mails}
    missing = ", ".join(f"{number}/{total}" for number in range(1, total + 1) if number not in held)
    return (f"not in {path}: {missing}; the others were applied without them",) if missing else ()


def _title(path: Path) -> str:
    words = _LEADING_NUMBER.sub("", path.stem).replace("-", " ").replace("_", " ").split()
    return " ".join(words) or path.name
