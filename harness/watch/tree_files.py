# SPDX-License-Identifier: GPL-2.0-only
"""Tell the files of a kernel tree that a developer edits from those that editors, git and builds write. Pure."""

from __future__ import annotations

import re
from pathlib import PurePath

_GIT = ".git"
_TEMPORARY = re.compile(
    r"""
    .*~                     # backup copies of Emacs, Vim and others
    | \#.*\#                # Emacs: auto-save
    | \.\#.*                # Emacs: lock
    | \..*\.(?:sw[a-z]|un~) # Vim: swap, undo
    | 4913                  # Vim: checks whether it may create a file in the folder
    | \.goutputstream-.*    # GLib: written, then renamed
    | .*\.kate-swp
    | .*___jb_(?:tmp|old)___
    | \.nfs[0-9a-f]+        # a removed file that a program on NFS still has open
    | .*\.(?:lock|orig|rej|tmp)
    """,
    re.VERBOSE,
)
_BUILT = re.compile(
    r"""
    .*\.(?:o|a|ko|cmd|d|mod|mod\.c|order|symvers|dtb|dtbo|dwo|lex\.c|tab\.[ch]|asn1\.[ch]|pyc)
    | \.tmp_.* | \.vmlinux.* | vmlinux(?:\.(?!lds).*)? | System\.map | \.version | \.config | \.config\.old | bzImage
    | \.missing-syscalls\.d | built-in\.a | modules\.builtin.*
    """,
    re.VERBOSE,
)
_BUILT_FOLDERS = re.compile(r"(?:.*/)?(?:include/(?:generated|config)|__pycache__)/.*", re.DOTALL)


def is_edit(name: str) -> bool:
    """Return whether a change of a file may be an edit of the kernel: no temporary file, no build output, not git's.

    :param name: its path in the tree.
    """
    path = PurePath(name)
    if not path.parts or _GIT in path.parts:
        return False
    last = path.name
    return not (_TEMPORARY.fullmatch(last) or _BUILT.fullmatch(last) or _BUILT_FOLDERS.fullmatch(path.as_posix()))
