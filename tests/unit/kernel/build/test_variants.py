# SPDX-License-Identifier: GPL-2.0-only
"""Variants of kernels: reading ``--variants``, and the header of a fragment."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.kernel.build.variants import read_variants, require_source, variant_names
from harness.kernel.config.fragment_files import find_named_fragment
from harness.kernel.config.kconfig import NO_SUITE, SuiteConfig
from harness.model.variant import NO_VARIANT, Variant


def test_read_variants_gives_shipped_ones_in_order() -> None:
    """The debug kernel is made of several fragments, and its own comes last."""
    debug, up = read_variants("debug, up")

    assert (debug.name, up.name) == ("debug", "up")
    assert debug.fragments[-1] == "variant-debug"
    assert {"lockdep", "kasan"} < set(debug.fragments)
    assert up.fragments == ("variant-up",)
    assert debug.is_shipped
    assert not NO_VARIANT


@pytest.mark.parametrize("name", variant_names())
def test_shipped_variants_can_be_read(name: str) -> None:
    """Each fragment that a variant names exists, and so does an option that it requires."""
    (variant,) = read_variants(name)

    texts = []
    for one in variant.fragments:
        path = find_named_fragment(one, NO_SUITE)
        assert path is not None, one
        texts.append(path.read_text())
    assert all(f"\n{option}=y\n" in "".join(texts) for option in variant.requires)


def test_read_variants_reads_a_file_with_its_header(tmp_path: Path) -> None:
    """A user's own fragment may name other fragments, a compiler, and parameters."""
    file = tmp_path / "variant-mine.config"
    file.write_text("# fragments: kasan\n# make: LLVM=1\n# append: a=1 b\n# Why.\n# make: CC=x\nCONFIG_X=y\n")

    assert read_variants(str(file)) == (
        Variant("mine", ("kasan", str(file)), ("LLVM=1",), ("a=1", "b"), is_shipped=False),
    )


def test_read_variants_finds_those_of_a_suite(tmp_path: Path) -> None:
    """A suite may bring variants of its own; they win over shipped ones of the same name."""
    (tmp_path / "variant-mine.config").write_text("CONFIG_X=y\n")
    suite = SuiteConfig(tmp_path)

    assert "mine" in variant_names(suite)
    assert read_variants("mine", suite)[0].fragments == ("variant-mine",)


@pytest.mark.parametrize(
    ("argument", "what"),
    [
        ("nonsense", "no variant nonsense"),
        ("debug,nonsense", "no variant nonsense"),
        ("./none.config", "cannot be read"),
        ("debug,debug", "debug occurs twice"),
        (",", "no variant"),
        ("{}/plain.config", "cannot be the name of a variant"),
        ("{}/make.config", "not a choice of compiler"),
        ("{}/whole.config", "is a whole .config"),
        ("{}/broken.config", "invalid line"),
    ],
)
def test_read_variants_refuses(tmp_path: Path, argument: str, what: str) -> None:
    """Each mistake is named, with the valid names where they help."""
    (tmp_path / "plain.config").write_text("CONFIG_X=y\n")
    (tmp_path / "make.config").write_text("# make: HOSTCC=./evil\nCONFIG_X=y\n")
    (tmp_path / "whole.config").write_text("# Automatically generated file; DO NOT EDIT.\nCONFIG_X=y\n")
    (tmp_path / "broken.config").write_text("CONFIG X\n")

    with pytest.raises(UsageError) as caught:
        read_variants(argument.format(tmp_path))

    assert what in str(caught.value)
    assert "hint: " in str(caught.value)


def test_unknown_variant_lists_the_known_ones() -> None:
    """The list is the evidence."""
    with pytest.raises(UsageError) as caught:
        read_variants("dbug")

    assert all(name in caught.value.evidence for name in variant_names())


def test_require_source_refuses_prebuilt_kernels_and_in_place_builds() -> None:
    """Their configuration is given; without variants nothing is refused."""
    debug = read_variants("debug")

    require_source(["deb"], (), is_in_place=True)
    require_source([], debug, is_in_place=False)
    with pytest.raises(UsageError, match="deb is a prebuilt kernel"):
        require_source(["deb"], debug, is_in_place=False)
    with pytest.raises(UsageError, match="--in-place"):
        require_source([], debug, is_in_place=True)
