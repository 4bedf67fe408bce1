# SPDX-License-Identifier: GPL-2.0-only
"""The guest image, built from this host's programs into a store of its own."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from harness.base import paths, process
from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import HostError, UsageError
from harness.base.store import Store
from harness.guest import definition, elf
from harness.guest.image import GuestImage, build_guest_image

QEMU = Path(__file__).parents[3] / "qemu"
SMALL = """
[[package]]
name = "coreutils"
reason = "one program with libraries is enough"
programs = ["cat"]

[[user]]
name = "tester"
id = 9000
home = "/home/tester"

[[file]]
path = "/etc/motd"
text = "hello"
"""
INIT = b"#!/usr/bin/busybox sh\n"
HELPER = "int main(void) { return 0; }\n"


class Sources:
    """The three files that an image is made from, in a folder of the test, and a store beside them."""

    def __init__(self, folder: Path) -> None:
        self.definition = folder / "guest.toml"
        self.init = folder / "init.sh"
        self.helper = folder / "nsctl.c"
        self.store = Store(folder / "store")
        self.definition.write_text(SMALL)
        self.init.write_bytes(INIT)
        self.helper.write_text(HELPER)

    def build(self, store: Store | None = None) -> GuestImage:
        return build_guest_image(
            Context(store or self.store, Deadline.after(60)),
            definition=self.definition,
            init=self.init,
            helper=self.helper,
        )

    def require(self, program: str, package: str, words: str, expect: str) -> None:
        """Replace the definition by one with that program and one requirement."""
        self.definition.write_text(
            f'[[package]]\nname = "{package}"\nreason = "a test"\nprograms = ["{program}"]\n'
            f'[[requirement]]\nprogram = "{program}"\nwords = ["{words}"]\nexpect = "{expect}"\n'
            f'needed = "{package} 2.28"\n'
        )


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """A small, whole set of sources."""
    return Sources(tmp_path)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only one on PATH, with this host's compiler in it."""
    folder = tmp_path / "programs"
    folder.mkdir()
    compiler = process.find_program("cc")
    assert compiler is not None
    (folder / "cc").symlink_to(compiler)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put_fake(folder: Path, name: str, script: str) -> None:
    """A program on PATH that is not the real one."""
    fake = folder / name
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)


def listed(image: GuestImage) -> list[str]:
    """The paths in an archive, as busybox reads them."""
    data = image.path.read_bytes()
    return process.run(["busybox", "cpio", "-t"], stdin=data, deadline=Deadline.after(120)).text.split()


def test_image_has_programs_and_libraries(sources: Sources) -> None:
    """The image has the program, its loader and libraries at the loader's paths, /init, nsctl and the accounts."""
    image = sources.build()
    cat = image.programs[0]
    loader = elf.find_interpreter(cat.path.read_bytes(), name="cat")
    names = listed(image)

    assert (cat.name, cat.path) == ("cat", process.find_program("cat"))
    assert loader is not None
    assert loader.removeprefix("/") in names
    assert any(name.endswith("/libc.so.6") for name in names)
    assert {"init", "usr/bin/cat", "usr/bin/nsctl", "etc/passwd", "etc/motd", "home/tester"} <= set(names)


def test_image_is_reproducible(sources: Sources, tmp_path: Path) -> None:
    """The image does not depend on paths, time or order."""
    one, two = sources.build(), sources.build(Store(tmp_path / "other"))

    assert one.path != two.path
    assert one.path.read_bytes() == two.path.read_bytes()
    assert one.digest == two.digest


def test_image_is_found_without_a_compiler(sources: Sources) -> None:
    """The same image comes from the store, even if nothing can be compiled."""
    first = sources.build()
    archive = first.path.stat()
    second = sources.build()

    assert second == first
    assert second.path.stat().st_mtime_ns == archive.st_mtime_ns


@pytest.mark.parametrize("changed", ["definition", "init", "helper"])
def test_image_depends_on_each_source(sources: Sources, changed: str) -> None:
    """A change in any of the three files gives another image."""
    first = sources.build()
    path = {"definition": sources.definition, "init": sources.init, "helper": sources.helper}[changed]
    path.write_text(path.read_text().replace("hello", "welcome").replace("busybox sh", "bash").replace("0;", "1;"))

    assert sources.build().digest != first.digest


def test_image_depends_on_the_programs(sources: Sources, programs: Path) -> None:
    """A changed program of the host gives another image; the first one is found again when it changes back."""
    cat, true = (process.find_program(name) for name in ("/usr/bin/cat", "/usr/bin/true"))
    assert cat is not None
    assert true is not None
    (programs / "cat").write_bytes(cat.read_bytes())
    (programs / "cat").chmod(0o755)
    first = sources.build()
    (programs / "cat").write_bytes(true.read_bytes())
    second = sources.build()
    (programs / "cat").write_bytes(cat.read_bytes())

    assert second.digest != first.digest
    assert sources.build() == first


def test_image_depends_on_the_libraries(sources: Sources) -> None:
    """The remembered image is used only while every input file is unchanged, libraries included."""
    sources.build()
    facts = list((sources.store.folder / "guest-image-inputs").glob("*.json"))
    text = facts[0].read_text()
    facts[0].write_text(text.replace("libc.so.6 ", "libc.so.6 1"))
    sources.build()

    assert len(facts) == 1
    assert facts[0].read_text() == text


def test_damaged_image_is_made_again(sources: Sources) -> None:
    """A truncated archive is not used."""
    first = sources.build()
    content = first.path.read_bytes()
    first.path.write_bytes(content[:1000])
    second = sources.build()

    assert second == first
    assert second.path.read_bytes() == content


def test_missing_programs_are_reported_with_packages(sources: Sources, programs: Path) -> None:
    """All missing programs are reported together, with one command that installs them."""
    sources.definition.write_text((QEMU / "guest.toml").read_text())
    (programs / "cc").unlink()
    with pytest.raises(HostError) as caught:
        sources.build()

    assert "unshare" in caught.value.what
    assert "cc" in caught.value.what
    assert caught.value.remedy.startswith("install them: apt-get install bash busybox-static coreutils gcc grep")
    assert "util-linux" in caught.value.remedy


def test_old_unshare_is_refused(sources: Sources, programs: Path) -> None:
    """The error has the version, the needed one, and the path."""
    put_fake(programs, "unshare", '[ "$1" = --version ] && echo "unshare from util-linux 2.27"; echo "-m, --mount"')
    sources.require("unshare", "util-linux", "--help", "--cgroup")
    with pytest.raises(HostError) as caught:
        sources.build()

    assert caught.value.what == "unshare is too old for the guest: it needs util-linux 2.28"
    assert "unshare from util-linux 2.27" in caught.value.evidence
    assert str(programs / "unshare") in caught.value.evidence
    assert caught.value.remedy == "install a newer one: apt-get install util-linux"


def test_shipped_definition_refuses_an_old_unshare(
    sources: Sources, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This host meets the requirements of qemu/guest.toml; an old unshare on PATH does not."""
    put_fake(programs, "unshare", "echo 'unshare from util-linux 2.27'")
    monkeypatch.setenv("PATH", f"{programs}:/usr/local/bin:/usr/bin:/bin")
    sources.definition.write_text((QEMU / "guest.toml").read_text())
    with pytest.raises(HostError, match="unshare is too old"):
        sources.build()


def test_script_is_refused_as_a_program(sources: Sources, programs: Path) -> None:
    """A wrapper on PATH would need an interpreter that the guest does not have."""
    put_fake(programs, "cat", "exec /usr/bin/cat")
    with pytest.raises(HostError, match="cat is not a program that the guest can run") as caught:
        sources.build()

    assert "#!/bin/sh" in caught.value.evidence


def test_missing_static_library_is_reported(sources: Sources, programs: Path) -> None:
    """gcc prints the bare name when it has no libc.a."""
    (programs / "cc").unlink()
    put_fake(programs, "cc", "echo libc.a")
    (programs / "cat").symlink_to("/usr/bin/cat")
    with pytest.raises(HostError, match="no static C library") as caught:
        sources.build()

    assert "libc6-dev" in caught.value.remedy


def test_helper_may_include_the_shipped_header(sources: Sources, tmp_path: Path) -> None:
    """A helper anywhere on the host finds ``guest_helper.h``; a change of the header gives another image."""
    sources.helper.write_text("#define _GNU_SOURCE\n#include <guest_helper.h>\n" + HELPER)
    image = sources.build()
    header = tmp_path / "guest_helper.h"
    header.write_text(f"{paths.GUEST_HEADER.read_text()}/* changed */\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "GUEST_HEADER", header)
        other = sources.build()

    assert "usr/bin/nsctl" in listed(image)
    assert other.path != image.path


def test_broken_helper_leaves_no_image(sources: Sources) -> None:
    """The compiler's message is the evidence, and the store has no incomplete image."""
    sources.helper.write_text("int main(void) { return nothing; }\n")
    with pytest.raises(HostError) as caught:
        sources.build()

    assert "nothing" in caught.value.evidence
    assert [path for path in (sources.store.folder / "guest-image").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("[[package", "array"),
        ("[[pakage]]\nname = 'x'", "unknown table: pakage"),
        ("[package]\nname = 'x'", "[[package]]"),
        ("[[package]]\nname = 'x'\nprograms = ['cat']", "must have 'reason'"),
        ("[[package]]\nname = 'x'\nreason = 'y'\nprograms = ['cat', 7]", "must have 'programs', a list of strings"),
        ("[[package]]\nname = 'x'\nreason = 'y'\nprograms = []\nsize = 1", "unknown key: size"),
        ("[[user]]\nname = 'x'\nid = '1'\nhome = '/'", "must have 'id', a number"),
        ("[[directory]]\npath = '/x'\nmode = 'rwx'", "must have 'mode'"),
        ("[[requirement]]\nprogram = 'x'\nwords = []\nexpect = ''\nneeded = ''", "no [[package]] provides"),
    ],
)
def test_invalid_definition_is_reported(text: str, evidence: str) -> None:
    """The error names the file and the key."""
    with pytest.raises(UsageError, match=r"^my\.toml is not a valid guest definition") as caught:
        definition.parse(text, name="my.toml")

    assert evidence in caught.value.evidence


def test_missing_source_is_a_usage_error(sources: Sources) -> None:
    """The error names the missing path."""
    sources.init.unlink()
    with pytest.raises(UsageError, match=r"init\.sh"):
        sources.build()


def test_loader_output_gives_paths_and_missing_libraries() -> None:
    """The vdso has no path, the loader has no arrow, and a missing library is an error."""
    text = "\tlinux-vdso.so.1 (0x7)\n\tliba.so => /lib/liba.so (0x7)\n\t/lib64/ld.so (0x7)\n"

    assert elf.parse_loader_list(text, name="x") == ["/lib/liba.so", "/lib64/ld.so"]
    with pytest.raises(HostError, match=r"the library libb\.so\S* of x is missing"):
        elf.parse_loader_list(text + "\tlibb.so => not found\n", name="x")


def test_find_interpreter_accepts_static_and_refuses_truncated_programs() -> None:
    """Headers outside of the file are an error; a program without an interpreter is not."""
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    static = bytes(header)
    struct.pack_into("<HH", header, 54, 56, 3)

    assert elf.find_interpreter(static, name="x") is None
    with pytest.raises(HostError, match="truncated"):
        elf.find_interpreter(bytes(header), name="x")


def test_shipped_image_builds_on_this_host(tmp_path: Path) -> None:
    """The image that the harness boots can be built here; it is small, and applets fill the missing names."""
    image = build_guest_image(
        Context(Store(tmp_path), Deadline.after(100)),
        definition=QEMU / "guest.toml",
        init=QEMU / "init.sh",
        helper=QEMU / "nsctl.c",
    )
    names = set(listed(image))

    assert image.mebibytes < 16
    assert {"usr/bin/su", "usr/bin/awk", "usr/bin/sh", "usr/bin/unshare", "dev/console", "root/.bashrc"} <= names
    assert {"lib64", "bin", "sbin", "tmp", "proc", "sys"} <= names
