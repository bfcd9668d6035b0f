# Follows a handshake from outside with nothing but AK and the four frames. Reads "ak aa spa message1 message2 message3 message4 macsec-frame";
# answers "tk node session inner-frame", or says what is wrong.
import hashlib
import hmac
import struct
import sys

from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import cmac, keywrap
from cryptography.hazmat.primitives.ciphers import algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def parse(pdu):
    version, kind, length, descriptor, info, key_length, counter, nonce, iv, rsc, reserved, mic, data_length = struct.unpack(">BBHBHHQ32s16s8s8s16sH", pdu[:99])
    assert (version, kind, length, descriptor) == (2, 3, len(pdu) - 4, 2) and info & 7 == 3 and data_length == len(pdu) - 99
    assert iv == bytes(16) and rsc == bytes(8) and reserved == bytes(8)
    return info & ~7, key_length, counter, nonce, mic, pdu[99:]


def kdes(data):
    found = {}
    while data and not (data[0] == 0xDD and (len(data) == 1 or data[1] == 0)):
        assert data[0] == 0xDD and data[2:5] == bytes.fromhex("d24d51")
        found[data[5]] = data[6:2 + data[1]]
        data = data[2 + data[1]:]
    assert not any(data[1:])
    return found


for line in sys.stdin:
    ak, aa, spa, *frames, protected = (bytes.fromhex(f) for f in line.split())
    one, two, three, four = (parse(f) for f in frames)
    assert [m[0] for m in (one, two, three, four)] == [0x0088, 0x0108, 0x13C8, 0x0308]
    assert one[2] == two[2] and three[2] == four[2] > one[2] and three[3] == one[3] and four[3] == bytes(32)
    assert [m[1] for m in (one, two, three, four)] == [16, 0, 16, 0]
    context = min(aa, spa) + max(aa, spa) + min(one[3], two[3]) + max(one[3], two[3])
    ptk = b"".join(hmac.new(ak, struct.pack("<H", i) + b"Pairwise key expansion" + context + struct.pack("<H", 384), hashlib.sha256).digest() for i in (1, 2))
    kck, kek, tk = ptk[:16], ptk[16:32], ptk[32:48]
    for frame, message in zip(frames, (one, two, three, four)):
        check = cmac.CMAC(algorithms.AES(kck), default_backend())
        check.update(frame[:81] + bytes(16) + frame[97:])
        assert message[4] == (bytes(16) if message is one else check.finalize())
    first, third = kdes(one[5]), kdes(keywrap.aes_key_unwrap(kek, three[5], default_backend()))
    assert all(first[i] == third[i] for i in (1, 2, 3)) and kdes(two[5])[4] == third[4] == bytes.fromhex("0100000002")
    assert third[5][:6] == aa and protected[14] & 3 == third[5][8] and protected[20:28] == spa + b"\0\1" and struct.unpack(">I", third[5][9:])[0] == 1
    inner = protected[:12] + AESGCM(tk).decrypt(protected[20:28] + protected[16:20], protected[28:], protected[:28])
    print(tk.hex(), third[1].decode(), third[2].hex(), inner.hex())
