# The key hierarchy of decision 28 once more, from hmac and hashlib alone, and CMAC and key wrap of python3-cryptography. Reads lines
# "msk session client node aa spa anonce snonce message", answers "sk ak ptk cmac wrapped".
import hashlib
import hmac
import struct
import sys

from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives import cmac, keywrap
from cryptography.hazmat.primitives.ciphers import algorithms


def sha(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def expand(key, info, length):
    out, block, i = b"", b"", 1
    while len(out) < length:
        block = sha(key, block + info + bytes([i]))
        out, i = out + block, i + 1
    return out[:length]


def kdf(key, label, context, bits):
    out = b""
    for i in range(1, (bits + 255) // 256 + 1):
        out += sha(key, struct.pack("<H", i) + label + context + struct.pack("<H", bits))
    return out[:bits // 8]


for line in sys.stdin:
    msk, session, client, node, aa, spa, anonce, snonce, message = (bytes.fromhex(f) for f in line.split())
    sk = expand(sha(b"Masquerade session key 1", msk), session + client, 32)
    ak = expand(sk, b"Masquerade access point key 1\0" + node + b"\0" + client + session, 32)
    ptk = kdf(ak, b"Pairwise key expansion", min(aa, spa) + max(aa, spa) + min(anonce, snonce) + max(anonce, snonce), 384)
    mac = cmac.CMAC(algorithms.AES(ptk[:16]), default_backend())
    mac.update(message)
    wrapped = keywrap.aes_key_wrap(ptk[16:32], message[:(len(message) // 8) * 8], default_backend())
    print(sk.hex(), ak.hex(), ptk.hex(), mac.finalize().hex(), wrapped.hex())
