# SPDX-License-Identifier: GPL-3.0-or-later
dlpc := $(addprefix appliance/dlpc/,compile.c expression.c known_make.c prints_make.c)
$(foreach t,test_base test_scan test_scan_packed test_scan_fields test_scan_flush,$(eval $t.with := $(dlpc) tests/dlp/rig.c tests/dlp/writing.c) $(eval $t.pkg := libhs))
test_scan_packed.pkg += libbrotlienc
TOOLS += bench_dlp
bench_dlp.src := tests/bench/bench_dlp.c $(dlpc) tests/dlp/rig.c tests/dlp/writing.c
bench_dlp.layers := dlp core
bench_dlp.pkg := libhs
test_expression.with := $(dlpc) tests/dlp/finder.c
test_expression.pkg := libhs libpcre2-8
test_expression.layers := dlp core
test_fuzz_scan.with := tests/fuzz/fuzz_scan.c $(dlpc) tests/dlp/rig.c tests/dlp/writing.c
test_fuzz_scan.pkg := libhs
test_fuzz_scan.layers := dlp core
