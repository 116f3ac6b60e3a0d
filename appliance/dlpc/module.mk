# SPDX-License-Identifier: GPL-3.0-or-later
dlpc := $(addprefix appliance/dlpc/,compile.c expression.c known_make.c)
