/* SPDX-License-Identifier: GPL-3.0-or-later */
/* packets: the counters as a table of name, verdict and reason. The meter is ours, and its text is checked
 * all the same. */
#include "init/packets.h"

#include <stdio.h>
#include <string.h>

#include "init/nft.h"

enum { DENIED }; /* index of the one counter whose packets are told by element */

static const struct counter {
    const char *name;
    enum audit_verdict verdict;
    enum denial reason;
    const char *detail;
    const char *protocol;
} table[PACKETS_COUNTERS] = {
    [DENIED] = {NFT_COUNTER_DENIED, AUDIT_BLOCK, DENIAL_PACKET, "further packets to other destinations",
                NULL},
    {NFT_COUNTER_IPV6, AUDIT_BLOCK, DENIAL_PACKET_IPV6, NULL, "ipv6"},
    {NFT_COUNTER_SPOOFED, AUDIT_BLOCK, DENIAL_PACKET_SPOOFED, NULL, NULL},
    {NFT_COUNTER_DIRECT, AUDIT_BLOCK, DENIAL_NOT_REDIRECTED, NULL, NULL},
    {NFT_COUNTER_WORKER, AUDIT_ALARM, DENIAL_NONE,
     "a worker sent what no worker may send; the wall refused it", NULL},
    {NFT_COUNTER_FORWARD, AUDIT_ALARM, DENIAL_NONE,
     "packets came to forwarding, which is off; the wall refused them", NULL},
};

/* IANA's protocol numbers that agents may plausibly try. */
static const char *protocol_name(unsigned number, char other[16])
{
    static const struct {
        unsigned number;
        const char *name;
    } names[] = {{1, "icmp"},  {2, "igmp"}, {4, "ipip"}, {6, "tcp"}, {17, "udp"},   {33, "dccp"},
                 {41, "ipv6"}, {47, "gre"}, {50, "esp"}, {51, "ah"}, {132, "sctp"}, {136, "udplite"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].number == number)
            return names[i].name;
    snprintf(other, 16, "ip-%u", number);
    return other;
}

void packets_init(struct packets *packets, struct audit_mux *audit, uint32_t expected_generation)
{
    *packets = (struct packets){
        .audit = audit, .expected_generation = expected_generation, .generation = expected_generation};
}

static void tell_counter(struct packets *packets, const struct counter *counter, uint64_t count)
{
    struct audit line = {.kind = AUDIT_PACKET,
                         .verdict = counter->verdict,
                         .rule = "wall",
                         .reason = counter->reason,
                         .detail = str_of(counter->detail),
                         .protocol = counter->protocol,
                         .count = count > 1 ? count : 0};
    audit_mux_emit(packets->audit, &line);
}

static int tell_element(struct packets *packets, json_t *element)
{
    const char *address;
    int protocol, port;
    json_int_t count;
    char other[16];
    if (json_unpack(element, "[s, i, i, I!]", &address, &protocol, &port, &count) < 0 || protocol < 0 ||
        port < 0 || count < 1)
        return -1;
    struct audit line = {.kind = AUDIT_PACKET,
                         .verdict = AUDIT_BLOCK,
                         .rule = "wall",
                         .reason = DENIAL_PACKET,
                         .protocol = protocol_name((unsigned)protocol, other),
                         .address = address,
                         .port = (unsigned)port,
                         .count = count > 1 ? (uint64_t)count : 0};
    audit_mux_emit(packets->audit, &line);
    packets->told += (uint64_t)count;
    return 0;
}

static void check_generation(struct packets *packets, uint32_t generation)
{
    char text[160];
    if (generation == packets->generation)
        return;
    snprintf(text, sizeof text, "the rule set of the sidecar's namespace was changed (generation %u, was %u)",
             generation, packets->generation);
    struct audit line = {
        .kind = AUDIT_LIFECYCLE, .verdict = AUDIT_ALARM, .rule = "wall", .detail = str_of(text)};
    audit_mux_emit(packets->audit, &line);
    packets->generation = generation;
}

static int take_counters(struct packets *packets, json_t *counters, bool elements_wait)
{
    for (int i = 0; i < PACKETS_COUNTERS; i++) {
        json_t *value = json_object_get(counters, table[i].name);
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return -1;
        uint64_t now = (uint64_t)json_integer_value(value);
        if (i != DENIED && now > packets->counters[i])
            tell_counter(packets, &table[i], now - packets->counters[i]);
        /* What no element told, for instance since the set was full. Elements that wait for their turn come
         * later. */
        if (i == DENIED && now > packets->told && !elements_wait && now == packets->counters[i]) {
            tell_counter(packets, &table[i], now - packets->told);
            packets->told = now;
        }
        packets->counters[i] = now;
    }
    return 0;
}

int packets_take(struct packets *packets, struct str json)
{
    json_t *root = json_loadb(json.ptr, json.len, 0, NULL), *counters, *denied, *element;
    json_int_t generation = 0, waiting = 0;
    size_t at;
    int status = -1;
    if (json_unpack(root, "{s:I, s:o, s:o, s:I !}", "ruleset_generation", &generation, "counters", &counters,
                    "denied", &denied, "waiting", &waiting) == 0 &&
        json_is_object(counters) && json_is_array(denied)) {
        check_generation(packets, (uint32_t)generation);
        status = 0;
        json_array_foreach(denied, at, element) {
            if (tell_element(packets, element) < 0)
                status = -1;
        }
        if (take_counters(packets, counters, json_array_size(denied) > 0 || waiting > 0) < 0)
            status = -1;
    }
    json_decref(root);
    return status;
}

json_t *packets_describe(const struct packets *packets)
{
    json_t *object = json_object();
    for (int i = 0; i < PACKETS_COUNTERS; i++)
        json_object_set_new(object, table[i].name, json_integer((json_int_t)packets->counters[i]));
    return object;
}
