# SPDX-License-Identifier: GPL-3.0-or-later
LAYERS += sys
sys.src := $(wildcard appliance/sys/*.c)
sys.pkg := libmnl libseccomp libuv jansson
