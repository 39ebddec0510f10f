#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# root-setup.sh ROOT: turns a fresh Debian tree into a quiet systemd host without sources, keys or identity.
set -eu
root=$1
for unit in systemd-udevd.service systemd-udevd-control.socket systemd-udevd-kernel.socket getty@tty1.service console-getty.service \
  systemd-logind.service systemd-timesyncd.service systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer \
  e2scrub_all.timer e2scrub_reap.service fstrim.timer dpkg-db-backup.timer systemd-pcrphase.service systemd-firstboot.service \
  sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount dev-mqueue.mount; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
chroot "$root" systemctl set-default multi-user.target >/dev/null 2>&1
chroot "$root" systemctl enable ssh >/dev/null 2>&1
rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id
: >"$root/etc/machine-id"
printf 'PermitRootLogin no\nPasswordAuthentication no\nUseDNS no\n' >"$root/etc/ssh/sshd_config.d/lab.conf"
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
: >"$root/etc/apt/sources.list"
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin
