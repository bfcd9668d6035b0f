# The keys of fast transitions (IEEE 802.11-2020 12.7.1.6) once more, from hmac and hashlib alone, and AES-SIV (RFC 5297) of python3-cryptography. Reads lines
# "msk ssid mdid r0kh client r1kh plain a1 a2 a3", answers "pmkr0 pmkr0name pmkr1 pmkr1name sealed", sealed under PMK-R0.
import hashlib
import hmac
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESSIV


def kdf(key, label, context, bits):
    out = b""
    for i in range(1, (bits + 255) // 256 + 1):
        out += hmac.new(key, struct.pack("<H", i) + label + context + struct.pack("<H", bits), hashlib.sha256).digest()
    return out[:bits // 8]


for line in sys.stdin:
    msk, ssid, mdid, r0kh, client, r1kh, plain, a1, a2, a3 = (bytes.fromhex(f) for f in line.rstrip("\n").split(" "))
    data = kdf(msk[32:], b"FT-R0", bytes([len(ssid)]) + ssid + mdid + bytes([len(r0kh)]) + r0kh + client, 384)
    r0, name0 = data[:32], hashlib.sha256(b"FT-R0N" + data[32:]).digest()[:16]
    r1 = kdf(r0, b"FT-R1", r1kh + client, 256)
    name1 = hashlib.sha256(b"FT-R1N" + name0 + r1kh + client).digest()[:16]
    print(r0.hex(), name0.hex(), r1.hex(), name1.hex(), AESSIV(r0).encrypt(plain, [a1, a2, a3]).hex())
