# SPDX-License-Identifier: GPL-2.0-only
"""A service from mails to answers, with a judge that builds nothing; all else is real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.base.errors import UsageError
from harness.follow.state.config import DAY, parse_config
from tests.unit.follow.inboxes import Post, series
from tests.unit.follow.lab import CONFIG, Lab


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Return a service that follows an inbox."""
    return Lab(tmp_path)


def post(lab: Lab, *posts: Post) -> None:
    """Add mails to the inbox."""
    lab.inbox.add(one.render() for one in posts)


def test_each_series_is_judged_once(lab: Lab) -> None:
    """A series, a single patch and one that fails are judged; running again changes nothing."""
    post(lab, *series("a", ["one", "two breaks"], cover="a topic"), *series("b", ["a single patch"]))
    lab.run()
    first = lab.rows("SELECT id, changed FROM series ORDER BY id")
    lab.run()

    assert lab.series() == ["a topic v1 answered fail", "a single patch v1 answered success"]
    assert lab.rows("SELECT id, changed FROM series ORDER BY id") == first


def test_base_is_pinned_to_a_commit(lab: Lab) -> None:
    """The base of a series is the commit of the revision; it stays when the branch moves."""
    post(lab, *series("a", ["one"]))
    lab.run()

    assert lab.rows("SELECT base FROM series") == [(f"{lab.folder}/tree@{lab.tree}",)]


def test_newest_version_only(lab: Lab) -> None:
    """Of two versions that wait, the older one is dropped."""
    post(lab, *series("a", ["one", "two"], cover="topic"))
    post(lab, *series("a", ["one", "two"], cover="topic", version=2))
    lab.run()

    assert lab.series() == ["topic v2 answered success"]


def test_version_in_a_thread_of_its_own_replaces_the_one_that_waits(lab: Lab) -> None:
    """A v2 that comes while v1 waits drops it, though nothing but sender and title connects them."""
    lab.text = CONFIG.replace('free = "1"', 'free = "900T"')
    post(lab, *series("a", ["one", "two"], cover="topic"))
    lab.run()
    assert lab.series() == ["topic v1 waiting"]
    assert "900T" in lab.text
    post(lab, *series("x", ["one", "two"], cover="topic", version=2))
    lab.text = CONFIG
    lab.run()

    assert lab.series() == ["topic v1 superseded", "topic v2 answered success"]


def test_superseded_test_that_runs_is_ended(lab: Lab) -> None:
    """A newer version ends the test of the older one."""
    post(lab, *series("a", ["one waits"]))
    with lab.service() as service:

        def is_running() -> bool:
            if "one waits v1 running" in lab.series():
                post(lab, *series("a", ["one is quick", "and two"], version=2, answers="a-v1-1@host"))
                service.poller.look(is_forced=True)
                return True
            return False

        service.run(is_once=True, goes_on=lab.until(is_running))
        service.run(is_once=True)

    assert lab.series() == ["one waits v1 superseded", "one is quick v2 answered success"]


def test_incomplete_series_waits_for_its_patches(lab: Lab) -> None:
    """Patch 2 of 3 comes a day later; then, and only then, the series is judged."""
    mails = series("a", ["one", "two", "three"], cover="topic")
    post(lab, mails[0], mails[1], mails[3])
    lab.run()
    assert lab.series() == []
    assert lab.status().incomplete == 1
    post(lab, mails[2])
    lab.run()

    assert lab.series() == ["topic v1 answered success"]
    assert lab.status().incomplete == 0


def test_partial_reroll_is_judged_when_it_is_whole(lab: Lab) -> None:
    """One patch sent again completes a new version, once the thread has been quiet for a while."""
    post(lab, *series("a", ["one", "two breaks"], cover="topic"))
    lab.run()
    post(lab, Post("[PATCH v2 2/2] two breaks", "again@host", "a-v1-2@host"))
    lab.run()
    assert lab.series() == ["topic v1 answered fail"]
    lab.now += 3600
    lab.run()

    assert lab.series() == ["topic v1 answered fail", "topic v2 answered fail"]
    (mailbox,) = lab.state.glob("series/2/*/series.mbox")
    assert b"again@host" in mailbox.read_bytes()
    assert b"<a-v1-1@host>" in mailbox.read_bytes()


def test_patches_sent_again_are_not_judged_again(lab: Lab) -> None:
    """The same diffs under new Message-IDs are known."""
    (first,) = series("a", ["one"])
    post(lab, first)
    lab.run()
    resent = first.render().replace(b"Message-ID: <a-v1-1@host>", b"Message-ID: <b@host>")
    lab.inbox.add([resent.replace(b"[PATCH]", b"[PATCH RESEND]")])
    lab.run()

    assert lab.series() == ["one v1 answered success", "one v1 resent"]


def test_unrelated_series_of_one_thread_are_kept_apart(lab: Lab) -> None:
    """Two fixes that a sender posts in answer to one report are two series."""
    post(
        lab,
        Post("Re: it hangs", "report@host", sender="Bob <bob@host.example>", file=""),
        *series("a", ["cgroup: fix this"], answers="report@host"),
        *series("b", ["cgroup: fix that"], answers="report@host"),
    )
    lab.run()

    assert lab.series() == ["cgroup: fix this v1 answered success", "cgroup: fix that v1 answered success"]


def test_no_rule_no_test(lab: Lab) -> None:
    """A series of other files is recorded and not judged."""
    post(lab, *series("a", ["one"], file="mm/slab.c"))
    lab.run()

    assert lab.series() == ["one v1 unwanted"]


def test_host_error_is_retried_and_then_given_up(lab: Lab) -> None:
    """A series is tried three times, later each time; then it has failed, until the user asks for it."""
    post(lab, *series("a", ["host fails"]))
    lab.run()
    assert lab.series() == ["host fails v1 waiting"]
    for _ in range(2):
        lab.now += DAY
        lab.run()

    assert lab.series() == ["host fails v1 failed"]
    assert "this host has no QEMU" in lab.status().failed[0].note
    with lab.service() as service:
        assert service.queue.again(1)
    assert lab.series() == ["host fails v1 waiting"]


def test_test_that_takes_too_long_is_ended(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of a test counts from its beginning."""
    monkeypatch.setattr("harness.follow.service.HOUR", 0.3)
    lab.text = CONFIG + "[limits]\nseries_hours = 1\n"
    post(lab, *series("a", ["one waits"]))
    lab.run()

    assert lab.series() == ["one waits v1 failed"]
    assert lab.rows("SELECT note FROM series") == [("its test took longer than 1 hours",)]


def test_limits_refuse_with_a_reason(lab: Lab) -> None:
    """Too many patches, too many series of a sender, too large a mail: each is recorded with why."""
    lab.text = CONFIG + "[limits]\npatches = 2\nsender_series = 2\nmail_bytes = 20000\n"
    post(lab, *series("a", ["one", "two", "three"], cover="long"))
    post(lab, *(one for name in "bcd" for one in series(name, [f"patch {name}"])))
    post(lab, *series("e", ["large"], text="x" * 30_000))
    lab.run()

    notes = [row[0] for row in lab.rows("SELECT note FROM series WHERE state = 'refused' ORDER BY id")]
    assert notes == ["it has 3 patches; the limit is 2", "its sender posted 2 series in 24 hours"]
    assert lab.series()[1:3] == ["patch b v1 answered success", "patch c v1 answered success"]
    assert lab.rows("SELECT note FROM mail WHERE kind = 'refused'") == [("it has more than 20000 bytes",)]


def test_broken_mails_hinder_nothing(lab: Lab) -> None:
    """What is no mail, or has no Message-ID, or strange headers, is recorded; the mails around it are judged."""
    broken = [
        b"",
        b"\0\xff\xfe" * 50,
        b"no header\n\nbody",
        b"From: \xff\nSubject: =?bad?q?=ff?=\nDate: 99999999:00\n\nx",
    ]
    nameless = series("n", ["nameless"])[0].render().replace(b"Message-ID: <n-v1-1@host>\n", b"")
    lab.inbox.add([*broken, nameless, series("a", ["one"])[0].render()])
    lab.run()

    assert lab.series() == ["nameless v1 answered success", "one v1 answered success"]
    assert lab.status().mails["broken"] >= 2


def test_two_services_on_one_state(lab: Lab) -> None:
    """The second one ends with an error that names the first one's process."""
    with lab.service(), pytest.raises(UsageError, match="another harness follow works on cgroups") as caught:
        lab.run()

    assert "process " in caught.value.evidence
    assert caught.value.remedy


def test_full_disk_pauses_with_a_message(lab: Lab) -> None:
    """Too little free space: mails are still taken in, no test begins, the status says why; with space it goes on."""
    lab.text = CONFIG.replace('free = "1"', 'free = "900T"')
    post(lab, *series("a", ["one"]))
    lab.run()
    assert lab.series() == ["one v1 waiting"]
    assert "GiB are free" in lab.status().paused
    assert any("paused" in one for one in lab.status().problems)
    lab.text = CONFIG
    lab.run()

    assert lab.series() == ["one v1 answered success"]
    assert lab.status().paused == ""


def test_clock_that_is_set_back_stops_nothing(lab: Lab) -> None:
    """Times of the old clock are not waited for: a series that waits for a retry, a source, a partial reroll."""
    post(lab, *series("a", ["host fails"]), *series("b", ["one", "two"], cover="topic"))
    lab.run()
    post(lab, Post("[PATCH v2 2/2] two", "again@host", "b-v1-2@host"))
    lab.run()
    lab.now -= 30 * DAY
    lab.run()
    assert lab.rows("SELECT tries FROM series WHERE title = 'host fails'") == [(2,)]
    lab.now += 3600
    lab.run()

    assert "topic v2 answered success" in lab.series()


def test_rewritten_history_of_an_inbox(lab: Lab) -> None:
    """After a rewrite, known mails are passed over and the new one is judged."""
    old = [*series("a", ["one"]), *series("b", ["two"])]
    post(lab, *old)
    lab.run()
    lab.inbox.rewrite(one.render() for one in (*old[1:], *series("c", ["three"])))
    lab.run()

    assert lab.series() == [f"{title} v1 answered success" for title in ("one", "two", "three")]


def test_next_epoch_of_an_inbox(lab: Lab) -> None:
    """Mails of the next epoch are read, also when both grew."""
    post(lab, *series("a", ["one"]))
    lab.run()
    post(lab, *series("b", ["two"]))
    lab.inbox.epoch = 1
    post(lab, *series("c", ["three"]))
    lab.run()

    assert lab.series() == [f"{title} v1 answered success" for title in ("one", "two", "three")]


def test_inbox_at_an_address_is_mirrored(lab: Lab) -> None:
    """An address in place of a folder: epochs are fetched into the folder of the state."""
    post(lab, *series("a", ["one"]))
    lab.text = CONFIG.replace('path = "inbox"', f'url = "file://{lab.folder}/inbox/git"')
    lab.run()
    post(lab, *series("b", ["two"]))
    lab.run()

    assert lab.series() == ["one v1 answered success", "two v1 answered success"]
    assert (lab.state / "inbox/list/0.git/HEAD").exists()


def test_source_that_fails_hinders_no_other(lab: Lab) -> None:
    """A source without a folder is reported, and looked at again later."""
    lab.text = CONFIG + '[[source]]\nname = "gone"\nkind = "maildir"\npath = "nowhere"\n'
    post(lab, *series("a", ["one"]))
    lab.run()

    assert lab.series() == ["one v1 answered success"]
    assert [one.problem != "" for one in lab.status().sources] == [False, True]


def test_words_of_mails_are_no_options_and_no_paths(lab: Lab) -> None:
    """Titles and names that look like options, paths and HTML end up as text."""
    evil = "--trust ../../etc <script>alert(1)</script> \x1b[31m"
    post(lab, Post(f"[PATCH] {evil}", "--base=/etc/../x@host"))
    lab.run()
    (log,) = lab.state.glob("series/1/*/log.txt")
    page = (lab.state / "page" / "1.html").read_text()

    assert len(lab.series()) == 1
    assert log.exists()
    assert "<script>" not in page
    assert "\x1b" not in page
    assert sorted(one.name for one in (lab.state / "series" / "1").rglob("*") if one.is_file()) == sorted(
        ["log.txt", "series.mbox", "answer.txt", "series.json", "junit.xml", "b4.json"]
    )


def test_status_is_one_json(lab: Lab) -> None:
    """The counts of the status are those of the state."""
    post(lab, *series("a", ["one"]), *series("b", ["two breaks"]))
    lab.run()
    status = lab.status()

    assert status.series == {"answered": 2}
    assert status.verdicts == {"fail": 1, "success": 1}
    assert status.problems == ()
    assert json.dumps(status.mails)


def test_status_of_a_timer_that_stopped(lab: Lab) -> None:
    """A service that a timer starts is healthy between two starts, and not after days without one."""
    lab.run()
    with lab.service() as service, service.queue.database.transaction():
        service.queue.database.set_fact("process", "1 2")
    assert lab.status().problems == ()
    lab.now += 4 * DAY
    assert lab.status().problems == ("it was last started 4 d ago",)
    with lab.service() as service:
        service.run(is_once=False, goes_on=lab.until(lambda: True))
        with service.queue.database.transaction():
            service.queue.database.set_fact("process", "1 2")

    assert lab.status().problems == ("the service does not run",)


def test_paths_of_a_rule_hold_in_any_folder(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """``~`` is the home folder and a relative tree is beside the configuration; other bases stay as they are."""
    monkeypatch.setenv("HOME", "/home/ann")
    for word, meant in (
        ("~/linux@origin/master", "/home/ann/linux@origin/master"),
        ("tree@main", f"{lab.folder}/tree@main"),
        ("deb-src:6.1", "deb-src:6.1"),
    ):
        text = CONFIG.replace('"tree@main"', f'"{word}"').replace(
            "options = []", 'options = ["--config", "~/my.config"]'
        )
        (rule,) = parse_config(text, path="x.toml", folder=lab.folder).rules
        assert (rule.base, rule.options) == (meant, ("--config", "/home/ann/my.config"))


def test_base_that_does_not_exist_is_no_fault_of_the_series(lab: Lab) -> None:
    """The series waits with the reason; after the configuration was fixed, the next start tests it at once."""
    lab.text = CONFIG.replace("tree@main", "tree@gone")
    post(lab, *series("a", ["one"]))
    lab.run()
    assert lab.series() == ["one v1 waiting"]
    assert "is not a commit" in lab.status().waiting[0].note
    lab.text = CONFIG
    lab.run()

    assert lab.series() == ["one v1 answered success"]
