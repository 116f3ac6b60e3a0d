# SPDX-License-Identifier: GPL-3.0-or-later
PROGRAMS += stopper-proxy
stopper-proxy.src := $(wildcard appliance/proxy/*.c) appliance/sys/resolve.c
stopper-proxy.layers := dlp sys core
stopper-proxy.pkg := ldns libuv jansson
stopper-proxy.static-deps := llhttp wolfssl
stopper-proxy.libs := -lm

h1 := $(addprefix appliance/proxy/,h1.c h1_check.c h1_chunk.c rewrite.c credentials.c redact.c)
test_hello.with := appliance/proxy/hello.c
test_sniff.with := appliance/proxy/sniff.c
$(foreach t,test_h1_head test_h1 test_rewrite test_credentials test_gitfetch,$(eval $t.with := $(h1)) $(eval $t.static-deps := llhttp))
test_fuzz_h1.with := tests/fuzz/fuzz_h1.c $(h1)
test_fuzz_h1.static-deps := llhttp
test_fuzz_leak.with := tests/fuzz/fuzz_leak.c appliance/proxy/leak.c $(h1)
test_fuzz_leak.static-deps := llhttp
test_fuzz_hello.with := tests/fuzz/fuzz_hello.c appliance/proxy/hello.c
test_resolve.with := appliance/sys/resolve.c
test_resolve.pkg := ldns
test_deny.with := appliance/proxy/deny.c
test_redact.with := appliance/proxy/redact.c
test_leaf.with := appliance/proxy/leaf.c
test_leaf.static-deps := wolfssl
test_leaf.libs := -lm
test_tls.with := $(addprefix appliance/proxy/,tls.c tls_kit.c leaf.c stream.c)
test_tls.static-deps := wolfssl
test_tls.pkg := libuv
test_tls.libs := -lm
test_search.with := appliance/proxy/search.c
test_leak.with := appliance/proxy/leak.c
test_pool.with := $(addprefix appliance/proxy/,pool.c stream.c tls.c tls_kit.c leaf.c)
test_pool.static-deps := wolfssl
test_pool.pkg := libuv
test_pool.libs := -lm
