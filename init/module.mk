# SPDX-License-Identifier: GPL-3.0-or-later
PROGRAMS += stopper-init
stopper-init.src := $(addprefix init/,main.c options.c net.c nft.c nft_expr.c supervise.c listeners.c words.c rollout.c \
	policy_store.c packets.c audit_mux.c control.c ctl.c meter.c)
stopper-init.layers := sys core
stopper-init.pkg := libnftnl libmnl jansson libuv
test_options.with := init/options.c
test_net.with := init/net.c
test_policy_store.with := init/policy_store.c
