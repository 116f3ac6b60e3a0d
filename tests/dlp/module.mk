# SPDX-License-Identifier: GPL-3.0-or-later
test_tokens.with := tests/dlp/finder.c
test_tokens.pkg := libhs libpcre2-8
test_phrases.with := tests/dlp/finder.c
test_phrases.pkg := libhs libpcre2-8
