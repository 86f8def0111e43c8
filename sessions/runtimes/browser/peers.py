"""Who is at the other end of a connection on the loopback."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Final

# The kernel's answer to "whose is this connection": sock_diag(7), one request for one socket.
_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_NLM_F_REQUEST: Final = 1
_NLMSG_ERROR: Final = 2
_HEADER: Final = struct.Struct("=IHHII")
_QUESTION: Final = struct.Struct("=BBBBI")
_PORTS: Final = struct.Struct(">HH")
_NO_COOKIE: Final = b"\xff" * 8
_STATES_ALL: Final = 0xFFFF_FFFF
# Behind the header: four bytes, the question's address of a socket, three numbers, the owner.
_OWNER: Final = struct.Struct("=16x 4x 48x 12x I")
_ANSWER_BYTES: Final = 4096
_ANSWER_S: Final = 0.2

Place = tuple[str, int]


def is_own_process(writer: asyncio.StreamWriter) -> bool:
    """True where a process of this user holds the other end, or the kernel does not tell who."""
    own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
    if own is None or peer is None:
        return False
    try:
        return owner_of(peer, own) == os.getuid()
    except OSError:
        return True


def owner_of(local: Place, remote: Place) -> int:
    """The user whose connection goes from the one to the other, both IPv4; raises OSError."""
    socket_id = _PORTS.pack(local[1], remote[1])
    for host in (local[0], remote[0]):
        socket_id += socket.inet_aton(host) + bytes(12)
    socket_id += bytes(4) + _NO_COOKIE
    question = _QUESTION.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _STATES_ALL) + socket_id
    header = _HEADER.pack(_HEADER.size + len(question), _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_ANSWER_S)
        kernel.send(header + question)
        answer = kernel.recv(_ANSWER_BYTES)
    if len(answer) < _OWNER.size or _HEADER.unpack_from(answer)[1] == _NLMSG_ERROR:
        raise OSError("the kernel knows no such connection")
    owner: int = _OWNER.unpack_from(answer)[0]
    return owner
