#!/usr/bin/busybox sh
# Process 1 of the guest: makes it a place to work in, starts the agent, and ends the machine when the agent ends.
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8
mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec,mode=0620,ptmxmode=0666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777,size=25% shm /dev/shm
ln -sf /proc/self/fd /dev/fd
ln -sf /proc/self/fd/0 /dev/stdin
ln -sf /proc/self/fd/1 /dev/stdout
ln -sf /proc/self/fd/2 /dev/stderr
chmod 1777 /tmp /var/tmp
chown 1000:1000 /workspace
ip link set lo up
hostname sessiond

# Core files would only fill the disk.
ulimit -c 0

if grep -qw sessiond.probe /proc/cmdline; then
    # Asked whether a machine of this kind runs programs at all: the word on the console is the answer.
    python3 -I -c 'import ssl, sqlite3; print("sessiond: the guest runs", sum(range(100_000)))' >/dev/console
    poweroff -f
fi

# The agent outlives whatever users do to memory, and takes precedence by itself. What it starts for them gives up the
# score.
(
    echo -1000 >/proc/self/oom_score_adj
    exec python3 -E -s -S /usr/lib/sessiond/agent.py
) </dev/null >/dev/console 2>&1 &
wait $!
echo "sessiond: the agent ended with $?" >/dev/console
reboot -f
