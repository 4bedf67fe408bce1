# SPDX-License-Identifier: GPL-2.0-only
"""Series as they reach a user, applied by real git: whatever mail programs did, the commits are the same."""

from __future__ import annotations

import base64
import bz2
import gzip
import lzma
import quopri
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.base.context import Context
from harness.base.deadline import Deadline
from harness.base.errors import SeriesError, UsageError
from harness.base.store import Store
from harness.kernel.mail.mailbox import read_mailbox
from harness.kernel.mail.posting import choose_posting
from harness.kernel.patches.apply import patch_tree
from harness.kernel.patches.patched_tree import PatchedTree
from harness.kernel.patches.series import Series, read_series
from harness.kernel.source.tree import source_tree
from harness.model.kernel_spec import parse_patches
from tests.unit.kernel.thread import Tree, lines, mailbox, numbered

SOON = Deadline.after(3600)
Mails = Sequence[bytes]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A tree with files in Latin-1 and in UTF-8, and three patches on ``base``."""
    tree = Tree(tmp_path_factory.mktemp("real") / "tree")
    top: Mapping[str, bytes] = {"Makefile": b"VERSION = 6\nPATCHLEVEL = 6\n", "Kconfig": b"\n"}
    umlaut = "Größe\n"
    files = {"latin.txt": umlaut.encode("latin-1") + lines(9), "utf8.c": umlaut.encode() + lines(9)}
    tree.commit("base", {**top, **files, "kernel/fork.c": lines(), "crlf.txt": b"a\r\nb\r\nc\r\n"})
    tree.git("tag", "base")
    tree.commit("fork: five", {"kernel/fork.c": lines(line5="five")})
    tree.commit("fork: ten", {"kernel/fork.c": lines(line5="five", line10="ten"), "kernel/na me ü.c": b"a\n"})
    tree.commit("fork: fifteen", {"kernel/fork.c": lines(line5="five", line10="ten", line15="fifteen")})
    tree.git("tag", "tip")
    return tree


def read(path: Path, query: str = "", *, store: Store | None = None) -> Series:
    word = parse_patches(f"{path}?{query}" if query else str(path))
    return read_series(word.place, choice=word.choice, store=store, deadline=SOON)


def applied(tree: Tree, series: Series, store: Path) -> PatchedTree:
    context = Context(Store(store), SOON)
    source = source_tree(context, tree.folder, revision="base")
    return patch_tree(context, source, series, is_revision_given=True)


def content(made: PatchedTree, name: str) -> bytes:
    return made.repository.git("show", f"{made.commit}:{name}", deadline=SOON).stdout


def head_and_body(mail: bytes) -> tuple[bytes, bytes]:
    head, _, body = mail.partition(b"\n\n")
    kept = [line for line in head.split(b"\n") if not line.lower().startswith((b"content-", b"mime-"))]
    return b"\n".join(kept) + b"\nMIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\n", body


def as_crlf(mail: bytes) -> bytes:
    head, _, body = mail.partition(b"\n\n")
    return head + b"\n\n" + body.replace(b"\n", b"\r\n")


def as_base64(mail: bytes) -> bytes:
    head, body = head_and_body(mail)
    return head + b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(body.replace(b"\n", b"\r\n"))


def as_quoted(mail: bytes) -> bytes:
    head, body = head_and_body(mail)
    return head + b"Content-Transfer-Encoding: quoted-printable\n\n" + quopri.encodestring(body)


def as_flowed(mail: bytes) -> bytes:
    head, body = head_and_body(mail)
    stuffed = b"\n".join(b" " + line if line.startswith((b" ", b"From ", b">")) else line for line in body.split(b"\n"))
    return head.replace(b"charset=UTF-8", b"charset=UTF-8; format=flowed") + b"\n" + stuffed


def as_octets(mail: bytes) -> bytes:
    head, body = head_and_body(mail)
    return head.replace(b"text/plain", b"application/octet-stream") + b"\n" + body


WAYS: Sequence[Callable[[bytes], bytes]] = (lambda mail: mail, as_crlf, as_base64, as_quoted, as_flowed, as_octets)
FORMS = (
    "[PATCH {}/{}]",
    "[PATCH {} of {}]",
    "[PATCH] ({}/{})",
    "[PATCH{}/{}]",
    "[PATCH v2.1 {}/{}]",
    "[RFC PATCH {}/{}]",
)
TOPS = (b"", b"\n", b"\xef\xbb\xbf", b"\r\n \n")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 12),
    st.sampled_from(FORMS),
    st.sampled_from(TOPS),
    st.lists(st.sampled_from(WAYS), min_size=12, max_size=12),
    st.randoms(use_true_random=False),
)
def test_patches_come_through_whatever_wraps_them(count, form, top, ways, random) -> None:  # type: ignore[no-untyped-def]
    """In any order, each in another encoding: titles, order and diffs are those that were sent."""
    bodies = [
        f"Why {n}.\n---\ndiff --git a/f{n} b/f{n}\nindex {n:07x}..{n + 99:07x} 100644\n--- a/f{n}\n+++ b/f{n}\n"
        f"@@ -1,3 +1,3 @@\n ü\n-{n}\n+{n + 1}\n c\n".encode()
        for n in range(1, count + 1)
    ]
    mails = [
        ways[n - 1](f"From: A <a@h>\nSubject: {form.format(n, count)} do {n}\nMessage-ID: <m{n}@h>\n\n".encode() + body)
        for n, body in enumerate(bodies, 1)
    ]
    random.shuffle(mails)
    posting = choose_posting(read_mailbox(top + mailbox(mails)), name="t.mbox")

    assert [mail.subject.title for mail in posting.mails] == [f"do {n}" for n in range(1, count + 1)]
    assert [mail.text.rstrip(b"\n") + b"\n" for mail in posting.mails] == bodies


@pytest.mark.parametrize("way", WAYS)
def test_the_commits_are_the_same(tree: Tree, tmp_path: Path, b4_store: Store, way: Callable[[bytes], bytes]) -> None:
    """As those of the mails that git made, with a quoted name among the files."""
    mails = numbered(tree.mails("base..tip"))
    (tmp_path / "plain.mbox").write_bytes(mailbox(mails))
    (tmp_path / "t.mbox").write_bytes(mailbox([way(mail) for mail in mails]))
    made = [
        applied(tree, read(tmp_path / name, store=b4_store), tmp_path / "store") for name in ("plain.mbox", "t.mbox")
    ]

    assert made[0].commits == made[1].commits
    assert content(made[1], "kernel/na me ü.c") == b"a\n"


@pytest.mark.parametrize(
    ("file", "charset", "expected"),
    [
        ("latin.txt", "latin-1", "latin-1"),
        ("utf8.c", "latin-1", "utf-8"),
        ("utf8.c", "utf-8", "utf-8"),
        ("latin.txt", "cp1252", "latin-1"),
    ],
)
def test_a_diff_has_the_bytes_of_the_tree(tree: Tree, tmp_path: Path, file: str, charset: str, expected: str) -> None:
    """git-am(1) recodes no diff; a mail program may have done so, which b4 undoes. The file tells."""
    body = f"---\n--- a/{file}\n+++ b/{file}\n@@ -1,3 +1,3 @@\n Größe\n-1\n+zwölf\n 2\n".encode(charset)
    head = f"From: A <a@h>\nSubject: [PATCH] a\nContent-Type: text/plain; charset={charset}\n\n".encode()
    (tmp_path / "t.mbox").write_bytes(mailbox([head + body]))
    made = applied(tree, read(tmp_path / "t.mbox"), tmp_path / "store")

    assert content(made, file).startswith("Größe\nzwölf\n2\n".encode(expected))


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b" b/kernel/fork.c\nindex", b"\nb/kernel/fork.c\nindex"),
        (b"diff --git a/kernel/fork.c b/", b"diff --git a/kernel/\nfork.c b/"),
        (b"--- a/kernel/fork.c", b"--- a/kernel/\nfork.c"),
        (b"--- a/kernel/fork.c", b"---\na/kernel/fork.c"),
        (b"+++ b/kernel/fork.c", b"+++\nb/kernel/fork.c"),
        (b" @@\n", b"\n@@\n"),
        (b"diff --git a/kernel/fork.c b/kernel/fork.c\n", b"diff --git a/kernel/fork.c\n"),
        (b"diff --git a/kernel/fork.c b/kernel/fork.c\n", b"diff --git  \n"),
        (b"kernel/fork.c", b""),
        (b"kernel/fork.c", b"."),
        (b"kernel/fork.c", b"kernel//fork.c"),
        (b"kernel/fork.c", b"kernel/"),
        (b"kernel/fork.c", b":(top)x"),
        (b"100644", b"999999"),
    ],
)
def test_a_damaged_header_is_the_fault_of_the_series(tree: Tree, tmp_path: Path, was: bytes, now: bytes) -> None:
    """It is applied as git-am(1) would, or refused as a series; this host is never at fault."""
    mail = tree.mails("base..tip", "--no-numbered")[0]
    assert was in mail
    (tmp_path / "t.mbox").write_bytes(mailbox([mail.replace(was, now)]))
    try:
        made = applied(tree, read(tmp_path / "t.mbox"), tmp_path / "store")
    except (SeriesError, UsageError):
        return
    assert content(made, "kernel/fork.c") == lines(line5="five")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_packed_mailboxes_are_read(tree: Tree, tmp_path: Path, b4_store: Store, pack: Callable[[bytes], bytes]) -> None:
    """As a file, and as the only file of a folder."""
    (tmp_path / "p").mkdir()
    suffix = {gzip.compress: "gz", bz2.compress: "bz2", lzma.compress: "xz"}[pack]
    file = tmp_path / "p" / f"t.mbox.{suffix}"
    file.write_bytes(pack(mailbox(tree.mails("base..tip"))))

    read_file, read_folder = (read(path, store=b4_store) for path in (file, tmp_path / "p"))
    assert [patch.patch_id for patch in read_file.patches] == [patch.patch_id for patch in read_folder.patches]


def test_a_folder_is_in_the_order_of_its_numbers(tree: Tree, tmp_path: Path) -> None:
    """Of the subjects, where these are of one series; else of the names, 2 before 10."""
    mails = tree.mails("base..tip")
    for name, mail in zip(("c", "a", "b"), mails, strict=True):
        (tmp_path / f"{name}.patch").write_bytes(mail)
    (tmp_path / "p").mkdir()
    for at, mail in zip((1, 2, 10), tree.mails("base..tip", "--no-numbered"), strict=True):
        (tmp_path / "p" / f"{at}-x.patch").write_bytes(mail)
    titles = ["fork: five", "fork: ten", "fork: fifteen"]

    assert [patch.subject for patch in read(tmp_path).patches] == titles
    assert read(tmp_path).notes == (
        f"taken in the order of the numbers in their subjects, not of the names in {tmp_path}",
    )
    assert [patch.subject for patch in read(tmp_path / "p").patches] == titles


def test_a_folder_with_a_thread_is_read_as_the_thread(tree: Tree, tmp_path: Path) -> None:
    """The newest whole version of it."""
    mails = [*numbered(tree.mails("base..tip")), *numbered(tree.mails("base..tip", "-v2"), 2)]
    (tmp_path / "t.mbox").write_bytes(mailbox(mails))

    assert (read(tmp_path).version, len(read(tmp_path).patches)) == (2, 3)
    assert (read(tmp_path, "v=1").version, len(read(tmp_path, "v=1").patches)) == (1, 3)
    assert read(tmp_path, "id=v1-2@host").version == 1
