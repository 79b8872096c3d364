"""DNS for tests: questions, answers, a server that answers as its questions' names say, and sockets inside a network namespace.

A server's rule is the first label of the name: drop (no answer), big (too large for UDP, 200 addresses by TCP), evil (forged answers
before the true one), refused, nothing (NXDOMAIN), slow (half a second); all others get 192.0.2.1, or 2001:db8::1.
"""
import ctypes
import os
import socket
import struct
import threading
import time

A, PTR, MX, TXT, AAAA, ANY = 1, 12, 15, 16, 28, 255
OK, FORMAT, FAILURE, NO_NAME, NOT_IMPLEMENTED, REFUSED = range(6)
CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def setns(fd, kind):
    if LIBC.setns(fd, kind) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def private_network():
    """This process gets a network namespace of its own, in which only lo is, and up."""
    if LIBC.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as some:
        import fcntl
        fcntl.ioctl(some, 0x8914, struct.pack("16sh22x", b"lo", 0x49))  # SIOCSIFFLAGS: up, loopback, running


def inside(pid, make):
    """What @make() gives in the network namespace of a process: its sockets stay there."""
    ours = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    theirs = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(theirs, CLONE_NEWNET)
        try:
            return make()
        finally:
            setns(ours, CLONE_NEWNET)
    finally:
        os.close(ours)
        os.close(theirs)


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def question(name, kind=A, ident=0x1234, edns=None):
    head = struct.pack(">HHHHHH", ident, 0x0100, 1, 0, 0, 1 if edns else 0)
    more = b"\0" + struct.pack(">HHIH", 41, edns, 0, 0) if edns else b""
    return head + encode(name) + struct.pack(">HH", kind, 1) + more


def skip(message, at):
    while message[at]:
        if message[at] >= 0xc0:
            return at + 2
        at += message[at] + 1
    return at + 1


def name_at(message, at):
    labels = []
    while message[at]:
        if message[at] >= 0xc0:
            at = (message[at] & 63) << 8 | message[at + 1]
            continue
        labels.append(message[at + 1:at + 1 + message[at]].decode("latin-1"))
        at += message[at] + 1
    return ".".join(labels)


class Answer:
    def __init__(self, message):
        self.ident, flags, questions, answers, _, self.additional = struct.unpack(">HHHHHH", message[:12])
        self.code, self.cut, self.size, self.flags = flags & 15, bool(flags & 0x200), len(message), flags
        self.records, self.ttls = [], []
        at = 12
        for _ in range(questions):
            at = skip(message, at) + 4
        for _ in range(answers):
            at = skip(message, at)
            kind, _, ttl, size = struct.unpack(">HHIH", message[at:at + 10])
            data = message[at + 10:at + 10 + size]
            self.ttls.append(ttl)
            self.records.append(socket.inet_ntop(socket.AF_INET, data) if kind == A else
                                socket.inet_ntop(socket.AF_INET6, data) if kind == AAAA else
                                name_at(message, at + 10) if kind == PTR else data)
            at += 10 + size


def read_exactly(connection, size):
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


class Client:
    """Asks 127.0.0.11 as a program in the container of @pid does."""

    def __init__(self, pid, server=("127.0.0.11", 53)):
        self.pid, self.server = pid, server

    def udp(self):
        made = inside(self.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        made.connect(self.server)
        return made

    def ask(self, name, kind=A, timeout=10, **more):
        with self.udp() as one:
            one.settimeout(timeout)
            one.send(question(name, kind, **more))
            return Answer(one.recv(65536))

    def connect(self, timeout=10):
        made = inside(self.pid, lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        made.settimeout(timeout)
        made.connect(self.server)
        return made

    def ask_tcp(self, *names, kind=A, timeout=10):
        """All names on one connection, at once; their answers in the order in which they come."""
        with self.connect(timeout) as one:
            one.sendall(b"".join(struct.pack(">H", len(q)) + q for q in (question(n, kind, i) for i, n in enumerate(names))))
            return [Answer(read_exactly(one, struct.unpack(">H", read_exactly(one, 2))[0])) for _ in names]

    def addresses(self, name, kind=A):
        return sorted(self.ask(name, kind).records)


class Server:
    """Answers at @host, port 53, in the network namespace of the thread that makes it."""

    def __init__(self, host):
        self.host, self.seen, self.lock = host, [], threading.Lock()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((host, 53))
        self.forger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.tcp.bind((host, 53))
        self.tcp.listen(64)
        for loop in self.datagrams, self.connections:
            threading.Thread(target=loop, daemon=True).start()

    def answer(self, query, tcp):
        end = skip(query, 12) + 4
        kind = struct.unpack(">H", query[end - 4:end - 2])[0]
        rule = name_at(query, 12).split(".")[0]
        code = {"refused": REFUSED, "nothing": NO_NAME}.get(rule, OK)
        count = 200 if rule == "big" and tcp else 0 if code or rule == "big" else 1
        data = socket.inet_pton(socket.AF_INET6, "2001:db8::1") if kind == AAAA else bytes([192, 0, 2, 1])
        flags = 0x8180 | code | (0x200 if rule == "big" and not tcp else 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", AAAA if kind == AAAA else A, 1, 60, len(data)) + data
        return query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + query[12:end] + record * count

    def note(self, query, peer, how):
        with self.lock:
            self.seen.append((name_at(query, 12), how, struct.unpack(">H", query[:2])[0], peer, query))

    def names(self):
        with self.lock:
            return [name for name, *_ in self.seen]

    def datagrams(self):
        while True:
            query, peer = self.udp.recvfrom(65536)
            self.note(query, peer, "udp")
            rule = name_at(query, 12).split(".")[0]
            if rule == "drop":
                continue
            good = self.answer(query, False)
            if rule == "evil":
                lie = good[:-4] + bytes([6, 6, 6, 6])
                self.udp.sendto(bytes([lie[0] ^ 1]) + lie[1:], peer)           # another id
                self.udp.sendto(lie[:13] + b"X" + lie[14:], peer)              # another question
                self.udp.sendto(lie[:2] + b"\x01\x00" + lie[4:], peer)         # no reply at all
                self.udp.sendto(b"\0" * 5, peer)
                self.forger.sendto(lie, peer)                                  # another port
                time.sleep(0.1)
            if rule == "slow":
                time.sleep(0.5)
            self.udp.sendto(good, peer)

    def connections(self):
        while True:
            connection, peer = self.tcp.accept()
            try:
                query = read_exactly(connection, struct.unpack(">H", read_exactly(connection, 2))[0])
                self.note(query, peer, "tcp")
                reply = self.answer(query, True)
                data = struct.pack(">H", len(reply)) + reply
                connection.sendall(data[:7])
                time.sleep(0.02)
                connection.sendall(data[7:])
            except (EOFError, OSError):
                pass
            connection.close()
