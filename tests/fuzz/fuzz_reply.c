/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_reply: a resolver's bytes, which begin with our header and question, through the reader and the
 * address check. */
#include <stdlib.h>
#include <string.h>

#include "dns/answer.h"
#include "tests/fuzz/fuzz.h"

static const struct policy *policy(void)
{
    static const char text[] = "{\"protocol\":1,\"routes\":[{\"host\":\"www.test\"}]}";
    static struct policy *loaded;
    struct err err;

    if (loaded == NULL && policy_parse(str_of(text), false, &loaded, &err) != 0)
        abort();
    return loaded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t no_mix[32];
    uint8_t query[REPLY_QUERY_MAX];
    size_t query_len = reply_query("www.test", 0x1234, 1, no_mix, query);
    struct reply reply;
    struct answer answer;

    if (query_len == 0)
        abort();
    for (int tcp = 0; tcp < 2; tcp++) {
        if (reply_read(query, query_len, data, size, tcp, &reply) != REPLY_OK)
            continue;
        answer_from_reply(policy(), policy_find(policy(), "www.test"), NULL, &reply, &answer);
        if (reply.count > REPLY_ADDRESSES_MAX || answer.count > reply.count || answer.ttl > TTL_MAX)
            abort();
        for (unsigned i = 0; i < answer.count; i++) {
            struct ip ip = ip_from_v4(answer.addresses[i]);
            if (ip_classify(&ip) != IP_PUBLIC)
                abort();
        }
    }
    return 0;
}
