# SPDX-License-Identifier: GPL-2.0-only
"""The scripts of exported cases: a real bash types the session at real terminals of this host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.process import Completed, find_program, run
from harness.export.script import ExportedCase, Helper, render_kselftest, render_script, render_steps
from harness.export.steps import compile_steps
from harness.session.transcript import parse

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the scripts need root")
SESSION = """\
title: jobs, nested shells and several consoles
varies: 77 412

    # sleep 1000 &
    [1] 412
    # kill 412; wait 412
    # echo $$
    77
    # PS1='in# ' bash
    in# [ $$ = 77 ] && echo same || echo another
    another
    in# printf 'a  \\n\\tb [x]* \\\\n\\n'
    a
    \tb [x]* \\n
    in# exit
    # cat <<END
    > one
    > two
    > END
    one
    ...
    # echo "it's"
    it's
    inside# echo $((40 + 2))
    42
    observer# printf '\\033[1mbold\\033[0m\\n'
    bold
"""


def exported(text: str = SESSION, helpers: Sequence[Helper] = (), preparation: str = "") -> ExportedCase:
    """Return a session as an exported case."""
    transcript = parse(text, path="s/a.session")
    case = ExportedCase("s/a.session", transcript.title, preparation, (), transcript.varies, (), 60, tuple(helpers))
    return replace(case, steps=compile_steps(transcript, {}))


def play(text: str, folder: Path) -> Completed:
    """Run a script."""
    file = folder / "script.sh"
    file.write_text(text)
    return run(["bash", file], deadline=Deadline.after(120), check=False)


def test_session_matches(tmp_path: Path) -> None:
    """Numbers are learned, prompts are followed, escape sequences and white space at line ends do not count."""
    done = play(render_script(exported()), tmp_path)

    assert (done.status, done.text.splitlines()[-1]) == (0, "match"), done.text + done.complaint
    assert "in# [ $$ = " in done.text


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("    42\n", "    43\n", "line 24: expected\n^43\n$"),
        ("    it's\n", "    it's\n    more\n", "line 22: expected\n^it's\nmore\n$"),
        ("    another\n", "    same\n", "line 10: expected\n^same\n$"),
        ("    in# exit\n", "", "the prompt is 'in# ', not '# '"),
        ("PS1='in# ' bash", "PS1='in# ' true", "the prompt is '# ', not 'in# '"),
    ],
)
def test_difference_is_a_mismatch(old: str, new: str, problem: str, tmp_path: Path) -> None:
    """The script names the line of the session file and what was expected."""
    assert old in SESSION
    done = play(render_script(exported(SESSION.replace(old, new))), tmp_path)

    assert done.status == 1
    assert problem in done.text


def test_number_that_changes_is_a_mismatch(tmp_path: Path) -> None:
    """A number that was learned has to be the same later."""
    text = "title: t\nvaries: 77\n\n    # echo 5\n    77\n    # echo 6\n    77\n"
    done = play(render_script(exported(text)), tmp_path)

    assert done.status == 1
    assert "line 6: expected\n^(5)\n$" in done.text


def test_command_that_hangs_ends_by_the_time_limit(tmp_path: Path) -> None:
    """The limit of a step is in the script, and can be set."""
    script = render_script(replace(exported("title: t\n\n    # sleep 1000\n"), timeout=1))
    done = play(script, tmp_path)

    assert done.status == 1
    assert "mismatch: line 3: no answer for 1 s" in done.text


def test_preparation_may_skip(tmp_path: Path) -> None:
    """Status 4 of the preparation is a skip with its output as the reason; any other failure is a mismatch."""
    text = "title: t\n\n    # true\n"
    skipped = play(render_script(exported(text, preparation="echo no v2; (exit 4)")), tmp_path)
    failed = play(render_script(exported(text, preparation="false")), tmp_path)
    as_tap = play(render_kselftest(exported(text, preparation="echo no v2; (exit 4)")), tmp_path)

    assert (skipped.status, failed.status, as_tap.status) == (4, 1, 4)
    assert "skipped: no v2" in skipped.text
    assert "1..0 # SKIP no v2" in as_tap.text


def test_kselftest_prints_tap(tmp_path: Path) -> None:
    """A plan, and a test for each step; a step that differs does not end the session."""
    done = play(render_kselftest(exported(SESSION.replace("    it's\n", "    its\n"))), tmp_path)
    results = [line for line in done.text.splitlines() if not line.startswith("#")]

    assert results[:3] == ["TAP version 13", "1..11", "ok 1 - line 4: sleep 1000 &"]
    assert [line.partition(" - ")[0] for line in results[2:]] == [
        f"{'not ok' if number == 9 else 'ok'} {number}" for number in range(1, 12)
    ]
    assert done.status == 1


def test_helper_is_compiled(tmp_path: Path) -> None:
    """The script brings the sources of the helper programs that the case uses."""
    source = "// SPDX-License-Identifier: MIT\n#include <own.h>\nint main(void)\n{\n\treturn NUMBER;\n}\n"
    helper = Helper("seven", (("seven.c", source), ("own.h", "#define NUMBER 7\n")))
    script = render_script(exported("title: t\n\n    # seven; echo $?\n    7\n", [helper]))

    assert play(script, tmp_path).status == 0
    assert "SPDX-License-Identifier: MIT" not in script


@pytest.mark.parametrize("render", [render_script, render_kselftest])
def test_scripts_pass_shellcheck(render: object, tmp_path: Path) -> None:
    """So does what is generated from a session."""
    file = tmp_path / "script.sh"
    file.write_text(render(exported()))  # type: ignore[operator]
    if find_program("shellcheck"):
        run(["shellcheck", file], deadline=Deadline.after(60))
    assert max(len(line) for line in render_steps(exported()).splitlines()) < 120
