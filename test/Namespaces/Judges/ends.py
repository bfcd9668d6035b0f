"""The two ends of a network: who sends packets that no kernel would send, and says what came of them at the other end. Knows nothing of what is in between.

Each end is a packet socket in a namespace of its own. Packets are made by scapy; what comes is described in words, with names in the place of addresses and ports, so that two networks
that do the same say the same: C:c is the client, S:s the server, T another server, O:m what the client's port is outside, N:new what else of the client's may be outside, G its gateway,
R a router.
"""
import ctypes
import json
import os
import re
import select
import socket
import struct
import sys
import time

from scapy.all import ICMP, IP, TCP, UDP, Raw, checksum, conf, in4_chksum

conf.verb = 0
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
MARK = (4999, 4998)
PATIENCE = 30
PORTED = {6: 'TCP', 17: 'UDP'}
ERRORS = (3, 4, 5, 11, 12)


class End:
    """A host's link to the network."""

    def __init__(self, namespace, gateway):
        with open('/var/run/netns/' + namespace) as space:
            if LIBC.setns(space.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), 'setns ' + namespace)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(('eth0', 0x0800))
        self.socket.setblocking(False)
        self.header = bytes.fromhex(gateway.replace(':', '')) + self.socket.getsockname()[4] + b'\x08\x00'

    def send(self, packet):
        self.socket.send(self.header + packet)

    def receive(self):
        """All that has come: IP packets as they were on the link, without its padding."""
        while True:
            try:
                frame, where = self.socket.recvfrom(1 << 16)
            except BlockingIOError:
                return
            if where[2] == 0 and len(frame) >= 34:
                packet = frame[14:]
                total = struct.unpack('!H', packet[2:4])[0]
                yield packet[:total] if 20 <= total <= len(packet) else packet


class Network:
    """What is between client and server, as those two see it."""

    def __init__(self, client, server, addresses):
        self.client, self.server = client, server
        self.address = addresses
        self.mapped = {}
        self.marks = 0
        self.datagrams = 0
        self.usual = {}
        self.outside = None

    def names(self, address):
        known = {a: n for n, a in self.address.items()}
        known[self.outside] = 'O'
        return known.get(address) or ('R' if re.fullmatch(r'10\.1\.\d+\.1', address) else 'N' if re.fullmatch(r'10\.1\.[1-9]\.\d+', address) else address)

    def settle(self):
        """Waits until both ways carry packets."""
        for end in (self.client, self.server, self.client):
            self.mark(end, [], [])

    def mark(self, sender, there, back):
        """Sends a datagram that gets through, until it has; what comes before it at the other end, and at this one, was sent before."""
        outward = sender is self.client
        self.marks += 1
        text = b'mark %d' % self.marks
        (source, destination) = MARK if outward else (MARK[1], self.mapped.get((17, MARK[0])))
        if destination is None:
            raise RuntimeError('the client has said nothing yet')
        packet = bytes(IP(src=self.address['C' if outward else 'S'], dst=self.address['S'] if outward else self.outside, ttl=64) / UDP(sport=source, dport=destination) / text)
        receiver = self.server if outward else self.client
        end = time.monotonic() + PATIENCE
        again = 0
        while time.monotonic() < end:
            if time.monotonic() >= again:
                sender.send(packet)
                again = time.monotonic() + 1
            select.select([receiver.socket, sender.socket], [], [], 0.2)
            back.extend(p for p in sender.receive() if not self.is_mark(p))
            arrived = False
            for got in receiver.receive():
                if not self.is_mark(got):
                    if not arrived:
                        there.append(got)
                elif got.endswith(text):
                    arrived = True
                    self.usual[outward] = 64 - got[8]
                    if outward and self.outside is None:
                        self.outside = socket.inet_ntoa(got[12:16])
                        self.mapped[17, MARK[0]] = struct.unpack('!H', got[20:22])[0]
            if arrived:
                return
        raise RuntimeError('%s does not get through %s' % (text, 'outward' if outward else 'inward'))

    @staticmethod
    def is_mark(packet):
        return packet[9] == 17 and packet[20:].find(b'mark ') == 8 and packet[0] == 0x45


class Flow:
    """A client's port and a server's, and what is sent between them."""

    def __init__(self, network, name, number, say):
        self.network, self.name, self.say = network, name, say
        self.c, self.s = 20000 + number, 30000 + number
        self.protocol = 17

    @property
    def m(self):
        return self.network.mapped.get((self.protocol, self.c), 1)

    def identification(self):
        """One that no datagram has had: pieces of one that never became whole may still wait somewhere."""
        self.network.datagrams += 1
        return 1000 + self.network.datagrams

    def address(self, name):
        return self.network.outside if name == 'O' else self.network.address.get(name, name)

    def ip(self, outward, **fields):
        wanted = dict(src='C' if outward else 'S', dst='S' if outward else 'O', ttl=64, id=7)
        wanted.update(fields)
        wanted['src'], wanted['dst'] = self.address(wanted['src']), self.address(wanted['dst'])
        return IP(**wanted)

    def udp(self, outward, payload='', ip={}, **fields):
        ports = dict(sport=self.c, dport=self.s) if outward else dict(sport=self.s, dport=self.m)
        return self.ip(outward, **ip) / UDP(**{**ports, **fields}) / payload

    def tcp(self, outward, flags, seq, ack=0, payload='', ip={}, **fields):
        ports = dict(sport=self.c, dport=self.s) if outward else dict(sport=self.s, dport=self.m)
        return self.ip(outward, **ip) / TCP(**{**ports, 'flags': flags, 'seq': seq, 'ack': ack, 'window': 1000, **fields}) / payload

    def echo(self, outward, payload='echo', ip={}, **fields):
        wanted = dict(type=8 if outward else 0, id=self.c if outward else self.m, seq=1)
        wanted.update(fields)
        return self.ip(outward, **ip) / ICMP(**wanted) / payload

    def out(self, what, *packets):
        self.step(what, True, packets)

    def into(self, what, *packets):
        self.step(what, False, packets)

    def step(self, what, outward, packets):
        """Sends packets, and says what of them, or because of them, came to the other end (there), and what came back."""
        network = self.network
        sender, receiver = (network.client, network.server) if outward else (network.server, network.client)
        there, back = [], []
        list(sender.receive()), list(receiver.receive())
        for packet in packets:
            sender.send(packet if isinstance(packet, bytes) else bytes(packet))
        network.mark(sender, there, back)
        network.mark(receiver, back, there)
        if outward:
            self.learn(there)
        self.say(json.dumps({'step': '%s, %s: %s' % (self.name, 'out' if outward else 'in', what), 'there': self.describe_all(there, outward, False), 'back': self.describe_all(back, not outward, True)}))

    def learn(self, packets):
        for packet in packets:
            at = (packet[0] & 15) * 4
            if len(packet) >= at + 8 and socket.inet_ntoa(packet[12:16]) == self.network.outside and not packet[6] & 0x1f and not packet[7]:
                source, destination = struct.unpack('!HH', packet[at:at + 4])
                if packet[9] in PORTED and destination in (self.s, self.s + 10_000):
                    self.network.mapped.setdefault((packet[9], self.c), source)
                elif packet[9] == 1 and packet[at] == 8:
                    self.network.mapped.setdefault((1, self.c), struct.unpack('!H', packet[at + 4:at + 6])[0])

    # Words.

    def describe_all(self, packets, outward, isback):
        words, parts = [], {}
        for packet in packets:
            offset = (struct.unpack('!H', packet[6:8])[0] & 0x1fff) * 8
            if offset or packet[6] & 0x20:
                parts.setdefault(packet[4:6] + packet[9:10] + packet[12:20], []).append((offset, bool(packet[6] & 0x20), packet))
            elif self.concerns(packet):
                words.append(self.describe(packet, self.network.usual.get(outward, 0), isback))
        for pieces in parts.values():
            whole = self.whole(pieces)
            if whole is None:
                words.append('pieces of a datagram at %s' % ' '.join(str(o) for o in sorted({o for o, _, _ in pieces})))
            elif self.concerns(whole):
                words.append(self.describe(whole, self.network.usual.get(outward, 0), isback))
        return sorted(words)

    @staticmethod
    def whole(pieces):
        """The datagram as a host puts it together: of octets that come twice the first ones count."""
        data, end = {}, None
        for offset, more, packet in pieces:
            at = (packet[0] & 15) * 4
            for i, octet in enumerate(packet[at:]):
                data.setdefault(offset + i, octet)
            end = end if more else offset + len(packet) - at
        if end is None or any(i not in data for i in range(end)):
            return None
        first = next((p for o, _, p in pieces if o == 0), None)
        if first is None:
            return None
        header = IP(first[:(first[0] & 15) * 4])
        header.len, header.flags, header.chksum = None, 0, None
        whole = bytes(header / Raw(bytes(data[i] for i in range(end))))
        return whole if all(checksum(p[:(p[0] & 15) * 4]) == 0 for _, _, p in pieces) else None

    def concerns(self, packet):
        """Whether it is of this flow, as far as it says so, and not a late word about another one."""
        protocol, at = packet[9], (packet[0] & 15) * 4
        if protocol == 1 and packet[at:at + 1] == b'\x03' and packet[at + 1] < 2 and self.network.names(socket.inet_ntoa(packet[12:16])) == 'R':
            # That there is no way there a kernel says once a second, or not at all.
            return False
        if protocol == 1 and len(packet) >= at + 28 and packet[at] in ERRORS:
            return self.concerns(packet[at + 8:])
        if protocol in PORTED and len(packet) >= at + 4:
            ports = struct.unpack('!HH', packet[at:at + 4])
            return any(p in (self.c, self.m) or self.s <= p < self.s + 100_000 and (p - self.s) % 10_000 == 0 for p in ports)
        if protocol == 1 and len(packet) >= at + 6:
            return struct.unpack('!H', packet[at + 4:at + 6])[0] in (self.c, self.m)
        return True

    def endpoint(self, address, port, protocol):
        name = self.network.names(address)
        if name in 'ON':
            return 'O:m' if name == 'O' and port == self.network.mapped.get((protocol, self.c)) else 'N:new'
        if name == 'C':
            return 'C:c' if port == self.c else 'C:%d' % port
        return '%s:%s' % (name, 's' if port == self.s else 's%+d' % (port - self.s) if (port - self.s) % 10_000 == 0 else port)

    def describe(self, packet, hops=0, isback=False, quoted=False):
        """One packet. Identifications are nobody's business; hops are counted against what a plain datagram takes."""
        at = (packet[0] & 15) * 4
        if at < 20 or len(packet) < at:
            return 'scrap'
        total, protocol = struct.unpack('!H', packet[2:4])[0], packet[9]
        source, destination = socket.inet_ntoa(packet[12:16]), socket.inet_ntoa(packet[16:20])
        body = packet[at:total] if not quoted else packet[at:]
        words = []
        if not quoted and not isback and packet[8] + hops != 64:
            words.append('ttl%+d' % (packet[8] + hops - 64))
        if checksum(packet[:at]):
            words.append('bad-header')
        if at > 20:
            words.append('options=' + packet[20:at].hex())
        if packet[1]:
            words.append('tos=%d' % packet[1])
        if packet[6] & 0x40 and not quoted:
            words.append('DF')
        names = '%s > %s' % (self.network.names(source), self.network.names(destination))
        if protocol in PORTED and len(body) >= 8:
            ports = struct.unpack('!HH', body[:4])
            names = '%s > %s' % (self.endpoint(source, ports[0], protocol), self.endpoint(destination, ports[1], protocol))
            words += self.transport(packet, at, body, protocol, quoted)
            kind = PORTED[protocol]
        elif protocol == 1 and len(body) >= 8:
            kind = 'ICMP %d/%d' % (body[0], body[1])
            if checksum(body) and not quoted:
                words.append('bad-sum')
            if body[0] in ERRORS:
                words.append('rest=' + body[4:8].hex())
                words.append('about [%s]' % self.describe(body[8:], quoted=True))
            else:
                number = struct.unpack('!H', body[4:6])[0]
                own = self.network.mapped.get((1, self.c)) if 'O' in names else self.c
                words.append('id=%s seq=%d' % ('own' if number == own else number, struct.unpack('!H', body[6:8])[0]))
                if not quoted:
                    words.append(self.text(body[8:]))
        else:
            kind = 'protocol %d' % protocol
        return ' '.join([kind, names] + words)

    def transport(self, packet, at, body, protocol, quoted):
        words = []
        if protocol == 17:
            length, summed = struct.unpack('!HH', body[4:8])
            if length != len(body) and not quoted:
                words.append('length=%d' % length)
            if summed == 0:
                words.append('unsummed')
            data = body[8:]
        else:
            seq, ack, flags = struct.unpack('!IIH', body[4:14]) if len(body) >= 14 else (struct.unpack('!I', body[4:8])[0], 0, 0)
            if len(body) < 20:
                return ['seq=%d' % seq]
            words.append('%s seq=%d ack=%d' % (''.join(n for i, n in enumerate('FSRPAUEC') if flags & 1 << i) or '-', seq, ack))
            size = (flags >> 12) * 4
            if size < 20 or size > len(body):
                words.append('offset=%d' % size)
            elif size > 20:
                words.append('tcp-options=' + body[20:size].hex())
            data = body[max(size, 20):]
            summed = 1
        # The sum of what is quoted stands for the whole packet as it is quoted, where that is all there.
        isall = struct.unpack('!H', packet[2:4])[0] == at + len(body)
        if summed and isall and in4_chksum(protocol, IP(packet[:at]), body):
            words.append('bad-sum')
        if not quoted:
            words.append(self.text(data))
        return words

    @staticmethod
    def text(data):
        if len(data) > 40:
            return '%d octets %08x' % (len(data), sum(d * (i + 1) for i, d in enumerate(data)) & 0xffffffff)
        return repr(data.decode('latin-1'))


def run(scenarios, arguments):
    """Opens every scenario as many times as there are rounds, then plays a round whenever it is told to."""
    client, server, gateway, router, rounds = arguments
    network = Network(
        End(client, gateway), End(server, router),
        {'C': '192.168.77.101', 'S': '10.1.100.2', 'T': '10.1.100.3', 'G': '192.168.77.1'})

    def say(line):
        print(line, flush=True)

    network.settle()
    played = []
    for turn in range(int(rounds)):
        flows = []
        for number, scenario in enumerate(scenarios):
            playing = scenario(Flow(network, scenario.__name__.replace('_', ' '), 1000 * turn + number, say))
            next(playing)
            flows.append(playing)
        played.append(flows)
    say('opened')
    for flows, line in zip(played, sys.stdin):
        network.settle()
        for playing in flows:
            for _ in playing:
                raise RuntimeError('a scenario has two parts')
        say('played')
