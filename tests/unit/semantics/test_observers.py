# SPDX-License-Identifier: GPL-2.0-only
"""Which cases observe a trait, found without running them."""

from __future__ import annotations

from harness.semantics.observers import Observer, find_observers

TRAITS = {"view": ("absolute", "relative"), "agent": ("allowed", "refused"), "setns": ("yes", "no")}

SESSION = """\
title: (view = absolute) is no guard here

(agent = allowed) nor here.

    # cat /proc/1/cgroup
    (view = relative) 0::/..
    (view = absolute) 0::/
    \\(agent = refused) as output
    (view = relative) # true
    # true
"""

PYTHON = '''
"""A case about setns."""

WHAT = {"": "agent"}

def test_a(sight) -> None:
    """view is only spoken of here."""
    sight("view", "relative")
    sight("view", {"x": "absolute"}["x"])
    for trait in ("agent", "view"):
        sight(trait, "refused")
'''


def test_guards_of_a_session_file() -> None:
    """Guarded output and guarded commands; neither header nor prose nor escaped output."""
    found = find_observers({"cases/a.session": SESSION}, TRAITS)

    assert found == {"view": [Observer("cases/a.session", 6, ("absolute", "relative"))], "agent": [], "setns": []}


def test_sights_of_a_python_case() -> None:
    """A call that names the trait, and a name that is passed on; words of a docstring do not count."""
    found = find_observers({"cases/test_a.py": PYTHON}, TRAITS)

    assert found == {
        "view": [Observer("cases/test_a.py", 8, ("relative",))],
        "agent": [Observer("cases/test_a.py", 4)],
        "setns": [],
    }


def test_a_python_file_that_calls_no_sight_observes_nothing() -> None:
    """A text may be the name of a trait by chance."""
    assert not find_observers({"cases/test_a.py": 'def test_a(): print("view")'}, TRAITS)["view"]


def test_a_broken_file_observes_nothing() -> None:
    """The run will tell of it; a story must not fail by it."""
    files = {"cases/test_a.py": "def (", "cases/b.session": "\x00\n    (odd = x)", "cases/test_nul.py": "\x00"}

    assert find_observers(files, TRAITS) == {name: [] for name in TRAITS}


def test_observers_are_sorted() -> None:
    """The order of the files does not count."""
    text = "\n    # x\n    (view = relative) y\n"
    found = find_observers({"cases/b.session": text, "cases/a.session": text}, TRAITS)

    assert [one.path for one in found["view"]] == ["cases/a.session", "cases/b.session"]
