# shellcheck shell=bash
# What provisioning of nodes and client shares. It may run any number of times: what is as it should be stays untouched.

# Installs what is missing from Debian. Where nothing is, the network is not asked.
packages() {
    local package missing=()
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Writes standard input to a file; succeeds if that changed it.
changed() {
    local new
    new=$(mktemp)
    cat >"$new"
    if cmp -s "$new" "$1"; then
        rm "$new"
        return 1
    fi
    echo "writing $1"
    mkdir -p "$(dirname "$1")"
    install -m "${2:-0644}" "$new" "$1"
    rm "$new"
}

# The interface with this address, which has another name on each kind of machine.
interface_of() {
    local name
    name=$(ip -brief -4 address show to "$1/32" | awk '{ sub(/@.*/, "", $1); print $1; exit }')
    [ -n "$name" ] || { echo "no interface has the address $1" >&2; return 1; }
    echo "$name"
}

# Enables services. Not those that are: it makes systemd read all of its units again, which an emulated machine feels.
enabled() {
    local service
    for service in "$@"; do
        systemctl is-enabled --quiet "$service" || systemctl enable --quiet "$service"
    done
}
