#!/usr/bin/env bash
# Shows what happens to a client when things go wrong with the nodes: `vagrant up`, then this. README.md says more.
set -euo pipefail
if [ "${BASH_VERSINFO[0]}" -lt 4 ]; then
    echo "demo.sh needs bash 4 or newer; this is $BASH_VERSION" >&2
    exit 2
fi
cd "$(dirname "$0")"
# shellcheck source-path=SCRIPTDIR
. demo/machines.sh
# shellcheck source-path=SCRIPTDIR
. demo/bounds.sh
# shellcheck source-path=SCRIPTDIR
. demo/table.sh
# shellcheck source-path=SCRIPTDIR
. demo/deeds.sh
# shellcheck source-path=SCRIPTDIR
. demo/steps.sh
# shellcheck source-path=SCRIPTDIR
. demo/scenes.sh

usage() {
    cat <<'END'
usage: ./demo.sh [--report] [SCENE...]
       ./demo.sh --list

  --report   end with lines for programs: result, step, VIP, n1, n2, client, gap, bound, allowed, verdict, note; by tabs
  --list     the scenes and their steps

From the environment:
  VIPWARD_PROBE_MS    the client asks for each page this often (50)
  VIPWARD_MARGIN_MS   what is allowed on top of a bound (250): scheduling in the machines, and the probe's period
  VIPWARD_PATIENCE    seconds that a step may take beyond its bound (60)
END
}

report=false
chosen=()
for argument in "$@"; do
    case $argument in
    --report) report=true ;;
    --list)
        list
        exit
        ;;
    -h | --help)
        usage
        exit
        ;;
    -*)
        usage >&2
        exit 2
        ;;
    *) chosen+=("$argument") ;;
    esac
done
[ "${#chosen[@]}" -gt 0 ] || chosen=("${SCENES[@]}")
for scene in "${chosen[@]}"; do
    declare -F "scene_$scene" >/dev/null || {
        echo "there is no scene $scene; --list shows them" >&2
        exit 2
    }
done

trap leave EXIT
reach_machines
for scene in "${chosen[@]}"; do
    "scene_$scene"
done
summary
if $report; then report_rows; fi
[ "$failed" = 0 ]
