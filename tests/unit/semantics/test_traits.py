# SPDX-License-Identifier: GPL-2.0-only
"""Tests of ``harness/semantics/traits.py`` and of the data that it reads, ``cases/semantics.toml``."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.base.errors import CaseError, SeriesError, UsageError
from harness.semantics.profile import Declaration, Expectation
from harness.semantics.traits import AUTO, Semantics, load_semantics

SHIPPED = Path(__file__).parents[3] / "cases" / "cgroupns" / "semantics.toml"

SMALL = """
[trait.view]
meaning = "what is shown"
theme = "view"
scenarios = ["P-04"]
[trait.view.values]
absolute = "/sub"
relative = "/.."

[trait.agent]
meaning = "who may set the agent"
theme = "writes"
scenarios = []
[trait.agent.values]
allowed = "0"
refused = "EPERM"

[profile.v0]
title = "the first"
date = 2014-07-17
source = "a mail"
[profile.v0.traits]
view = { value = "absolute", confirmed = false, source = "inferred" }

[profile.mainline]
title = "merged"
source = "commits"
landmarks = ["4.6", "4.9"]
[profile.mainline.changes]
view = [{ since = "4.6", value = "relative", confirmed = true, source = "commit one" }]
agent = [
    { since = "4.6", value = "allowed", confirmed = true, source = "commit two" },
    { since = "5.17", value = "refused", confirmed = true, backported = ["5.16.6"], source = "commit three" },
]
"""


@pytest.fixture(scope="module")
def shipped() -> Semantics:
    """The data that the harness ships with."""
    return load_semantics(SHIPPED.read_text(), path="cases/semantics.toml")


@pytest.fixture
def small() -> Semantics:
    """Two traits, one posting, mainline."""
    return load_semantics(SMALL, path="small.toml")


def _expected(semantics: Semantics, trait: str, release: str) -> tuple[str, bool] | None:
    found = semantics.profile("mainline", release=release).expectations.get(trait)
    return None if found is None else (found.value, found.confirmed)


def _all_cells(semantics: Semantics) -> list[tuple[str, str, Expectation]]:
    """Every cell of the file: profile, trait, expectation."""
    posted = [
        (name, trait, cell)
        for name, posting in semantics.postings.items()
        for trait, cell in posting.expectations.items()
    ]
    merged = [
        (f"mainline {change.since}", trait, change.expectation)
        for trait, changes in semantics.changes.items()
        for change in changes
    ]
    return posted + merged


# ------------------------------------------------------------------------------------------------------- the loader


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("[trait.view]", "[trait.view", "small.toml is not TOML"),
        ('meaning = "what is shown"\n', "", "small.toml: trait.view.meaning is missing"),
        ('meaning = "what is shown"', 'meaning = ""', "small.toml: trait.view.meaning is empty"),
        ('theme = "view"', 'theme = "view"\ncolour = "red"', "small.toml: trait.view.colour is not a known key"),
        ('["P-04"]', '["P4"]', "small.toml: trait.view: P4 is not the id of a scenario"),
        ('theme = "view"', 'theme = "view"\nunseen = ["odd"]', "small.toml: trait.view: unseen names odd"),
        ('relative = "/.."\n', "", "small.toml: trait.view.values: a trait needs two values or more"),
        ('relative = "/.."', 'relative = ""', "small.toml: trait.view.values.relative is empty"),
        ("[profile.v0]", "[profile.auto]", "small.toml: profile.auto: the name auto is reserved"),
        ("date = 2014-07-17", 'date = "July"', "small.toml: profile.v0.date is not a date"),
        ('value = "absolute"', 'value = "odd"', "small.toml: profile.v0.traits.view: view has no value odd"),
        ('view = { value = "absolute"', 'wiew = { value = "absolute"', "no trait wiew; did you mean view?"),
        (', source = "inferred"', "", "small.toml: profile.v0.traits.view.source is missing"),
        ('source = "inferred"', 'source = ""', "small.toml: profile.v0.traits.view.source is empty"),
        ("confirmed = false, ", "", "small.toml: profile.v0.traits.view.confirmed is missing"),
        ('value = "relative"', 'value = "odd"', "small.toml: profile.mainline.changes.view[0]: view has no value odd"),
        ('since = "4.6", value = "relative"', 'since = "4.6"', "profile.mainline.changes.view[0].value is missing"),
        ('"5.17"', '"4.5"', "small.toml: profile.mainline.changes.agent[1]: 4.5 comes after 4.6"),
        ('"5.17"', '"4.6"', "small.toml: profile.mainline.changes.agent[1]: 4.6 comes after 4.6"),
        ('"5.17"', '"v5.17"', "small.toml: profile.mainline.changes.agent[1]: v5.17 is not a release"),
        ('"5.17"', '"5.17-rc1"', "small.toml: profile.mainline.changes.agent[1]: 5.17-rc1 is not a release"),
        ('["5.16.6"]', '["x"]', "small.toml: profile.mainline.changes.agent[1]: x is not a release"),
        ('["5.16.6"]', "[]\nodd = 1", "small.toml is not TOML"),
        ('backported = ["5.16.6"]', "odd = 1", "small.toml: profile.mainline.changes.agent[1].odd is not a known key"),
        ("\nagent = [", "\nagent_ = [", "no trait agent_; did you mean agent?"),
        ("[profile.mainline", "[profile.merged", "small.toml: profile.merged.traits is missing"),
        ("[trait.view]", "[other]\n[trait.view]", "small.toml: other is not a known key"),
        ('theme = "view"', 'theme = "view"\nstory = ""', "small.toml: trait.view.story is empty"),
        ("[profile.mainline.changes]", "[profile.mainline.released]\n4 = 1\n[profile.mainline.changes]", "4 is not a"),
        (
            "[profile.mainline.changes]",
            '[profile.mainline.released]\n"4.6" = "May"\n[profile.mainline.changes]',
            "small.toml: profile.mainline.released.4.6 is not a date",
        ),
    ],
)
def test_a_broken_file_names_file_and_key(old: str, new: str, complaint: str) -> None:
    """Whatever is wrong with the file is an error that names the file and the key, and says what to do."""
    assert old in SMALL

    with pytest.raises(CaseError) as caught:
        load_semantics(SMALL.replace(old, new), path="small.toml")

    assert complaint in caught.value.what
    assert caught.value.remedy


def test_a_file_without_mainline_is_broken() -> None:
    """Every kernel that is not a posting is compared with mainline, so a file without it is an error."""
    with pytest.raises(CaseError, match=r"small\.toml: the profile mainline is missing"):
        load_semantics(SMALL[: SMALL.index("[profile.mainline]")], path="small.toml")


def test_a_series_changes_a_profile(small: Semantics) -> None:
    """What a series declares takes the place of what its base says, with its source; all else stays, base included."""
    base = small.profile("mainline", release="6.1")
    changed = small.changed(base, Declaration("unchecked", {"agent": "allowed"}, "the series"))

    assert changed.name == "unchecked"
    assert changed.expectations["agent"] == Expectation("allowed", "the series", confirmed=True)
    assert changed.expectations["view"] == base.expectations["view"]
    assert base.values == {"view": "relative", "agent": "refused"}


def test_a_series_may_speak_of_what_its_base_does_not(small: Semantics) -> None:
    """A trait that the base says nothing of is added; what is not confirmed stays so and fails nothing."""
    declared = Declaration("x", {"agent": "allowed"}, "y", confirmed=False)
    changed = small.changed(small.profile("v0", release=None), declared)

    assert changed.values == {"view": "absolute", "agent": "allowed"}
    assert not changed.expectations["agent"].confirmed


@pytest.mark.parametrize(
    ("trait", "value", "complaint"),
    [("wiew", "relative", "no trait wiew; did you mean view?"), ("view", "odd", "view has no value odd")],
)
def test_a_series_declares_what_there_is(small: Semantics, trait: str, value: str, complaint: str) -> None:
    """A wrong trait or value would never be seen and so never be missed: it is the series' fault, by its name."""
    with pytest.raises(SeriesError) as caught:
        small.changed(small.profile("auto", release=None), Declaration("odd-one", {trait: value}, "y"))

    assert caught.value.what.startswith(f"the series odd-one declares {trait} = {value}: {complaint}")
    assert caught.value.remedy


def test_values_come_out_in_the_order_of_the_file(small: Semantics) -> None:
    """Reports show traits as the file orders them, so the order is kept."""
    assert list(small.traits) == ["view", "agent"]
    assert list(small.traits["view"].values.items()) == [("absolute", "/sub"), ("relative", "/..")]
    assert small.postings["v0"].date == "2014-07-17"
    assert small.names == ("auto", "mainline", "mainline-latest", "v0")
    assert small.known_values == {"view": ("absolute", "relative"), "agent": ("allowed", "refused")}


def test_complaint_serves_guards_and_sightings(small: Semantics) -> None:
    """An unknown trait or value is said in words, with near names; a known pair is not complained of."""
    assert small.complaint("view", "relative") == ""
    assert small.complaint("vew", "relative") == "no trait vew; did you mean view?"
    assert small.complaint("view", "odd") == "view has no value odd; it has absolute, relative"


# ----------------------------------------------------------------------------------------------------- the profiles


@pytest.mark.parametrize(
    ("release", "name", "agent"),
    [
        ("4.5.7", "mainline-4.5.7", None),
        ("4.6.0-rc1", "mainline-4.6-rc1", ("allowed", False)),
        ("4.6", "mainline-4.6", ("allowed", False)),
        ("5.10.0-8-amd64", "mainline-5.10", ("allowed", False)),
        ("5.16.5", "mainline-5.16.5", ("allowed", False)),
        ("5.16.6", "mainline-5.16.6", ("refused", True)),
        ("5.17.0-rc2", "mainline-5.17-rc2", ("refused", False)),
        ("5.17", "mainline-5.17", ("refused", True)),
        ("6.1.0-56-cloud-amd64", "mainline-6.1", ("refused", True)),
    ],
)
def test_mainline_is_resolved_by_release(
    small: Semantics, release: str, name: str, agent: tuple[str, bool] | None
) -> None:
    """The last change before a release counts; where a stable branch may or may not have one, nothing is confirmed."""
    assert small.profile("mainline", release=release).name == name
    assert _expected(small, "agent", release) == agent


def test_a_change_that_stayed_in_mainline_leaves_older_releases_confirmed() -> None:
    """Without ``backported`` a change is a feature: an older kernel surely does not have it."""
    semantics = load_semantics(SMALL.replace('backported = ["5.16.6"], ', ""), path="small.toml")

    assert _expected(semantics, "agent", "5.10.3") == ("allowed", True)


def test_a_doubted_expectation_says_why(small: Semantics) -> None:
    """The source of a doubted expectation names the change that the kernel may carry."""
    found = small.profile("mainline", release="5.10.3").expectations["agent"]

    assert found.source == "commit two; unless this kernel has commit three"


def test_the_newest_mainline_has_a_name(small: Semantics) -> None:
    """mainline-latest is what the last change of each trait says, whatever the kernel under test is."""
    latest = small.profile("mainline-latest", release="4.6")

    assert latest.name == "mainline-latest"
    assert latest.values == {"view": "relative", "agent": "refused"}
    assert latest.expectations["agent"].confirmed


@pytest.mark.parametrize(
    ("stable", "expected"),
    [
        ("", ("allowed", False)),
        ("5.16.5", ("allowed", True)),
        ("5.16.6", ("refused", True)),
        ("5.15.9", ("allowed", False)),
    ],
)
def test_a_known_stable_version_decides(small: Semantics, stable: str, expected: tuple[str, bool]) -> None:
    """A distribution's release hides how far its stable branch went; its banner may tell. The name stays short."""
    release = f"{stable.rpartition('.')[0] or '5.16'}.0-3-amd64"
    profile = small.profile("mainline", release=release, stable=stable)
    agent = profile.expectations["agent"]

    assert (agent.value, agent.confirmed) == expected
    assert profile.name == f"mainline-{release[:4]}"


@pytest.mark.parametrize(
    ("release", "is_later"), [("5.17.0-rc1", False), ("5.18.3", False), ("5.19-rc1", True), ("7.0", True)]
)
def test_a_profile_beyond_the_newest_release_says_so(release: str, is_later: bool) -> None:
    """A later kernel is judged by the newest release that is known, and the run notes it."""
    known = load_semantics(SMALL.replace("landmarks", 'newest = "5.18"\nlandmarks'), path="small.toml")
    profile = known.profile("mainline", release=release)

    assert profile.expectations["agent"].value == "refused"
    assert profile.extrapolated_from == ("5.18" if is_later else "")
    assert profile.note.endswith("the newest release that the suite knows is 5.18") is is_later
    assert not known.profile("mainline-latest", release=None).note


def test_the_shown_profiles_hold_each_change_and_the_landmarks(small: Semantics) -> None:
    """Postings, then mainline where something changes or where one looks for it, then the newest."""
    assert [one.name for one in small.shown()] == [
        "v0",
        *(f"mainline-{release}" for release in ("4.6", "4.9", "5.17", "latest")),
    ]


def test_a_landmark_is_a_release() -> None:
    """The suite says which releases are shown besides; a suite that names none has none."""
    assert [str(release) for release in load_semantics(SMALL, path="small.toml").landmarks] == ["4.6", "4.9"]
    assert not load_semantics(SMALL.replace('landmarks = ["4.6", "4.9"]\n', ""), path="small.toml").landmarks
    with pytest.raises(CaseError, match="latest is not a release"):
        load_semantics(SMALL.replace('["4.6", "4.9"]', '["latest"]'), path="small.toml")


def test_of_some_traits_only_what_speaks_of_them_is_shown(small: Semantics) -> None:
    """A theme has no columns in which nothing is said, and no release in which nothing of it changes."""
    assert [one.name for one in small.shown(["agent"])] == ["mainline-4.6", "mainline-5.17", "mainline-latest"]
    assert [one.name for one in small.shown(["view"])] == ["v0", "mainline-4.6", "mainline-latest"]


def test_story_and_dates_are_read() -> None:
    """A trait may have a story, mainline dates of releases; both may be left out."""
    text = SMALL.replace('theme = "view"', 'theme = "view"\nstory = """\nOnce.\n\nThen.\n"""')
    head = "[profile.mainline.changes]"
    text = text.replace(head, f'[profile.mainline.released]\n"4.6" = 2016-05-15\n{head}')
    semantics = load_semantics(text, path="small.toml")

    assert semantics.traits["view"].story == "Once.\n\nThen."
    assert semantics.traits["agent"].story == ""
    assert {str(release): date for release, date in semantics.released.items()} == {"4.6": "2016-05-15"}


def test_profiles_by_name(small: Semantics) -> None:
    """``auto`` expects nothing; a release can be named; a posting does not look at the kernel's release."""
    assert small.profile(AUTO, release=None).expectations == {}
    assert small.profile("mainline-6.1", release="4.4").name == "mainline-6.1"
    assert small.profile("v0", release="6.1").expectations["view"] == Expectation("absolute", "inferred", False)


@pytest.mark.parametrize(
    ("name", "release", "what", "remedy"),
    [
        (
            "mainlin",
            "6.1",
            "no profile mainlin; did you mean mainline or mainline-latest?",
            "use one of auto, mainline, mainline-latest",
        ),
        ("v9", "6.1", "no profile v9", "use one of auto, mainline, mainline-latest"),
        ("mainline-next", "6.1", "no profile mainline-next", "mainline-RELEASE such as mainline-6.1"),
        ("mainline", None, "the profile mainline needs the kernel's release", "--profile auto"),
        ("mainline", "unknown", "the profile mainline needs the kernel's release", "--profile mainline-6.1"),
    ],
)
def test_a_profile_that_does_not_exist(
    small: Semantics, name: str, release: str | None, what: str, remedy: str
) -> None:
    """An unknown name is a usage error that lists the known names."""
    with pytest.raises(UsageError) as caught:
        small.profile(name, release=release)

    assert what in caught.value.what
    assert remedy in caught.value.remedy


# ------------------------------------------------------------------------------------------------------ the data


def test_every_value_is_held_by_a_profile_or_called_unseen(shipped: Semantics) -> None:
    """A value that no profile holds is listed as unseen, and a value that one holds is not."""
    held = {(trait, cell.value) for _, trait, cell in _all_cells(shipped)}
    for trait in shipped.traits.values():
        unheld = {value for value in trait.values if (trait.name, value) not in held}

        assert unheld == set(trait.unseen), trait.name


def test_every_trait_is_in_mainline(shipped: Semantics) -> None:
    """Mainline has each trait that it can show; in the newest release a build decides what is not confirmed."""
    newest = shipped.profile("mainline", release="7.3.4")
    gone = {trait.name for trait in shipped.traits.values() if trait.theme == "ns_cgroup"} - {"ns_controller"}
    by_build = {"cpuset_type", "v1_without_files"}

    assert set(newest.expectations) == set(shipped.traits) - gone
    assert {trait for trait, cell in newest.expectations.items() if not cell.confirmed} == by_build


def test_names_are_consistent(shipped: Semantics) -> None:
    """Names are lower case words; meanings are one sentence without a full stop; scenarios show them."""
    for trait in shipped.traits.values():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", trait.name)
        assert all(re.fullmatch(r"[a-z]+", value) for value in trait.values)
        assert re.fullmatch(r"(what|which|who|whose|whether)\b.*[^.]", trait.meaning), trait.name
        assert trait.scenarios, trait.name


def test_every_trait_has_a_story(shipped: Semantics) -> None:
    """Who decided what, when and why, in sentences; nothing that only we can read."""
    for trait in shipped.traits.values():
        assert trait.story.endswith("."), f"{trait.name} has no story, or one that breaks off"
        assert len(trait.story.split()) >= 20, trait.name
        assert not re.search(r"\[[A-Z]{2,}\d*\]|TODO", trait.story), trait.name


def test_releases_have_dates_in_order(shipped: Semantics) -> None:
    """A release of mainline has the day it came out, up to the last with a day, and a later release a later day."""
    by_date = sorted(shipped.released, key=lambda release: shipped.released[release])
    in_order = sorted(shipped.released, key=lambda release: release.numbers)
    mainline = {release for release in shipped.releases if not release.numbers[2]}

    assert by_date == in_order
    assert mainline - set(shipped.released) <= {release for release in mainline if release.numbers > (7, 2, 0)}


def test_every_cell_is_traced(shipped: Semantics) -> None:
    """Each source is one that a reader can look up, or says that it is an inference."""
    public = re.compile(
        r"commit [0-9a-f]{12}\b|v4 cover letter|v1 review|RFC 5/5|v3 (code|document)|v4 code|[a-z_0-9]+\([27]\)"
        r"|observed on Linux [67]\.\d+|ChangeLog-\d|Linux (3\.18|2\.6\.\d\d)|PATCH 16/29|inferred|not read again"
        r"|as write_outside"
    )
    for profile, trait, cell in _all_cells(shipped):
        assert public.search(cell.source), f"{profile}.{trait}: {cell.source}"
        assert not re.search(r"\[[A-Z]{2,}\d*\]", cell.source), f"{profile}.{trait} cites a private tag"


def test_an_inference_is_not_confirmed(shipped: Semantics) -> None:
    """A cell that says inferred, not read again, or taken from another cell cannot fail a run."""
    for profile, trait, cell in _all_cells(shipped):
        if re.search(r"inferred|not read again|as write_outside", cell.source):
            assert not cell.confirmed, f"{profile}.{trait}"


def test_a_commit_has_one_title(shipped: Semantics) -> None:
    """The same commit is quoted with the same title wherever it is quoted with one."""
    titles: dict[str, set[str]] = {}
    for _, _, cell in _all_cells(shipped):
        for commit, title in re.findall(r'commit ([0-9a-f]{12}) \("(.*?)"\) ', cell.source):
            titles.setdefault(commit, set()).add(title)

    assert titles
    assert all(len(found) == 1 for found in titles.values())


@pytest.mark.parametrize(
    ("profile", "trait", "value"),
    [
        ("v0", "setns", "refused"),
        ("v0", "mount_root", "hierarchy"),
        ("v1", "outside_view", "hidden"),
        ("v1", "write_outside", "refused"),
        ("v1", "setns_needs_descendant", "yes"),
        ("v2", "outside_view", "relative"),
        ("v2", "pinned_against_member", "no"),
        ("v3", "scope", "default"),
        ("v4", "scope", "all"),
        ("v4", "setns_moves_task", "no"),
        ("v3", "new_controller_hierarchy_inside", "invalid"),
        ("v3", "mount_capability", "owner"),
        ("v4", "zombie_view", "kept"),
        ("mainline-4.4", "newcgroup_flag", "refused"),
        ("mainline-4.6", "namespace_limit", "none"),
        ("mainline-4.5", "default_mount_words", "type"),
        ("mainline-4.9", "namespace_limit", "enospc"),
        ("mainline-4.10", "ns_ioctls", "userns"),
        ("mainline-4.13", "nsdelegate", "enforced"),
        ("mainline-5.6", "clone3_into_cgroup", "absent"),
        ("mainline-5.8", "setns_pidfd", "present"),
        ("mainline-6.1", "mountinfo_root", "namespace"),
        ("mainline-6.12", "long_path", "cut"),
    ],
)
def test_the_landmarks(shipped: Semantics, profile: str, trait: str, value: str) -> None:
    """What the postings and manual pages say in so many words is in the data, and confirmed."""
    found = shipped.profile(profile, release=None).expectations[trait]

    assert (found.value, found.confirmed) == (value, True)
