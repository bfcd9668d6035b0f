"""Makes packets for the golden captures and judges what became of them. Knows nothing of the product: packets are scapy's.

  golden.py make SEED DIR      reads DIR/tasks.txt, writes DIR/in.pcap, DIR/expected.pcap and DIR/index.txt
                               (per packet: task, operation, protocol that tshark shows, IP version, whether an error carries the packet whole or cut off)
  golden.py judge DIR CAPTURE  compares CAPTURE with in.pcap and expected.pcap; prints "bad NUMBER REASON" per wrong packet, then "judged COUNT"

A task is a line "operation protocol from to server hops count": which endpoint of the packets becomes which, and how many hops they lose. The expected packet is not
the input with some octets changed: it is built anew, with the other endpoint, by the same recipe, so all of its checksums are computed from scratch.
"""
import random
import socket
import struct
import sys

from scapy.all import (ICMP, IP, TCP, UDP, Ether, HBHOptUnknown, ICMPv6DestUnreach, ICMPv6EchoReply, ICMPv6EchoRequest, ICMPv6PacketTooBig,
                       ICMPv6ParamProblem, ICMPv6TimeExceeded, IPOption_RR, IPOption_Router_Alert, IPOption_Timestamp, IPv6,
                       IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN, Raw, checksum, conf, in4_chksum,
                       in6_chksum)
from scapy.layers.inet import IPOption_NOP
from scapy.utils import RawPcapReader, RawPcapWriter

conf.verb = 0
MAC = dict(src='02:00:00:00:00:0a', dst='02:00:00:00:00:0b')


def endpoint(text):
    address, port = text.rsplit(':', 1)
    return address.strip('[]'), int(port)


# Recipes: everything about a packet but its endpoints and its hops.

def some_octets(r, longest):
    return bytes(r.getrandbits(8) for _ in range(r.choice([0, 1, 2, 3, 5, 8, 17, 64, r.randrange(longest)])))


def tcp_options(r):
    every = [('MSS', r.choice([536, 1220, 1460])), ('WScale', r.randrange(15)), ('SAckOK', b''), ('Timestamp', (r.getrandbits(32), r.getrandbits(32))),
             ('SAck', (r.getrandbits(32), r.getrandbits(32))), ('NOP', None), ('NOP', None)]
    chosen = r.sample(every, r.randrange(len(every) + 1))
    return chosen


def ip_options(r):
    return [r.choice([IPOption_NOP(), IPOption_RR(pointer=8, routers=['10.9.9.9', '0.0.0.0']), IPOption_Router_Alert(),
                      IPOption_Timestamp(flg=0, length=8, pointer=9, timestamp=r.getrandbits(32))])
            for _ in range(r.randrange(3) if r.random() < 0.3 else 0)]


def recipe(r, protocol, v6, steady, longest=1400):
    """One packet. A steady one does not end its connection."""
    p = dict(protocol=protocol, payload=some_octets(r, longest), tail=None, ttl=r.choice([2, 3, 64, 128, 255]), tos=r.choice([0, 2, 0x10, 0xB8]), id=r.getrandbits(16),
             df=r.random() < 0.7, flow=r.getrandbits(20), options=[] if v6 else ip_options(r), headers=r.choice(['', '', '', 'h', 'd', 'hd']) if v6 else '')
    if protocol == 'tcp':
        flags = ['A', 'PA', 'UA', 'PAE'] if steady else ['S', 'SA', 'A', 'PA', 'FA', 'R', 'RA', 'UPA', 'SEC']
        p.update(flags=r.choice(flags), seq=r.getrandbits(32), ack=r.getrandbits(32), window=r.getrandbits(16), urgent=r.getrandbits(16), tcp_options=tcp_options(r))
    elif protocol == 'udp':
        p.update(unsummed=not v6 and r.random() < 0.15)
    else:
        p.update(sequence=r.getrandbits(16), timestamp=not v6 and r.random() < 0.2)
    return p


def packet(p, source, destination, reply, hops=0):
    """Cooks a recipe: the IP packet as octets, every length and checksum computed by scapy."""
    v6 = ':' in source[0]
    payload = p['payload'] if p['tail'] is None else p['payload'] + struct.pack('>H', p['tail'])
    if p['protocol'] == 'tcp':
        layer = TCP(sport=source[1], dport=destination[1], flags=p['flags'], seq=p['seq'], ack=p['ack'], window=p['window'], urgptr=p['urgent'], options=p['tcp_options'])
    elif p['protocol'] == 'udp':
        layer = UDP(sport=source[1], dport=destination[1])
        if p['unsummed']:
            layer.chksum = 0
    else:
        identifier = destination[1] if reply else source[1]
        if v6:
            layer = (ICMPv6EchoReply if reply else ICMPv6EchoRequest)(id=identifier, seq=p['sequence'])
        elif p['timestamp']:
            layer = ICMP(type=14 if reply else 13, id=identifier, seq=p['sequence'], ts_ori=1, ts_rx=2, ts_tx=3)
        else:
            layer = ICMP(type=0 if reply else 8, id=identifier, seq=p['sequence'])
    if payload:
        layer = layer / Raw(payload)
    return bytes(network(p, source[0], destination[0], hops) / layer)


def network(p, source, destination, hops):
    if ':' not in source:
        return IP(src=source, dst=destination, ttl=p['ttl'] - hops, tos=p['tos'], id=p['id'], flags='DF' if p['df'] else 0, options=p['options'])
    layer = IPv6(src=source, dst=destination, hlim=p['ttl'] - hops, tc=p['tos'], fl=p['flow'])
    for header in p['headers']:
        layer = layer / (IPv6ExtHdrHopByHop(options=[PadN(optdata=b'\0\0\0\0')]) if header == 'h' else IPv6ExtHdrDestOpt(options=[HBHOptUnknown(otype=0x1E, optdata=b'abcd')]))
    return layer


def error_recipe(r, v6):
    """The message around a packet: what happened to it, and how much of it is carried."""
    p = dict(ttl=r.choice([2, 64, 255]), tos=r.choice([0, 0xC0]), id=r.getrandbits(16), df=False, flow=0, options=[], headers='')
    if v6:
        p['message'] = r.choice([ICMPv6DestUnreach(code=r.randrange(7)), ICMPv6PacketTooBig(mtu=1280 + r.randrange(200)), ICMPv6TimeExceeded(code=r.randrange(2)),
                                 ICMPv6ParamProblem(code=1, ptr=6)])
    else:
        p['message'] = r.choice([ICMP(type=3, code=r.choice([0, 1, 2, 3, 10, 13])), ICMP(type=3, code=4, nexthopmtu=576 + r.randrange(900)), ICMP(type=11, code=r.randrange(2)),
                                 ICMP(type=12, ptr=20)])
    return p


def error(p, source, destination, about, carried, hops=0):
    return bytes(network(p, source, destination, hops) / p['message'].copy() / Raw(about[:carried]))


# Where things are in a packet. Written apart from scapy, to find what has changed and which checksums can be recomputed.

def fields(data, at=0, prefix=''):
    """Name -> (where, octets), the transport protocol, where its header is, where the packet ends by its own account, where the packet is that an error is about."""
    v6 = data[at] >> 4 == 6
    found = {}
    if v6:
        found.update({'ttl': (at + 7, 1), 'src': (at + 8, 16), 'dst': (at + 24, 16)})
        protocol, l4 = data[at + 6], at + 40
        while protocol in (0, 60):
            protocol, l4 = data[l4], l4 + 8 * (data[l4 + 1] + 1)
        whole = at + 40 + struct.unpack_from('>H', data, at + 4)[0]
    else:
        found.update({'ttl': (at + 8, 1), 'sum': (at + 10, 2), 'src': (at + 12, 4), 'dst': (at + 16, 4)})
        protocol, l4 = data[at + 9], at + 4 * (data[at] & 15)
        whole = at + struct.unpack_from('>H', data, at + 2)[0]
    about = None
    if protocol in (6, 17):
        found.update({'sport': (l4, 2), 'dport': (l4 + 2, 2), 'l4sum': (l4 + (16 if protocol == 6 else 6), 2)})
    else:
        found['l4sum'] = (l4 + 2, 2)
        if data[l4] in ((1, 2, 3, 4) if v6 else (3, 11, 12)):
            about = l4 + 8
        else:
            found['id'] = (l4 + 4, 2)
    found = {prefix + name: place for name, place in found.items()}
    if about is not None:
        found.update(fields(data, about, 'in.')[0])
    return found, protocol, l4, whole, about


MAY_CHANGE = {
    'source': {'ttl', 'sum', 'src', 'sport', 'id', 'l4sum'},
    'destination': {'ttl', 'sum', 'dst', 'dport', 'id', 'l4sum'},
    'error-inbound': {'ttl', 'sum', 'dst', 'l4sum', 'in.sum', 'in.src', 'in.sport', 'in.id', 'in.l4sum'},
    'error-outbound': {'ttl', 'sum', 'src', 'l4sum', 'in.sum', 'in.dst', 'in.dport', 'in.id', 'in.l4sum'},
}


def make(seed, folder):
    r = random.Random(seed)
    writers = [RawPcapWriter('%s/%s.pcap' % (folder, name), linktype=1) for name in ('in', 'expected')]
    for writer in writers:
        writer.write_header(None)
    with open(folder + '/tasks.txt') as tasks, open(folder + '/index.txt', 'w') as index:
        for number, line in enumerate(tasks):
            operation, protocol, before, after, server, hops, count = line.split()
            before, after, server, hops = endpoint(before), endpoint(after), endpoint(server), int(hops)
            v6 = ':' in before[0]
            for i in range(int(count)):
                p = recipe(r, protocol, v6, hops > 0)
                judged, extent = protocol if protocol != 'icmp' else 'icmpv6' if v6 else 'icmp', 'whole'
                if operation in ('source', 'destination'):
                    reply = operation == 'destination'

                    def cook(end, lost):
                        return packet(p, server if reply else end, end if reply else server, reply, lost)
                    if i % 8 in (0, 1):
                        # The checksum comes out as zero, or was zero.
                        p.update(payload=p['payload'][:len(p['payload']) & ~1], tail=0, unsummed=False)
                        one = cook(after if i % 8 == 0 else before, 0)
                        p['tail'] = struct.unpack_from('>H', one, fields(one)[0]['l4sum'][0])[0]
                    if p.get('unsummed'):
                        judged = 'udp-unsummed'
                    pair = [cook(before, 0), cook(after, hops)]
                else:
                    inbound = operation == 'error-inbound'
                    p['ttl'] = r.choice([0, 1, 64])
                    e = error_recipe(r, v6)
                    other = r.choice([server[0], '2001:db8:ffff::1' if v6 else '198.51.100.77'])
                    about = [packet(p, end if inbound else server, server if inbound else end, not inbound) for end in (before, after)]
                    start = fields(about[0])[2]
                    carried = r.choice([start + 8, start + 8 + r.randrange(16), start + 20, 548, 1232])
                    if protocol == 'tcp' and carried == start + 17:
                        # Half a checksum cannot be brought up to date: what is carried of it is not judged.
                        carried += 1
                    judged, extent = 'icmpv6' if v6 else 'icmp', 'whole' if carried >= len(about[0]) else 'cut'
                    pair = [error(e, other if inbound else end[0], end[0] if inbound else server[0], octets, carried, lost)
                            for end, octets, lost in ((before, about[0], 0), (after, about[1], hops))]
                padding = b'\0' * max(0, 46 - len(pair[0])) if r.random() < 0.7 else b''
                for writer, data in zip(writers, pair):
                    writer.write(bytes(Ether(type=0x86DD if v6 else 0x0800, **MAC)) + data + padding)
                index.write('%d %s %s %s %s\n' % (number, operation, judged, '6' if v6 else '4', extent))
    for writer in writers:
        writer.close()


def wrong_checksums(data, at=0, prefix=''):
    """The checksum fields that are not what scapy computes from all octets that they cover. What an error has cut off cannot be told."""
    found, protocol, l4, whole, about = fields(data, at, prefix)
    wrong = []

    def compare(name, octets, start, compute):
        place = found[prefix + name][0]
        said = struct.unpack_from('>H', data, place)[0]
        octets[place - start:place - start + 2] = b'\0\0'
        if compute(bytes(octets)) != said:
            wrong.append(prefix + name)

    v6 = data[at] >> 4 == 6
    if not v6:
        compare('sum', bytearray(data[at:l4]), at, checksum)
    addresses = [socket.inet_ntop(socket.AF_INET6 if v6 else socket.AF_INET, data[w:w + n]) for w, n in (found[prefix + 'src'], found[prefix + 'dst'])]
    if whole <= len(data):
        message = bytearray(data[l4:whole])
        if protocol == 17 and not v6 and message[6:8] == b'\0\0':
            pass
        elif protocol == 1:
            compare('l4sum', message, l4, checksum)
        elif v6:
            compare('l4sum', message, l4, lambda octets: (in6_chksum(protocol, IPv6(src=addresses[0], dst=addresses[1]), octets) or (0xFFFF if protocol == 17 else 0)))
        else:
            compare('l4sum', message, l4, lambda octets: (in4_chksum(protocol, IP(src=addresses[0], dst=addresses[1]), octets) or (0xFFFF if protocol == 17 else 0)))
    return wrong + (wrong_checksums(data[:whole], about, 'in.') if about is not None else [])


def judge(folder, capture):
    names = [line.split() for line in open(folder + '/index.txt')]
    streams = [[octets for octets, _ in RawPcapReader(path)] for path in (folder + '/in.pcap', folder + '/expected.pcap', capture)]
    if not all(len(stream) == len(names) for stream in streams):
        print('bad 0 the captures have %s packets, not %d' % ([len(s) for s in streams], len(names)))
        return
    for number, (_, operation, *_) in enumerate(names):
        before, expected, after = (stream[number] for stream in streams)
        wrong = []
        if before[:14] != after[:14] or len(before) != len(after):
            wrong.append('another frame')
        else:
            places = fields(before[14:])[0]
            may = {at for name in MAY_CHANGE[operation] if name in places for at in range(places[name][0], sum(places[name]))}
            changed = [at for at in range(len(before) - 14) if before[14 + at] != after[14 + at] and at not in may]
            if changed:
                wrong.append('octets %s changed' % changed)
            try:
                sums = wrong_checksums(after[14:])
            except (IndexError, KeyError, struct.error):
                sums = ['headers']
            if sums:
                wrong.append('wrong %s' % ' '.join(sums))
        if after != expected:
            wrong.append('is not what was expected')
        if wrong:
            print('bad %d %s: %s' % (number, ' '.join(names[number][1:]), ', '.join(wrong)))
    print('judged %d' % len(names))


if __name__ == '__main__':
    if sys.argv[1] == 'make':
        make(int(sys.argv[2]), sys.argv[3])
    else:
        judge(sys.argv[2], sys.argv[3])
