#!/usr/bin/env bash
# A node: nginx behind the VIPs, vipward in place of keepalived and confd. node.sh NAME ADDRESS STORE
set -euo pipefail
name=$1 address=$2 store=$3
files=/vagrant/files
# shellcheck source-path=SCRIPTDIR source=common.sh
. /vagrant/provision/common.sh

# keepalived is here to be replaced, and in the demonstration to be the peer. Before its configuration is there, because
# Debian's package starts what it finds a configuration for.
packages nginx-light keepalived curl procps iproute2 kmod
if systemctl is-enabled --quiet keepalived || systemctl is-active --quiet keepalived; then
    systemctl disable --now keepalived
fi

# Another build of the same version is another package, so it is the file that counts.
deb=/vagrant/vipward.deb
[ -e "$deb" ] || { echo "vagrant/vipward.deb is missing: run ./build.sh, then vagrant rsync" >&2; exit 1; }
if ! command -v vipward >/dev/null || ! sha256sum --check --status /var/lib/vipward-demo.sha256 2>/dev/null; then
    echo "installing vipward"
    DEBIAN_FRONTEND=noninteractive dpkg --force-confold --install "$deb" >/dev/null ||
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --fix-broken
    sha256sum "$deb" >/var/lib/vipward-demo.sha256
fi

# nginx: a page that says who answers, and an application behind an upstream that is rendered from the store.
restart_nginx=false
changed /etc/nginx/sites-available/demo <"$files/nginx/demo.conf" && restart_nginx=true
if [ "$(readlink /etc/nginx/sites-enabled/demo)" != ../sites-available/demo ]; then
    ln -sf ../sites-available/demo /etc/nginx/sites-enabled/demo
    restart_nginx=true
fi
rm -f /etc/nginx/sites-enabled/default
# What nginx starts with while the store has not been asked yet.
[ -e /etc/nginx/conf.d/app.conf ] || changed /etc/nginx/conf.d/app.conf <<<'upstream app { server 127.0.0.1:8081; }'
enabled nginx
if $restart_nginx; then systemctl restart nginx; else systemctl start nginx; fi

# The configurations as an operator would write them, but for the interface's name.
interface=$(interface_of "$address")
reload_vipward=false restart_vipward=false
for script in check_nginx.sh notify.sh; do
    changed "/etc/keepalived/$script" 0755 <"$files/keepalived/$script" || true
done
for scene in master-backup dual-master; do
    sed "s/\\beth1\\b/$interface/g" "$files/keepalived/$scene-$name.conf" |
        changed "/etc/keepalived/$scene.conf" || true
done
changed /etc/keepalived/keepalived.conf </etc/keepalived/master-backup.conf && reload_vipward=true
changed /etc/default/vipward <<<'# For other hosts as well: the client scrapes both nodes.
VIPWARD_METRICS=0.0.0.0:9650' && restart_vipward=true
vipward check

restart_render=false
for file in conf.d/app.toml templates/app.tmpl; do
    changed "/etc/confd/$file" <"$files/confd/$file" && restart_render=true
done
changed /etc/default/vipward-render <<<"# What was confd's command line: -backend etcd -node http://$store:2379
VIPWARD_BACKEND=etcd
VIPWARD_NODE=http://$store:2379" && restart_render=true

enabled vipward vipward-render
if $restart_vipward; then
    systemctl restart vipward
elif $reload_vipward && systemctl is-active --quiet vipward; then
    systemctl reload vipward
else
    systemctl start vipward
fi
if $restart_render; then systemctl restart vipward-render; else systemctl start vipward-render; fi
