# SPDX-License-Identifier: GPL-3.0-or-later
PROGRAMS += stopper-dns
stopper-dns.src := $(wildcard dns/*.c)
stopper-dns.layers := sys core
stopper-dns.pkg := ldns libuv

test_query.with := dns/query.c
test_query.pkg := ldns
test_answer.with := dns/answer.c dns/query.c
test_answer.pkg := ldns
test_cache.with := dns/cache.c
test_cache.pkg := ldns
test_reply.with := dns/reply.c dns/query.c
test_reply.pkg := ldns
test_fuzz_query.with := tests/fuzz/fuzz_query.c dns/query.c dns/answer.c
test_fuzz_query.pkg := ldns
test_fuzz_reply.with := tests/fuzz/fuzz_reply.c dns/reply.c dns/query.c dns/answer.c
test_fuzz_reply.pkg := ldns
