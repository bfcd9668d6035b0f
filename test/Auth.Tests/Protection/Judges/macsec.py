# scapy's MACsec as the other end. Reads lines "seal key sci an pn frame" and "open key sci an frame", answers a frame or "refused".
import logging
import sys

logging.getLogger("scapy").setLevel(logging.CRITICAL)

from cryptography.exceptions import InvalidTag  # noqa: E402
from scapy.contrib.macsec import MACsec, MACsecSA  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402


def association(key, sci, an, pn):
    return MACsecSA(bytes.fromhex(sci), int(an), int(pn), bytes.fromhex(key), 16, True, True)


for line in sys.stdin:
    what, key, sci, an, *rest = line.split()
    if what == "seal":
        pn, frame = int(rest[0]), bytes.fromhex(rest[1])
        packet = Ether(frame[:12] + frame[12:14]) / Raw(frame[14:])
        sa = association(key, sci, an, pn)
        print(bytes(sa.encrypt(sa.encap(packet))).hex())
    else:
        packet = Ether(bytes.fromhex(rest[0]))
        sa = association(key, sci, an, packet[MACsec].PN)
        try:
            print(bytes(sa.decap(sa.decrypt(packet))).hex())
        except InvalidTag:
            print("refused")
