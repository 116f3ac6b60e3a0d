/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_query: an agent's bytes through parser, table and answer. What parses has to be answered with its own
 * question. */
#include <stdlib.h>
#include <string.h>

#include "dns/answer.h"
#include "tests/fuzz/fuzz.h"

static const struct policy *policy(void)
{
    static const char text[] =
        "{\"protocol\":1,\"generation\":1,\"sidecar\":{\"agent_address\":\"10.7.7.1\",\"own\":[]},"
        "\"routes\":[{\"host\":\"api.test\"},{\"host\":\"*.wild.test\"}]}";
    static struct policy *loaded;
    struct err err;

    if (loaded == NULL && policy_parse(str_of(text), true, &loaded, &err) != 0)
        abort();
    return loaded;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[QUERY_TEXT_MAX], type[QUERY_TYPE_TEXT];
    uint8_t wire[ANSWER_WIRE_MAX];
    struct query query;
    struct decision decision;
    enum query_verdict verdict = query_parse(data, size, &query);

    if (verdict != QUERY_OK) {
        if (answer_refuse(&query, verdict, wire) > size + 12)
            abort(); /* never an amplifier */
        return 0;
    }
    query_type_text(query.type, type);
    if (query_name_text(&query, text) != strlen(text) || strlen(query.host) > HOST_MAX)
        abort();
    for (int side = SIDE_AGENT; side <= SIDE_INTERNAL; side++) {
        answer_decide(policy(), (enum answer_side)side, &query, &decision);
        size_t len = answer_build(&query, &decision.answer, query.udp_size, wire);
        if (len > query.udp_size || memcmp(wire, data, 2) != 0 ||
            memcmp(wire + QUERY_HEADER, data + QUERY_HEADER, query.question_len) != 0)
            abort();
    }
    return 0;
}
