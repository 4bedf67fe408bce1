# SPDX-License-Identifier: GPL-2.0-only
"""Be a worker of pytest-xdist that was started, and has imported everything, before its run is known.

Two processes: the warm one, :func:`serve`, imports and waits at a socket; :func:`attach` is what xdist starts in place
of Python. It passes its standard streams and its folder to the warm process and lives as long as that. Without a warm
process it becomes the Python that xdist wanted to start. Nothing outside the standard library is imported at the top:
xdist waits for this file.
"""

from __future__ import annotations

import os
import socket
import sys

_STREAMS = (0, 1, 2)
_LONGEST_PATH = 4096
_IMPORTED_AHEAD = ("pytest", "xdist.remote", "harness.run.pytest_plugin", "harness.run.case", "harness.guest.template")


def serve(path: str, suite: str) -> None:
    """Import what a worker needs, wait for its streams at a socket, and run the line of Python that comes on them.

    The imports begin when something comes on standard input, or at its end.

    :param path: the path of the socket.
    :param suite: the folder of the suite, whose session files are read ahead.
    """
    import importlib

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        os.read(0, 1)
        for name in _IMPORTED_AHEAD:
            importlib.import_module(name)
        importlib.import_module("harness.suite.session_files").read_ahead(suite)
        connection, _ = listener.accept()
    # Not closed before this process ends: the other one waits for that.
    folder, descriptors, _, _ = socket.recv_fds(connection, _LONGEST_PATH, len(_STREAMS))
    os.chdir(folder)
    for stream, descriptor in zip(_STREAMS, descriptors, strict=True):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    # What execnet lets a new Python run: execnet/gateway_io.py, popen_bootstrapline.
    exec(eval(sys.stdin.readline()), {"__name__": "__main__"})
    connection.close()


def attach(path: str, words: list[str]) -> None:
    """Let the warm process have the standard streams, and wait for its end.

    :param words: the arguments for Python where there is no warm process.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:  # it has ended, or serves another worker
            os.execv(sys.executable, [sys.executable, *words])
        socket.send_fds(connection, [os.fsencode(os.getcwd())], _STREAMS)  # noqa: PTH109 - pathlib takes longer to import than this file to run
        connection.recv(1)


if __name__ == "__main__":
    attach(sys.argv[1], sys.argv[2:])
