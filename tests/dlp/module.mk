# SPDX-License-Identifier: GPL-3.0-or-later
test_tokens.with := tests/dlp/finder.c
test_tokens.pkg := libhs libpcre2-8
test_phrases.with := tests/dlp/finder.c
test_phrases.pkg := libhs libpcre2-8
test_phrase_anchors.with := tests/dlp/automaton.c
TOOLS += scan_file
scan_file.src := tests/dlp/scan_file.c $(dlpc)
scan_file.layers := dlp core
scan_file.pkg := libhs
test_inbound.with := $(dlpc) tests/dlp/automaton.c tests/dlp/rig.c tests/dlp/writing.c
test_inbound.pkg := libhs libpcre2-8
test_inbound.layers := dlp core
test_vectorscan.with := $(dlpc) tests/dlp/automaton.c tests/dlp/rig.c
test_vectorscan.pkg := libhs libpcre2-8
test_vectorscan.layers := dlp core
