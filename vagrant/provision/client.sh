#!/usr/bin/env bash
# The client that looks on, and the store: an etcd with the application's upstream. client.sh ADDRESS
set -euo pipefail
address=$1
# shellcheck source-path=SCRIPTDIR source=common.sh
. /vagrant/provision/common.sh

packages etcd-server etcd-client python3-minimal curl iproute2

if changed /etc/default/etcd <<<"# One member, for a demonstration: no TLS, and nobody is asked who he is.
ETCD_NAME=demo
ETCD_DATA_DIR=/var/lib/etcd/demo
ETCD_LISTEN_CLIENT_URLS=http://$address:2379,http://127.0.0.1:2379
ETCD_ADVERTISE_CLIENT_URLS=http://$address:2379"; then
    systemctl restart etcd
fi
enabled etcd
systemctl start etcd

# The client's address in the network of the IPv6 VIP. A service, since guests differ in who configures interfaces.
interface=$(interface_of "$address")
if changed /etc/systemd/system/demo-ipv6.service <<<"[Unit]
Description=IPv6 address of the client
After=network-online.target
Wants=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/ip -6 address replace fd56::10/64 dev $interface nodad

[Install]
WantedBy=multi-user.target"; then
    systemctl daemon-reload
    systemctl restart demo-ipv6
fi
enabled demo-ipv6

etcdctl() { ETCDCTL_API=3 command etcdctl --endpoints http://127.0.0.1:2379 "$@"; }
tries=0
until etcdctl endpoint health >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || { echo "etcd does not answer; see journalctl -u etcd" >&2; exit 1; }
    sleep 1
done
# What an operator has set since stays.
if [ -z "$(etcdctl get --print-value-only /demo/upstream/one)" ]; then
    etcdctl put /demo/upstream/one 127.0.0.1:8081 >/dev/null
fi
