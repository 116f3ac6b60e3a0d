/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_answer: the table of what each name and type gets, and that ldns reads our bytes as we meant them. */
#include <ldns/ldns.h>

#include "dns/answer.h"
#include "tests/unit/dns_wire.h"
#include "tests/unit/suite.h"

static const char policy_text[] =
    "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"generation\":1,"
    "\"sidecar\":{\"agent_address\":\"10.7.7.1\",\"own\":[\"10.7.7.0/30\",\"192.0.2.7/32\"]},\"routes\":["
    "{\"host\":\"api.test\"},{\"host\":\"*.wild.test\"},"
    "{\"host\":\"lan.test\",\"allow_private\":[\"10.0.0.0/8\"]}]}";

static struct policy *load(void)
{
    struct policy *policy = NULL;
    struct err err;

    ck_assert_int_eq(policy_parse(str_of(policy_text), true, &policy, &err), 0);
    return policy;
}

static struct query ask(struct str name, unsigned type, unsigned class, bool edns)
{
    struct wire wire = wire_header(0x0110, 1, 0, 0, edns);
    struct query query;

    wire_question(&wire, name, type, class);
    if (edns)
        wire_add(&wire, LITERAL("\0\0\51\4\320\0\0\0\0\0\0"));
    ck_assert_int_eq(query_parse(wire.bytes, wire.len, &query), QUERY_OK);
    return query;
}

enum what { LOOKUP, OWN, EMPTY, NO };

START_TEST(each_name_and_type_gets_what_the_table_says)
{
    static const struct str names[] = {LITERAL("\3API\4test\0"), LITERAL("\1x\4wild\4test\0"),
                                       LITERAL("\4evil\4test\0"), LITERAL("\10api.test\0")};
    static const struct {
        unsigned type, class;
        enum what agent[4], internal[4]; /* by name */
        enum denial reason[4];           /* to the agent */
    } cases[] = {
        {TYPE_A,
         1,
         {LOOKUP, OWN, OWN, OWN},
         {LOOKUP, LOOKUP, NO, NO},
         {0, 0, DENIAL_DNS_NAME, DENIAL_DNS_NAME}},
        {TYPE_AAAA,
         1,
         {EMPTY, EMPTY, EMPTY, EMPTY},
         {NO, NO, NO, NO},
         {0, 0, DENIAL_DNS_NAME, DENIAL_DNS_NAME}},
        {TYPE_HTTPS,
         1,
         {EMPTY, EMPTY, EMPTY, EMPTY},
         {NO, NO, NO, NO},
         {0, 0, DENIAL_DNS_NAME, DENIAL_DNS_NAME}},
        {TYPE_SVCB,
         1,
         {EMPTY, EMPTY, EMPTY, EMPTY},
         {NO, NO, NO, NO},
         {0, 0, DENIAL_DNS_NAME, DENIAL_DNS_NAME}},
#define TYPE_DENIED {DENIAL_DNS_TYPE, DENIAL_DNS_TYPE, DENIAL_DNS_TYPE, DENIAL_DNS_TYPE}
        {16, 1, {EMPTY, EMPTY, NO, NO}, {NO, NO, NO, NO}, TYPE_DENIED},
        {65280, 1, {EMPTY, EMPTY, NO, NO}, {NO, NO, NO, NO}, TYPE_DENIED},
        {TYPE_OPT, 1, {NO, NO, NO, NO}, {NO, NO, NO, NO}, TYPE_DENIED},
        {0, 1, {NO, NO, NO, NO}, {NO, NO, NO, NO}, TYPE_DENIED},
        {255, 1, {NO, NO, NO, NO}, {NO, NO, NO, NO}, TYPE_DENIED},
        {252, 1, {NO, NO, NO, NO}, {NO, NO, NO, NO}, TYPE_DENIED},
        {TYPE_A, 3, {NO, NO, NO, NO}, {NO, NO, NO, NO}, TYPE_DENIED},
        {TYPE_A, 255, {NO, NO, NO, NO}, {NO, NO, NO, NO}, TYPE_DENIED},
    };
    struct policy *policy = load();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t n = 0; n < 8; n++) {
            struct query query = ask(names[n % 4], cases[i].type, cases[i].class, true);
            enum answer_side side = n < 4 ? SIDE_AGENT : SIDE_INTERNAL;
            enum what expected = n < 4 ? cases[i].agent[n] : cases[i].internal[n % 4];
            struct decision got;
            answer_decide(policy, side, &query, &got);
            enum what is = got.lookup                                 ? LOOKUP
                           : got.answer.rcode == LDNS_RCODE_REFUSED   ? NO
                           : got.answer.count == 1 && !got.answer.soa ? OWN
                                                                      : EMPTY;
            ck_assert_msg(is == expected, "case %zu, name %zu: %d", i, n, (int)is);
            ck_assert_msg(n >= 4 || got.answer.reason == cases[i].reason[n], "case %zu, name %zu", i, n);
            ck_assert(is != OWN || memcmp(got.answer.addresses[0], "\12\7\7\1", 4) == 0);
            ck_assert_int_eq(got.route != NULL, n % 4 < 2);
        }
    policy_unref(policy);
}
END_TEST

/* The agent's resolver gives the address that the proxy knows the name by; the proxy's own gives the real ones. */
START_TEST(a_name_with_raw_tcp_gets_an_address_of_its_own)
{
    static const char text[] = "{\"protocol\":1,\"generation\":1,\"sidecar\":{\"agent_address\":\"10.7.7.1\","
                               "\"host\":\"192.0.2.1\"},"
                               "\"routes\":[{\"host\":\"db.test\",\"tcp\":[5432]},{\"host\":\"host.stopper."
                               "internal\",\"tcp\":[6379]}]}";
    static const struct str names[] = {LITERAL("\2dB\4test\0"), LITERAL("\4host\7stopper\10internal\0")};
    struct policy *policy = NULL;
    struct decision got;
    struct err err;

    ck_assert_int_eq(policy_parse(str_of(text), true, &policy, &err), 0);
    for (size_t i = 0; i < 2; i++) {
        struct query query = ask(names[i], TYPE_A, 1, true);
        answer_decide(policy, SIDE_AGENT, &query, &got);
        ck_assert(!got.lookup && got.answer.count == 1 && !got.answer.soa && got.answer.ttl == 30);
        ck_assert_int_eq(got.answer.reason, DENIAL_NONE);
        ck_assert_mem_eq(got.answer.addresses[0], policy->routes[i].tcp_address.bytes, 4);
        answer_decide(policy, SIDE_INTERNAL, &query, &got);
        ck_assert(got.lookup == (i == 0) &&
                  (i == 0 || memcmp(got.answer.addresses[0], "\300\0\2\1", 4) == 0));
        query = ask(names[i], TYPE_AAAA, 1, true);
        answer_decide(policy, SIDE_AGENT, &query, &got);
        ck_assert(!got.lookup && got.answer.count == 0 && got.answer.soa && got.answer.reason == DENIAL_NONE);
    }
    struct query below = ask(LITERAL("\1x\2db\4test\0"), TYPE_A, 1, true);
    answer_decide(policy, SIDE_AGENT, &below, &got);
    ck_assert_int_eq(got.answer.reason, DENIAL_DNS_NAME);
    policy_unref(policy);
}
END_TEST

START_TEST(denied_names_are_refused_where_the_policy_says_so)
{
    static const unsigned types[] = {TYPE_A, TYPE_AAAA, TYPE_HTTPS, TYPE_SVCB};
    struct policy *policy = load();
    struct decision got;

    policy->dns_refuse = true;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct query query = ask(LITERAL("\4evil\4test\0"), types[i], 1, true);
        answer_decide(policy, SIDE_AGENT, &query, &got);
        ck_assert(!got.lookup && got.answer.count == 0 && got.answer.rcode == LDNS_RCODE_REFUSED);
        ck_assert_int_eq(got.answer.reason, DENIAL_DNS_NAME);
    }
    struct query allowed = ask(LITERAL("\3API\4test\0"), TYPE_A, 1, true);
    answer_decide(policy, SIDE_AGENT, &allowed, &got);
    ck_assert(got.lookup);
    struct query wild = ask(LITERAL("\1x\4wild\4test\0"), TYPE_A, 1, true);
    answer_decide(policy, SIDE_AGENT, &wild, &got);
    ck_assert(!got.lookup && got.answer.count == 1 && got.answer.rcode == LDNS_RCODE_NOERROR);
    policy_unref(policy);
}
END_TEST

START_TEST(a_closed_egress_has_no_names)
{
    static const struct str names[] = {LITERAL("\3API\4test\0"), LITERAL("\1x\4wild\4test\0"),
                                       LITERAL("\4evil\4test\0")};
    struct policy *policy = load();
    struct decision got;

    policy->closed = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct query query = ask(names[i], TYPE_A, 1, true);
        answer_decide(policy, SIDE_AGENT, &query, &got);
        ck_assert(!got.lookup && got.route == NULL && got.answer.count == 1);
        ck_assert_mem_eq(got.answer.addresses[0], "\12\7\7\1", 4);
        ck_assert_int_eq(got.answer.reason, DENIAL_EGRESS_CLOSED);
        ck_assert_uint_eq(got.answer.ttl, TTL_DENIED);
        answer_decide(policy, SIDE_INTERNAL, &query, &got);
        ck_assert(!got.lookup && got.answer.rcode == LDNS_RCODE_REFUSED);
    }
    struct query query = ask(names[0], TYPE_A, 1, true);
    policy->dns_refuse = true;
    answer_decide(policy, SIDE_AGENT, &query, &got);
    ck_assert(got.answer.rcode == LDNS_RCODE_REFUSED && got.answer.reason == DENIAL_EGRESS_CLOSED);
    policy->closed = false;
    answer_decide(policy, SIDE_AGENT, &query, &got);
    ck_assert(got.lookup);
    policy_unref(policy);
}
END_TEST

/* Nobody outside is asked where the host is; only the proxy learns it. */
START_TEST(the_hosts_own_name_is_answered_here)
{
    static const char text[] =
        "{\"protocol\":1,\"generation\":1,\"sidecar\":{\"agent_address\":\"10.7.7.1\",\"host\":\"127.0.0.1\"}"
        ","
        "\"routes\":[{\"host\":\"host.stopper.internal\",\"ports\":[80]},{\"host\":\"*.stopper.internal\"}]}";
    struct query query = ask(LITERAL("\4host\7stopper\10internal\0"), TYPE_A, 1, true);
    struct policy *policy = NULL;
    struct decision got;
    struct err err;

    ck_assert_int_eq(policy_parse(str_of(text), true, &policy, &err), 0);
    answer_decide(policy, SIDE_AGENT, &query, &got);
    ck_assert(!got.lookup && got.answer.count == 1 && got.answer.reason == DENIAL_NONE);
    ck_assert_mem_eq(got.answer.addresses[0], "\12\7\7\1", 4);
    answer_decide(policy, SIDE_INTERNAL, &query, &got);
    ck_assert(!got.lookup && got.answer.count == 1 && got.answer.rcode == LDNS_RCODE_NOERROR);
    ck_assert_mem_eq(got.answer.addresses[0], "\177\0\0\1", 4);
    policy->host_address.family = 0;
    answer_decide(policy, SIDE_INTERNAL, &query, &got);
    ck_assert(!got.lookup && got.answer.count == 0 && got.answer.rcode == LDNS_RCODE_REFUSED);
    policy_unref(policy);
}
END_TEST

START_TEST(without_a_policy_or_an_own_address_everything_is_refused)
{
    struct query query = ask(LITERAL("\4evil\4test\0"), TYPE_A, 1, true);
    struct policy *policy = load();
    struct decision got;

    answer_decide(NULL, SIDE_AGENT, &query, &got);
    ck_assert(!got.lookup && got.answer.rcode == LDNS_RCODE_REFUSED && got.answer.reason == DENIAL_NO_POLICY);
    answer_decide(NULL, SIDE_INTERNAL, &query, &got);
    ck_assert(!got.lookup && got.answer.rcode == LDNS_RCODE_REFUSED && got.answer.reason == DENIAL_NO_POLICY);
    policy->agent_address.family = 0;
    answer_decide(policy, SIDE_AGENT, &query, &got);
    ck_assert(got.answer.rcode == LDNS_RCODE_REFUSED && got.answer.count == 0);
    policy_unref(policy);
}
END_TEST

static struct reply reply_of(const char *const *addresses, uint32_t ttl)
{
    struct reply reply = {.ttl = ttl};

    for (; *addresses != NULL; addresses++)
        ck_assert_int_eq(ip_parse(str_of(*addresses), &reply.addresses[reply.count++]), 0);
    return reply;
}

START_TEST(addresses_are_checked_and_lifetimes_bounded)
{
    static const struct {
        const char *host, *addresses[6];
        uint32_t ttl, ttl_out;
        unsigned count;
        enum denial reason;
    } cases[] = {
        {"api.test", {"198.51.100.1", "198.51.100.2"}, 60, 60, 2, DENIAL_NONE},
        {"api.test",
         {"198.51.100.1", "10.0.0.1", "127.0.0.1", "169.254.169.254", "192.0.2.7"},
         60,
         60,
         1,
         DENIAL_NONE},
        {"api.test", {"10.0.0.1"}, 60, 60, 0, DENIAL_DNS_ADDRESS},
        {"lan.test", {"10.0.0.1", "10.7.7.2", "192.168.0.1"}, 60, 60, 1, DENIAL_NONE},
        {"api.test", {"198.51.100.1"}, 0, 1, 1, DENIAL_NONE},
        {"api.test", {"198.51.100.1"}, UINT32_MAX, 300, 1, DENIAL_NONE},
        {"api.test", {NULL}, 3600, 60, 0, DENIAL_NONE},
        {"api.test", {NULL}, 0, 1, 0, DENIAL_NONE},
    };
    struct policy *policy = load();

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reply reply = reply_of(cases[i].addresses, cases[i].ttl);
        struct answer answer;
        answer_from_reply(policy, policy_find(policy, cases[i].host), NULL, &reply, &answer);
        ck_assert_msg(answer.count == cases[i].count && answer.reason == cases[i].reason, "case %zu", i);
        ck_assert_msg(answer.ttl == cases[i].ttl_out || answer.reason, "case %zu", i);
        ck_assert_int_eq(answer.rcode, answer.reason ? LDNS_RCODE_SERVFAIL : LDNS_RCODE_NOERROR);
    }
    policy_unref(policy);
}
END_TEST

/* A repository's host is for the internal side; the sidecar's host under its name, without asking anybody. */
START_TEST(hosts_of_repositories_are_looked_up_for_the_leg_alone)
{
#define REPO(name, host)                                                                                     \
    "{\"name\":\"" name "\",\"url\":\"ssh://git@" host "/x\",\"host_key\":\"ssh-ed25519 "                    \
    "AAAAC3NzaC1lZDI1NTE5AAAAIJp2Z0hNnAqRVlrvNWbAgQwZcGWdyDoLSbLyUnyIRHHi\"}"
    static const char text[] =
        "{\"protocol\":1,\"generation\":1,\"sidecar\":{\"agent_address\":\"10.7.7.1\",\"host\":\"192.0.2.1\"}"
        ","
        "\"routes\":[{\"host\":\"api.test\"}],\"gate\":{\"repos\":[" REPO("a", "git.test") "," REPO(
            "b", "host.stopper.internal") "," REPO("c", "api.test") "]}}";
    static const struct str names[] = {LITERAL("\3gIt\4test\0"), LITERAL("\4host\7stopper\10internal\0"),
                                       LITERAL("\3api\4test\0")};
    static const char *const addresses[] = {"10.0.0.1", "127.0.0.1", "198.51.100.1", NULL};
    struct reply reply = reply_of(addresses, 60);
    struct policy *policy = NULL;
    struct decision got;
    struct answer answer;
    struct err err;

    ck_assert_int_eq(policy_parse(str_of(text), true, &policy, &err), 0);
    for (size_t i = 0; i < 3; i++) {
        struct query query = ask(names[i], TYPE_A, 1, true);
        answer_decide(policy, SIDE_AGENT, &query, &got);
        ck_assert(got.repo == NULL && (got.route != NULL) == (i == 2) && got.lookup == (i == 2));
        ck_assert_int_eq(got.answer.reason, i == 2 ? DENIAL_NONE : DENIAL_DNS_NAME);
        answer_decide(policy, SIDE_INTERNAL, &query, &got);
        ck_assert(got.repo == &policy->gate->repos[i] && got.lookup == (i != 1));
        ck_assert(i != 1 || memcmp(got.answer.addresses[0], "\300\0\2\1", 4) == 0);
    }
    answer_from_reply(policy, NULL, &policy->gate->repos[0], &reply, &answer);
    ck_assert_uint_eq(answer.count, 2);
    ck_assert_mem_eq(answer.addresses[0], "\12\0\0\1", 4);
    answer_from_reply(policy, &policy->routes[0], NULL, &reply, &answer);
    ck_assert_uint_eq(answer.count, 1);
    policy_unref(policy);
}
END_TEST

static ldns_pkt *read_back(const uint8_t *wire, size_t len)
{
    ldns_pkt *packet = NULL;

    ck_assert_int_eq(ldns_wire2pkt(&packet, wire, len), LDNS_STATUS_OK);
    ck_assert_uint_eq(ldns_pkt_size(packet), len);
    ck_assert(ldns_pkt_qr(packet) && ldns_pkt_ra(packet) && ldns_pkt_rd(packet) && ldns_pkt_cd(packet));
    ck_assert_uint_eq(ldns_pkt_id(packet), 0x1234);
    return packet;
}

START_TEST(ldns_reads_what_was_built)
{
    struct answer answer = {.count = ANSWER_ADDRESSES_MAX, .ttl = 77};
    struct query query = ask(LITERAL("\3aPi\4test\0"), TYPE_A, 1, true);
    uint8_t wire[ANSWER_WIRE_MAX];

    for (unsigned i = 0; i < ANSWER_ADDRESSES_MAX; i++)
        memcpy(answer.addresses[i], (uint8_t[]){198, 51, 100, (uint8_t)i}, 4);
    ldns_pkt *packet = read_back(wire, answer_build(&query, &answer, query.udp_size, wire));
    ck_assert_uint_eq(ldns_pkt_ancount(packet), ANSWER_ADDRESSES_MAX);
    char *text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_answer(packet), 15));
    ck_assert_str_eq(text, "aPi.test.\t77\tIN\tA\t198.51.100.15\n");
    ck_assert(ldns_pkt_edns(packet) && ldns_pkt_edns_udp_size(packet) == QUERY_UDP_MAX);
    free(text);
    ldns_pkt_free(packet);

    answer = (struct answer){.soa = true, .ttl = 30, .rcode = LDNS_RCODE_NXDOMAIN, .reason = DENIAL_DNS_TYPE};
    packet = read_back(wire, answer_build(&query, &answer, query.udp_size, wire));
    text = ldns_rr2str(ldns_rr_list_rr(ldns_pkt_authority(packet), 0));
    ck_assert_str_eq(text, "aPi.test.\t30\tIN\tSOA\t. . 1 3600 600 86400 30\n");
    ck_assert_int_eq(ldns_pkt_get_rcode(packet), LDNS_RCODE_NXDOMAIN);
    free(text);
    ldns_edns_option_list *options = ldns_pkt_edns_get_option_list(packet);
    ck_assert_uint_eq(ldns_edns_option_list_get_count(options), 1);
    ck_assert_int_eq(ldns_edns_get_code(ldns_edns_option_list_get_option(options, 0)), LDNS_EDNS_EDE);
    ldns_pkt_free(packet);
}
END_TEST

#define L63 "\77aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L61 "\75aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

START_TEST(the_largest_answers_fit_and_what_does_not_is_cut)
{
    struct query query = ask(LITERAL(L63 L63 L63 L61 "\0"), TYPE_A, 1, true);
    uint8_t wire[ANSWER_WIRE_MAX];

    for (int reason = 0; reason < DENIAL_COUNT; reason++) {
        struct answer answer = {
            .count = ANSWER_ADDRESSES_MAX, .soa = true, .reason = (enum denial)reason, .ttl = 1};
        size_t len = answer_build(&query, &answer, ANSWER_WIRE_MAX, wire);
        ck_assert_uint_le(len, ANSWER_WIRE_MAX);
        ldns_pkt_free(read_back(wire, len));
        answer.soa = false;
        len = answer_build(&query, &answer, QUERY_UDP_PLAIN, wire);
        ck_assert_uint_le(len, QUERY_UDP_PLAIN);
        ldns_pkt *packet = read_back(wire, len);
        ck_assert(ldns_pkt_tc(packet) && ldns_pkt_ancount(packet) < ANSWER_ADDRESSES_MAX);
        ldns_pkt_free(packet);
    }
}
END_TEST

START_TEST(refusals_are_headers)
{
    struct query query = ask(LITERAL("\3api\4test\0"), TYPE_A, 1, true);
    uint8_t wire[ANSWER_WIRE_MAX];

    ck_assert_uint_eq(answer_refuse(&query, QUERY_SILENCE, wire), 0);
    ck_assert_uint_eq(answer_refuse(&query, QUERY_OK, wire), 0);
    ck_assert_uint_eq(answer_refuse(&query, QUERY_FORMERR, wire), QUERY_HEADER);
    ck_assert_mem_eq(wire, "\x12\x34\x81\x91\0\0\0\0\0\0\0\0", QUERY_HEADER);
    ck_assert_uint_eq(answer_refuse(&query, QUERY_NOTIMP, wire), QUERY_HEADER);
    ck_assert_uint_eq(wire[3], 0x94);
    ldns_pkt *packet = read_back(wire, answer_refuse(&query, QUERY_BADVERS, wire));
    ck_assert_uint_eq(ldns_pkt_edns_extended_rcode(packet), 1);
    ldns_pkt_free(packet);
}
END_TEST

SUITE_MAIN("answer", each_name_and_type_gets_what_the_table_says,
           a_name_with_raw_tcp_gets_an_address_of_its_own, denied_names_are_refused_where_the_policy_says_so,
           a_closed_egress_has_no_names, the_hosts_own_name_is_answered_here,
           without_a_policy_or_an_own_address_everything_is_refused,
           hosts_of_repositories_are_looked_up_for_the_leg_alone, addresses_are_checked_and_lifetimes_bounded,
           ldns_reads_what_was_built, the_largest_answers_fit_and_what_does_not_is_cut, refusals_are_headers)
