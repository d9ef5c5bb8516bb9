# shellcheck shell=bash
# For how long the client may go without a page, in milliseconds: what the protocol and the configuration say.

# A setting in the configuration that a node is shown with: setting SCENE NODE INSTANCE KEYWORD.
setting() {
    awk -v block="$3" -v keyword="$4" '
        $1 == "vrrp_instance" || $1 == "vrrp_script" { inside = $2 == block }
        inside && $1 == keyword { print $2; exit }' "files/keepalived/$1-$2.conf"
}

interval_ms() {
    awk -v seconds="$(setting "$1" "$2" "$3" advert_int)" 'BEGIN { printf "%d", seconds * 1000 }'
}

# Skew_Time of version 3: (256 - priority) / 256 of an interval (RFC 9568, 6.1).
skew() {
    echo $(((256 - $(setting "$1" "$2" "$3" priority)) * $(interval_ms "$1" "$2" "$3") / 256))
}

# Master_Down_Interval: how long a node waits for a silent master.
master_down() {
    echo $((3 * $(interval_ms "$1" "$2" "$3") + $(skew "$1" "$2" "$3")))
}

# How long a master answers that cannot advertise any more: its lease, a little less than three intervals.
lease() {
    local interval slack
    interval=$(interval_ms "$1" "$2" "$3")
    slack=$((interval / 8 < 10 ? interval / 8 : 10))
    echo $((3 * interval * 999 / 1000 - slack))
}

# bound KIND SCENE INSTANCE: n1 has failed or gone in that way, and n2 is to take over.
bound() {
    case $1 in
    none) echo 0 ;;
    # Nobody says that n1 is gone.
    silent) master_down "$2" n2 "$3" ;;
    # Its guard says so.
    resigned) skew "$2" n2 "$3" ;;
    # It goes on to answer until its lease lapses.
    leased) echo $(($(master_down "$2" n2 "$3") - $(lease "$2" n1 "$3"))) ;;
    # The check has to fail, and n2 to wait until it need not mind n1's adverts.
    checked)
        echo $((1000 * $(setting "$2" n1 check_nginx interval) * $(setting "$2" n1 check_nginx fall) + \
            $(master_down "$2" n2 "$3")))
        ;;
    # Both were masters: the lesser one hears the other's next advert.
    interval) interval_ms "$2" n1 "$3" ;;
    esac
}
