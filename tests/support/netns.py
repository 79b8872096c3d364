"""A network namespace of a test's own, so that no bridge, address or rule of a test ever is the host's.

Importing this moves the process (and all that it starts) there, if it may; a second import does nothing. SCOW_TEST_NETNS=host stays.
"""
import ctypes
import fcntl
import os
import socket
import struct

CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        flags = struct.unpack("16sh22x", fcntl.ioctl(control, SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | IFF_UP))


def enter():
    if os.geteuid() != 0 or os.environ.get("SCOW_TEST_NETNS"):
        return
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) == 0:
        loopback_up()
        os.environ["SCOW_TEST_NETNS"] = "private"


enter()
