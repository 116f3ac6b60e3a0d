# SPDX-License-Identifier: GPL-3.0-or-later
push_check := $(wildcard gate/push_*.c)
TOOLS += check_push
check_push.src := tests/bench/check_push.c $(push_check) $(dlpc) tests/dlp/rig.c tests/dlp/writing.c
check_push.layers := dlp sys core
check_push.pkg := libhs zlib jansson
check_push.static-deps := wolfssl
check_push.libs := -lm
push_rig := $(push_check) tests/gate/push_rig.c $(dlpc) tests/dlp/rig.c tests/dlp/writing.c
$(foreach t,test_push_places test_push_check test_push_archive test_push_outside,$(eval $t.with := $(push_rig)) $(eval $t.pkg := libhs zlib) $(eval $t.static-deps := wolfssl) $(eval $t.libs := -lm))
