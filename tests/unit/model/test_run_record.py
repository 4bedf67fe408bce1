# SPDX-License-Identifier: GPL-2.0-only
"""The JSON form of a run record."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import ExitStatus, UsageError
from harness.model.origin import UNKNOWN_ORIGIN, Origin, OriginKind
from harness.model.run_record import FORMAT_VERSION, RunRecord, dump_run, dumps_case
from harness.results.records import load_run_record, loads_case
from tests.unit.report.sample import CASES, KERNEL, RUN

ANY_TEXT = st.text(st.characters(exclude_categories=()))


def changed(**fields: object) -> str:
    """The sample run as JSON with some of its fields replaced."""
    return json.dumps({**json.loads(dump_run(RUN)), **fields})


def test_a_record_comes_back_as_it_went() -> None:
    """What ``dumps`` writes ``loads`` reads, every field of every level."""
    assert load_run_record(dump_run(RUN)) == RUN


@given(ANY_TEXT)
def test_any_text_of_a_guest_comes_back(text: str) -> None:
    """Control characters, half surrogate pairs and line separators survive, and a case stays on one line."""
    record = replace(CASES[2], transcript=text, reason=text, diff=text)
    line = dumps_case(record)

    assert line.isascii()
    assert line.count("\n") == 1
    assert loads_case(line) == record


def test_a_newer_format_is_refused_by_name() -> None:
    """A format that this harness does not know is refused, and the error names both numbers."""
    with pytest.raises(UsageError) as caught:
        load_run_record(changed(format_version=FORMAT_VERSION + 1), source="results/x/run.json")

    assert f"results/x/run.json has run record format {FORMAT_VERSION + 1}" in caught.value.what
    assert f"up to format {FORMAT_VERSION}" in caught.value.what
    assert caught.value.exit_status is ExitStatus.USAGE
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        ("", "Expecting value: line 1 column 1"),
        (dump_run(RUN)[:2000], "line "),
        ("[]", "run: Expected `object`, got `array`"),
        ("{}", "run: Object missing required field `kernel`"),
        (changed(kernel=None), "run.kernel is None: Expected `object`"),
        (changed(complete="yes"), "run.complete is 'yes': Expected `bool`"),
        (changed(workers=True), "run.workers is True: Expected `int`"),
        (changed(notes="one"), "run.notes is 'one': Expected `array`"),
        (changed(format_version="1"), "run.format_version is '1': Expected `int`"),
        (changed(cases=[{**json.loads(dumps_case(CASES[0])), "outcome": "fine"}]), "run.cases[0].outcome is 'fine'"),
        ("[" * 100_000, "nested too deep"),
    ],
    ids=["empty", "cut", "list", "no-fields", "no-kernel", "bool", "int", "tuple", "version", "outcome", "deep"],
)
def test_damage_is_told_with_evidence(text: str, evidence: str) -> None:
    """A damaged record is a usage error that says which field holds what."""
    with pytest.raises(UsageError) as caught:
        load_run_record(text, source="run.json")

    assert caught.value.what == "run.json is damaged"
    assert evidence in caught.value.evidence
    assert len(caught.value.evidence) < 500


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1e300", "-1e11"])
def test_a_time_that_is_none_is_damage(number: str) -> None:
    """Python's JSON reads them; no report could be written of them."""
    whole = dump_run(replace(RUN, started=4711.5)).replace("4711.5", number)

    with pytest.raises(UsageError, match="is damaged"):
        load_run_record(whole)


def test_a_field_that_a_later_harness_added_is_left_out() -> None:
    """Within one format, an unknown field does not stop an older reader, and a missing one takes its default."""
    whole = json.loads(changed(weather="rain"))
    del whole["hostname"]

    assert load_run_record(json.dumps(whole)) == replace(RUN, hostname="")


def test_the_format_comes_first_and_the_text_is_ascii() -> None:
    """A person who looks at the file sees the version at the top; no tool needs to guess its encoding."""
    text = dump_run(RunRecord(kernel=KERNEL, started=0.0, notes=("naïve \udc80",)))

    assert text.splitlines()[1] == f' "format_version": {FORMAT_VERSION},'
    assert text.isascii()


@pytest.mark.parametrize(
    ("spec", "called", "located"),
    [
        (".", "linux@v6.6-3-gabc", "/home/u/linux"),
        ("./", "linux@v6.6-3-gabc", "/home/u/linux"),
        ("../..", "linux@v6.6-3-gabc", "/home/u/linux"),
        (".@v6.6+topic.mbox", "linux@v6.6+topic.mbox", "/home/u/linux@v6.6+topic.mbox"),
        (".+v6.6..topic", "linux@v6.6-3-gabc+v6.6..topic", "/home/u/linux+v6.6..topic"),
        ("./linux", "./linux", "./linux"),
        ("...", "...", "..."),
        ("deb", "deb", "deb"),
    ],
)
def test_tree_without_a_name_is_called_by_its_folder_and_commit(spec: str, called: str, located: str) -> None:
    """A dot says nothing to a reader in another folder."""
    kernel = replace(KERNEL, spec=spec, came_from=Origin(OriginKind.TREE, "/home/u/linux", "v6.6-3-gabc"))

    assert (kernel.called, kernel.located) == (called, located)
    assert replace(KERNEL, spec=spec, came_from=UNKNOWN_ORIGIN).called == spec
