# SPDX-License-Identifier: GPL-3.0-or-later
PROGRAMS += stopper-gate stopper-gate-relay
stopper-gate.src := $(addprefix gate/,main.c jails.c server.c conn.c host.c chores.c record.c turns.c handover.c sweep.c storage.c request.c pkt.c session.c run.c \
	acks.c child.c relay.c refresh.c upkeep.c push.c forward.c porcelain.c inspect.c question.c) $(wildcard gate/push_*.c)
stopper-gate.layers := dlp sys core
stopper-gate.pkg := libuv jansson zlib
stopper-gate.static-deps := wolfssl
stopper-gate.libs := -lm
stopper-gate-relay.src := gate/relay_main.c
stopper-gate-relay.layers :=

# What git takes for its hooks is the relay, by the names that it calls them.
all: $B/gate-hooks/pre-receive
$B/gate-hooks/pre-receive: $B/stopper-gate-relay
	$(Q)mkdir -p $(@D); ln -sf ../stopper-gate-relay $(@D)/proc-receive; ln -sf ../stopper-gate-relay $@

PROGRAMS += stopper-push
stopper-push.src := $(wildcard gate/leg_*.c) gate/jails.c appliance/sys/resolve.c
stopper-push.layers := sys core
stopper-push.pkg := ldns libuv jansson

test_leg_words.with := gate/leg_words.c gate/leg_stderr.c
test_leg_words.pkg := libuv
test_leg_request.with := gate/leg_request.c
test_leg_command.with := gate/leg_command.c gate/leg_words.c
test_jails.with := gate/jails.c

test_gate_pkt.with := gate/pkt.c
test_gate_request.with := gate/request.c
test_fuzz_gate_request.with := tests/fuzz/fuzz_gate_request.c gate/request.c gate/pkt.c
test_gate_turns.with := gate/turns.c
test_gate_acks.with := gate/acks.c
test_gate_handover.with := gate/handover.c
test_gate_sweep.with := gate/sweep.c
test_gate_storage.with := gate/storage.c
test_gate_porcelain.with := gate/porcelain.c
test_push_refname.with := gate/push_refname.c
test_gate_run.with := gate/run.c gate/acks.c gate/child.c gate/relay.c

push_check := $(wildcard gate/push_*.c)
TOOLS += check_push
check_push.src := tests/bench/check_push.c $(push_check) $(dlpc) tests/dlp/rig.c tests/dlp/writing.c
check_push.layers := dlp sys core
check_push.pkg := libhs zlib jansson
check_push.static-deps := wolfssl
check_push.libs := -lm
push_rig := $(push_check) tests/gate/push_rig.c $(dlpc) tests/dlp/rig.c tests/dlp/writing.c
$(foreach t,test_push_places test_push_check test_push_archive test_push_outside,$(eval $t.with := $(push_rig)) $(eval $t.pkg := libhs zlib) $(eval $t.static-deps := wolfssl) $(eval $t.libs := -lm))
