#!/bin/sh
# Called with: INSTANCE|GROUP name state priority. Into the journal: journalctl -t vrrp
exec /usr/bin/logger -t vrrp "$*"
