# SPDX-License-Identifier: GPL-3.0-or-later
LAYERS += core
core.src := $(wildcard appliance/core/*.c)
core.std := -std=c17 -D_POSIX_C_SOURCE=200809L
core.pkg := jansson libpcre2-8
test_fuzz_duct.with := tests/fuzz/fuzz_duct.c
test_fuzz_match.with := tests/fuzz/fuzz_match.c
