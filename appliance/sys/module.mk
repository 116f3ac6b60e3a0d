# SPDX-License-Identifier: GPL-3.0-or-later
LAYERS += sys
resolve := appliance/sys/resolve.c # needs ldns: for those that ask, and not in the library
sys.src := $(filter-out $(resolve),$(wildcard appliance/sys/*.c))
sys.pkg := libmnl libseccomp libuv jansson
