"""Sends frames out of an interface and says what comes back of each.

Reads lines of hexadecimal from standard input, up to an empty one; then answers with as many lines: the frame that came back from the
other end, or '-' where none did for as long as the first argument says (seconds). The second argument is the interface's name, the third
the Ethernet address that frames which come back are for, in hexadecimal.
"""

import select
import socket
import sys

PATIENCE = float(sys.argv[1])
INTERFACE = sys.argv[2]
OWN = bytes.fromhex(sys.argv[3])
ALL_PROTOCOLS = 3

wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
wire.bind((INTERFACE, 0))


def came_back():
    while select.select([wire], [], [], PATIENCE)[0]:
        frame, sender = wire.recvfrom(65536)
        if sender[2] != socket.PACKET_OUTGOING and frame[:6] == OWN:
            return frame.hex()
    return "-"


print("ready", flush=True)
frames = []
for line in sys.stdin:
    line = line.strip()
    if line:
        frames.append(bytes.fromhex(line))
        continue
    answers = []
    for frame in frames:
        wire.send(frame)
        answers.append(came_back())
    print("\n".join(answers + [""]), flush=True)
    frames = []
