"""Hosts on a wire: another network namespace joined to ours, servers that tell whom they see, raw frames, and what arrives.

All takes the id of a process whose network namespace is meant; None is our own.
"""
import json
import os
import pathlib
import socket
import struct
import subprocess
import threading
import time

import dns

TIMEOUT = 5      # for what is to come
SILENCE = 0.4    # for what is not
ETH_P_ALL = 0x0003


def run(*command, pid=None):
    words = ["nsenter", f"--net=/proc/{pid}/ns/net", *command] if pid else list(command)
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
    return done.stdout


def sysctl(name, value):
    """True if there is such a one."""
    path = pathlib.Path("/proc/sys", name)
    try:
        path.write_text(f"{value}\n")
    except OSError:
        return False
    return True


def link_mac(link, pid=None):
    return json.loads(run("ip", "-j", "link", "show", link, pid=pid))[0]["address"]


class Outside:
    """Another host, at the other end of a cable: 10.9.0.2 and fd09::2; ours are 10.9.0.1 and fd09::1."""
    def __init__(self, name="uplink", net=9):
        self.process = subprocess.Popen(["unshare", "-n", "sleep", "1000"])
        self.pid = self.process.pid
        ours = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.pid}/ns/net") == ours:
            time.sleep(0.01)
        self.address, self.address6 = f"10.{net}.0.2", f"fd{net:02}::2"
        self.ours, self.ours6 = f"10.{net}.0.1", f"fd{net:02}::1"
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(self.pid))
        for pid, link, v4, v6 in (None, name, self.ours, self.ours6), (self.pid, "eth0", self.address, self.address6):
            run("ip", "addr", "add", f"{v4}/24", "dev", link, pid=pid)
            run("ip", "-6", "addr", "add", f"{v6}/64", "dev", link, "nodad", pid=pid)
            run("ip", "link", "set", link, "up", pid=pid)
        run("ip", "link", "set", "lo", "up", pid=self.pid)
        # It tries what a hostile neighbour would: our container subnets, and even our loopback, are reached by us.
        run("ip", "route", "add", "172.16.0.0/12", "via", self.ours, pid=self.pid)
        run("ip", "-6", "route", "add", "fd00::/8", "via", self.ours6, pid=self.pid)

    def end(self):
        self.process.kill()
        self.process.wait()


def make(pid, what):
    return dns.inside(pid, what) if pid else what()


class Server:
    """Says "NAME ADDRESS" to whoever connects, or sends a datagram."""
    def __init__(self, name, port, pid=None, udp=False, address="", family=socket.AF_INET):
        self.name, self.udp = name, udp

        def bind():
            sock = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, port))
            if not udp:
                sock.listen(16)
            return sock
        self.sock = make(pid, bind)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        try:
            while True:
                if self.udp:
                    _, peer = self.sock.recvfrom(64)
                    self.sock.sendto(f"{self.name} {peer[0]}".encode(), peer)
                else:
                    sock, peer = self.sock.accept()
                    with sock:
                        sock.sendall(f"{self.name} {peer[0]}".encode())
        except OSError:
            pass

    def end(self):
        self.sock.shutdown(socket.SHUT_RDWR) if not self.udp else None
        self.sock.close()


def ask(address, port, pid=None, udp=False, timeout=TIMEOUT):
    """What a server there says; "refused" or "nothing" for none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = make(pid, lambda: socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM))
    with sock:
        end = time.monotonic() + timeout
        try:
            sock.settimeout(timeout)
            sock.connect((address, port))
            while udp:
                sock.send(b"?")
                sock.settimeout(0.2)
                try:
                    return sock.recv(64).decode()
                except socket.timeout:
                    if time.monotonic() > end:
                        raise
            return sock.recv(64).decode()
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "nothing"


# ---- raw frames ----

def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def checksum(data):
    total = sum(struct.unpack(f">{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ether(source, target, kind, payload):
    return mac(target) + mac(source) + struct.pack(">H", kind) + payload


def udp4(source, target, port, payload):
    body = struct.pack(">HHHH", 9, port, 8 + len(payload), 0) + payload
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 7, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(target))
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + body


def arp(operation, sender_mac, sender, target_mac, target):
    return struct.pack(">HHBBH6s4s6s4s", 1, 0x0800, 6, 4, operation, mac(sender_mac), socket.inet_aton(sender), mac(target_mac),
                       socket.inet_aton(target))


def icmp6(source, target, kind, rest):
    source, target = socket.inet_pton(socket.AF_INET6, source), socket.inet_pton(socket.AF_INET6, target)
    body = struct.pack(">BBH", kind, 0, 0) + rest
    whole = source + target + struct.pack(">II", len(body), 58) + body
    body = body[:2] + struct.pack(">H", checksum(whole)) + body[4:]
    return struct.pack(">IHBB", 0x60000000, len(body), 58, 255) + source + target + body


def send(pid, link, *frames):
    def transmit():
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
            sock.bind((link, 0))
            for frame in frames:
                sock.send(frame)
    make(pid, transmit)


class Listener:
    """Frames that come to a link. Enters and leaves."""
    def __init__(self, pid, link):
        def opened():
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            sock.bind((link, ETH_P_ALL))
            return sock
        self.sock = make(pid, opened)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def until(self, last):
        """All frames up to one that has @last in it, which must come."""
        frames, end = [], time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            self.sock.settimeout(max(0.01, end - time.monotonic()))
            try:
                frame, where = self.sock.recvfrom(2048)
            except socket.timeout:
                break
            if where[2] == socket.PACKET_OUTGOING:
                continue
            if last in frame:
                return frames
            frames.append(frame)
        raise AssertionError(f"{last} has not come")
