"""What a program finds in a guest: tools, modules, room to write, and no way to rights."""

import pytest

from tests.support.vm import bash, machines, python, said, start

pytestmark = pytest.mark.slow(reason="boots machines")

MODULES = """
import asyncio, bz2, ctypes, curses, decimal, hashlib, http.server, json, lzma, multiprocessing
import readline, sqlite3, ssl, unicodedata, uuid, venv, xml.etree.ElementTree, zoneinfo, zlib
print(sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0])
print(zoneinfo.ZoneInfo("Europe/Berlin"), ctypes.CDLL("libc.so.6").getuid())
print(hashlib.sha256(b"").hexdigest()[:8], ssl.OPENSSL_VERSION.split()[0])
"""
TOOLS = "awk base64 bash cat cut date df diff find grep gzip head less ls md5sum od ps python \
python3 sed seq sha256sum sort stat tail tar tee timeout top tr uniq vi wc xargs xxd"


WRITABLE = """
import os, stat
for folder, folders, _ in os.walk("/"):
    folders[:] = [name for name in folders if folder != "/" or name not in ("proc", "sys", "dev")]
    if os.access(folder, os.W_OK):
        print(folder)
"""
LENDING = """
import os, stat
for folder, folders, names in os.walk("/usr"):
    for name in names:
        mode = os.lstat(os.path.join(folder, name)).st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWOTH):
            print(folder, name)
"""


async def test_a_program_finds_what_it_expects(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu, memory_mb=1024)
        modules = ["42", "Europe/Berlin 1000", "e3b0c442 OpenSSL"]
        assert (await said(python(machine, MODULES))).splitlines() == modules
        assert len((await said(bash(machine, f"type -P {TOOLS}"))).split()) == len(TOOLS.split())
        assert await said(bash(machine, "hostname; id -un; echo ~; pwd; umask")) == (
            "sessiond\nuser\n/workspace\n/workspace\n0022"
        )
        loopback = "import socket; print(socket.create_server(('localhost', 0)).fileno() > 0)"
        assert await said(python(machine, loopback)) == "True"
        assert await said(bash(machine, "python3 -c 'print(\"ö\")' | xxd -p")) == "c3b60a"

        # Room in memory follows the memory of the machine, the disk is there, and df is content.
        room = "df -m / /dev/shm /workspace | awk 'NR > 1 {print ($2 > 200), ($4 > 200)}'"
        assert await said(bash(machine, f"df >/dev/null && {room}")) == "1 1\n1 1\n1 1"
        big = "head -c 200M /dev/zero >/tmp/big && stat -c %s /tmp/big && rm /tmp/big"
        assert await said(bash(machine, big)) == str(200 << 20)
        await machine.stop()


async def test_a_program_finds_no_way_to_rights(tmp_path):
    async with machines(tmp_path) as qemu:
        machine = await start(qemu)
        assert (await said(python(machine, WRITABLE))).split() == ["/tmp", "/var/tmp", "/workspace"]
        assert await said(python(machine, LENDING)) == ""
        for forbidden in ("echo >/dev/vda", "cat /dev/vport*", "ls /run/layers/upper", "kill 1"):
            assert (await bash(machine, forbidden)).exit_code != 0, forbidden
        # One process is not to be chosen where memory runs out, and it is not the user's.
        shielded = (
            "grep -lx -- -1000 /proc/[0-9]*/oom_score_adj | xargs -n 1 dirname | xargs stat -c %u"
        )
        assert await said(bash(machine, f"{{ {shielded}; }} 2>/dev/null")) == "0"
        await machine.stop()
