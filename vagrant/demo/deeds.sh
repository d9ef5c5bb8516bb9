# shellcheck shell=bash
# What is done to the nodes, and how its effect is recognised where states and pages do not tell it.

# One curl, from the client.
scrape() {
    local text instances
    text=$(on client 'curl --silent --fail --max-time 10 "http://192.168.56.[11-12]:9650/metrics"') || return
    instances=$(grep -c '^vipward_instance_state{' <<<"$text") || return
    note="$instances states of instances in $(wc -l <<<"$text" | tr -d ' ') lines"
    [ "$instances" = 4 ]
}

# The other release of the application.
change_key() {
    local now
    now=$(on client 'ETCDCTL_API=3 etcdctl get --print-value-only /demo/upstream/one') || return
    if [ "$now" = 127.0.0.1:8081 ]; then app=green port=8082; else app=blue port=8081; fi
    on client "ETCDCTL_API=3 etcdctl put /demo/upstream/one 127.0.0.1:$port" >/dev/null
    note="$app"
}

app_is_new() {
    [ "$(on client 'curl --silent --max-time 5 "http://192.168.56.[11-12]/app"' | sort | uniq -c | tr -s ' ')" = " 2 $app" ]
}

# How often the state of n2 has changed, by what it said last.
transitions() {
    detail n2 transitions
}

unchanged() {
    [ "$(transitions)" = "$before" ]
}

reload_other() {
    before=$(transitions)
    on n1 "sed -i 's/^    priority 150/    priority 150\n    garp_master_refresh 30/' /etc/keepalived/keepalived.conf &&
        systemctl reload vipward"
}

# The reload is to fail, with the line and the word.
reload_refused() {
    before=$(transitions)
    on n1 "sed -i 's/garp_master_refresh/garp_master_refersh/' /etc/keepalived/keepalived.conf" || return
    if on n1 "systemctl reload vipward" 2>/dev/null; then return 1; fi
    note=$(on n1 "vipward check" 2>&1 | sed -n 's|^/etc/keepalived/||; /error/ { p; q }')
    on n1 "cp /etc/keepalived/master-backup.conf /etc/keepalived/keepalived.conf && systemctl reload vipward"
}

agent() {
    on n1 "systemctl show --property MainPID --value vipward"
}

signal_agent() {
    on n1 "kill -$1 $(agent)"
}

# Both count only when another agent is there again, which systemd sees to.
replaced() {
    local now
    now=$(sed -n 's/^  "pid": \([0-9]*\),/\1/p' "$work/n1.says")
    [ -n "$now" ] && [ "$now" != "$killed" ]
}

kill_agent() {
    killed=$(agent)
    on n1 "kill -KILL $killed"
    besides=replaced
}

# The guard is the agent's child. The agent is stopped first, or it would start another guard, or the guard hand over.
kill_both() {
    killed=$(agent)
    on n1 "guard=\$(pgrep --parent $killed --full 'vipward guard') && kill -STOP $killed &&
        kill -KILL \$guard && kill -KILL $killed" || return
    besides=replaced
}

# No failover, if the new agent is there while the guard still holds the VIPs for it: ten seconds, which an emulated machine
# may need for that. If it is later, the guard has handed over, and there is no gap either.
restart_service() {
    before=$(transitions)
    on n1 "systemctl restart vipward" || return
    see_states
    if unchanged; then note="no failover"; else note="a failover: the agent was not back in 10 s"; fi
}

cut_link() {
    on n1 "ip link set $(interface n1) down"
}

plug_link() {
    on n1 "ip link set $(interface n1) up"
}

# As a power cut does it: nothing is shut down.
halt_machine() {
    forget n1
    off=n1
    vagrant halt --force n1 >/dev/null
}

# Everything that n1 needs is enabled. Its address for us may be another one.
boot_machine() {
    vagrant up --no-provision n1 >/dev/null || return
    off=
    learn_addresses
    note="all by systemd"
}

# Starting it stops vipward, and the reverse.
start_keepalived() {
    on n2 "systemctl start keepalived" && peer=n2
}

start_vipward() {
    on n2 "systemctl start vipward" && peer=
}

# impair NETEM...: to what leaves n1.
impair() {
    on n1 "modprobe sch_netem 2>/dev/null; tc qdisc replace dev $(interface n1) root netem $*"
}

repair() {
    on n1 "tc qdisc del dev $(interface n1) root"
}

# The same for some seconds.
impair_for() {
    local seconds=$1
    shift
    before=$(transitions)
    impair "$@" || return
    sleep "$seconds"
    repair || return
    see_states
    note="$(($(transitions) - before)) changes of state on n2"
}
