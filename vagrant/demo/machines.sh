# shellcheck shell=bash
# The machines: how they are reached, and what can be seen of them.

NODES=(n1 n2)
# The one that is switched off, and the one that runs keepalived.
off=
peer=
PROBE_MS=${VIPWARD_PROBE_MS:-50}

reach_machines() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/vipward-demo.XXXXXX")
    learn_addresses
}

# One connection for each machine, kept open: a login takes longer than what there is to say.
learn_addresses() {
    local machine
    vagrant ssh-config >"$work/ssh" || {
        echo "the machines are not up: vagrant up" >&2
        exit 1
    }
    cat >>"$work/ssh" <<-END
		Host *
		  ControlPath $work/%n
		  ServerAliveInterval 5
		  ServerAliveCountMax 3
	END
    for machine in client "${NODES[@]}"; do
        ssh -F "$work/ssh" -O check "$machine" >/dev/null 2>&1 && continue
        # In the background by itself, with nothing of ours open.
        ssh -F "$work/ssh" -M -N -f "$machine" </dev/null >/dev/null 2>&1 || {
            echo "$machine cannot be reached: vagrant up $machine" >&2
            exit 1
        }
    done
}

# Runs a command line as root on a machine.
on() {
    local machine=$1
    shift
    ssh -F "$work/ssh" "$machine" "sudo -n bash -c $(printf '%q' "$*")" </dev/null
}

# The connection of a machine that is about to go away.
forget() {
    ssh -F "$work/ssh" -O exit "$1" >/dev/null 2>&1 || true
}

# Ends what was started, and puts right what a step that failed may have left.
leave() {
    local status=$? node
    [ -d "${work:-}" ] || exit "$status"
    stop_probe
    for node in "${NODES[@]}"; do
        timeout 60 ssh -F "$work/ssh" "$node" "sudo -n bash -c $(printf '%q' "$(declare -f mend); mend")" \
            </dev/null >/dev/null 2>&1 || true
        forget "$node"
    done
    forget client
    rm -rf "$work"
    exit "$status"
}

# Runs on a node: whatever may have been done to it is undone.
mend() {
    local interface
    pkill -CONT -x vipward
    interface=$(awk '$1 == "interface" { print $2; exit }' /etc/keepalived/keepalived.conf)
    ip link set "$interface" up
    tc qdisc del dev "$interface" root 2>/dev/null
    systemctl start nginx
    cmp -s /etc/keepalived/master-backup.conf /etc/keepalived/keepalived.conf ||
        cp /etc/keepalived/master-backup.conf /etc/keepalived/keepalived.conf
    if systemctl is-active --quiet vipward; then
        systemctl reload vipward
        vipward undrain
    else
        systemctl start vipward
    fi
    systemctl start vipward-render
}

# The interface of the private network on a node.
interface() {
    on "$1" "awk '\$1 == \"interface\" { print \$2; exit }' /etc/keepalived/keepalived.conf"
}

# What a node says about itself, into a file: nothing when it does not answer. One small command, for it is asked all the
# time and an emulated machine feels each process. keepalived tells nothing, so there the addresses are looked at.
ask() {
    if [ "$1" = "$peer" ]; then
        timeout 20 ssh -F "$work/ssh" "$1" ip -brief address show
    else
        timeout 20 ssh -F "$work/ssh" "$1" sudo -n timeout 5 vipward status --json
    fi </dev/null >"$work/$1.says" 2>/dev/null || true
}

# The states of a node's instances in what it said: NAME=STATE...
states_of() {
    local pair
    if [ "$1" = "$peer" ]; then
        for pair in WEB=192.168.56.100 WEB6=fd56::100; do
            if grep -q " ${pair#*=}/" "$work/$1.says"; then echo "${pair%%=*}=MASTER"; else echo "${pair%%=*}=BACKUP"; fi
        done
    else
        sed -n '/^  "instances"/,/^  \]/ {
            s/^      "name": "\(.*\)",/\1=/p
            s/^      "state": "\(.*\)",/\1/p
        }' "$work/$1.says" | paste -s -d " " - | sed "s/= /=/g"
    fi
}

# A field of the instance WEB in what a node said.
detail() {
    sed -n '/^  "instances"/,/^  \]/p' "$work/$1.says" |
        sed -n '/^      "name": "WEB"/,/^    }/ s/^      "'"$2"'": "\{0,1\}\([^",]*\).*/\1/p'
}

# Starts the client's probe of these VIPs (NAME=ADDRESS) and of the nodes' own addresses.
start_probe() {
    stop_probe
    coproc PROBE { ssh -F "$work/ssh" client "python3 -u /vagrant/demo/probe.py $PROBE_MS $* n1=192.168.56.11 n2=192.168.56.12"; }
    # The names that bash gives them go when the probe ends.
    probe_in=${PROBE[1]} probe_out=${PROBE[0]} probe_pid=$!
}

stop_probe() {
    [ -n "${probe_pid:-}" ] || return 0
    # Its end of input is its end.
    exec {probe_in}>&- {probe_out}<&-
    wait "$probe_pid" 2>/dev/null || true
    probe_pid=
}

# What counts begins now.
mark() {
    echo mark >&"$probe_in"
}

# What the client has seen since, into seen[NAME]: GAP STALL AGE BY PATH. Stalls are those of a node's own page.
declare -A seen
look() {
    local line
    echo "look $1" >&"$probe_in"
    while :; do
        read -r -t 30 line <&"$probe_out" || {
            echo "the client does not answer any more" >&2
            exit 1
        }
        [ "$line" != . ] || break
        seen[${line%% *}]=${line#* }
    done
}
