# SPDX-License-Identifier: GPL-2.0-only
"""Series out of mailboxes and folders, with real git and real b4."""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from harness.base.deadline import Deadline
from harness.base.errors import HarnessError, HostError, SeriesError, UsageError
from harness.base.store import Store
from harness.kernel.patches import b4
from harness.kernel.patches.series import Series, read_series
from harness.model.series_choice import SeriesChoice, SeriesVersion
from tests.unit.kernel.thread import Tree, lines, mailbox, make_tree, numbered, recoded, reply, with_headers

TITLES = ["fork: say fünf", "cgroup: say ten", "fork: say fifteen"]
FOOTER = "\n_______________________________________________\nlist mailing list\nlist@host.example\n"


STORES: list[Store] = []
"""The store that :func:`read` keeps b4's output in, if any."""


@pytest.fixture(scope="module", autouse=True)
def _keep_what_b4_makes(b4_store: Store) -> Iterator[None]:
    STORES.append(b4_store)
    yield
    STORES.clear()


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return make_tree(tmp_path_factory.mktemp("series") / "tree")


def read(path: Path, version: int | None = None) -> Series:
    wanted = SeriesVersion(version) if version is not None else None
    store = STORES[0] if STORES else None
    return read_series(path, choice=SeriesChoice(wanted), store=store, deadline=Deadline.after(60))


def saved(folder: Path, mails: Sequence[bytes]) -> Path:
    path = folder / "topic.mbox"
    path.write_bytes(mailbox(mails))
    return path


def titles(series: Series) -> list[str]:
    return [patch.subject for patch in series.patches]


def raised(path: Path, version: int | None = None) -> HarnessError:
    with pytest.raises(HarnessError) as caught:
        read(path, version)
    return caught.value


def test_a_thread_as_an_archive_has_it_is_read(tree: Tree, tmp_path: Path) -> None:
    """Two versions out of order, replies, a cover letter, a footer, other encodings: the newest is found, whole."""
    base = tree.git("rev-parse", "base").decode().strip()
    first = numbered(tree.mails("base..main~1", "--cover-letter"))
    second = numbered(
        tree.mails("base..main", "--cover-letter", "-v2", "--base=base", "--subject-prefix=PATCH net-next"), 2
    )
    second[0] = second[0].replace(b"*** SUBJECT HERE ***", b"say more")
    second[1] = recoded(second[1], "base64")
    second[2] = recoded(second[2] + FOOTER.encode(), "quoted-printable")
    answers = [
        reply("v2-1@host", "Re: [PATCH net-next v2 1/3] fork: say fünf"),
        reply("v1-0@host", "Re: [PATCH 0/2] x"),
    ]
    series = read(saved(tmp_path, [second[2], *first, answers[0], second[3], second[0], answers[1], second[1]]))

    assert titles(series) == TITLES
    assert (series.title, series.version, series.base_commit) == ("say more", 2, base)
    assert [(patch.number, patch.total) for patch in series.patches] == [(1, 3), (2, 3), (3, 3)]
    assert series.patches[0].author == "Jörg Ünal <joerg@host.example>"
    assert [patch.files for patch in series.patches] == [
        ("kernel/fork.c",),
        ("kernel/cgroup/cgroup.c",),
        ("kernel/fork.c",),
    ]
    assert series.notes == ("left out: [PATCH 0/2] *** SUBJECT HERE *** (2 patches); ?v=1 takes them",)


def test_trailers_of_replies_are_not_added(tree: Tree, tmp_path: Path) -> None:
    """Or the same patches would be others with every further reply."""
    mails = numbered(tree.mails("base..main"))
    without = read(saved(tmp_path, mails))
    acked = read(
        saved(tmp_path, [*mails, reply("v1-1@host", "Re: [PATCH 1/3] fork: say fünf", "Acked-by: A <a@host>\n")])
    )

    assert acked.digest == without.digest


def test_the_patch_id_is_gits(tree: Tree, tmp_path: Path) -> None:
    """What git-patch-id(1) says of the commit."""
    series = read(saved(tmp_path, tree.mails("base..main")))
    shown = tree.git("show", "main")

    assert series.patches[2].patch_id == tree.git("patch-id", "--stable", stdin=shown).decode().split()[0]


def test_prerequisites_are_kept(tree: Tree, tmp_path: Path) -> None:
    """``prerequisite-patch-id:`` of git-format-patch(1) --base."""
    series = read(saved(tmp_path, tree.mails("main~1..main", "--base=base")))

    assert len(series.prerequisites) == 2


@pytest.mark.parametrize("option", ["--attach", "--inline", "--no-numbered"])
def test_other_ways_to_send_are_read(tree: Tree, tmp_path: Path, option: str) -> None:
    """Attached, inline, and without numbers."""
    assert titles(read(saved(tmp_path, tree.mails("base..main", option)))) == TITLES


def test_a_message_stays_as_it_was_written(tree: Tree, tmp_path: Path) -> None:
    """b4 quotes lines that begin with ``From``; that is undone."""
    series = read(saved(tmp_path, tree.mails("base..main")))

    assert b"\nFrom 1 to 20.\n" in series.patches[0].mail


def test_carriage_returns_and_other_bytes_stay(tmp_path: Path) -> None:
    """b4 drops the ones and replaces the others, so such patches go past it."""
    tree = Tree(tmp_path / "tree")
    tree.commit("base", {"crlf": b"a\r\nb\r\n", "latin": "é\n1\n".encode("latin-1")})
    tree.git("tag", "base")
    tree.commit("crlf: c", {"crlf": b"a\r\nc\r\n"})
    tree.commit("latin: 2", {"latin": "é\n2\n".encode("latin-1")})
    crlf, latin = read(saved(tmp_path, tree.mails("base..main"))).patches

    assert b"\n-b\r\n+c\r\n" in crlf.mail
    assert b"\n \xe9\n-1\n+2\n" in latin.mail


def test_scissors_are_heeded(tree: Tree, tmp_path: Path) -> None:
    """What stands above ``-- >8 --`` is talk, as b4 and git-am(1) --scissors know it."""
    (mail,) = tree.mails("main~1..main")
    head, _, body = mail.partition(b"\n\n")
    series = read(saved(tmp_path, [head + b"\n\nHi all,\n\n-- >8 --\n" + body]))

    assert b"Hi all" not in series.patches[0].mail


def test_a_maildir_and_a_packed_mailbox_are_read(tree: Tree, tmp_path: Path) -> None:
    """As mail programs and archives save a thread."""
    mails = tree.mails("base..main")
    for name in ("cur", "new", "tmp"):
        (tmp_path / "dir" / name).mkdir(parents=True)
    for at, mail in enumerate(mails):
        (tmp_path / "dir" / ("cur" if at else "new") / f"{at}.host").write_bytes(mail)
    packed = tmp_path / "t.mbox.gz"
    packed.write_bytes(gzip.compress(mailbox(mails)))

    assert titles(read(tmp_path / "dir")) == TITLES
    assert read(packed).digest == read(tmp_path / "dir").digest


def test_a_single_file_is_a_series(tree: Tree, tmp_path: Path) -> None:
    """A mail without a ``From`` line, or a bare diff, which is called after its file."""
    (mail,) = tree.mails("main~1..main")
    (tmp_path / "a.patch").write_bytes(mail)
    (tmp_path / "0003-fork_say-more.diff").write_bytes(tree.git("diff", "main~1..main"))
    (tmp_path / "bare.diff").write_bytes(tree.git("diff", "--no-prefix", "main~1..main").replace(b"\n", b"\r\n"))

    assert titles(read(tmp_path / "a.patch")) == ["fork: say fifteen"]
    assert titles(read(tmp_path / "0003-fork_say-more.diff")) == ["fork say more"]
    assert read(tmp_path / "bare.diff").patches[0].files == ("kernel/fork.c",)


def test_a_folder_is_read_in_the_order_of_its_names(tree: Tree, tmp_path: Path) -> None:
    """Files of git-format-patch(1): the newest version, and the cover letter for the title."""
    tree.git("format-patch", "--quiet", "-o", str(tmp_path), "base..main~1")
    tree.git("format-patch", "--quiet", "-o", str(tmp_path), "-v2", "--cover-letter", "base..main")
    newest, first = read(tmp_path), read(tmp_path, 1)

    assert (titles(newest), newest.title, newest.version) == (TITLES, "*** SUBJECT HERE ***", 2)
    assert newest.notes == ("v2 was taken; the folder also has v1, which ?v=1 takes",)
    assert titles(first) == TITLES[:2]
    assert raised(tmp_path, 3).what == f"{tmp_path} has no v3 of the series"


def test_a_gap_in_a_folder_is_said(tree: Tree, tmp_path: Path) -> None:
    """A folder is put together by hand: no error."""
    tree.git("format-patch", "--quiet", "-o", str(tmp_path), "base..main")
    next(tmp_path.glob("0002-*")).unlink()

    assert read(tmp_path).notes == (f"not in {tmp_path}: 2/3; the others were applied without them",)


def test_a_quilt_folder_is_read(tree: Tree, tmp_path: Path) -> None:
    """The order is that of the ``series`` file; -p0 is applied; a note lists the patches that are not in it."""
    (tmp_path / "z.patch").write_bytes(b"Why it is so\n\n" + tree.git("diff", "--no-prefix", "base..main~2"))
    (tmp_path / "b.patch").write_bytes(tree.git("diff", "main~2..main~1"))
    (tmp_path / "a.diff").write_bytes(tree.git("diff", "main~1..main"))
    (tmp_path / "series").write_text("# ours\nz.patch -p0\nb.patch # second\n")
    series = read(tmp_path)

    assert titles(series) == ["z", "b"]
    assert [patch.files for patch in series.patches] == [("kernel/fork.c",), ("kernel/cgroup/cgroup.c",)]
    assert series.notes == (f"not in {tmp_path}/series, so not applied: a.diff",)
    assert "one version only" in raised(tmp_path, 2).what
    (tmp_path / "b.patch").unlink()
    assert raised(tmp_path).evidence == "b.patch"


def test_what_is_no_series_is_said(tmp_path: Path) -> None:
    """No file, an empty one, an empty folder, a folder above the patches, text."""
    (tmp_path / "empty.mbox").touch()
    (tmp_path / "text.mbox").write_text("hello\n")
    (tmp_path / "broken.mbox.gz").write_bytes(b"\x1f\x8b\x08nothing")
    (tmp_path / "folder/patches").mkdir(parents=True)
    sentences = [raised(tmp_path / name) for name in ("no.mbox", "empty.mbox", "text.mbox", "broken.mbox.gz", "folder")]

    assert all(isinstance(error, UsageError) for error in sentences)
    assert [error.what.replace(str(tmp_path), ".") for error in sentences] == [
        "no series ./no.mbox",
        "./empty.mbox has no mail",
        "./text.mbox is neither a mailbox nor a patch",
        "./broken.mbox.gz cannot be read",
        "the folder ./folder has no patch",
    ]
    assert "folder/patches?" in sentences[-1].evidence


def test_a_refused_patch_is_named(tree: Tree, tmp_path: Path) -> None:
    """By number, title and file, before anything is run."""
    mails = tree.mails("base..main")
    mails[1] = mails[1].replace(b"b/kernel/cgroup/cgroup.c", b"b/../../etc/passwd")
    error = raised(saved(tmp_path, mails))

    assert isinstance(error, SeriesError)
    assert (
        error.what
        == f"patch 2/3 (cgroup: say ten) of {tmp_path}/topic.mbox reaches outside the tree: b/../../etc/passwd"
    )


def test_a_link_of_an_earlier_patch_is_not_followed(tmp_path: Path) -> None:
    """The series as a whole is looked at, not each patch alone."""
    tree = Tree(tmp_path / "tree")
    tree.commit("base", {"kernel/a": b"a\n"})
    tree.git("tag", "base")
    (tree.folder / "here").symlink_to("kernel")
    tree.commit("link", {})
    tree.git("rm", "--quiet", "here")
    tree.commit("both", {"here/x": lines(3)})
    mails = tree.mails("base..main")

    assert "reaches through a symbolic link: here/x" in raised(saved(tmp_path, mails)).what


def test_a_folded_line_is_found(tree: Tree, tmp_path: Path) -> None:
    """The most common harm that mail programs do to a patch."""
    mails = tree.mails("base..main")
    mails[2] = mails[2].replace(b"\n 14\n", b"\n 1\n4\n")

    assert "patch 3/3 (fork: say fifteen)" in raised(saved(tmp_path, mails)).what
    assert "is damaged: a hunk ends before its @@ line says" in raised(saved(tmp_path, mails)).what


def test_settings_of_the_user_count_for_nothing(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """b4 would read them from git's configuration."""
    expected = read(saved(tmp_path, tree.mails("base..main"))).digest
    (tmp_path / ".gitconfig").write_text("[b4]\n\tattestation-policy = hardfail\n\tsave-maildirs = yes\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tree.folder)
    monkeypatch.setattr(f"{__name__}.STORES", [])

    assert read(tmp_path / "topic.mbox").digest == expected


def test_without_b4_the_remedy_is_said(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is of this host, not of the series."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(b4, "find_program", lambda name: None)
    monkeypatch.setattr(f"{__name__}.STORES", [])
    error = raised(saved(tmp_path, tree.mails("base..main")))

    assert isinstance(error, HostError)
    assert re.search(r"pip install 'b4>=", error.remedy)


def test_what_b4_made_of_a_mailbox_is_kept(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting it takes half a second, which a run that has nothing to do does not have."""
    store = Store(tmp_path / "store")
    path = saved(tmp_path, tree.mails("base..main"))
    first = read_series(path, store=store, deadline=Deadline.after(60))
    monkeypatch.setattr(b4, "run", None)

    assert read_series(path, store=store, deadline=Deadline.after(60)) == first


def test_a_mail_without_headers_worth_the_name_is_read(tree: Tree, tmp_path: Path) -> None:
    """No Message-ID, no date, a sender without an address."""
    mails = [with_headers(mail, message_id="", date="", **{"from": "somebody"}) for mail in tree.mails("base..main")]

    assert titles(read(saved(tmp_path, mails))) == TITLES
