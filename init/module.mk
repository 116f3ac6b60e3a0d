# SPDX-License-Identifier: GPL-3.0-or-later
PROGRAMS += stopper-init
stopper-init.src := $(addprefix init/,main.c options.c net.c nft.c nft_expr.c compiler.c supervise.c hearing.c kinds.c handover.c listeners.c outfit.c words.c rollout.c \
	policy_store.c packets.c audit_mux.c audit_line.c digest.c ca.c control.c ctl.c deploy_key.c desk.c gate_keys.c gate_prints.c gate_seen.c holds.c \
	key_parts.c shutter.c meter.c mounted.c try.c) appliance/dlp/print.c
stopper-init.layers := sys core
stopper-init.pkg := libnftnl libmnl jansson libuv
stopper-init.static-deps := wolfssl
stopper-init.libs := -lm
test_ca.with := init/ca.c
test_ca.static-deps := wolfssl
test_ca.libs := -lm
test_audit_line.with := init/audit_line.c
test_audit_mux.with := init/audit_mux.c init/audit_line.c init/gate_seen.c init/digest.c
test_audit_mux.pkg := jansson libuv
test_audit_mux.static-deps := wolfssl
test_audit_mux.libs := -lm
test_gate_seen.with := init/gate_seen.c init/audit_line.c
test_gate_seen.pkg := jansson
test_fuzz_audit_line.with := tests/fuzz/fuzz_audit_line.c init/audit_line.c
test_fuzz_audit_line.pkg := jansson
test_deploy_key.with := init/deploy_key.c init/gate_keys.c
test_deploy_key.static-deps := wolfssl
test_deploy_key.libs := -lm
test_init_options.with := init/options.c
test_init_net.with := init/net.c
test_policy_store.with := init/policy_store.c init/digest.c init/gate_keys.c init/gate_prints.c init/key_parts.c init/deploy_key.c
test_policy_store.static-deps := wolfssl
test_policy_store.libs := -lm
gate_prints := $(addprefix init/,gate_prints.c key_parts.c prints_read.c)
test_key_parts.with := init/key_parts.c tests/dlp/keys.c
test_key_parts.static-deps := wolfssl
test_key_parts.libs := -lm
test_prints.with := $(gate_prints) init/deploy_key.c init/gate_keys.c $(dlpc) tests/dlp/rig.c tests/dlp/writing.c tests/dlp/keys.c
test_prints.pkg := libhs jansson
test_prints.static-deps := wolfssl
test_holds.with := init/holds.c
test_holds.pkg := jansson libuv
test_mounted.with := init/mounted.c init/policy_store.c init/digest.c init/gate_keys.c init/gate_prints.c init/key_parts.c init/deploy_key.c
test_mounted.static-deps := wolfssl
test_mounted.libs := -lm

PROGRAMS += stopper-shim
stopper-shim.src := init/shim_main.c init/shim_config.c init/shim_connect.c init/shim_door.c init/shim_exec.c init/shim_filter.c init/shim_git.c init/shim_net.c \
	init/shim_peer.c init/shim_probe.c init/shim_probe_dns.c init/shim_probe_net.c init/shim_probe_self.c init/shim_probe_tls.c \
	init/shim_trust.c init/shim_user.c init/shim_wait.c init/trust_jks.c init/trust_nss.c init/trust_tar.c init/privdrop.c
stopper-shim.layers := sys core
stopper-shim.pkg := libmnl libseccomp jansson
stopper-shim.static := yes

test_shim_probe.with := init/shim_probe_dns.c init/shim_probe_net.c init/shim_probe_tls.c init/trust_jks.c
test_shim_probe.pkg := libmnl jansson
test_shim_config.with := init/shim_config.c init/trust_jks.c
test_shim_trust.with := init/shim_trust.c init/shim_config.c init/trust_jks.c init/trust_tar.c
test_shim_trust.pkg := jansson
test_shim_git.with := init/shim_git.c init/shim_config.c init/trust_jks.c
test_shim_git.pkg := jansson
test_trust_jks.with := init/trust_jks.c
test_trust_nss.with := init/trust_nss.c init/shim_exec.c init/shim_config.c init/trust_jks.c
test_trust_nss.pkg := jansson
test_shim_config.pkg := jansson
test_shim_user.with := init/shim_user.c
test_shim_user.pkg := jansson
test_privdrop.with := init/privdrop.c init/shim_config.c init/trust_jks.c init/shim_filter.c init/shim_net.c
test_privdrop.pkg := libmnl libseccomp jansson

PROGRAMS += stopper-dlpc
stopper-dlpc.src := init/dlpc_main.c init/prints_read.c $(dlpc)
stopper-dlpc.layers := dlp sys core
stopper-dlpc.pkg := libhs jansson
