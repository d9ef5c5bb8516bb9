# shellcheck shell=bash
# A step: something is done, the client and the nodes are watched until all is as it should be, and the gap is judged.

PATIENCE=${VIPWARD_PATIENCE:-60}
# All must have been as it should for this long.
SETTLED_MS=1000
# What must be true besides, for one step.
besides=true
# What a step has to say about itself.
note=

milliseconds() {
    local seconds
    seconds=${EPOCHREALTIME/[.,]/}
    echo $((seconds / 1000))
}

# The states of both nodes, into state[NODE.INSTANCE].
declare -A state
see_states() {
    local node pair pids=()
    for node in "${NODES[@]}"; do
        : >"$work/$node.says"
        [ "$node" != "$off" ] || continue
        ask "$node" &
        pids+=("$!")
    done
    wait "${pids[@]}"
    state=()
    for node in "${NODES[@]}"; do
        for pair in $(states_of "$node"); do
            state[$node.${pair%%=*}]=${pair#*=}
        done
    done
}

# What the states of a VIP should be: n1's own VIPs change hands, n2's only lose their backup.
wanted() {
    local vip=$1 states=$2
    if [ "$(owner "$vip")" = n1 ]; then
        echo "$states"
    else
        case $states in
        FAULT/*) echo FAULT/MASTER ;;
        -/*) echo -/MASTER ;;
        *) echo BACKUP/MASTER ;;
        esac
    fi
}

# Who serves a VIP in the configuration when all is well.
owner() {
    if [ "$1" = API ]; then echo n2; else echo n1; fi
}

# perform STEP TITLE KIND STATES PATH COMMAND...
#
# KIND is that of the bound (see bounds.sh; `-` for none), STATES what the nodes should come to for the VIPs of n1
# ("MASTER/BACKUP"), PATH who should have answered the client there ("n1>n2", a pattern).
perform() {
    local step=$1 title=$2 kind=$3 states=$4 path=$5
    shift 5
    local server=${path##*>} vip now deadline right_since=0 slowest=0 limit why failures=$failed
    # The pattern's own signs are no part of a name.
    server=${server//\*/}
    note=
    mark
    if ! "$@" >/dev/null; then
        row "$step" "$title" - - - - - - 0 "it could not be done" "$note"
        besides=true
        return
    fi
    for vip in "${VIPS[@]}"; do
        [ "$kind" = - ] || limit=$(bound "$kind" "$SCENE" "$vip")
        [ "${limit:-0}" -le "$slowest" ] || slowest=$limit
    done
    deadline=$(($(milliseconds) + slowest + 1000 * PATIENCE))
    while :; do
        see_states
        look "$server"
        now=$(milliseconds)
        why=$(amiss "$states" "$server")
        [ -n "$why" ] || $besides || why="what should have come of it has not"
        if [ -n "$why" ]; then
            right_since=0
        elif [ "$right_since" = 0 ]; then
            right_since=$now
        fi
        if [ "$right_since" != 0 ] && [ $((now - right_since)) -ge "$SETTLED_MS" ]; then break; fi
        [ "$now" -lt "$deadline" ] || break
    done
    for vip in "${VIPS[@]}"; do
        judge "$step" "$title" "$kind" "$path" "$vip" "$why"
        title=
    done
    [ "$failed" = "$failures" ] || complain
    besides=true
}

# What is not as it should be now; nothing if all is.
amiss() {
    local vip want gap stall age by path
    for vip in "${VIPS[@]}"; do
        want=$(wanted "$vip" "$1")
        if [ "${state[n1.$vip]:--}/${state[n2.$vip]:--}" != "$want" ]; then
            echo "not $want"
            return
        fi
        read -r gap stall age by path <<<"${seen[$vip]}"
        want=$2
        [ "$(owner "$vip")" = n1 ] || want=n2
        if [ "$by" != "$want" ] || [ "$age" -gt 2000 ]; then
            echo "$want does not serve"
            return
        fi
    done
}

judge() {
    local step=$1 title=$2 kind=$3 want=$4 vip=$5 verdict=$6 gap stall age by path bound=- over
    read -r gap stall age by path <<<"${seen[$vip]}"
    if [ "$(owner "$vip")" != n1 ]; then
        want=n2
        [ "$kind" = - ] || kind=none
    fi
    if [ "$kind" = - ]; then gap=-; else bound=$(bound "$kind" "$SCENE" "$vip"); fi
    over=0
    if [ "$gap" != - ]; then
        over=$((gap - bound - MARGIN_MS))
        [ "$over" -gt 0 ] || over=0
    fi
    if [ -z "$verdict" ]; then
        # shellcheck disable=SC2254 # a pattern
        case $path in $want) ;; *) verdict="not $want" ;; esac
    fi
    # A stall counts only as far as it is needed.
    if [ "$over" -le "$stall" ]; then stall=$over; else verdict=${verdict:-"too long"}; fi
    [ "$over" -gt 0 ] || stall=0
    row "$step" "$title" "$vip" "${state[n1.$vip]:--}" "${state[n2.$vip]:--}" "$path" "$gap" "$bound" "$stall" \
        "${verdict:-ok}" "$note"
}

# After a failure: what the nodes have logged of late.
complain() {
    local node
    for node in "${NODES[@]}"; do
        [ "$node" != "$off" ] || continue
        on "$node" 'journalctl --unit vipward --unit vipward-render --unit keepalived --no-pager --output short-precise --lines 15' |
            sed "s/^/    $node | /" || true
    done
}

# A result that is about no gap: check STEP TITLE COMMAND..., which says in `note` what it saw.
check() {
    local step=$1 title=$2 verdict=ok
    shift 2
    note=
    "$@" || verdict="not so"
    row "$step" "$title" - - - - - - 0 "$verdict" "$note"
}
