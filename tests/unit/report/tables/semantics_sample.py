# SPDX-License-Identifier: GPL-2.0-only
"""A small semantics file with everything that a report of it can show."""

from __future__ import annotations

from harness.results.sightings import Seen, Sighting
from harness.semantics.observers import Observer
from harness.semantics.traits import Semantics, load_semantics

TEXT = '''
[trait.outside_view]
meaning = "what /proc/PID/cgroup shows for a task in a sibling of the reader's root"
theme = "view"
scenarios = ["P-06", "P-08"]
unseen = ["root"]
story = """
Version 0 showed the real path. Version 1 left the line out; its author defended that in the review, and was
answered that an empty file is no better.

Version 2 shows a path from the reader's root.
"""
[trait.outside_view.values]
absolute = "the path from the real root, /sub2"
hidden = "no line for that hierarchy"
relative = "a path from the reader's root, with one /.. for each level up to the common ancestor, as in /../sub2"
root = "/"

[trait.zombie_view]
meaning = "what it shows for a zombie"
theme = "view"
scenarios = []
[trait.zombie_view.values]
root = "the root of the hierarchy"
kept = "the cgroup it was in"

[trait.mountinfo_root]
meaning = "what the fourth field of mountinfo counts from"
theme = "mount"
scenarios = ["M-04"]
[trait.mountinfo_root.values]
filesystem = "the root of the hierarchy"
namespace = "the reader's root"

[trait.release_agent_from_userns]
meaning = "whether root of a user namespace may write release_agent"
theme = "writes"
scenarios = ["W-05"]
[trait.release_agent_from_userns.values]
allowed = "0"
refused = "EPERM"

[trait.node_name]
meaning = "what ns_cgroup calls the cgroup that it makes"
theme = "old"
scenarios = ["N-02"]
[trait.node_name.values]
node = "node_PID"
pid = "PID"

[profile.v0]
title = "the request for comments"
date = 2014-07-17
source = "a mail"
[profile.v0.traits]
outside_view = { value = "absolute", confirmed = false, source = "not read again: an example" }
zombie_view = { value = "root", confirmed = true, source = "its base" }
mountinfo_root = { value = "filesystem", confirmed = false, source = "inferred" }

[profile.v1]
title = "the first series"
date = 2014-10-13
source = "a mail"
[profile.v1.traits]
outside_view = { value = "hidden", confirmed = true, source = "LONG" }
zombie_view = { value = "root", confirmed = true, source = "its base" }

[profile.old]
title = "ns_cgroup of 2.6.24"
date = 2008-01-24
source = "a commit"
[profile.old.traits]
node_name = { value = "node", confirmed = true, source = "a commit" }

[profile.mainline]
title = "merged"
source = "commits"
landmarks = ["4.6", "4.7", "4.8", "4.9", "4.13", "5.7", "5.17", "6.1"]
[profile.mainline.released]
"4.6" = 2016-05-15
"4.7" = 2016-07-24
[profile.mainline.changes]
outside_view = [{ since = "4.6", value = "relative", confirmed = true, source = "commit one" }]
zombie_view = [{ since = "4.4", value = "kept", confirmed = true, source = "commit two" }]
mountinfo_root = [
    { since = "4.6", value = "filesystem", confirmed = false, source = "inferred" },
    { since = "4.7", value = "namespace", confirmed = true, source = "commit three" },
]
release_agent_from_userns = [
    { since = "4.6", value = "allowed", confirmed = true, source = "commit four" },
    { since = "5.17", value = "refused", confirmed = true, backported = ["5.16.6"], source = "commit five" },
]
'''

LONG = "the review of version 1: no line for the default hierarchy; the changes that the cover letter lists, item 4"

SEMANTICS: Semantics = load_semantics(TEXT.replace("LONG", LONG), path="sample.toml")

SEEN = Seen(
    {
        "outside_view": {
            "hidden": (Sighting("cgroupns-v1", "0a1b2c3d4e5f", "2026-11-22T04:31:05Z"),),
            "relative": (
                Sighting("6.1.0-56-cloud-amd64", "9f9f9f9f9f9f", "2026-11-21T22:34:58Z"),
                Sighting("6.12.57+deb13-cloud-amd64", "8e8e8e8e8e8e", "2026-11-21T22:39:22Z"),
            ),
        },
        "mountinfo_root": {"namespace": (Sighting("cgroupns-v1", "0a1b2c3d4e5f", "2026-11-22T04:31:05Z"),)},
    }
)

OBSERVERS = [
    Observer("cases/views/siblings-v2.session", 24, ("absolute", "hidden", "relative")),
    Observer("cases/views/test_every_pair.py", 36),
]
