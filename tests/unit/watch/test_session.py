# SPDX-License-Identifier: GPL-2.0-only
"""What a watch shows of a result: the changes against the result before and against the base."""

from __future__ import annotations

from dataclasses import replace

from harness.model.run_record import CaseRecord, RunRecord, TraitRecord, no_kernel
from harness.model.verdict import Outcome, SplatReport
from harness.watch.session import Result, Session, joined, warnings_after
from harness.watch.watch import failing_step

WARNING = "/src/kernel/fork.c:{line}:5: warning: unused variable 'x' [-Wunused-variable]\n"


def case(name: str, outcome: Outcome = Outcome.MATCH, *, reason: str = "") -> CaseRecord:
    """A case of the suite ``s``."""
    return CaseRecord(f"s/{name}.session", "s", f"{name}.session", outcome, reason=reason)


def run(digest: str, *cases: CaseRecord, is_partial: bool = False, traits: tuple[TraitRecord, ...] = ()) -> RunRecord:
    """A complete run of an image."""
    kernel = replace(no_kernel("linux"), image_digest=digest)
    return RunRecord(kernel, 1e9, 2.0, complete=True, cases=cases, is_partial=is_partial, traits=traits)


FAILED = case("a", Outcome.MISMATCH, reason="s/a.session:12: 2 is not 1")


def text(session: Session, width: int = 80) -> str:
    """The lines of the last result."""
    return "\n".join(line.text for line in session.lines(width))


def test_the_first_result_is_the_base() -> None:
    """There is nothing to compare it with."""
    session = Session()
    session.take(run("1", case("a")), "first", "")

    assert session.base is not None
    assert session.base.name == "the first result, first"
    assert "since" not in text(session)


def test_each_result_is_compared_with_the_one_before_and_the_base() -> None:
    """A case that failed since the base and still fails is new against one of them only."""
    session = Session()
    session.take(run("1", case("a"), case("b")), "first", "")
    session.take(run("2", FAILED, case("b")), "second", "")
    second = text(session)
    session.take(run("3", FAILED, case("b")), "third", "")
    before, base = text(session).split("since the base")

    assert "since the result before:\n  regressed  case: s/a.session:12: 2 is not 1" in second
    assert "since the base" not in second  # the same result
    assert "since the result before: nothing changed" in before
    assert "(the first result, first):\n  regressed  case: s/a.session:12" in base


def test_traits_and_splats_are_shown() -> None:
    """With both values of a trait."""
    splat = SplatReport("oops", "kernel BUG at mm/slub.c", "abc", "text", "kfree")
    traits = [(TraitRecord("depth", value, "one", True, "how deep"),) for value in ("one", "two")]
    session = Session()
    session.take(run("1", case("a"), traits=traits[0]), "first", "")
    session.take(run("2", replace(case("a", Outcome.KERNEL), splats=(splat,)), traits=traits[1]), "second", "")

    assert "regressed  trait: depth: one -> two (expected: one)" in text(session)
    assert "regressed  splat: " in text(session)


def test_warnings_are_new_or_fixed_and_may_move() -> None:
    """A file that is not compiled keeps its warnings; one whose line moved is the same."""
    session = Session()
    session.take(run("1", case("a")), "1", "  CC      kernel/fork.o\n")
    session.take(run("2", case("a")), "2", "  CC      kernel/fork.o\n" + WARNING.format(line=3))
    new = text(session)
    session.take(run("3", case("a")), "3", "  CC      kernel/exit.o\n")
    kept = text(session).partition("since the base")[0]
    session.take(run("4", case("a")), "4", "  CC      kernel/fork.o\n" + WARNING.format(line=9))
    moved = text(session).partition("since the base")[0]
    session.take(run("5", case("a")), "5", "  CC      kernel/fork.o\n")

    assert "new        warning: kernel/fork.c:3:5: warning: unused variable 'x'" in new
    assert "nothing changed" in kept
    assert "nothing changed" in moved
    assert "fixed      warning: kernel/fork.c:9:5" in text(session)


def test_a_part_of_the_cases_replaces_only_their_results() -> None:
    """And a case that passed on an older image and fails now is a regression, not a flake."""
    session = Session()
    session.take(run("1", FAILED, case("b")), "first", "")
    session.take(run("2", case("a"), is_partial=True), "part", "")
    part = text(session)
    failed = session.failed
    session.take(run("2", case("a"), case("b", Outcome.MISMATCH, reason="other")), "all", "")

    assert "1 ok of 2 cases" in part
    assert "fixed      case: s/a.session" in part
    assert "s/b" not in part
    assert not failed
    assert session.failed == ("s/b.session",)
    assert "regressed  case: other" in text(session).partition("since the base")[0]


def test_a_flake_on_one_image_is_called_so() -> None:
    """The same image, another result."""
    session = Session()
    session.take(run("1", case("a")), "first", "")
    session.take(run("1", FAILED), "second", "")

    assert "flaky      case:" in text(session)


def test_a_named_base_has_no_warnings_until_the_first_result() -> None:
    """Its build was not seen: the warnings of the first result are not new against it."""
    session = Session(base=Result("HEAD", run("0", case("a"))))
    session.take(run("1", case("a")), "first", "  CC      kernel/fork.o\n" + WARNING.format(line=3))

    assert "since the base (HEAD): nothing changed" in text(session)


def test_lines_fit_80_columns() -> None:
    """Whatever the cases print."""
    session = Session()
    session.take(run("1", case("a")), "first", "")
    session.take(run("2", case("a", Outcome.MISMATCH, reason="word " * 99)), "second", "")

    assert max(len(line.text) for line in session.lines(80)) <= 80


def test_joined_keeps_a_whole_run_as_it_is() -> None:
    """Only a part is completed with older results."""
    whole = run("2", case("a"), case("b"))

    assert joined(run("1", case("a")), whole) is whole
    assert joined(None, whole) is whole


def test_warnings_after_reads_those_of_the_files_that_were_compiled() -> None:
    """make names the files; an object that was made without a warning has none."""
    first = warnings_after(None, "  CC      kernel/fork.o\n" + WARNING.format(line=3))

    assert [one.file for one in first] == ["kernel/fork.c"]
    assert warnings_after(first, "") == first
    assert not warnings_after(first, "  CC      kernel/fork.o\n")


def test_failing_step_is_the_line_that_the_reason_names() -> None:
    """A reason of another form names none."""
    assert failing_step("s/a.session", "s/a.session:12: 2 is not 1") == "s/a.session:12"
    assert failing_step("s/a.session", "kernel panic") == "s/a.session"
