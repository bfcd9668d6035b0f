# hostapd as R1KH with one wildcard R0KH, its protocol written down once more from its source's description, over AES-SIV of python3-cryptography: asks for a key on an interface and prints what it
# is told. Arguments: interface key r0kh-id client pmkr0name. Prints "address" at the beginning, then "client key name cipher expires timeout vlan", "-" for what is missing.
import os
import socket
import struct
import sys
import time

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

SEQ, NONCE, R0KH, R1KH, S1KH, R0NAME, R1NAME, PMKR1, PAIRWISE, EXPIRES, VLAN, TIMEOUT = 1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 13, 17
PULL, RESP, SEQ_REQ, SEQ_RESP = 1, 2, 4, 5

interface = sys.argv[1]
key, r0kh, client, name = (bytes.fromhex(a) for a in sys.argv[2:6])
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B7))
link.bind((interface, 0x88B7))
link.settimeout(0.2)
own = link.getsockname()[4]
siv = AESSIV(key)
domain, number = int.from_bytes(os.urandom(4), "little") | 1, int.from_bytes(os.urandom(4), "little")
peer, known = b"\xff" * 6, None


def tlv(kind, value):
    return struct.pack("<HH", kind, len(value)) + value


def sequence():
    global number
    number = (number + 1) & 0xFFFFFFFF
    return tlv(SEQ, struct.pack("<III", domain, number, int(time.monotonic()) & 0xFFFFFFFF))


def send(kind, clear, secret=b""):
    clear += tlv(R0KH, r0kh) + tlv(R1KH, own)
    missing = 64 - (2 + len(clear) + len(secret) + 16)
    if missing > 0:
        clear += tlv(0, bytes(max(0, missing - 4)))
    # python3-cryptography does not seal nothing, hostapd does: then the vector alone is sent.
    sealed = siv.encrypt(secret, [own, clear, bytes([kind])]) if secret else vector([own, clear, bytes([kind])])
    link.send(peer + own + b"\x88\xb7\x00\x13\x74\x00\x01" + bytes([kind]) + struct.pack("<H", len(clear)) + clear + sealed)


def cmac(data):
    from cryptography.hazmat.primitives import cmac as module
    from cryptography.hazmat.primitives.ciphers import algorithms
    mac = module.CMAC(algorithms.AES(key[:16]))
    mac.update(data)
    return int.from_bytes(mac.finalize(), "big")


def double(value):
    return ((value << 1) & ((1 << 128) - 1)) ^ (0x87 if value >> 127 else 0)


def vector(pieces):
    total = cmac(bytes(16))
    for piece in pieces:
        total = double(total) ^ cmac(piece)
    return cmac((double(total) ^ (0x80 << 120)).to_bytes(16, "big")).to_bytes(16, "big")


def fields(octets):
    found = {}
    while len(octets) >= 4:
        kind, length = struct.unpack("<HH", octets[:4])
        assert length <= len(octets) - 4, "a field is cut off"
        found.setdefault(kind, octets[4:4 + length])
        octets = octets[4 + length:]
    return found


print(own.hex(), flush=True)
where, asked = os.urandom(16), os.urandom(16)
deadline, again = time.monotonic() + 20, 0
send(SEQ_REQ, tlv(NONCE, where))
while time.monotonic() < deadline:
    if time.monotonic() >= again:
        send(PULL, tlv(NONCE, asked) + sequence(), tlv(R0NAME, name) + tlv(S1KH, client))
        again = time.monotonic() + 1
    try:
        frame = link.recv(2048)
    except socket.timeout:
        continue
    if frame[:6] != own or frame[14:19] != b"\x00\x13\x74\x00\x01":
        continue
    kind, length = frame[19], struct.unpack("<H", frame[20:22])[0]
    clear, sealed = frame[22:22 + length], frame[22 + length:]
    pieces = [frame[6:12], clear, bytes([kind])]
    try:
        secret = siv.decrypt(sealed, pieces) if len(sealed) > 16 else b""
    except InvalidTag:
        sys.exit("an answer is not sealed as it should be")
    if len(sealed) <= 16 and sealed != vector(pieces):
        sys.exit("an answer without content is not sealed as it should be")
    open_fields, hidden = fields(clear), fields(secret)
    assert open_fields[R0KH] == r0kh and open_fields[R1KH] == own, "an answer to somebody else"
    if kind == SEQ_REQ:
        peer = frame[6:12]
        send(SEQ_RESP, tlv(NONCE, open_fields[NONCE]) + sequence())
    elif kind == SEQ_RESP:
        assert open_fields[NONCE] == where, "another nonce"
        known, peer = struct.unpack("<III", open_fields[SEQ]), frame[6:12]
    elif kind == RESP:
        assert known is not None, "a key before the numbers are known"
        said = struct.unpack("<III", open_fields[SEQ])
        assert said[0] == known[0] and 0 < (said[1] - known[1]) % 2**32 < 2**30 and abs(said[2] - known[2]) <= 10, "a number that cannot be"
        assert open_fields[NONCE] == asked, "another nonce"
        small = lambda kind: str(int.from_bytes(hidden[kind], "little")) if kind in hidden else "-"
        octets = lambda kind: hidden[kind].hex() if kind in hidden else "-"
        print(octets(S1KH), octets(PMKR1), octets(R1NAME), small(PAIRWISE), small(EXPIRES), small(TIMEOUT), small(VLAN), flush=True)
        sys.exit(0)
sys.exit("no answer")
