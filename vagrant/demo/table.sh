# shellcheck shell=bash
# What is shown: a row for each step and VIP as it ends, and all of them again in the end.

MARGIN_MS=${VIPWARD_MARGIN_MS:-250}
failed=0
rows=()
count=0

# A duration as people read it.
shown() {
    if [ "$1" -lt 1000 ]; then echo "$1 ms"; else awk -v ms="$1" 'BEGIN { printf "%.3f s", ms / 1000 }'; fi
}

heading() {
    echo
    echo "  $1"
    shift
    local line
    for line in "$@"; do echo "  $line"; done
    echo
    columns
}

columns() {
    printf '  %-34s %-5s %-7s %-7s %-9s %9s %11s   %s\n' \
        "what happens" VIP n1 n2 client gap bound ""
}

# row STEP TITLE VIP N1 N2 PATH GAP BOUND STALL VERDICT NOTE; a GAP or BOUND of - is none.
row() {
    rows+=("$(IFS=$'\t'; echo "$*")")
    show_row "$@"
    count=$((count + 1))
    case ${10} in ok | skipped) ;; *) failed=$((failed + 1)) ;; esac
}

show_row() {
    local gap=$7 bound=$8 verdict=${10} note=${11}
    case $gap in -) gap= ;; *) gap=$(shown "$gap") ;; esac
    case $bound in -) bound= ;; 0) bound="no gap" ;; *) bound="<= $(shown "$bound")" ;; esac
    [ "$9" -le 0 ] || note="${note:+$note, }machines stalled $(shown "$9")"
    case $verdict in ok | skipped) ;; *) verdict="NOT OK, $verdict" ;; esac
    printf '  %-34s %-5s %-7s %-7s %-9s %9s %11s   %s\n' \
        "$2" "$3" "$4" "$5" "$6" "$gap" "$bound" "$verdict${note:+ ($note)}"
}

summary() {
    local row fields
    echo
    echo "  All of it. The gap is the longest time without a page, which the client asks for every $PROBE_MS ms; allowed is"
    echo "  the bound and $(shown "$MARGIN_MS") more, and for how long the page of the node itself stayed away meanwhile."
    echo
    columns
    for row in "${rows[@]}"; do
        # By a separator that is no blank, for those would be merged.
        IFS=$'\x1f' read -r -a fields <<<"${row//$'\t'/$'\x1f'}"
        show_row "${fields[@]}" ""
    done
    echo
    if [ "$failed" = 0 ]; then
        echo "  $count results, each as it should be."
    else
        echo "  $failed of $count results are not as they should be."
    fi
}

report_rows() {
    local row
    for row in "${rows[@]}"; do
        printf 'result\t%s\n' "$row"
    done
    printf 'margin\t%s\n' "$MARGIN_MS"
}
