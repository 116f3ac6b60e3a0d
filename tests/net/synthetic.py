# SPDX-License-Identifier: GPL-3.0-or-later
"""The address that stands for a name with raw TCP (core/policy_tcp.c), reckoned anew."""
import socket


def synthetic(name):
    """Its first draw: the address of every name that no other one draws the same as."""
    value, bits = 0xcbf29ce484222325, (1 << 64) - 1
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001b3 & bits
    value = value + 0x9e3779b97f4a7c15 & bits
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9 & bits
    value = (value ^ value >> 27) * 0x94d049bb133111eb & bits
    return socket.inet_ntoa(((198 << 24 | 18 << 16) + (value ^ value >> 31) % (1 << 17)).to_bytes(4, "big"))
