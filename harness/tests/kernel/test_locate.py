"""Which file a PATH word names, and what is said when it names none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.kernel.locate import find_image_file
from harness.spec import parse_spec


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, so that words are relative paths as users type them."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse(word: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        find_image_file(parse_spec(word))
    return caught.value


def make_tree(folder: Path) -> Path:
    """What a kernel tree is known by."""
    (folder / "arch/x86/boot").mkdir(parents=True)
    (folder / "Makefile").touch()
    (folder / "Kbuild").touch()
    return folder


@pytest.mark.parametrize("name", ["vmlinuz", "vmlinuz-6.12.117+deb12-cloud-amd64", "a@b+c"])
def test_a_file_is_found_by_its_whole_name(folder: Path, name: str) -> None:
    """A file whose name holds ``+`` or ``@`` is that file."""
    (folder / name).touch()

    assert find_image_file(parse_spec(name)) == Path(name)


def test_a_missing_image_shows_what_is_near(folder: Path) -> None:
    """A slip of the pen is answered by near names, another name by the images that are there."""
    (folder / "vmlinuz-6.1.0-56").touch()
    (folder / "bzImage").touch()

    assert refuse("vmlinuz-6.1.0-55").what == "there is no kernel image vmlinuz-6.1.0-55"
    assert refuse("vmlinuz-6.1.0-55").evidence == "in . there is:\nvmlinuz-6.1.0-56"
    assert refuse("kernel").evidence == "in . there is:\nbzImage\nvmlinuz-6.1.0-56"


def test_a_missing_folder_is_evidence() -> None:
    """When not even the folder is there, that is said."""

    assert refuse("no/such/bzImage").evidence == "there is no folder no/such either"


def test_with_nothing_near_the_grammar_is_shown() -> None:
    """A word that may have been meant otherwise is answered by all the words there are."""

    assert "deb:PACKAGE" in refuse("debian").evidence


def test_a_package_name_alone_is_answered_by_the_right_word() -> None:
    """A package name without ``deb:`` is a common slip."""

    assert refuse("linux-image-cloud-amd64").remedy == "for the package of that name give deb:linux-image-cloud-amd64"


def test_a_dangling_link_is_told(folder: Path) -> None:
    """/vmlinuz of a distribution often points to a kernel that was removed."""
    (folder / "vmlinuz").symlink_to("boot/vmlinuz-1")

    assert refuse("vmlinuz").evidence == "it is a symbolic link to boot/vmlinuz-1, and that is not there"


def test_a_folder_is_refused_with_the_images_in_it(folder: Path) -> None:
    """The image in a folder is offered, not taken."""
    (folder / "boot").mkdir()

    assert refuse("boot").evidence == "no image in it, by the names"
    (folder / "boot/vmlinuz-1").touch()
    assert refuse("boot").remedy == "give boot/vmlinuz-1"


def test_a_tree_is_answered_with_the_image_built_in_it(folder: Path) -> None:
    """Building is not in this release: the image that was built is what to give."""
    make_tree(folder / "linux")

    assert refuse("linux").what == "building a kernel tree is not in this release (for linux)"
    (folder / "linux/arch/x86/boot/bzImage").touch()
    assert refuse("linux").remedy == "give linux/arch/x86/boot/bzImage"


@pytest.mark.parametrize(
    ("word", "read_as"),
    [
        ("linux@v6.1", "read as: path linux, revision v6.1"),
        ("linux+v4.mbox", "read as: path linux, series v4.mbox"),
        ("linux@v6.1+v4.mbox", "read as: path linux, revision v6.1, series v4.mbox"),
    ],
)
def test_revisions_and_series_are_not_in_this_release(folder: Path, word: str, read_as: str) -> None:
    """A tree at a revision or with a series is understood, shown as read, and refused for now."""
    make_tree(folder / "linux")
    error = refuse(word)

    assert error.what == f"building a kernel tree is not in this release (for {word})"
    assert error.evidence.startswith(read_as)


def test_a_series_on_an_image_is_refused(folder: Path) -> None:
    """A built image cannot take patches."""
    (folder / "bzImage").touch()

    assert refuse("bzImage+v4.mbox").what == "bzImage is an image; a revision or a series needs a kernel tree"


def test_a_pipe_is_refused_without_being_opened(folder: Path) -> None:
    """Opening a pipe would wait for a writer for ever."""
    os.mkfifo(folder / "pipe")

    assert refuse("pipe").what == "pipe is not a kernel image: it is no regular file"


@pytest.mark.parametrize("word", ["x" * 300, "x" * 300 + "+y", "loop"])
def test_a_path_that_cannot_be_looked_at_is_refused(folder: Path, word: str) -> None:
    """What the system says of the path is the evidence."""
    (folder / "loop").symlink_to("loop")
    error = refuse(word)

    assert error.what == f"the kernel image {word} cannot be read"
    assert "[Errno" in error.evidence
