# SPDX-License-Identifier: GPL-2.0-only
"""The session of the installed cgroup_namespaces(7) runs verbatim."""

from __future__ import annotations

import gzip
import re
import textwrap
from pathlib import Path

import pytest

from harness.model.verdict import Outcome
from harness.run.case import CaseEnvironment, run_session
from harness.session.transcript import parse
from harness.suite.load import default_suite
from tests.unit.session.manpage_examples import extract_examples

PAGE = Path("/usr/share/man/man7/cgroup_namespaces.7.gz")
PREPARATIONS = default_suite().preparations
HEADER = "hierarchies: v1:freezer\nvaries: 20124 30655 7 155 145 0:32\n\n"
OF_THE_PAGE = re.compile(r"^\((mountinfo_root = namespace|scope = all)\) ")
OF_OLDER_KERNELS = ("(mountinfo_root = filesystem) ", "(scope = default) ")
MARGIN_COMMENT = "# to other namespaces"


@pytest.fixture(scope="module")
def page_session() -> str:
    """Return the lines of the page from the first prompt to the last line of mountinfo."""
    lines = extract_examples(gzip.decompress(PAGE.read_bytes()).decode()).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("# "))
    last = max(number for number, line in enumerate(lines) if "/sys/fs/cgroup/freezer rw" in line)
    return "\n".join(lines[first : last + 1]) + "\n"


def test_the_shipped_case_is_the_page(page_session: str) -> None:
    """The transcript of manpage/freezer.session is the page's, line for line, plus five lines for older kernels."""
    shipped = (default_suite().folder / "manpage" / "freezer.session").read_text()
    _, _, body = shipped.partition("\n\n")
    lines = [line[4:] for line in body.splitlines() if line.startswith("    ")]
    transcript = [OF_THE_PAGE.sub("", line) for line in lines if not line.startswith(OF_OLDER_KERNELS)]

    assert len(transcript) == len(lines) - 5
    assert transcript == [line for line in page_session.splitlines() if line.strip()]


@pytest.mark.guest
def test_the_page_runs_verbatim(page_session: str, environment: CaseEnvironment) -> None:
    """The page, indented below header lines, matches on a real kernel."""
    text = HEADER + textwrap.indent(page_session, "    ")

    record = run_session(parse(text, path="page.session", preparations=PREPARATIONS), environment, folder="page")

    assert (record.outcome, record.reason) == (Outcome.MATCH, "")


@pytest.mark.guest
def test_the_page_runs_as_plain_text(page_session: str, environment: CaseEnvironment) -> None:
    """A copy with squeezed white space, and with the second line of the comment at the margin, matches as well."""
    squeezed = "\n".join(" ".join(line.split()) for line in page_session.splitlines())
    assert f"\n{MARGIN_COMMENT}\n" in squeezed
    text = HEADER + textwrap.indent(squeezed + "\n", "    ")

    record = run_session(parse(text, path="page.session", preparations=PREPARATIONS), environment, folder="plain")

    assert (record.outcome, record.reason) == (Outcome.MATCH, "")


@pytest.mark.guest
def test_a_wrong_path_in_the_page_is_a_mismatch(page_session: str, environment: CaseEnvironment) -> None:
    """The session is compared, not only typed: another path in the page is a mismatch that names the line."""
    text = HEADER + textwrap.indent(page_session.replace("7:freezer:/../sub2", "7:freezer:/sub2"), "    ")

    record = run_session(parse(text, path="page.session", preparations=PREPARATIONS), environment, folder="lie")

    assert record.outcome is Outcome.MISMATCH
    assert re.search(r'^page\.session:\d+: expected "\d+:freezer:/sub2", saw "\d+:freezer:/\.\./sub2"$', record.reason)
