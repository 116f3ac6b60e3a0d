# SPDX-License-Identifier: GPL-3.0-or-later
# The scanning half of vectorscan alone, which has no pkg-config file of its own. Whoever links this layer links that.
LAYERS += dlp
dlp.src := $(wildcard appliance/dlp/*.c)
dlp.pkg := libpcre2-8 zlib libbrotlidec libzstd
dlp.static-deps := wolfssl
dlp.libs := -lhs_runtime -lm
test_fuzz_detect.with := tests/fuzz/fuzz_detect.c
