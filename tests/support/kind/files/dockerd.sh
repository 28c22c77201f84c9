#!/bin/sh
# The first process of its own mount and process namespaces: makes a Debian root its root and becomes Docker's daemon there.
# pivot_root, not chroot: under chroot `docker exec` would land in the host's root. tini reaps what the shims leave behind.
set -eu
root=$1 state=$2 resolv=$3
mount --bind "$root" "$root"
mkdir -p "$root/old_root" "$root/state"
for folder in sys dev; do mount --rbind "/$folder" "$root/$folder"; done
mount -t proc proc "$root/proc"
for folder in run tmp; do mount -t tmpfs tmpfs "$root/$folder"; done
mount --bind "$state" "$root/state"
cp "$resolv" "$root/etc/resolv.conf"
cd "$root"
pivot_root . old_root
cd /
umount -l /old_root
# No bridge of another Docker is in the way: this one only starts where none runs.
exec tini-static -- dockerd --data-root /state/data --host unix:///state/docker.sock --group root --pidfile /run/docker.pid \
  --exec-root /run/docker --cgroup-parent /tacotune-kind --ip6tables=false \
  --bip 172.31.0.1/24 --default-address-pool base=172.31.64.0/18,size=24
