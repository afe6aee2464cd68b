#!/usr/bin/env python3
"""Merges pcap files of single interfaces into one pcapng with an interface per vNIC.

    merge-captures.py OUT FILE=VNIC[@TAG]...

Frames are ordered by time. With a tag, the frames of that file get an 802.1Q header with it.
"""

import struct
import sys

NANOSECOND_PCAP = 0xA1B23C4D
ETHERNET = 1
SECTION, INTERFACE, ENHANCED_PACKET = 0x0A0D0D0A, 1, 6
IF_NAME, IF_TSRESOL, END = 2, 9, 0


def frames_of(path):
    """(nanoseconds, bytes) of each frame of a little-endian nanosecond pcap, as tcpdump writes it here."""
    with open(path, "rb") as file:
        data = file.read()
    magic, link_type = struct.unpack_from("<I16xI", data)
    if magic != NANOSECOND_PCAP or link_type != ETHERNET:
        sys.exit(f"{path}: expected a nanosecond Ethernet pcap")
    at = 24
    while at + 16 <= len(data):
        seconds, nanoseconds, captured, length = struct.unpack_from("<IIII", data, at)
        if captured != length:
            sys.exit(f"{path}: a frame of {length} bytes was cut to {captured}")
        yield seconds * 10**9 + nanoseconds, data[at + 16 : at + 16 + captured]
        at += 16 + captured


def tagged(frame, tag):
    return frame[:12] + struct.pack(">HH", 0x8100, tag) + frame[12:]


def padded(data):
    return data + bytes(-len(data) % 4)


def option(code, value):
    return struct.pack("<HH", code, len(value)) + padded(value)


def block(kind, body):
    length = len(body) + 12
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def section_header():
    return block(SECTION, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(name):
    options = option(IF_NAME, name.encode()) + option(IF_TSRESOL, b"\x09") + option(END, b"")
    return block(INTERFACE, struct.pack("<HHI", ETHERNET, 0, 0) + options)


def packet(index, time, frame):
    head = struct.pack("<IIIII", index, time >> 32, time & 0xFFFFFFFF, len(frame), len(frame))
    return block(ENHANCED_PACKET, head + padded(frame))


def main(out, sources):
    names, frames = [], []
    for source in sources:
        path, _, target = source.rpartition("=")
        name, _, tag = target.partition("@")
        if name not in names:
            names.append(name)
        for time, frame in frames_of(path):
            frames.append((time, names.index(name), tagged(frame, int(tag)) if tag else frame))
    frames.sort(key=lambda each: each[0])
    with open(out, "wb") as file:
        file.write(section_header())
        file.writelines(interface(name) for name in names)
        file.writelines(packet(index, time, frame) for time, index, frame in frames)
    print(f"{out}: {len(frames)} frames of {len(names)} vNICs")


main(sys.argv[1], sys.argv[2:])
