# SPDX-License-Identifier: GPL-2.0-only
"""Which file a PATH word names, and what is said when it names none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.kernel.source.locate import find_host_image, find_named, not_a_tree
from harness.model.kernel_spec import PathReading, parse_spec


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, so that words are relative paths as users type them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse(word: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        find_named(parse_spec(word))
    return caught.value


@pytest.mark.parametrize("name", ["vmlinuz", "vmlinuz-6.12.117+deb12-cloud-amd64", "a@b+c"])
def test_a_file_is_found_by_its_whole_name(folder: Path, name: str) -> None:
    """A file whose name holds ``+`` or ``@`` is that file."""
    (folder / name).touch()

    assert find_named(parse_spec(name)) == Path(name)


@pytest.mark.parametrize("name", ["boot/vmlinuz-{}", "usr/lib/modules/{}/vmlinuz", "lib/modules/{}/vmlinuz"])
def test_the_image_of_the_host(folder: Path, name: str) -> None:
    """It is in /boot, or where Debian installs it since 7.2."""
    image = folder / name.format(os.uname().release)
    image.parent.mkdir(parents=True)
    image.touch()

    assert find_host_image(folder) == image


def test_a_host_without_an_installed_kernel(folder: Path) -> None:
    """A container has no kernel of its own; the error names the places."""
    with pytest.raises(UsageError, match="is not installed") as caught:
        find_host_image(folder)

    assert f"boot/vmlinuz-{os.uname().release}" in caught.value.evidence


def test_a_missing_image_shows_what_is_near(folder: Path) -> None:
    """A slip of the pen is answered by near names, another name by the images that are there."""
    (folder / "vmlinuz-6.1.0-56").touch()
    (folder / "bzImage").touch()

    assert refuse("vmlinuz-6.1.0-55").what == "no kernel image or tree vmlinuz-6.1.0-55"
    assert refuse("vmlinuz-6.1.0-55").evidence == ". has:\nvmlinuz-6.1.0-56"
    assert refuse("kernel").evidence == ". has:\nbzImage\nvmlinuz-6.1.0-56"


def test_a_missing_folder_is_evidence() -> None:
    """When not even the folder is there, that is said."""

    assert refuse("no/such/bzImage").evidence == "the folder no/such does not exist either"


def test_with_nothing_near_the_grammar_is_shown() -> None:
    """A word that may have been meant otherwise is answered by all the words there are."""

    assert "deb:PACKAGE" in refuse("debian").evidence


def test_a_package_name_alone_is_answered_by_the_right_word() -> None:
    """A package name without ``deb:`` is a common slip."""

    assert refuse("linux-image-cloud-amd64").remedy == "for the package of that name, give deb:linux-image-cloud-amd64"


def test_a_dangling_link_is_told(folder: Path) -> None:
    """/vmlinuz of a distribution often points to a kernel that was removed."""
    (folder / "vmlinuz").symlink_to("boot/vmlinuz-1")

    assert refuse("vmlinuz").evidence == "it is a symbolic link to boot/vmlinuz-1, which does not exist"


def test_a_folder_that_is_no_tree_is_told_with_the_images_in_it(folder: Path) -> None:
    """The image in a folder is offered, not taken."""
    (folder / "boot").mkdir()

    assert not_a_tree("boot", folder / "boot").evidence.startswith("no Makefile with VERSION")
    (folder / "boot/vmlinuz-1").touch()
    assert not_a_tree("boot", Path("boot")).remedy == "give boot/vmlinuz-1"


@pytest.mark.parametrize(
    ("word", "reading"),
    [
        ("linux", PathReading("linux")),
        ("linux@v6.1", PathReading("linux", revision="v6.1")),
        ("linux+v4.mbox", PathReading("linux", patches="v4.mbox")),
        ("linux+v4.mbox?v=2", PathReading("linux", patches="v4.mbox?v=2")),
        ("linux@v6.1+v4.mbox", PathReading("linux", revision="v6.1", patches="v4.mbox")),
        ("linux@v6.1+deb12+v4.mbox", PathReading("linux", revision="v6.1+deb12", patches="v4.mbox")),
        ("linux+v6.1..topic", PathReading("linux", patches="v6.1..topic")),
        ("a+b@c", PathReading("a+b@c")),
        ("a+b@c@v6.1", PathReading("a+b@c", revision="v6.1")),
    ],
)
def test_a_folder_is_a_tree_with_what_follows_it(folder: Path, word: str, reading: PathReading) -> None:
    """The first reading whose files are there is taken, whatever the names hold."""
    (folder / "linux").mkdir()
    (folder / "a+b@c").mkdir()
    (folder / "v4.mbox").touch()

    assert find_named(parse_spec(word)) == reading


def test_a_series_that_is_not_there_is_told_with_what_is_near(folder: Path) -> None:
    """How the word was read is evidence, and so are the files it may have meant."""
    (folder / "linux").mkdir()
    (folder / "topic.mbox").touch()
    error = refuse("linux@v6.1+topc.mbox")

    assert error.what == "no mailbox or folder topc.mbox"
    assert error.evidence == "read as: path linux, revision v6.1, series topc.mbox\n. has:\ntopic.mbox"


def test_a_series_on_an_image_is_refused(folder: Path) -> None:
    """A built image cannot take patches."""
    (folder / "bzImage").touch()

    assert refuse("bzImage+v4.mbox").what == "bzImage is an image; a revision or a series needs a kernel tree"


def test_a_pipe_is_refused_without_being_opened(folder: Path) -> None:
    """Opening a pipe would wait for a writer for ever."""
    os.mkfifo(folder / "pipe")

    assert refuse("pipe").what == "pipe is not a kernel image: it is not a regular file"


@pytest.mark.parametrize("word", ["x" * 300, "x" * 300 + "+y", "loop"])
def test_a_path_that_cannot_be_looked_at_is_refused(folder: Path, word: str) -> None:
    """What the system says of the path is the evidence."""
    (folder / "loop").symlink_to("loop")
    error = refuse(word)

    assert error.what == f"the kernel image {word} cannot be read"
    assert "[Errno" in error.evidence
