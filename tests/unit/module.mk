# SPDX-License-Identifier: GPL-3.0-or-later
# Tests that prove the libraries we build ourselves. A test of a folder's own file is declared in that folder's module.mk:
# test_answer.with := dns/answer.c and test_answer.pkg := libldns.
test_wolfssl.layers :=
test_wolfssl.static-deps := wolfssl
test_llhttp.layers :=
test_llhttp.static-deps := llhttp
