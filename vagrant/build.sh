#!/usr/bin/env bash
# Makes the Debian package that provisioning installs: vagrant/vipward.deb. Options go to `cargo xtask dist`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
cargo xtask dist --deb-only "$@"
# dist says in which folder its packages are only to people; the newest one is what it has just made.
newest=$(find "${CARGO_TARGET_DIR:-target}/dist" -name 'vipward_*.deb' -printf '%T@ %p\n' | sort -n | tail -n 1)
cp "${newest#* }" "$here/vipward.deb"
echo "vagrant/vipward.deb: ${newest##*/}"
