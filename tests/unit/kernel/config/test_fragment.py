# SPDX-License-Identifier: GPL-2.0-only
"""Fragments of a config: what their lines ask for, where they stand, and what happens when two disagree."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base import paths as places
from harness.base.errors import UsageError
from harness.base.kernel_release import Release
from harness.kernel.config.fragment import Fragment, OptionRequest, Versions, merge, parse_fragment, render_requests

WHOLE = "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.192 Kernel Configuration\n#\nCONFIG_X=y\n"


def requests_of(text: str) -> tuple[OptionRequest, ...]:
    """What a fragment of that text asks for."""
    return parse_fragment(text, name="my.config").requests


def values(text: str) -> dict[str, str]:
    """The same, as options and values."""
    return {request.option: request.value for request in requests_of(text)}


def test_each_kind_of_line_is_a_request() -> None:
    """Built in, off in both spellings, numbers and strings; comments and empty lines ask for nothing."""
    text = '# why\n\nCONFIG_A=y\nCONFIG_B=n\n# CONFIG_C is not set\nCONFIG_D=-7\nCONFIG_E=0x1F\nCONFIG_F="a \\"b\\""\n'

    assert values(text) == {
        "CONFIG_A": "y",
        "CONFIG_B": "n",
        "CONFIG_C": "n",
        "CONFIG_D": "-7",
        "CONFIG_E": "0x1F",
        "CONFIG_F": '"a \\"b\\""',
    }


def test_a_request_knows_its_place() -> None:
    """File, line and text of a request are those of the fragment."""
    (request,) = requests_of("# why\nCONFIG_A=y\n")

    assert str(request) == "my.config:2: CONFIG_A=y"


def test_a_module_is_asked_for_as_built_in() -> None:
    """The guest loads no modules; kselftests ask for many."""
    assert values("CONFIG_A=m\n") == {"CONFIG_A": "y"}


def test_line_ends_of_another_system_and_trailing_space_do_not_matter() -> None:
    """Fragments arrive by mail."""
    assert values("CONFIG_A=y\r\n# CONFIG_B is not set  \r\n") == {"CONFIG_A": "y", "CONFIG_B": "n"}


@pytest.mark.parametrize(
    "line",
    [
        "CONFIG_A",
        "CONFIG_A=",
        "CONFIG_A=yes",
        "CONFIG_A=y # why",
        'CONFIG_A="open',
        " CONFIG_A=y",
        "A=y",
        "#CONFIG_A is not set",
        "# CONFIG_A is not set.",
        "# versions: 6.1",
        "# versions: ..",
        "# versions: 6.1..5.4",
        "# versions: 6.1..\n# and no option",
        "# versions: 6.1..\n\nCONFIG_A=y",
    ],
)
def test_a_malformed_line_is_named(line: str) -> None:
    """What kconfig would pass over in silence is an error with file and line."""
    with pytest.raises(UsageError) as caught:
        requests_of(f"CONFIG_OK=y\n{line}\n")

    assert caught.value.what.startswith("my.config:2: ")
    assert "is not set" in caught.value.evidence


def test_a_mark_of_versions_is_of_the_next_option_alone() -> None:
    """The option below a mark has it, the one after that has none."""
    first, second = requests_of("# versions: 4.6..6.10\nCONFIG_A=y\nCONFIG_B=y\n")

    assert first.versions == Versions((4, 6), (6, 10))
    assert second.versions is None


@pytest.mark.parametrize(
    ("mark", "release", "is_covered"),
    [
        ("4.6..6.10", "4.5.9", False),
        ("4.6..6.10", "4.6.0-rc1", True),
        ("4.6..6.10", "6.10.14", True),
        ("4.6..6.10", "6.11-rc1", False),
        ("..6.10", "2.6.32", True),
        ("6.11..", "6.11-rc1", True),
        ("6.11..", "7.0", True),
    ],
)
def test_both_ends_of_a_range_are_in_it(mark: str, release: str, is_covered: bool) -> None:
    """A stable release and a candidate count as their version; an end left out is open."""
    (request,) = requests_of(f"# versions: {mark}\nCONFIG_A=y\n")
    parsed = Release.parse(release)

    assert parsed is not None
    assert request.versions is not None
    assert request.versions.cover(parsed) is is_covered
    assert str(request.versions) == mark


def test_a_whole_config_is_known_by_its_header() -> None:
    """It asks for nothing, it is what requests are applied to; without its header it is a fragment like any other."""
    assert parse_fragment(WHOLE, name="mine") == Fragment("mine", start=WHOLE)
    assert requests_of(WHOLE.split("#\n")[-1])


def test_the_same_value_twice_is_one_request() -> None:
    """Fragments may overlap; hexadecimal digits and modules count for what they mean."""
    one = parse_fragment("CONFIG_A=y\nCONFIG_B=0x1f\n", name="one")
    two = parse_fragment("CONFIG_B=0X1F\nCONFIG_A=m\nCONFIG_A=y\n", name="two")

    assert [str(request) for request in merge([one, two])] == ["one:1: CONFIG_A=y", "one:2: CONFIG_B=0x1f"]


def test_fragments_that_disagree_are_shown_with_both_places() -> None:
    """The error shows all such pairs, each with file, line and text."""
    one = parse_fragment("CONFIG_A=y\nCONFIG_B=4\n", name="one")
    two = parse_fragment("\nCONFIG_B=8\n# CONFIG_A is not set\n", name="two")

    with pytest.raises(UsageError) as caught:
        merge([one, two])

    assert caught.value.what == "the config fragments conflict on 2 options"
    assert caught.value.evidence.split("\n\n") == [
        "one:2: CONFIG_B=4\ntwo:2: CONFIG_B=8",
        "one:1: CONFIG_A=y\ntwo:3: # CONFIG_A is not set",
    ]


@pytest.mark.parametrize(
    ("line", "value", "is_met"),
    [
        ("CONFIG_A=y", "y", True),
        ("CONFIG_A=y", "m", False),
        ("CONFIG_A=y", None, False),
        ("CONFIG_A=n", None, True),
        ("CONFIG_A=n", "n", True),
        ("CONFIG_A=n", "y", False),
        ("CONFIG_A=0x1F", "0x1f", True),
        ('CONFIG_A="a b"', "a b", True),
        ('CONFIG_A=""', None, False),
    ],
)
def test_a_request_is_met_by_the_value_it_asks_for(line: str, value: str | None, is_met: bool) -> None:
    """An absent option is one that is off."""
    (request,) = requests_of(line)

    assert request.is_met_by(value) is is_met


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"CONFIG_[A-Z0-9_]{1,12}", fullmatch=True),
            st.sampled_from(["y", "n", "7", "0x20", '"a \\\\ b"']),
        ),
        max_size=8,
        unique_by=lambda pair: pair[0],
    )
)
def test_rendered_requests_read_the_same(pairs: list[tuple[str, str]]) -> None:
    """What is handed to the kernel's tools asks for the same."""
    requests = [OptionRequest(option, value, "", "") for option, value in pairs]

    assert list(values(render_requests(requests)).items()) == pairs


SETTING = re.compile(r"# (?:append|fragments|make|processors|requires): ")
"""A line at the top of a variant."""


@pytest.mark.parametrize("path", sorted(places.KCONFIGS.glob("*.config")), ids=lambda path: path.stem)
def test_every_shipped_option_has_its_reason_above_it(path: Path) -> None:
    """Each paragraph of options begins with a comment that people read, after the settings of a variant."""
    text = path.read_text()
    paragraphs = [paragraph.strip("\n").split("\n") for paragraph in text.split("\n\n")]
    settings = ("# versions:", "# optional:")

    assert parse_fragment(text, name=path.stem).requests or "# make:" in text
    for lines in paragraphs:
        reason = next((line for line in lines if not SETTING.match(line)), "")
        assert reason.startswith("# ")
        assert not reason.startswith(settings)


def test_the_shipped_fragments_agree() -> None:
    """Any of them can be added to the others, apart from variants, which contradict each other."""
    paths = [path for path in sorted(places.KCONFIGS.glob("*.config")) if not path.stem.startswith("variant-")]
    fragments = [parse_fragment(path.read_text(), name=path.stem) for path in paths]

    assert merge(fragments)


def test_an_optional_request_is_of_the_next_option_alone() -> None:
    """Directly above it; anywhere else the mark is a comment."""
    text = "# optional: a test\nCONFIG_A=y\nCONFIG_B=y\n# optional: a test\n# versions: 4.6..\nCONFIG_C=y\n"
    found = {one.option: one.is_optional for one in requests_of(text + "# optional: x\n\nCONFIG_D=y\n")}

    assert found == {"CONFIG_A": True, "CONFIG_B": False, "CONFIG_C": False, "CONFIG_D": False}


def test_an_optional_request_gives_way() -> None:
    """Whichever fragment comes first; two of them conflict as little as one with itself."""
    optional = parse_fragment("# optional: a test\nCONFIG_A=y\n", name="a")
    needed = parse_fragment("# CONFIG_A is not set\n", name="b")

    for fragments in ([optional, needed], [needed, optional]):
        (request,) = merge(fragments)
        assert (request.value, request.is_optional) == ("n", False)
    (request,) = merge([optional, optional])
    assert request.is_optional


def test_merge_prefers_a_request_for_all_releases() -> None:
    """A fragment that needs an option on every release gets it, though another one asks for it on old releases only."""
    old = parse_fragment("# versions: ..4.20\nCONFIG_PCI=y\n", name="base")
    every = parse_fragment("CONFIG_PCI=y\n", name="debian")
    assert [one.versions for one in merge([old, every])] == [None]
    assert [one.versions for one in merge([every, old])] == [None]
