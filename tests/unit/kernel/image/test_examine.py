# SPDX-License-Identifier: GPL-2.0-only
"""Image files on disk: read once, and their config found."""

from __future__ import annotations

import gzip
import hashlib
import os
from pathlib import Path

import pytest

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import UsageError
from harness.base.store import Store
from harness.kernel.config.kconfig import ConfigSource
from harness.kernel.image.examine import ExaminedImage, FoundConfig, examine_image, find_config
from tests.unit.kernel.images import bzimage, embed_config, vmlinux

RELEASE = "6.1.0-rc3-test"
CONFIG = "# Linux/x86 6.1.0-rc3 Kernel Configuration\nCONFIG_64BIT=y\n"
OTHER = CONFIG + "CONFIG_OTHER=y\n"
WITH_CONFIG = gzip.compress(vmlinux(content=embed_config(OTHER)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "store")


def examine(store: Store, path: Path) -> ExaminedImage:
    return examine_image(store, path, name="it")


def config_of(store: Store, path: Path) -> FoundConfig:
    return find_config(Context(store, Deadline.after(120)), examine(store, path))


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_an_image_gives_facts_and_digest(store: Store, tmp_path: Path) -> None:
    """The digest is what sha256sum says of the file."""
    path = write(tmp_path / "bzImage", bzimage(release=RELEASE, payload=WITH_CONFIG))
    examined = examine(store, path)

    assert examined.facts.release == RELEASE
    assert examined.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("data", [bzimage(payload=WITH_CONFIG), bzimage(release=""), vmlinux(has_pvh_entry=False)])
def test_an_unchanged_file_is_not_read_again(store: Store, tmp_path: Path, data: bytes) -> None:
    """A file of the same place, size and time gives what was remembered, without a look inside."""
    path = write(tmp_path / "bzImage", data)
    first = examine(store, path)
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"garbage")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert examine(store, path) == first


def test_a_changed_file_is_read_again(store: Store, tmp_path: Path) -> None:
    """A rebuilt image is another kernel."""
    path = write(tmp_path / "bzImage", bzimage(release="6.1.0"))
    examine(store, path)
    write(path, bzimage(release="6.1.1"))

    assert examine(store, path).facts.release == "6.1.1"


def test_a_damaged_memory_is_read_anew(store: Store, tmp_path: Path) -> None:
    """Facts in the store that make no sense are as none."""
    path = write(tmp_path / "bzImage", bzimage())
    first = examine(store, path)
    (fact,) = (store.folder / "kernel-image-facts").glob("*.json")
    fact.write_text(fact.read_text().replace("bzImage", "nonsense"))

    assert examine(store, path) == first


def test_an_unreadable_image_is_a_usage_error(store: Store, tmp_path: Path) -> None:
    """What the system says is the evidence."""
    with pytest.raises(UsageError, match="the kernel image it cannot be read"):
        examine(store, tmp_path / "gone")


def test_the_config_of_a_distribution_stands_beside_its_image(store: Store, tmp_path: Path) -> None:
    """``config-RELEASE`` is the image's own by its name, whatever version its comment says, and comes first."""
    path = write(tmp_path / "vmlinuz-x", bzimage(release=RELEASE, payload=WITH_CONFIG))
    write(tmp_path / f"config-{RELEASE}", "# Linux/x86 6.0.9 Kernel Configuration\nCONFIG_BY_NAME=y\n")
    write(tmp_path / "config", CONFIG)
    found = config_of(store, path)

    assert found.config is not None
    assert found.config.source is ConfigSource.BESIDE
    assert found.config.value("CONFIG_BY_NAME") == "y"
    assert found.notes == ()


def test_the_config_beside_the_target_of_a_link_is_found(store: Store, tmp_path: Path) -> None:
    """/vmlinuz is a link into /boot, where the config is."""
    write(tmp_path / "boot/vmlinuz-x", bzimage(release=RELEASE))
    write(tmp_path / f"boot/config-{RELEASE}", CONFIG)
    (tmp_path / "vmlinuz").symlink_to("boot/vmlinuz-x")

    assert config_of(store, tmp_path / "vmlinuz").config is not None


@pytest.mark.parametrize(
    ("image", "config"),
    [("vmlinuz", "config"), ("vmlinuz", ".config"), ("linux/arch/x86/boot/bzImage", "linux/.config")],
)
def test_a_config_of_the_same_version_is_taken(store: Store, tmp_path: Path, image: str, config: str) -> None:
    """A config beside the image, or of the tree that it was built in, is taken when its version is the image's."""
    write(tmp_path / config, CONFIG)
    found = config_of(store, write(tmp_path / image, bzimage(release=RELEASE)))

    assert found.config is not None
    assert found.config.source is ConfigSource.BESIDE
    assert found.why_none == ""


@pytest.mark.parametrize(
    ("config", "release", "doubt"),
    [
        (CONFIG.replace("6.1.0-rc3", "6.1.0-rc4"), RELEASE, f"its version is 6.1.0-rc4, the image's is {RELEASE}"),
        (CONFIG.replace("6.1.0-rc3", "6.1.1"), "6.1.10", "its version is 6.1.1, the image's is 6.1.10"),
        (CONFIG, "", "its version is 6.1.0-rc3, the image's is unknown"),
        ("CONFIG_64BIT=y\n", RELEASE, "it has no version comment"),
    ],
)
def test_a_config_in_doubt_is_not_taken(store: Store, tmp_path: Path, config: str, release: str, doubt: str) -> None:
    """A config that may be another kernel's is left, with a note, for the one in the image."""
    file = write(tmp_path / "config", config)
    found = config_of(store, write(tmp_path / "bzImage", bzimage(release=release, payload=WITH_CONFIG)))

    assert found.config is not None
    assert found.config.source is ConfigSource.IN_IMAGE
    assert found.notes == (f"{file} was not used as the kernel's config: {doubt}",)


def test_a_config_changed_after_the_build_is_not_taken(store: Store, tmp_path: Path) -> None:
    """The .config of a tree may be for the next build; a copied ``config`` may well be younger than its image."""
    image = write(tmp_path / "bzImage", bzimage(release=RELEASE))
    write(tmp_path / ".config", CONFIG)
    os.utime(image, ns=(1, 1))
    found = config_of(store, image)

    assert found.config is None
    assert "it was changed after the image was built" in found.notes[0]
    write(tmp_path / "config", CONFIG)
    assert config_of(store, image).config is not None


@pytest.mark.parametrize("data", [bzimage(payload=WITH_CONFIG), vmlinux(content=embed_config(OTHER))])
def test_the_config_in_the_image_is_found(store: Store, tmp_path: Path, data: bytes) -> None:
    """A bzImage is unpacked for its IKCONFIG, a vmlinux read as it is; the second time the image is not unpacked."""
    path = write(tmp_path / "image", data)
    found = config_of(store, path)
    examined = examine(store, path)
    path.unlink()

    assert found.config is not None
    assert (found.config.source, found.config.value("CONFIG_OTHER")) == (ConfigSource.IN_IMAGE, "y")
    assert find_config(Context(store, Deadline.never()), examined) == found


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (bzimage(payload=gzip.compress(vmlinux(), mtime=0)), "none inside it (CONFIG_IKCONFIG is not set)"),
        (bzimage(), "its boot header does not locate the kernel inside"),
        (bzimage(payload=b"unknown"), "the image cannot be unpacked: its compression format is unknown"),
    ],
)
def test_an_unknown_config_is_said_as_unknown(store: Store, tmp_path: Path, data: bytes, reason: str) -> None:
    """Without a config anywhere the reason says where was looked."""
    path = write(tmp_path / "image", data)
    first, second = config_of(store, path), config_of(store, path)

    assert first.config is None
    assert first.why_none == f"no config beside the image, and {reason}"
    assert second == first
