"""Sends frames out of an interface and says what comes back of each.

Reads lines of hexadecimal from standard input, a frame each, up to an empty one; then answers with as many lines: the frames that came
back of it from the other end, with blanks between. The first argument is the interface's name, the second the Ethernet address that
frames which come back are for, the third a frame that always comes back: it is sent after each, and once it is there, all that there
will be has come. Its last eight bytes tell it from all others.
"""

import os
import select
import socket
import sys

INTERFACE = sys.argv[1]
OWN = bytes.fromhex(sys.argv[2])
LAST = bytes.fromhex(sys.argv[3])
ALL_PROTOCOLS = 3
PATIENCE = 10

# On one processor frames keep their order.
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
wire.bind((INTERFACE, 0))


def came_back():
    frames = []
    while select.select([wire], [], [], PATIENCE)[0]:
        frame, sender = wire.recvfrom(65536)
        if sender[2] == socket.PACKET_OUTGOING or frame[:6] != OWN:
            continue
        if frame[-8:] == LAST[-8:]:
            return " ".join(frames)
        frames.append(frame.hex())
    sys.exit("what always comes back did not")


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
        wire.send(LAST)
        answers.append(came_back())
    print("\n".join(answers + ["."]), flush=True)
    frames = []
