"""Listens to a multicast group as any program does, and counts what comes to its interface for any group.

Arguments: the interface, its IPv4 address, the group. For each line on standard input it writes one of JSON: datagrams that the socket has
had, and frames of UDP that have come to the interface, by group.
"""

import json
import select
import socket
import sys

INTERFACE, ADDRESS, GROUP = sys.argv[1:4]
PORT = 5000
IPV4 = 0x0800
UDP = 17

listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
listener.bind((GROUP, PORT))
listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(ADDRESS))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(IPV4))
wire.bind((INTERFACE, 0))
# Frames for groups that nobody here listens to are seen as well.
PACKET_ADD_MEMBERSHIP, PACKET_MR_ALLMULTI = 1, 2
INDEX = socket.if_nametoindex(INTERFACE)
SOL_PACKET = 263
wire.setsockopt(
    SOL_PACKET,
    PACKET_ADD_MEMBERSHIP,
    INDEX.to_bytes(4, sys.byteorder) + PACKET_MR_ALLMULTI.to_bytes(2, sys.byteorder) + bytes(10),
)

datagrams = 0
frames = {}
print("ready", flush=True)
while True:
    readable, _, _ = select.select([listener, wire, sys.stdin], [], [])
    if listener in readable:
        listener.recv(65536)
        datagrams += 1
    if wire in readable:
        frame, sender = wire.recvfrom(65536)
        if sender[2] != socket.PACKET_OUTGOING and frame[23] == UDP and frame[30] >> 4 == 14:
            group = socket.inet_ntoa(frame[30:34])
            frames[group] = frames.get(group, 0) + 1
    elif sys.stdin in readable:
        if not sys.stdin.readline():
            break
        print(json.dumps({"datagrams": datagrams, "frames": frames}), flush=True)
