# SPDX-License-Identifier: GPL-3.0-or-later
LAYERS += dlp
dlp.src := $(wildcard appliance/dlp/*.c)
