"""Odd packets between a client and a server, for any network between the two: what it does with them is written down, not judged.

  sequences.py CLIENT-NAMESPACE SERVER-NAMESPACE GATEWAY-MAC ROUTER-MAC ROUNDS

Every scenario first opens what it needs, for all rounds, and goes on when a line is read: in between the client may have gone elsewhere.
"""
import random
import struct
import sys

from scapy.all import ICMP, IP, TCP, UDP, Raw, checksum, fragment
from scapy.layers.inet import IPOption_LSRR, IPOption_NOP, IPOption_RR, IPOption_SSRR, IPOption_Timestamp

from ends import run

LONG = bytes(random.Random(4).randrange(256) for _ in range(2600))


def open_udp(f):
    f.protocol = 17
    f.out('open', f.udp(True, 'open'))


def open_tcp(f):
    """A handshake; the client's octets begin at 1001, the server's at 5001."""
    f.protocol = 6
    f.out('SYN', f.tcp(True, 'S', 1000, options=[('MSS', 1400), ('NOP', None), ('NOP', None), ('SAckOK', b'')]))
    f.into('SYN, ACK', f.tcp(False, 'SA', 5000, 1001, options=[('MSS', 1400), ('NOP', None), ('NOP', None), ('SAckOK', b'')]))
    f.out('ACK', f.tcp(True, 'A', 1001, 5001))


def touch(f):
    """A port of TCP that servers can be answered from, with no connection to this one."""
    f.protocol = 6
    f.out('a SYN to another port', f.tcp(True, 'S', 900, dport=f.s + 10_000))


# UDP and IPv4 headers.

def udp(f):
    open_udp(f)
    yield
    f.into('back', f.udp(False, 'back'))
    f.out('on', f.udp(True, 'on'))
    f.into('nothing in it', f.udp(False))
    f.into('odd length', f.udp(False, 'odd'))
    f.out('DF and a class', f.udp(True, 'df', ip=dict(flags='DF', tos=0xb8)))
    f.into('a class and ECN', f.udp(False, 'tos', ip=dict(tos=0x2b)))


def udp_sums(f):
    open_udp(f)
    yield
    f.out('without a sum', f.udp(True, 'unsummed', chksum=0))
    f.into('without a sum', f.udp(False, 'unsummed', chksum=0))
    f.out('a wrong sum', f.udp(True, 'wrong', chksum=0x1234))
    f.into('a wrong sum', f.udp(False, 'wrong', chksum=0x1234))


def udp_lengths(f):
    open_udp(f)
    yield
    for length in (0, 7, 9, 60):
        f.out('length %d' % length, f.udp(True, 'abc', len=length))
        f.into('length %d' % length, f.udp(False, 'abc', len=length))
    f.out('half a header', f.ip(True, proto=17) / Raw(struct.pack('!HH', f.c, f.s)))
    f.into('half a header', f.ip(False, proto=17) / Raw(struct.pack('!HH', f.s, f.m)))


def ip_headers(f):
    open_udp(f)
    yield
    for outward in (True, False):
        send = f.out if outward else f.into
        send('a wrong header sum', f.udp(outward, 'x', ip=dict(chksum=0x1234)))
        send('longer than it is', f.udp(outward, 'x', ip=dict(len=200)))
        send('shorter than its header', f.udp(outward, 'x', ip=dict(len=10)))
        send('a header of 16 octets', f.udp(outward, 'x', ip=dict(ihl=4)))
        send('version 5', f.udp(outward, 'x', ip=dict(version=5)))
        send('the reserved flag', f.udp(outward, 'x', ip=dict(flags='evil')))


def ip_options(f):
    open_udp(f)
    yield
    for outward in (True, False):
        send = f.out if outward else f.into
        send('NOPs', f.udp(outward, 'x', ip=dict(options=[IPOption_NOP(), IPOption_NOP()])))
        send('a full record route', f.udp(outward, 'x', ip=dict(options=[IPOption_RR(pointer=8, routers=['10.9.9.9'])])))
        send('a full timestamp', f.udp(outward, 'x', ip=dict(options=[IPOption_Timestamp(flg=0, length=8, pointer=9, timestamp=7)])))
        send('an unknown option', f.udp(outward, 'x', ip=dict(options=bytes.fromhex('9e040102'))))
        send('an option too long', f.udp(outward, 'x', ip=dict(options=bytes.fromhex('9e080102'))))
        send('a source route', f.udp(outward, 'x', ip=dict(options=[IPOption_LSRR(routers=['10.1.100.3'])])))
        send('a strict source route', f.udp(outward, 'x', ip=dict(options=[IPOption_SSRR(routers=['10.1.100.3'])])))


def ttl(f):
    open_udp(f)
    yield
    f.out('TTL 1', f.udp(True, 'x', ip=dict(ttl=1)))
    f.out('TTL 2', f.udp(True, 'x', ip=dict(ttl=2)))
    f.out('TTL 0', f.udp(True, 'x', ip=dict(ttl=0)))
    f.into('TTL 2', f.udp(False, 'x', ip=dict(ttl=2)))
    f.into('TTL 1', f.udp(False, 'x', ip=dict(ttl=1)))
    f.into('TTL 0', f.udp(False, 'x', ip=dict(ttl=0)))


def strangers(f):
    open_udp(f)
    yield
    f.into('another port of the server', f.udp(False, 'x', sport=f.s + 10_000))
    f.into('another server', f.udp(False, 'x', ip=dict(src='T')))
    f.into('an endpoint that is nobody\'s', f.udp(False, 'x', dport=f.s + 20_000))
    f.out('the client speaks to that port', f.udp(True, 'x', dport=f.s + 10_000))
    f.into('and is answered', f.udp(False, 'x', sport=f.s + 10_000))


# ICMP.

def error(f, outward, type, code, about, ip={}, rest=b'\0\0\0\0', **fields):
    message = ICMP(type=type, code=code, **fields)
    message = bytes(message)[:4] + rest + bytes(about)
    total = bytearray(message)
    if 'chksum' not in fields:
        total[2:4] = b'\0\0'
        total[2:4] = struct.pack('!H', checksum(bytes(total)))
    return f.ip(outward, proto=1, **ip) / Raw(bytes(total))


def of_client(f, **ip):
    """The client's packet as it is seen outside."""
    return IP(src=f.network.outside, dst=f.address('S'), ttl=60, id=9, **ip) / UDP(sport=f.m, dport=f.s) / 'of the client'


def of_server(f, **ip):
    """The server's packet as it comes to the client."""
    return IP(src=f.address('S'), dst=f.address('C'), ttl=60, id=9, **ip) / UDP(sport=f.s, dport=f.c) / 'of the server'


def errors_from_outside(f):
    open_udp(f)
    yield
    about = of_client(f)
    f.into('port unreachable', error(f, False, 3, 3, about))
    f.into('with eight octets', error(f, False, 3, 3, bytes(about)[:28]))
    f.into('with seven octets', error(f, False, 3, 3, bytes(about)[:27]))
    f.into('too big, from a router', error(f, False, 3, 4, about, ip=dict(src='T'), rest=struct.pack('!HH', 0, 1300)))
    f.into('host unreachable, from a router', error(f, False, 3, 1, about, ip=dict(src='T')))
    f.into('administratively prohibited', error(f, False, 3, 13, about, ip=dict(src='T')))
    f.into('time exceeded, from a router', error(f, False, 11, 0, about, ip=dict(src='T')))
    f.into('parameter problem', error(f, False, 12, 0, about, rest=b'\x14\0\0\0'))
    f.into('source quench', error(f, False, 4, 0, about))
    f.into('redirect', error(f, False, 5, 1, about, rest=bytes([10, 1, 100, 3])))
    f.into('about a packet with options', error(f, False, 3, 3, of_client(f, options=[IPOption_NOP(), IPOption_NOP()])))
    f.into('about a first fragment', error(f, False, 3, 3, of_client(f, flags='MF')))
    f.into('about a later fragment', error(f, False, 3, 3, of_client(f, frag=100)))
    f.into('about nothing of the client\'s', error(f, False, 3, 3, IP(src=f.network.outside, dst=f.address('S')) / UDP(sport=f.m, dport=f.s + 10_000) / 'x'))
    f.into('about a port that is nobody\'s', error(f, False, 3, 3, IP(src=f.network.outside, dst=f.address('S')) / UDP(sport=f.s + 20_000, dport=f.s) / 'x'))
    f.into('a wrong sum', error(f, False, 3, 3, about, chksum=0x1234))
    f.into('and the conversation goes on', f.udp(False, 'on'))


def errors_from_inside(f):
    open_udp(f)
    yield
    about = of_server(f)
    f.out('port unreachable', error(f, True, 3, 3, about))
    f.out('with eight octets', error(f, True, 3, 3, bytes(about)[:28]))
    f.out('too big', error(f, True, 3, 4, about, rest=struct.pack('!HH', 0, 1300)))
    f.out('time exceeded in reassembly', error(f, True, 11, 1, about))
    f.out('parameter problem', error(f, True, 12, 0, about, rest=b'\x14\0\0\0'))
    f.out('about a packet with options', error(f, True, 3, 3, of_server(f, options=[IPOption_NOP(), IPOption_NOP()])))
    f.out('about nothing of the server\'s', error(f, True, 3, 3, IP(src=f.address('S'), dst=f.address('C')) / UDP(sport=f.s + 10_000, dport=f.c) / 'x'))
    f.out('a redirect', error(f, True, 5, 1, about, rest=bytes([10, 1, 100, 3])))
    f.into('and the conversation goes on', f.udp(False, 'on'))


def errors_about_TCP(f):
    open_tcp(f)
    yield
    about = IP(src=f.network.outside, dst=f.address('S'), id=9) / TCP(sport=f.m, dport=f.s, seq=1001, ack=5001, flags='A') / 'of the client'
    f.into('too big', error(f, False, 3, 4, about, ip=dict(src='T'), rest=struct.pack('!HH', 0, 1300)))
    f.into('host unreachable', error(f, False, 3, 1, bytes(about)[:28], ip=dict(src='T')))
    f.into('port unreachable', error(f, False, 3, 3, about))
    f.into('and data goes on', f.tcp(False, 'PA', 5001, 1001, 'data'))
    f.out('and is answered', f.tcp(True, 'PA', 1001, 5005, 'data'))


def pings(f):
    f.protocol = 1
    f.out('ask', f.echo(True))
    yield
    f.into('answer', f.echo(False))
    f.out('again', f.echo(True, seq=2))
    f.into('answer again', f.echo(False, seq=2))
    f.into('an answer to what nobody asked', f.echo(False, id=f.s + 20_000))
    f.into('an answer of somebody else', f.echo(False, ip=dict(src='T')))
    f.out('a wrong sum', f.echo(True, seq=3, chksum=0x1234))
    f.into('a wrong sum', f.echo(False, seq=2, chksum=0x1234))
    f.out('an answer by itself', f.echo(True, type=0, id=f.s))
    f.into('a redirect to itself', f.echo(False, type=5))
    f.out('an unknown type', f.echo(True, type=200))


def timestamps(f):
    f.protocol = 1
    f.out('ask', f.ip(True) / ICMP(type=13, id=f.c, seq=1))
    yield


# Fragments.

def fragments(f):
    open_udp(f)
    yield
    for outward in (True, False):
        send = f.out if outward else f.into
        def pieces(**fields):
            return fragment(f.udp(outward, LONG, ip=dict(id=f.identification()), **fields), 800)
        send('in order', *pieces())
        send('backwards', *reversed(pieces()))
        first, second, third, last = pieces()
        send('the last one first', last, first, third, second)
        first, second, third, last = pieces()
        send('one of them twice', first, second, second, third, last)
        send('without a sum', *pieces(chksum=0))
        first, second, third, last = pieces()
        send('one is missing', first, second, last)
        first, second, third, last = pieces()
        other = second.copy()
        other.frag, other.len, other.chksum = 98, None, None
        send('two that overlap', first, second, other, third, last)
        first, *_ = pieces()
        first.len, first.chksum = None, None
        tiny = IP(bytes(first))[IP].copy()
        tiny.remove_payload()
        tiny.len, tiny.chksum = None, None
        send('a first one of four octets', tiny / Raw(bytes(first)[20:24]))
        beyond = f.ip(outward, id=f.identification(), frag=8189, proto=17) / Raw(b'x' * 800)
        send('one beyond the end', beyond)


def fragments_of_pings(f):
    f.protocol = 1
    f.out('ask', f.echo(True))
    yield
    f.out('ask at length', *fragment(f.echo(True, LONG, ip=dict(id=f.identification()), seq=2), 800))
    f.into('answer at length, backwards', *reversed(fragment(f.echo(False, LONG, ip=dict(id=f.identification()), seq=2), 800)))


def fragments_of_TCP(f):
    open_tcp(f)
    yield
    f.out('out', *fragment(f.tcp(True, 'PA', 1001, 5001, LONG[:900], ip=dict(id=f.identification())), 400))
    f.into('in', *fragment(f.tcp(False, 'PA', 5001, 1901, LONG[:900], ip=dict(id=f.identification())), 400))


# TCP.

def tcp(f):
    open_tcp(f)
    yield
    f.out('data', f.tcp(True, 'PA', 1001, 5001, 'hello'))
    f.into('data back', f.tcp(False, 'PA', 5001, 1006, 'hello yourself'))
    f.into('the same again', f.tcp(False, 'PA', 5001, 1006, 'hello yourself'))
    f.out('urgent', f.tcp(True, 'PAU', 1006, 5015, '!', urgptr=1))
    f.into('a selective acknowledgment', f.tcp(False, 'A', 5015, 1001, options=[('NOP', None), ('NOP', None), ('SAck', (1006, 1007))]))
    f.into('a keep-alive', f.tcp(False, 'A', 5014, 1007))
    f.out('ECN', f.tcp(True, 'PACE', 1007, 5015, 'e'))
    f.into('a wrong sum', f.tcp(False, 'PA', 5015, 1008, 'wrong', chksum=0x1234))
    f.into('unknown options', f.tcp(False, 'A', 5015, 1008, options=[(200, b'xy')]))
    f.into('data beyond the window', f.tcp(False, 'PA', 5015 + 70_000, 1008, 'far'))
    f.into('an acknowledgment of what was not sent', f.tcp(False, 'A', 5015, 1008 + 900_000))


def tcp_closing(f):
    open_tcp(f)
    yield
    f.out('FIN', f.tcp(True, 'FA', 1001, 5001))
    f.into('its ACK', f.tcp(False, 'A', 5001, 1002))
    f.into('data from the half that is open', f.tcp(False, 'PA', 5001, 1002, 'more'))
    f.out('acknowledged', f.tcp(True, 'A', 1002, 5005))
    f.out('data after FIN', f.tcp(True, 'PA', 1002, 5005, 'late'))
    f.into('FIN', f.tcp(False, 'FA', 5005, 1002))
    f.out('the last ACK', f.tcp(True, 'A', 1002, 5006))
    f.into('FIN again', f.tcp(False, 'FA', 5005, 1002))
    f.out('the last ACK again', f.tcp(True, 'A', 1002, 5006))
    f.out('a new SYN of the same ports', f.tcp(True, 'S', 900_000))
    f.into('a new SYN, ACK', f.tcp(False, 'SA', 800_000, 900_001))
    f.out('a new ACK', f.tcp(True, 'A', 900_001, 800_001))
    f.into('new data', f.tcp(False, 'PA', 800_001, 900_001, 'new'))


def tcp_closing_at_once(f):
    open_tcp(f)
    yield
    f.into('FIN of the server', f.tcp(False, 'FA', 5001, 1001))
    f.out('FIN of the client', f.tcp(True, 'FA', 1001, 5001))
    f.out('ACK of the client', f.tcp(True, 'A', 1002, 5002))
    f.into('ACK of the server', f.tcp(False, 'A', 5002, 1002))


def tcp_reset_in_window(f):
    open_tcp(f)
    yield
    f.out('data', f.tcp(True, 'PA', 1001, 5001, 'hello'))
    f.into('acknowledged', f.tcp(False, 'A', 5001, 1006))
    f.into('RST', f.tcp(False, 'R', 5001))
    f.into('data after RST', f.tcp(False, 'PA', 5001, 1006, 'on'))
    f.out('data of the client after RST', f.tcp(True, 'PA', 1006, 5001, 'on'))


def tcp_reset_guessed(f):
    open_tcp(f)
    yield
    f.out('data', f.tcp(True, 'PA', 1001, 5001, 'hello'))
    f.into('acknowledged', f.tcp(False, 'A', 5001, 1006))
    f.into('RST beyond the window', f.tcp(False, 'R', 5001 + 1_000_000))
    f.into('RST of a number before', f.tcp(False, 'R', 4000))
    f.into('data', f.tcp(False, 'PA', 5001, 1006, 'on'))
    f.out('data of the client', f.tcp(True, 'PA', 1006, 5003, 'on'))


def tcp_reset_by_the_client(f):
    open_tcp(f)
    yield
    f.out('RST', f.tcp(True, 'RA', 1001, 5001))
    f.out('a new SYN of the same ports', f.tcp(True, 'S', 900_000))
    f.into('refused', f.tcp(False, 'RA', 0, 900_001))
    f.out('a third SYN', f.tcp(True, 'S', 950_000))
    f.into('a SYN, ACK', f.tcp(False, 'SA', 800_000, 950_001))


def tcp_opened_by_both(f):
    touch(f)
    yield
    f.out('SYN of the client', f.tcp(True, 'S', 1000))
    f.into('SYN of the server', f.tcp(False, 'S', 5000))
    f.out('SYN, ACK of the client', f.tcp(True, 'SA', 1000, 5001))
    f.into('SYN, ACK of the server', f.tcp(False, 'SA', 5000, 1001))
    f.out('data', f.tcp(True, 'PA', 1001, 5001, 'hello'))
    f.into('data back', f.tcp(False, 'PA', 5001, 1006, 'hello'))


def tcp_opening(f):
    touch(f)
    yield
    f.out('SYN with data', f.tcp(True, 'S', 1000, payload='early'))
    f.out('SYN again', f.tcp(True, 'S', 1000, payload='early'))
    f.into('an ACK of something else', f.tcp(False, 'A', 7000, 4711))
    f.into('RST of something else', f.tcp(False, 'RA', 0, 4711))
    f.into('SYN, ACK', f.tcp(False, 'SA', 5000, 1001))
    f.into('SYN, ACK again', f.tcp(False, 'SA', 5000, 1001))
    f.out('ACK', f.tcp(True, 'A', 1001, 5001))
    f.into('data', f.tcp(False, 'PA', 5001, 1001, 'hello'))


def tcp_refused(f):
    touch(f)
    yield
    f.out('SYN', f.tcp(True, 'S', 1000))
    f.into('RST', f.tcp(False, 'RA', 0, 1001))
    f.out('SYN again', f.tcp(True, 'S', 2000))
    f.into('SYN, ACK', f.tcp(False, 'SA', 5000, 2001))


def tcp_without_a_beginning(f):
    touch(f)
    yield
    f.out('data', f.tcp(True, 'PA', 1001, 5001, 'in the middle'))
    f.into('its ACK', f.tcp(False, 'A', 5001, 1014))
    f.into('data', f.tcp(False, 'PA', 5001, 1014, 'in the middle'))


def tcp_strangers(f):
    open_tcp(f)
    yield
    for flags, name in (('S', 'SYN'), ('SA', 'SYN, ACK'), ('A', 'ACK'), ('R', 'RST'), ('FA', 'FIN')):
        f.into(name + ' from another port', f.tcp(False, flags, 9000, 9001, sport=f.s + 10_000))
    f.into('data from another server', f.tcp(False, 'PA', 5001, 1001, 'x', ip=dict(src='T')))
    f.into('SYN in an open connection', f.tcp(False, 'S', 5500))
    f.into('and it goes on', f.tcp(False, 'PA', 5001, 1001, 'on'))


def tcp_odd_flags(f):
    open_tcp(f)
    yield
    for flags, name in (('', 'none'), ('FPU', 'Christmas'), ('SF', 'SYN and FIN'), ('SR', 'SYN and RST'), ('P', 'PSH alone'), ('F', 'FIN alone')):
        f.out(name + '', f.tcp(True, flags, 1001, 5001))
        f.into(name + '', f.tcp(False, flags, 5001, 1001))
    f.into('and it goes on', f.tcp(False, 'PA', 5001, 1001, 'on'))


def tcp_broken(f):
    open_tcp(f)
    yield
    for outward in (True, False):
        send = f.out if outward else f.into
        seq, ack = (1001, 5001) if outward else (5001, 1001)
        send('a header of 16 octets', f.tcp(outward, 'A', seq, ack, 'x', dataofs=4))
        send('a header longer than all', f.tcp(outward, 'A', seq, ack, 'x', dataofs=15))
        send('half a header', Raw(bytes(f.ip(outward, proto=6, len=30)) + bytes(f.tcp(outward, 'A', seq, ack))[20:30]))
        send('an option without an end', f.tcp(outward, 'A', seq, ack, dataofs=6, payload=b'\x02\x09\x05\xb4'))
    f.into('and it goes on', f.tcp(False, 'PA', 5001, 1001, 'on'))


# Addresses.

def land(f):
    open_udp(f)
    yield
    f.into('from the client\'s endpoint outside to itself', f.udp(False, 'x', ip=dict(src='O'), sport=f.m))
    f.into('and by TCP', f.tcp(False, 'S', 1, ip=dict(src='O'), sport=f.m, dport=f.m))
    f.out('from the client to itself', f.udp(True, 'x', ip=dict(dst='C'), dport=f.c))
    f.out('from the server to itself', f.udp(True, 'x', ip=dict(src='S'), sport=f.s))


def martians(f):
    open_udp(f)
    yield
    for source in ('127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', '10.9.9.9', 'O', 'S', 'G', '192.168.77.255', '240.0.0.1', '169.254.1.1'):
        f.out('from %s' % source, f.udp(True, 'x', ip=dict(src=source)))
    for source in ('127.0.0.1', '0.0.0.0', '224.0.0.1', '255.255.255.255', 'C', 'G', '240.0.0.1', '169.254.1.1'):
        f.into('from %s' % source, f.udp(False, 'x', ip=dict(src=source)))
    for target in ('127.0.0.1', '0.0.0.0', '224.0.0.1', '239.1.1.1', '255.255.255.255', '192.168.77.255', '169.254.1.1', 'C', 'G'):
        f.out('to %s' % target, f.udp(True, 'x', ip=dict(dst=target)))


def other_protocols(f):
    open_udp(f)
    yield
    for number in (2, 4, 41, 47, 50, 51, 132, 253, 255):
        f.out('protocol %d' % number, f.ip(True, proto=number) / Raw(b'something of a length'))
    for number in (4, 47, 50, 132):
        f.into('protocol %d' % number, f.ip(False, proto=number) / Raw(b'something of a length'))


if __name__ == '__main__':
    run([s for name, s in list(globals().items()) if getattr(s, '__code__', None) is not None and s.__code__.co_flags & 0x20 and s.__module__ == '__main__'], sys.argv[1:])
