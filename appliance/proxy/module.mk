# SPDX-License-Identifier: GPL-3.0-or-later
PROGRAMS += stopper-proxy
stopper-proxy.src := $(wildcard appliance/proxy/*.c)
stopper-proxy.layers := sys core
stopper-proxy.pkg := ldns libuv
stopper-proxy.static-deps := llhttp
