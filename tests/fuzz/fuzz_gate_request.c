/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_gate_request: an agent's first bytes. A line that is taken names a repository, and holds nothing that a terminal obeys. */
#include <stdlib.h>

#include "gate/pkt.h"
#include "gate/request.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct request request;
    size_t len;

    if (size >= PKT_HEAD && pkt_head((const char *)data, &len) == PKT_LINE && len > PKT_MAX - PKT_HEAD)
        abort();
    if (request_parse((struct str){(const char *)data, size}, &request) != NULL)
        return 0;
    if (!gate_is_name(str_of(request.name)) || request.protocol > 2)
        abort();
    if (request.rest.ptr < (const char *)data ||
        request.rest.ptr + request.rest.len > (const char *)data + size)
        abort();
    for (size_t i = 0; i < request.rest.len; i++)
        if (request.rest.ptr[i] <= ' ' || request.rest.ptr[i] > '~')
            abort();
    return 0;
}
