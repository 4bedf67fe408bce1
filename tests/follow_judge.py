# SPDX-License-Identifier: GPL-2.0-only
"""Stand in for ``harness series`` in tests of the service: read the same mailbox, write the same files, build nothing.

The verdict is a function of the title: ``breaks`` fails, ``warns`` warns, ``host fails`` ends
with the status of a host error. ``waits`` takes as long as the test lets it: until there is a file ``go``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness.base.errors import ExitStatus
from harness.kernel.mail.mailbox import read_mailbox
from harness.kernel.mail.posting import choose_posting
from harness.model.finding import Level, StyleFinding
from harness.model.series_record import SERIES_NAME, PatchRecord, SeriesRecord, dump_series
from harness.report.formats.series_mail import render_mail
from harness.results.folder import JUNIT_NAME


def command(arguments: Sequence[str]) -> Sequence[str]:
    """Return the command in place of that of the harness."""
    return [sys.executable, "-m", "tests.follow_judge", *arguments]


def judge(series: str, base: str) -> SeriesRecord:
    """Return the record of a series."""
    posting = choose_posting(read_mailbox(Path(series).read_bytes()), name=series)
    patches = [PatchRecord(0, "the base", base, asked=1)]
    for number, mail in enumerate(posting.mails, 1):
        title = mail.subject.title
        is_bad = "breaks" in title
        style = (StyleFinding(Level.WARNING, "a.c", 1, "too long", "LONG_LINE"),) if "warns" in title else ()
        failed, what = ("build", "it does not build") if is_bad else ("", "")
        kernel = f"{base}+{series}"
        patches.append(
            PatchRecord(number, title, kernel, mail.message_id, failed=failed, what=what, asked=1, style=style)
        )
    first = posting.cover or posting.mails[0]
    return SeriesRecord(
        title=first.subject.title,
        version=posting.version,
        suffix=posting.suffix,
        origin=series,
        base_word=base,
        base=base,
        base_commit="0" * 40,
        patches=tuple(patches),
        message_id=first.message_id,
    )


def run(arguments: Sequence[str]) -> int:
    """Stand in for ``harness run``: a kernel with a patch that ``breaks`` differs; two that ``clash`` do together."""
    results = Path(arguments[arguments.index("--results") + 1])
    results.mkdir(parents=True, exist_ok=True)
    (results / "latest").mkdir(exist_ok=True)
    _, _, patches = arguments[0].partition("+")
    texts = [one.read_text() for one in sorted(Path(patches).glob("*.patch"))] if patches else []
    titles = [text.partition("Subject: ")[2].partition("\n")[0] for text in texts]
    is_bad = any("breaks" in one for one in titles) or sum("clash" in one for one in titles) > 1
    return ExitStatus.DIFFERS if is_bad else ExitStatus.AS_EXPECTED


def main(arguments: Sequence[str]) -> int:
    """Judge a series as ``harness series`` does, and return the exit status."""
    if arguments[0] == "run":
        return run(arguments[1:])
    assert arguments[0] == "series"
    options = dict(zip(arguments[2::2], arguments[3::2], strict=False))
    record = judge(arguments[1], options["--base"])
    while "waits" in record.title and not Path("go").exists():
        time.sleep(0.01)
    if "host fails" in record.title:
        sys.stderr.write("harness: this host has no QEMU\nhint: install it\n")
        return ExitStatus.HOST
    answers = Path(options["--answers"])
    answers.mkdir(parents=True, exist_ok=True)
    Path(options["--results"]).mkdir(parents=True, exist_ok=True)
    (answers / "answer.txt").write_text(render_mail(record))
    (answers / SERIES_NAME).write_text(dump_series(record))
    (answers / JUNIT_NAME).write_text("<testsuites/>\n")
    return ExitStatus.DIFFERS if record.state == "fail" else ExitStatus.AS_EXPECTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
