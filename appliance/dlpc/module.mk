# SPDX-License-Identifier: GPL-3.0-or-later
dlpc := $(addprefix appliance/dlpc/,compile.c expression.c known_make.c)
$(foreach t,test_scan,$(eval $t.with := $(dlpc) tests/dlp/rig.c tests/dlp/writing.c) $(eval $t.pkg := libhs))
