# SPDX-License-Identifier: GPL-3.0-or-later
PROGRAMS += stopper-dns
stopper-dns.src := $(wildcard dns/*.c)
stopper-dns.layers := sys core
stopper-dns.pkg := ldns libuv
