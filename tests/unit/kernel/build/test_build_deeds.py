# SPDX-License-Identifier: GPL-2.0-only
"""Malicious Makefiles: what an untrusted series cannot do during its build."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import SeriesError
from harness.kernel.sandbox.sandbox import Bounds
from tests.unit.kernel.fake_tree import FILES
from tests.unit.kernel.workshop import Workshop


@pytest.mark.parametrize(
    ("deed", "words"),
    [
        ("echo x > $(src)/kernel/fork.c", "Read-only file system"),
        ("echo x > $(dir $(HOME))/x || cat $(HOME)/.ssh/id_rsa", "No such file"),
        ("bash -c 'exec 3<>/dev/tcp/192.0.2.1/80'", "Network is unreachable"),
        ("bash -c 'b() { b | b & wait; }; b'", "ran more than 100 processes"),
        ("cat /dev/zero | split -b 10M - $(out)/zero", "wrote more than 100 MiB"),
        ("python3 -c 'import time; x = b\"x\" * (300 << 20); time.sleep(60)'", "used more than 256 MiB of memory"),
        ("sleep 3600", "ran longer than 3.0 s"),
    ],
)
def test_what_a_makefile_may_not_do_is_the_series_fault(workshop: Workshop, deed: str, words: str) -> None:
    """Writing outside, reading a key, the network, forks for ever, a full disk or memory, sleep: each is ended."""
    makefile = FILES["Makefile"].replace('\t@echo "  LD', f'\t@{deed}\n\t@echo "  LD')
    workshop.repository.commit({"Makefile": makefile})
    bounds = Bounds(seconds=3 if "sleep 3600" in deed else 30, memory_mebibytes=256, processes=100, disk_mebibytes=100)
    with pytest.raises(SeriesError) as caught:
        workshop.build("a deed", bounds=bounds)

    assert words in f"{caught.value.what}\n{caught.value.evidence}"


def test_a_deed_that_is_hidden_is_harmless(workshop: Workshop) -> None:
    """A Makefile that swallows the errors of what it may not do builds, and has done nothing."""
    home = Path.home() / ".harness-test-was-here"
    makefile = FILES["Makefile"].replace(
        '\t@echo "  LD', f'\t-@echo x > {home}\n\t-@echo x > $(src)/Makefile\n\t@echo "  LD'
    )
    workshop.repository.commit({"Makefile": makefile})
    built = workshop.build("a deed")

    assert "Read-only" in built.log.read_text()
    assert not home.exists()


@pytest.mark.parametrize(
    "link", ["/etc/hostname", "../../../../../../../../../../../../../etc/hostname", "/proc/self/environ"]
)
def test_a_link_in_place_of_the_image_is_not_followed(workshop: Workshop, link: str) -> None:
    """What the build left is taken only if it is a plain file of the build's own."""
    makefile = (
        FILES["Makefile"]
        + f"\nvmlinux-link:\n\t@ln -sf {link} $(out)/arch/x86/boot/bzImage\nall bzImage: vmlinux-link\n"
    )
    makefile = makefile.replace("vmlinux-link:\n", "vmlinux-link: $(out)/arch/x86/boot/bzImage\n")
    workshop.repository.commit({"Makefile": makefile})
    with pytest.raises(SeriesError, match=r"bzImage is (not a regular file|missing)"):
        workshop.build("a link")
