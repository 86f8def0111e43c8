#!/bin/busybox sh
# The first program of the guest: loads what the disks need, puts a writable layer in memory over the read-only root,
# and goes on there. Everything it leaves behind is freed by switch_root.
export PATH=/bin
mount -t proc -o nosuid,nodev,noexec proc /proc
mount -t sysfs -o nosuid,nodev,noexec sys /sys
mount -t devtmpfs -o nosuid dev /dev
while read -r module; do
    insmod "/modules/$module" || echo "sessiond: no module $module" >/dev/console
done </modules/order

# Memory that is plugged in later is used at once. In the ordinary zone: what describes movable memory would have to
# fit into the little memory of the start.
echo online >/sys/devices/system/memory/auto_online_blocks

mkdir -p /lower /upper /new
mount -t erofs -o ro /dev/vda /lower || {
    echo "sessiond: the root disk is not readable" >/dev/console
    reboot -f
}
mount -t tmpfs -o size=50%,mode=0700 upper /upper
mkdir -p /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /new
for mounted in proc sys dev; do
    mount --move "/$mounted" "/new/$mounted"
done
# Root can reach it, to give the layer more room when memory is plugged in; others only see that it is there.
mkdir -p /new/run/layers/upper
mount --move /upper /new/run/layers/upper
exec switch_root /new /usr/lib/sessiond/init
