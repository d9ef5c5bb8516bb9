# shellcheck shell=bash
# What is shown. Each scene begins and ends with all well; what is done to n1, who serves, hits the client.

SCENES=(pair faults machine peer dual netem)

# The steps of each scene, as its function has them.
list() {
    local scene
    for scene in "${SCENES[@]}"; do
        declare -f "scene_$scene" | sed -n "s/^ *\(besides=[a-z_]* \)*\(perform\|check\) \([a-z0-9-]*\) .*/$scene \3/p"
    done
}

# Puts a configuration in place on both nodes, and has it read.
configure() {
    local node
    for node in n2 n1; do
        on "$node" "cmp -s /etc/keepalived/$1.conf /etc/keepalived/keepalived.conf ||
            { cp /etc/keepalived/$1.conf /etc/keepalived/keepalived.conf && systemctl reload vipward; }" || return
    done
}

begin() {
    local title=$1
    SCENE=$2
    shift 2
    VIPS=(WEB WEB6)
    local targets=(WEB=192.168.56.100 WEB6=fd56::100)
    if [ "$SCENE" = dual-master ]; then
        VIPS+=(API)
        targets+=(API=192.168.56.101)
    fi
    start_probe "${targets[@]}"
    heading "$title" \
        "n2 waits $(shown "$(master_down "$SCENE" n2 WEB)") for a silent master (Master_Down_Interval), and" \
        "$(shown "$(skew "$SCENE" n2 WEB)") for one that resigned (Skew_Time); a lease lasts $(shown "$(lease "$SCENE" n1 WEB)")"
}

# How the nodes receive adverts, with the reason where it is not the best way.
data_paths() {
    local node path reason
    for node in "${NODES[@]}"; do
        path=$(detail "$node" datapath)
        reason=$(detail "$node" datapath_reason)
        [ -n "$path" ] || return
        [ "$reason" != null ] || reason=
        note="${note:+$note, }$node $path${reason:+: $reason}"
    done
}

scene_pair() {
    begin "One pair: the VIP over IPv4 (WEB) and over IPv6 (WEB6), adverts every second" master-backup
    perform start "both nodes are up" - MASTER/BACKUP n1 configure master-backup
    check datapath "how adverts are received" data_paths
    check scrape "both scraped by one curl" scrape
    besides=app_is_new perform key "a key in etcd is changed" none MASTER/BACKUP n1 change_key
    besides=unchanged perform reload "a reload, other GARP settings" none MASTER/BACKUP n1 reload_other
    besides=unchanged perform refused "a reload with a misspelt word" none MASTER/BACKUP n1 reload_refused
    perform nginx-stop "nginx stops on n1" checked BACKUP/MASTER "n1>n2" on n1 "systemctl stop nginx"
    perform nginx-start "nginx is back on n1" none MASTER/BACKUP "n2>n1" on n1 "systemctl start nginx"
}

scene_faults() {
    begin "The same pair: what becomes of the agent, and of the link" master-backup
    perform whole "both nodes are up" - MASTER/BACKUP n1 configure master-backup
    perform kill "kill -9 of n1's agent, and back" resigned MASTER/BACKUP "n1>n2>n1" kill_agent
    perform kill-both "kill -9 of agent and guard" leased MASTER/BACKUP "n1*" kill_both
    perform freeze "n1's agent is frozen" leased -/MASTER "n1>n2" signal_agent STOP
    perform thaw "it is thawed" none MASTER/BACKUP "n2>n1" signal_agent CONT
    perform drain "n1 is drained" none BACKUP/MASTER "n1>n2" on n1 "vipward drain"
    perform undrain "the end of that" none MASTER/BACKUP "n2>n1" on n1 "vipward undrain"
    perform restart "the service of n1 is restarted" none MASTER/BACKUP "n1*" restart_service
    perform cut "the link of n1 is cut" silent FAULT/MASTER "n1>n2" cut_link
    perform plug "the link of n1 is back" none MASTER/BACKUP "n2>n1" plug_link
}

scene_machine() {
    begin "The machine itself" master-backup
    perform well "both nodes are up" - MASTER/BACKUP n1 configure master-backup
    perform halt "the power of n1 is cut" silent -/MASTER "n1>n2" halt_machine
    perform boot "n1 is booted" none MASTER/BACKUP "n2>n1" boot_machine
}

scene_peer() {
    begin "keepalived on n2, with the same configuration" master-backup
    perform peer "n2 changes to keepalived" none MASTER/BACKUP n1 start_keepalived
    perform peer-takes "vipward is stopped on n1" none -/MASTER "n1>n2" on n1 "systemctl stop vipward"
    perform peer-returns "vipward is started on n1" none MASTER/BACKUP "n2>n1" on n1 "systemctl start vipward"
    perform peer-cut "the link of n1 is cut" silent FAULT/MASTER "n1>n2" cut_link
    perform peer-plug "the link of n1 is back" none MASTER/BACKUP "n2>n1" plug_link
    perform peer-ends "n2 changes to vipward" none MASTER/BACKUP n1 start_vipward
}

scene_dual() {
    begin "Dual master by a reload: n2 serves a VIP of its own (API), adverts every 100 ms" dual-master
    perform dual "both nodes are reloaded" - MASTER/BACKUP n1 configure dual-master
    perform dual-cut "the link of n1 is cut" silent FAULT/MASTER "n1>n2" cut_link
    perform dual-plug "the link of n1 is back" none MASTER/BACKUP "n2>n1" plug_link
    perform dual-kill "kill -9 of n1's agent, and back" resigned MASTER/BACKUP "n1>n2>n1" kill_agent
    perform dual-freeze "n1's agent is frozen" leased -/MASTER "n1>n2" signal_agent STOP
    perform dual-thaw "it is thawed" none MASTER/BACKUP "n2>n1" signal_agent CONT
    check dual-ends "back to one pair" configure master-backup
}

scene_netem() {
    begin "A bad network: what leaves n1 is lost or late" master-backup
    perform calm "both nodes are up" - MASTER/BACKUP n1 configure master-backup
    perform one-way "nothing that n1 sends arrives" silent MASTER/MASTER "n1>n2" impair loss 100%
    perform heal "it arrives again" interval MASTER/BACKUP "n2>n1" repair
    perform loss "20 % is lost, for 20 s" silent MASTER/BACKUP "*n1" impair_for 20 loss 20%
    perform delay "50 ms late, +- 20 ms, for 20 s" none MASTER/BACKUP n1 impair_for 20 delay 50ms 20ms
}
