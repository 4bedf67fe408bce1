#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Test a series from a mailing list: examples/ci/mail.sh MESSAGE-ID BASE [ARGS...]
#
# For a cron job or a mail hook. The thread is fetched with b4. The reply is printed; read it before you send it. ARGS are
# passed to harness series, e.g. --expect. --patchwork URL posts checks to a Patchwork server; set its token in the
# environment variable PATCHWORK_TOKEN.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
[ $# -ge 2 ] || {
	echo "usage: examples/ci/mail.sh MESSAGE-ID BASE [ARGS...]" >&2
	exit 4
}
message=$1 base=$2
shift 2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/bootstrap" doctor >/dev/null || true
"$here/.venv/bin/b4" -q mbox -o "$work" -n series.mbx "$message"
"$here/bootstrap" series "$work/series.mbx" --base "$base" --mail - "$@"
