"""The patches of a folder: a maildir, a quilt folder with its ``series`` file, or files in the order of their names."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base.errors import SeriesError, UsageError
from harness.kernel.mail.diff import add_prefixes, has_diff, lacks_prefixes
from harness.kernel.mail.mailbox import NO_DATE, NO_SENDER, Mail, is_mail, is_mailbox, read_mail, read_mailbox
from harness.kernel.mail.subject import Subject
from harness.kernel.patches.quilt import SERIES_FILE, QuiltEntry, parse_quilt
from harness.kernel.patches.safety import SERIES_LIMIT_BYTES

_SUFFIXES = (".patch", ".diff", ".mbox", ".mbx", ".eml")
# git-format-patch(1): v2-0003-title.patch
_FORMATTED = re.compile(r"(?:v(\d+)-)?(\d{4,})-.*")
_SHOWN_BYTES = 80
_LEADING_NUMBER = re.compile(r"^(?:v\d+-)?\d+[-_. ]+(?=.)")


@dataclass(frozen=True, slots=True)
class Folder:
    """What a folder holds.

    :param mails: its patches in order, cover letters too. :param version: as the files' names tell, else 1.
    """

    mails: tuple[Mail, ...]
    version: int = 1
    notes: tuple[str, ...] = ()


def is_maildir(path: Path) -> bool:
    """Whether a folder is a maildir."""
    return all((path / name).is_dir() for name in ("cur", "new"))


def read_maildir(path: Path) -> tuple[Mail, ...]:
    """The mails of a maildir, by the names of their files, which begin with the time of delivery.

    :raises UsageError: it cannot be read.
    """
    files = sorted((file for name in ("cur", "new") for file in (path / name).iterdir()), key=lambda file: file.name)
    return tuple(mail for file in files if file.is_file() for mail in read_mail(read_data(file)))


def read_folder(path: Path, *, version: int | None) -> Folder:
    """The patches of a folder.

    :param version: the one asked for; None for the newest, where names of git-format-patch(1) tell of several.
    :raises UsageError: it holds no patch, not that version, or cannot be read.
    :raises SeriesError: its ``series`` file names what is not there, or an option that cannot be honoured.
    """
    listed = path / SERIES_FILE
    if listed.is_file():
        if version is not None:
            raise UsageError(
                f"{path} has a {SERIES_FILE} file, which tells of one version only", remedy="leave ?v= away"
            )
        return _read_quilt(path, parse_quilt(read_data(listed).decode(errors="replace"), name=str(listed)))
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and file.is_file())
    if not files:
        below = path / "patches"
        hint = f"the folder {below} may be meant" if below.is_dir() else f"known are {', '.join(_SUFFIXES)}"
        raise UsageError(
            f"the folder {path} holds no patch", evidence=hint, remedy="give a folder of patches or a mailbox"
        )
    chosen, taken, notes = _of_version(files, version, path)
    mails = tuple(mail for file in chosen for mail in read_file(file))
    return Folder(mails, taken, (*notes, *_gaps(mails, path)))


def read_file(path: Path, *, strip: int = 1) -> tuple[Mail, ...]:
    """The mails of one file: a mailbox, a mail, or a bare diff, whose subject is then made from the file's name.

    :param strip: how many folders of its paths are not of the tree; 0 is made 1.
    :raises UsageError: it cannot be read, or is none of these.
    """
    data = read_data(path)
    if is_mailbox(data):
        mails = read_mailbox(data)
    elif is_mail(data):
        mails = read_mail(data)
    else:
        text = data.replace(b"\r\n", b"\n") if data.count(b"\r\n") == data.count(b"\n") else data
        if text.strip() and not has_diff(text):
            first = text.strip().splitlines()[0][:_SHOWN_BYTES].decode(errors="replace")
            raise UsageError(
                f"{path} is neither a mailbox nor a patch",
                evidence=f"it begins: {first}",
                remedy="save the thread as a mailbox (mbox), or a mail with its headers",
            )
        mails = (Mail("", Subject(_title(path)), NO_SENDER, NO_DATE, "", text),) if text.strip() else ()
    return tuple(
        replace(mail, text=add_prefixes(mail.text)) if strip == 0 or lacks_prefixes(mail.text) else mail
        for mail in mails
    )


def read_data(path: Path) -> bytes:
    """A file's bytes; unpacked if gzip made it, as archives offer threads (``t.mbox.gz``).

    :raises UsageError: it cannot be read. :raises SeriesError: it is larger than any series.
    """
    try:
        with path.open("rb") as file:
            data = file.read(SERIES_LIMIT_BYTES + 1)
            if data.startswith(b"\x1f\x8b"):
                file.seek(0)
                with gzip.open(file) as unpacked:
                    data = unpacked.read(SERIES_LIMIT_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path} cannot be read", evidence=str(error), remedy="give a file that can be read") from None
    if len(data) > SERIES_LIMIT_BYTES:
        raise SeriesError(
            f"{path} is too large for a series: more than {SERIES_LIMIT_BYTES} bytes", remedy="save one thread only"
        )
    return data


def _read_quilt(path: Path, entries: Sequence[QuiltEntry]) -> Folder:
    absent = [entry.file for entry in entries if not (path / entry.file).is_file()]
    if absent:
        raise SeriesError(
            f"{path / SERIES_FILE} names patches that are not there",
            evidence="\n".join(absent),
            remedy="put them there",
        )
    if not entries:
        raise UsageError(f"{path / SERIES_FILE} names no patch", remedy="list the patches, one a line")
    mails: list[Mail] = []
    for entry in entries:
        found = [mail for mail in read_file(path / entry.file, strip=entry.strip) if mail.has_diff]
        if not found:
            raise SeriesError(f"{path / entry.file} holds no diff", remedy="take it out of the series file")
        mails += found
    named = {entry.file for entry in entries}
    others = sorted(file.name for file in path.iterdir() if file.suffix in _SUFFIXES and file.name not in named)
    covers = tuple(mail for other in others for mail in read_file(path / other) if mail.subject.number == 0)
    left = [other for other in others if not re.match(r"(?:v\d+-)?0+-cover", other)]
    notes = (f"not in {path / SERIES_FILE}, so not applied: {', '.join(left)}",) if left else ()
    return Folder((*covers, *mails), notes=notes)


def _of_version(files: Sequence[Path], version: int | None, path: Path) -> tuple[list[Path], int, tuple[str, ...]]:
    """The files of one version, which it is, and what was passed over."""
    names = {file: _FORMATTED.fullmatch(file.name) for file in files}
    versions = {file: int(found.group(1) or 1) if found else 1 for file, found in names.items()}
    held = sorted(set(versions.values()))
    if version is not None and version not in held:
        shown = ", ".join(f"v{one}" for one in held)
        raise UsageError(
            f"{path} holds no v{version} of the series", evidence=f"it holds {shown}", remedy=f"?v={held[-1]}"
        )
    taken = version if version is not None else held[-1]
    others = ", ".join(f"v{one}" for one in held if one != taken)
    notes = (f"v{taken} was taken; the folder also holds {others}",) if others and version is None else ()
    return [file for file in files if versions[file] == taken], taken, notes


def _gaps(mails: Sequence[Mail], path: Path) -> tuple[str, ...]:
    """A note on the numbers that are missing; a folder is put together by hand, so it is no error."""
    totals = {mail.subject.total for mail in mails}
    total = next(iter(totals), None)
    if len(totals) != 1 or total is None:
        return ()
    held = {mail.subject.number for mail in mails}
    missing = ", ".join(f"{number}/{total}" for number in range(1, total + 1) if number not in held)
    return (f"not in {path}: {missing}; the others were applied without",) if missing else ()


def _title(path: Path) -> str:
    words = _LEADING_NUMBER.sub("", path.stem).replace("-", " ").replace("_", " ").split()
    return " ".join(words) or path.name
