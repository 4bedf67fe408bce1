# SPDX-License-Identifier: GPL-2.0-only
"""What a task reads of another one: the paths of its cgroups, and the roots of its mounts. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from .state import V1, V2, Cgroup, CgroupNamespace, Refused, Task


def relative(target: Cgroup, root: Cgroup) -> str:
    """Return the path of a cgroup as seen from another one, with /.. for each level up."""
    above, way = root.lineage(), target.lineage()
    common = sum(one is other for one, other in zip(above, way, strict=False))
    names = [".."] * (len(above) - common) + [one.name for one in way[common:]]
    return "/" + "/".join(names)


def absolute(target: Cgroup) -> str:
    """Return the path of a cgroup from the root of its hierarchy."""
    return "/" + "/".join(target.names)


class Views:
    """The views by the traits of a version.

    :param traits: the values of traits.
    """

    def __init__(self, traits: Mapping[str, str]) -> None:
        self._traits = traits

    def of_task(self, reader: Task, target: Task) -> str:
        """Return the paths of a task in both hierarchies; "-" where there is no line."""
        owner = target if self._traits["view_owner"] == "target" else reader
        return f"{self._line(V1, owner.namespace, target)} {self._line(V2, owner.namespace, target)}"

    def _line(self, hierarchy: str, namespace: CgroupNamespace, target: Task) -> str:
        cgroup = target.cgroups[hierarchy]
        top = cgroup.lineage()[0]
        if not target.is_alive and (hierarchy == V1 or self._traits["zombie_view"] == "root"):
            # Printed as it is on v1; moved there, and seen as any other cgroup, on v2.
            return "/" if hierarchy == V1 else self._path(namespace, top)
        path = absolute(cgroup) if not self.covers(hierarchy) else self._path(namespace, cgroup)
        return path if cgroup.is_alive or hierarchy == V1 or path == "-" else f"{path} (deleted)"

    def covers(self, hierarchy: str) -> bool:
        """Return whether namespaces have a root in a hierarchy."""
        return hierarchy == V2 or self._traits["scope"] == "all"

    def _path(self, namespace: CgroupNamespace, cgroup: Cgroup) -> str:
        root = namespace.roots[cgroup.hierarchy]
        if cgroup.is_in(root):
            if self._traits["self_view"] == "absolute" and cgroup is root:
                return absolute(cgroup)
            return relative(cgroup, root) if self._traits["descendant_view"] == "relative" else absolute(cgroup)
        view = self._traits["ancestor_view" if root.is_in(cgroup) else "outside_view"]
        return {"relative": relative(cgroup, root), "absolute": absolute(cgroup), "hidden": "-"}[view]

    def of_cpuset(self, reader: Task) -> str:
        """Return the path in /proc/PID/cpuset: that of the root, as the controller is enabled nowhere."""
        root = reader.namespace.roots[V2]
        return relative(root.lineage()[0], root) if self._traits["cpuset_view"] == "relative" else "/"

    def of_mounts(self, reader: Task, target: Task) -> str:
        """Return the roots of the cgroup mounts of a task, as mountinfo shows them."""
        if not target.is_alive:
            raise Refused("EINVAL")
        tops = {name: one.lineage()[0] for name, one in target.cgroups.items()}
        shown = [f"{name}:{self._root(reader, tops[name])}" for name in (V1, V2)]
        stacks = sorted(target.mounts.places.items())
        return " ".join(
            [*shown, *(f"{place}:{self._root(reader, one.root)}" for place, stack in stacks for one in stack)]
        )

    def _root(self, reader: Task, root: Cgroup) -> str:
        if self._traits["mountinfo_root"] == "filesystem" or not self.covers(root.hierarchy):
            return _escaped(absolute(root))
        return _escaped(relative(root, reader.namespace.roots[root.hierarchy]))


def _escaped(path: str) -> str:
    return path.replace(" ", "\\040")
