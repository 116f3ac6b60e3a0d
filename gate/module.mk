# SPDX-License-Identifier: GPL-3.0-or-later
PROGRAMS += stopper-push
stopper-push.src := $(wildcard gate/leg_*.c) appliance/sys/resolve.c
stopper-push.layers := sys core
stopper-push.pkg := ldns libuv jansson

test_leg_words.with := gate/leg_words.c gate/leg_stderr.c
test_leg_words.pkg := libuv
test_leg_command.with := gate/leg_command.c gate/leg_words.c
