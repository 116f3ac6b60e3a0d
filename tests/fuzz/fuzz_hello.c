/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_hello: whatever the bytes, arriving in two parts changes nothing, and a name that is found holds no
 * NUL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/hello.h"
#include "tests/fuzz/fuzz.h"

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hello whole, parts;

    if (size < 2)
        return 0;
    size_t cut = ((size_t)data[0] << 8 | data[1]) % (size - 1);
    data += 2;
    size -= 2;
    hello_init(&whole);
    enum hello_result result = hello_parse(&whole, (const char *)data, size);
    hello_init(&parts);
    enum hello_result first = hello_parse(&parts, (const char *)data, cut < size ? cut : size);
    if (first == HELLO_BAD)
        require(result == HELLO_BAD);
    if (first == HELLO_MORE)
        require(hello_parse(&parts, (const char *)data, size) == result);
    if (result == HELLO_OK) {
        require(strlen(whole.name) == whole.name_len && strcmp(whole.name, parts.name) == 0);
        require(strlen(whole.alpn) < sizeof whole.alpn && whole.version != NULL && whole.ech == parts.ech);
    }
    return 0;
}
