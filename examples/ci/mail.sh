#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Judges a series of a mailing list: examples/ci/mail.sh MESSAGE-ID BASE [WORDS...]
#
# For a cron job or a hook of whoever follows a list. The thread is fetched with b4; the answer goes to standard output,
# to be read by a person before it is sent anywhere. WORDS are for harness series: --expect, and for checks on a
# Patchwork server --patchwork URL, with its token in the environment as PATCHWORK_TOKEN.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
[ $# -ge 2 ] || {
	echo "usage: examples/ci/mail.sh MESSAGE-ID BASE [WORDS...]" >&2
	exit 4
}
message=$1 base=$2
shift 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/bootstrap" doctor >/dev/null || true
"$here/.venv/bin/b4" -q mbox -o "$work" -n series.mbx "$message"
"$here/bootstrap" series "$work/series.mbx" --base "$base" --mail - "$@"
