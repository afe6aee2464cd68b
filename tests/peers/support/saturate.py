"""Keeps classes of a queueing discipline full: sends frames out of an interface as fast as there is room, each class from a socket of its own.

Arguments: the interface's name, then for each class MINOR:SIZE, of qdisc 1: and in octets. Runs until it is ended.
"""

import select
import socket
import sys

SO_SNDBUFFORCE = 32
# A second's worth of a class or so, and less than the 1000 frames that it holds.
ROOM = 600_000
ETHER_TYPE = 0x88B5  # for experiments (IEEE 802)

interface, *classes = sys.argv[1:]
frames = {}
for minor, size in (map(int, one.split(":")) for one in classes):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, 0x10000 | minor)
    wire.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, ROOM)
    wire.setblocking(False)
    wire.bind((interface, ETHER_TYPE))
    header = bytes.fromhex("020000000002020000000001") + ETHER_TYPE.to_bytes(2, "big")
    frames[wire] = header + bytes(size - len(header))

while True:
    for wire in select.select([], list(frames), [])[1]:
        try:
            while True:
                wire.send(frames[wire])
        except (BlockingIOError, OSError):
            pass
