# SPDX-License-Identifier: GPL-2.0-only
"""Each operation on a cgroup whose tasks end, have ended, or are elsewhere, from inside a cgroup namespace.

The regressions of 2025 and 2026 were in such pairs: rmdir while init exits, clone3 into a cgroup that was killed
before, cgroup.kill of a process whose first thread has left. Session files show single examples; here every operation
meets every state, on a namespace's root and on a cgroup below it, in the default hierarchy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from harness.run.python_api import PrepareHeader, Shell, Sight

OPERATIONS = ("kill", "freeze", "move", "clone3", "setns", "unshare", "rmdir")
"""rmdir is the last: on some kernels it does not return, and the directory above stays locked."""
ANSWER_SECONDS = 10
"""Maximum time until an operation returns. A longer one is reported as its result."""
EFFECT_SECONDS = 3
"""Maximum time until the effect of an operation that returned can be seen in cgroup.events."""
EXPECTED: dict[str, dict[str, str]] = {
    "leader-left": {
        "kill": "populated 0",
        "freeze": "frozen 1",
        "move": "populated 1",
        "clone3": "starts",
        "setns": "-1 ENOENT",
        "unshare": "/",
        "rmdir": "busy",
    },
    "init-exits": {
        "kill": "populated 0",
        "freeze": "frozen 1",
        "move": "populated 0",
        "clone3": "starts",
        "setns": "-1 ENOENT",
        "unshare": "/",
        "rmdir": "removed",
    },
    "zombie": {
        "kill": "populated 0",
        "freeze": "frozen 1",
        "move": "populated 0",
        "clone3": "starts",
        "setns": "-1 ENOENT",
        "unshare": "/",
        "rmdir": "removed",
    },
    "thread-elsewhere": {
        "kill": "populated 0",
        "freeze": "frozen 1",
        "move": "populated 1",
        "clone3": "starts",
        "setns": "0",
        "unshare": "/",
        "rmdir": "busy",
    },
    "killed-before": {
        "kill": "populated 0",
        "freeze": "frozen 1",
        "move": "populated 1",
        "clone3": "starts",
        "setns": "0",
        "unshare": "/",
        "rmdir": "removed",
    },
}
"""The result of each operation, by the documentation; kernels are known to differ in those that have a trait.

kill and freeze: what the cgroup's cgroup.events shows afterwards. move: to a sibling of the namespace's root, then the
cgroup that was left is killed; what cgroup.events of the sibling shows. The process moves and lives if there is one.
"""
TRAITS: dict[tuple[str, str], tuple[str, dict[str, str]]] = {
    ("leader-left", "kill"): ("kill_without_leader", {"populated 0": "killed", "populated 1": "survives"}),
    ("leader-left", "move"): ("kill_after_move", {"populated 1": "spared", "populated 0": "killed"}),
    ("init-exits", "kill"): ("exiting_init_counted", {"populated 0": "no", "populated 1": "yes"}),
    ("init-exits", "freeze"): ("exiting_init_counted", {"frozen 1": "no", "frozen 0": "yes"}),
    ("init-exits", "rmdir"): (
        "rmdir_while_init_exits",
        {"removed": "removed", "busy": "busy", "no answer": "waits"},
    ),
    ("killed-before", "clone3"): ("clone3_after_kill", {"starts": "starts", "killed": "killed"}),
}
"""The trait of a result, and its values by the result."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A machine with a cgroup for each operation.

    :param admin: a shell outside of all namespaces.
    :param inside: the shell that starts the operations.
    :param observer: the shell that starts processes whose zombies stay.
    :param top: the root of the hierarchy.
    :param targets: the cgroup that each operation is done on.
    """

    admin: Shell
    inside: Shell
    observer: Shell
    top: str
    targets: Mapping[str, str]


@pytest.mark.needs("cgroup-namespaces", "cgroup2", "clone3")
@pytest.mark.parametrize("place", ["root", "below"])
@pytest.mark.parametrize("state", EXPECTED)
def test_every_end(
    hierarchies: PrepareHeader, admin: Shell, inside: Shell, observer: Shell, sight: Sight, state: str, place: str
) -> None:
    """Operations from inside a namespace on a cgroup whose tasks end, have ended, or are elsewhere."""
    top = hierarchies("v2")
    roots = {operation: f"{top}/{operation}/a" for operation in OPERATIONS}
    targets = {operation: root if place == "root" else f"{root}/b" for operation, root in roots.items()}
    scene = Scene(admin, inside, observer, top, targets)
    admin.run(f"mkdir -p {' '.join(targets.values())} {top}/q {top}/empty")
    admin.run("mkfifo /run/pid /run/result; exec 20<>/run/result")
    if admin.ask(f"[ -e {targets['kill']}/cgroup.kill ]").status != 0:
        sight("cgroup_kill", "absent")
        pytest.skip("this kernel has no cgroup.kill")
    keeper = keep_namespaces(admin, top, roots | {"empty": f"{top}/empty"})
    if admin.run(f"nsctl setns /proc/{keeper}/fd/{4 + len(OPERATIONS)} then cgroup in v2").endswith(" = /"):
        pytest.skip("on this kernel setns moves the caller, so operations would reach the process that does them")
    removable = admin.ask(f"rmdir {top}/empty").status == 0
    sight("rmdir_root", "allowed" if removable else "refused")
    pids = STATES[state](scene)
    found = {}
    for number, operation in enumerate(OPERATIONS):
        found[operation] = operate(scene, operation, f"/proc/{keeper}/fd/{4 + number}", pids[operation])

    if place == "root" and not removable:
        assert found.pop("rmdir") == "busy"
    compare(state, found, sight)


def compare(state: str, found: dict[str, str], sight: Sight) -> None:
    """Compare results with the expected ones, and report those that have a trait."""
    traits = {operation: TRAITS[state, operation] for operation in found if (state, operation) in TRAITS}
    for operation, (trait, values) in traits.items():
        assert found[operation] in values, (operation, found[operation])
        sight(trait, values[found[operation]])
    plain = {operation: result for operation, result in found.items() if operation not in traits}
    assert plain == {operation: EXPECTED[state][operation] for operation in plain}


def keep_namespaces(shell: Shell, top: str, roots: dict[str, str]) -> int:
    """Make a namespace for each root, in one process that is in none of the roots.

    :return: the pid of the process, which has the namespaces as descriptors 4, 5, ...
    """
    actions = ["open init /proc/self/ns/cgroup"]
    for operation, root in roots.items():
        actions += [f"write {root}/cgroup.procs 0", "setns @init", "unshare cgroup"]
        actions += [f"open {operation} /proc/self/ns/cgroup"]
    actions += [f"write {top}/cgroup.procs 0", "setns @init", "pid /run/pid", "wait /run/end"]
    return start(shell, *actions)


def start(shell: Shell, *actions: str) -> int:
    """Start nsctl in the background, with an action that writes a pid to /run/pid.

    :return: that pid.
    """
    shell.run(f"(nsctl {' then '.join(actions)} > /run/log 2>&1 &)")
    return int(shell.run("read -r P < /run/pid; echo $P"))


def leader_left(scene: Scene) -> dict[str, int]:
    """Put a process into each cgroup whose first thread has exited.

    :return: its pid, for each operation.
    """
    last = ("unshare cgroup", "leave", "pid /run/pid", "wait /run/end")
    return {
        operation: start(scene.admin, f"write {target}/cgroup.procs 0", *last)
        for operation, target in scene.targets.items()
    }


def init_exits(scene: Scene) -> dict[str, int]:
    """Kill the init of a pid namespace in each cgroup, while a zombie of that namespace is not reaped.

    :return: the pid of init, for each operation.
    """
    pids = {}
    for operation, target in scene.targets.items():
        scene.admin.run(f"(nsctl clone3 cgroup,pid into {target} then exec sleep 1000 > /dev/null &)")
        pid = int(scene.admin.run(f"until read -r P < {target}/cgroup.procs; do :; done; echo $P"))
        scene.observer.run(f"nsctl setns /proc/{pid}/ns/pid then zombie /run/pid then wait /run/end > /dev/null &")
        scene.admin.run(f"read -r Z < /run/pid; kill -9 {pid}")
        # Init has left its namespaces when it sleeps again (S, or I since Linux 7.3).
        waits = f"! [ -e /proc/{pid}/ns/cgroup ] && read -r _ _ S _ < /proc/{pid}/stat && [[ $S == [SI] ]]"
        scene.admin.run(f"until {waits}; do :; done")
        pids[operation] = pid
    return pids


def zombie(scene: Scene) -> dict[str, int]:
    """Leave a zombie in each cgroup, whose parent is elsewhere.

    :return: its pid, for each operation.
    """
    last = ("zombie /run/pid", f"write {scene.top}/cgroup.procs 0", "wait /run/end")
    return {
        operation: start(scene.admin, f"write {target}/cgroup.procs 0", *last)
        for operation, target in scene.targets.items()
    }


def thread_elsewhere(scene: Scene) -> dict[str, int]:
    """Put a process into each cgroup, and its second thread into a threaded cgroup below.

    :return: its pid, for each operation.
    """
    pids = {}
    for operation, target in scene.targets.items():
        scene.admin.run(f"mkdir {target}/t; echo threaded > {target}/t/cgroup.type")
        thread = f"thread {{ write {target}/t/cgroup.threads 0 }}"
        first = (f"write {target}/cgroup.procs 0", "unshare cgroup")
        pids[operation] = start(scene.admin, *first, thread, "pid /run/pid", "wait /run/end")
    return pids


def killed_before(scene: Scene) -> dict[str, int]:
    """Kill a process in each cgroup by cgroup.kill, and start another one elsewhere.

    :return: the pid of the other one, for each operation.
    """
    pids = {}
    for operation, target in scene.targets.items():
        kill = f"echo $! > {target}/cgroup.procs; echo 1 > {target}/cgroup.kill; wait $!"
        scene.admin.run(f"sleep 1000 & {kill}")
        pids[operation] = start(scene.admin, "pid /run/pid", "wait /run/end")
    return pids


STATES: dict[str, Callable[[Scene], dict[str, int]]] = {
    "leader-left": leader_left,
    "init-exits": init_exits,
    "zombie": zombie,
    "thread-elsewhere": thread_elsewhere,
    "killed-before": killed_before,
}


def operate(scene: Scene, operation: str, namespace: str, pid: int) -> str:
    """Do an operation from inside a namespace, in a process of its own, since it may not return.

    :param namespace: path of the namespace that the process enters first.
    :param pid: the process in the cgroup.
    :return: the result, as in EXPECTED.
    """
    target, sibling = scene.targets[operation], f"{scene.top}/q"
    action = {
        "kill": f"write {target}/cgroup.kill 1",
        "freeze": f"write {target}/cgroup.freeze 1",
        "move": f"write {sibling}/cgroup.procs {pid} then write {target}/cgroup.kill 1",
        "clone3": f"clone3 0 into {target} {{ cgroup in v2 }}",
        "setns": f"setns /proc/{pid}/ns/cgroup",
        "unshare": f"write {target}/cgroup.procs 0 then unshare cgroup then cgroup in v2",
        "rmdir": f"exec sh -c 'rmdir {target} && echo rmdir = removed'",
    }[operation]
    scene.inside.run(f'echo "$(nsctl setns {namespace} then {action} 2>&1 | tail -n 1)" > /run/result &')
    line = scene.admin.run(f'read -t {ANSWER_SECONDS} -r -u 20 R || R="no answer"; echo "$R"')
    result = line.rpartition(" = ")[2].rpartition(": ")[2]
    match operation, result:
        case "kill", "1":
            return event(scene.admin, target, "populated", "0")
        case "freeze", "1":
            return event(scene.admin, target, "frozen", "1")
        case "move", "1":
            return event(scene.admin, sibling, "populated", "0")
        case "clone3", _:
            return "starts" if result.startswith("/") else "killed" if result.isdecimal() else result
        case _:
            return "busy" if result == "Device or resource busy" else result


def event(shell: Shell, path: str, key: str, value: str) -> str:
    """Wait until a key of cgroup.events has a value, for a bounded time.

    :return: the key and its value then.
    """
    file = f"{path}/cgroup.events"
    reached = f'[[ $(<{file}) == *"{key} {value}"* ]] || ((SECONDS > end))'
    shell.run(f"end=$((SECONDS + {EFFECT_SECONDS})); until {reached}; do :; done")
    return shell.run(f"grep {key} {file}")
