# SPDX-License-Identifier: GPL-2.0-only
"""Build the guest image: an initramfs of this host's programs and their libraries, the same bytes from the same inputs.

Its name in the store is a digest of its whole content. Hashing ten megabytes and running the dynamic loader for sixty
programs takes a second, so the store also keeps size, time and inode of each input file. While none has changed, the
image is found without reading any of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.base import paths, process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import CaseError, HostError, UsageError, provided_by
from harness.base.json_records import dump_value, read_facts, recall_facts, to_table
from harness.base.store import Store, digest_of
from harness.guest import cpio, definition, elf
from harness.guest.definition import NO_ADDITIONS, GuestAdditions, GuestDefinition

_FORMAT = "1"  # of the archive's layout; another format makes every image again
_PRODUCT = "guest-image"
_FACT = "guest-image-inputs"
_ARCHIVE = "guest.cpio"
_DESCRIPTION = "image.json"
_COMPILER_PACKAGES = ("gcc", "libc6-dev")
_CFLAGS = ("-static", "-O2", "-s", "-Wall", "-Wextra", "-Werror", f"-I{paths.GUEST_HEADER.parent}")
_PROBE_SECONDS = 20
# Nothing of the user's environment may change the output of the loader, the compiler or a program.
_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class GuestProgram:
    """A program of the host that was copied into the image; sha256 is that of its file, in hexadecimal."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True, slots=True)
class GuestImage:
    """An initramfs in the store.

    :param path: the archive, newc, not compressed (an emulated guest decompresses slower than it reads).
    :param digest: sha256 of the archive, in hexadecimal.
    :param size_bytes: size of the archive.
    :param programs: the programs of the host in it.
    :param disk: the root file system of a guest that is a whole system; None for a guest that is an initramfs alone.
    """

    path: Path
    digest: str
    size_bytes: int
    programs: tuple[GuestProgram, ...]
    disk: Path | None = None

    @property
    def mebibytes(self) -> float:
        """Return the size of the archive in MiB; the guest needs that much memory, twice while it unpacks."""
        return self.size_bytes / (1 << 20)


@dataclass(frozen=True, slots=True)
class _Description:
    """The content of ``image.json``, beside the archive.

    :param programs: name, path and sha256 of each program; see :class:`GuestProgram`.
    """

    digest: str
    size_bytes: int
    programs: tuple[tuple[str, Path, str], ...]


@dataclass(frozen=True, slots=True)
class _KnownInputs:
    """An image that was made from inputs, as the store remembers it.

    :param product: the image's key in the store.
    :param stamps: size, time and inode of each file that it was made from, by path; see :func:`_stamp`.
    """

    product: str
    stamps: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Sources:
    """Everything that decides the content of an image, and the programs of this host that it needs.

    :param helpers: C sources; the first one is the harness's own.
    :param files: the files that the suite adds, with their content.
    """

    definition: GuestDefinition
    init: bytes
    helpers: tuple[Path, ...]
    files: tuple[cpio.File, ...]
    texts_digest: str
    programs: Mapping[str, Path]
    compiler: Path


def build_guest_image(
    context: Context, *, definition: Path, init: Path, helper: Path, additions: GuestAdditions = NO_ADDITIONS
) -> GuestImage:
    """Return the guest image of this host; it is built if the store does not have it.

    :param init: path of the script that becomes /init.
    :param helper: path of the C source of nsctl, compiled statically with this host's ``cc``.
    :param additions: additions of a suite.
    :raises HostError: a program, the compiler or its static C library is missing, or a program is too old.
    :raises UsageError: the definition is broken, or the store cannot be written.
    :raises CaseError: a file of the suite is missing, or its helper does not compile.
    """
    sources = _read_sources(definition, init, helper, additions)
    inputs = digest_of(
        _FORMAT, sources.texts_digest, _stamp(sources.compiler), *_stamps(sources.programs.values()).values()
    )
    found = _find_unchanged(context.store, inputs)
    if found:
        return found
    _check_requirements(sources, context.deadline)
    libraries = _find_libraries(sources.programs.values(), context.deadline)
    static_library = _find_static_library(sources.compiler, context.deadline)
    stamps = _stamps([sources.compiler, static_library, *sources.programs.values(), *libraries])
    contents = {path: _read(path) for path in (*sources.programs.values(), *libraries)}
    key = digest_of(
        _FORMAT,
        sources.texts_digest,
        process.run(
            [sources.compiler, "--version"], deadline=context.deadline, within=process.Surroundings(env=_ENVIRONMENT)
        ).stdout,
        static_library,
        *(part for path, content in contents.items() for part in (str(path), content)),
    )

    def fill(folder: Path) -> None:
        entries = _entries(sources, contents, libraries, context.deadline)
        entries += [_compile(source, sources, folder, context.deadline) for source in sources.helpers]
        _write_image(folder, entries, sources.programs, contents)

    image = _load(context.store.make(_PRODUCT, key, fill, deadline=context.deadline))
    if image is None:
        context.store.forget(_PRODUCT, key)
        image = _load(context.store.make(_PRODUCT, key, fill, deadline=context.deadline))
    if image is None:
        raise HostError(
            f"the guest image in {context.store.place(_PRODUCT, key)} changed while it was read",
            remedy="stop other processes that write to the store, then retry",
        )
    context.store.remember(_FACT, inputs, to_table(_KnownInputs(key, stamps)))
    return image


def _read_sources(definition_path: Path, init: Path, helper: Path, additions: GuestAdditions) -> _Sources:
    text = _read_shipped(definition_path).decode(errors="replace")
    init_bytes, helper_bytes, header_bytes = map(_read_shipped, (init, helper, paths.GUEST_HEADER))
    parsed = definition.parse(text, name=str(definition_path))
    parsed = replace(parsed, packages=(*parsed.packages, *additions.packages))
    added = {source: _read_added(source) for source in additions.helpers}
    files = tuple(cpio.File(one.path, _read_added(one.source), mode=one.mode) for one in additions.files)
    programs = {name: path for name in parsed.programs if (path := process.find_program(name))}
    packages = {parsed.programs[name] for name in parsed.programs.keys() - programs.keys()}
    compiler = process.find_program("cc")
    missing = sorted(parsed.programs.keys() - programs.keys())
    if compiler is None:
        missing.append("cc")
        packages.update(_COMPILER_PACKAGES)
    if compiler is None or missing:
        raise HostError(
            f"programs for the guest are missing on this host: {', '.join(missing)}",
            evidence=f"{definition_path} copies them from PATH",
            remedy=f"install them: apt-get install {' '.join(sorted(packages))}",
            packages=sorted(packages),
        )
    texts = digest_of(
        *(text, init_bytes, helper_bytes, header_bytes),
        *(part for source, content in added.items() for part in (source.stem, content)),
        *(part for file in files for part in (file.path, oct(file.mode), file.content)),
        *(part for package in additions.packages for part in (package.name, *package.programs)),
    )
    return _Sources(parsed, init_bytes, (helper, *additions.helpers), files, texts, programs, compiler)


def _read_shipped(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"the guest image needs {path}, which cannot be read",
            evidence=str(error),
            remedy="restore it: git checkout, or reinstall the harness",
        ) from None


def _read_added(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CaseError(
            f"the suite's file {path} cannot be read",
            evidence=str(error),
            remedy="create it, or correct suite.toml; 'harness suite check' checks the suite",
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise HostError(
            f"the guest image needs a copy of {path}, which cannot be read",
            evidence=str(error),
            remedy=f"make it readable, or reinstall its package; 'dpkg -S {path}' names it",
        ) from None


def _stamp(path: Path) -> str:
    """Return a text that changes when a file does, without reading the file; it ends in "absent" for a missing file."""
    try:
        state = path.stat()
    except OSError:
        return f"{path} absent"
    return f"{path} {state.st_size} {state.st_mtime_ns} {state.st_ino}"


def _stamps(paths: Iterable[Path]) -> dict[str, str]:
    return {str(path): _stamp(path) for path in paths}


def _find_unchanged(store: Store, inputs: str) -> GuestImage | None:
    """Find the image that was made from the same inputs, if none of its files has changed since."""
    known = recall_facts(_KnownInputs, store.recall(_FACT, inputs))
    folder = store.find(_PRODUCT, known.product) if known else None
    if known is None or folder is None or any(_stamp(Path(path)) != stamp for path, stamp in known.stamps.items()):
        return None
    return _load(folder)


def _load(folder: Path) -> GuestImage | None:
    """Read the image in a folder of the store; None when it is damaged."""
    archive = folder / _ARCHIVE
    try:
        described = read_facts(_Description, (folder / _DESCRIPTION).read_bytes())
        if described is None or archive.stat().st_size != described.size_bytes:
            return None
    except OSError:
        return None
    programs = tuple(GuestProgram(*program) for program in described.programs)
    return GuestImage(archive, described.digest, described.size_bytes, programs)


def _check_requirements(sources: _Sources, deadline: Deadline) -> None:
    for requirement in sources.definition.requirements:
        program = sources.programs[requirement.program]
        probe_deadline = deadline.sooner(_PROBE_SECONDS)
        answer = process.run(
            [str(program), *requirement.arguments],
            deadline=probe_deadline,
            check=False,
            within=process.Surroundings(env=_ENVIRONMENT),
        )
        if requirement.expect in answer.text:
            continue
        version = process.run(
            [program, "--version"], deadline=probe_deadline, check=False, within=process.Surroundings(env=_ENVIRONMENT)
        )
        found = (version.complaint.splitlines() or ["it prints no version"])[0]
        package = sources.definition.programs[requirement.program]
        raise HostError(
            f"{requirement.program} is too old for the guest: it needs {requirement.needed}",
            evidence=f"{program}: {found}\n"
            f"{requirement.expect.strip()!r} is not in the output of '{' '.join(answer.argv)}'",
            remedy=f"install a newer one: apt-get install {package}",
            packages=(package,),
        )


def _find_libraries(programs: Iterable[Path], deadline: Deadline) -> tuple[Path, ...]:
    """Find all libraries and loaders of the programs, at the paths where the loader looks for them, sorted."""
    libraries: set[Path] = set()
    for program in programs:
        loader = elf.find_interpreter(_read(program), name=str(program))
        if loader is None:
            continue
        listed = process.run(
            [loader, "--list", program], deadline=deadline, within=process.Surroundings(env=_ENVIRONMENT)
        ).text
        libraries |= {Path(loader), *(Path(path) for path in elf.parse_loader_list(listed, name=str(program)))}
    return tuple(sorted(libraries))


def _find_static_library(compiler: Path, deadline: Deadline) -> Path:
    argv = [str(compiler), "-print-file-name=libc.a"]
    path = Path(process.run(argv, deadline=deadline, within=process.Surroundings(env=_ENVIRONMENT)).text.strip())
    if not path.is_absolute() or not path.exists():
        raise HostError(
            "the compiler has no static C library",
            evidence=f"$ {' '.join(argv)}\n{path}",
            remedy=f"install it: apt-get install {' '.join(_COMPILER_PACKAGES)}",
            packages=_COMPILER_PACKAGES,
        )
    return path


def compile_helper(source: Path, made: Path, *, compiler: Path | str = "cc", deadline: Deadline) -> None:
    """Compile a C source into a static program.

    :param source: the C source; it may include ``guest_helper.h``.
    :param made: path of the program.
    :raises CaseError: the source does not compile; the evidence is the compiler's output.
    """
    done = process.run(
        [compiler, *_CFLAGS, "-o", made, source],
        deadline=deadline,
        within=process.Surroundings(env=_ENVIRONMENT),
        check=False,
    )
    if done.status != 0:
        raise CaseError(
            f"the helper {source} does not compile",
            evidence=done.complaint or f"{compiler} ended with status {done.status} and printed nothing",
            remedy=f"correct it; to compile it by hand: cc {' '.join(_CFLAGS)} {source}",
        )


def _compile(source: Path, sources: _Sources, folder: Path, deadline: Deadline) -> cpio.File:
    made = folder / source.stem
    if source == sources.helpers[0]:
        packages = " ".join(_COMPILER_PACKAGES)
        with provided_by(_COMPILER_PACKAGES):
            process.run(
                [sources.compiler, *_CFLAGS, "-o", made, source],
                deadline=deadline,
                within=process.Surroundings(env=_ENVIRONMENT),
                remedy=f"install a working compiler: apt-get install {packages}",
            )
    else:
        compile_helper(source, made, compiler=sources.compiler, deadline=deadline)
    program = made.read_bytes()
    made.unlink()
    return cpio.File(f"/usr/bin/{source.stem}", program, mode=0o755)


def _entries(
    sources: _Sources, contents: Mapping[Path, bytes], libraries: Sequence[Path], deadline: Deadline
) -> list[cpio.Entry]:
    entries: list[cpio.Entry] = [*sources.definition.entries, cpio.File("/init", sources.init, mode=0o755)]
    # A suite brings the libraries of its programs, of which the guest has some already.
    own = {str(path) for path in libraries}
    entries += [file for file in sources.files if file.path not in own]
    entries += [cpio.File(f"/usr/bin/{name}", contents[path], mode=0o755) for name, path in sources.programs.items()]
    entries += [cpio.File(str(path), contents[path], mode=0o755) for path in libraries]
    taken = {entry.path for entry in entries} | {f"/usr/bin/{source.stem}" for source in sources.helpers}
    for package in sources.definition.packages:
        if not package.has_applets:
            continue
        (box,) = package.programs
        listed = process.run(
            [sources.programs[box], "--list"], deadline=deadline, within=process.Surroundings(env=_ENVIRONMENT)
        ).text.split()
        free = sorted({f"/usr/bin/{applet}" for applet in listed} - taken)
        entries += [cpio.Symlink(path, box) for path in free]
    return entries


def _write_image(
    folder: Path, entries: Iterable[cpio.Entry], programs: Mapping[str, Path], contents: Mapping[Path, bytes]
) -> None:
    whole, size = hashlib.sha256(), 0
    with (folder / _ARCHIVE).open("wb") as file:
        for piece in cpio.render(entries):
            whole.update(piece)
            size += file.write(piece)
    copied = tuple((name, path, hashlib.sha256(contents[path]).hexdigest()) for name, path in programs.items())
    (folder / _DESCRIPTION).write_text(dump_value(_Description(whole.hexdigest(), size, copied)))
