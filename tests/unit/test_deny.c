/* SPDX-License-Identifier: GPL-3.0-or-later */
/* deny, decide: every refusal in every protocol's form, and which one a name and port get. */
#include <jansson.h>
#include <string.h>

#include "core/decide.h"
#include "proxy/deny.h"
#include "suite.h"

static struct deny about(enum denial denial)
{
    return (struct deny){.denial = denial,
                         .host = "evil\"\r\n.test",
                         .rule = "*.a.test",
                         .id = "ab-1",
                         .method = "GET",
                         .path = "/x\1y"};
}

START_TEST(every_denial_is_a_problem_that_parses_and_says_its_length)
{
    for (int i = 1; i < DENIAL_COUNT; i++) {
        struct deny deny = about((enum denial)i);
        struct buf buf;
        buf_init(&buf, 65536);
        ck_assert_int_eq(deny_http(&deny, &buf), 0);
        ck_assert_int_eq(buf_append(&buf, "", 1), 0);
        const char *text = buf_str(&buf).ptr, *body = strstr(text, "\r\n\r\n") + 4;
        const char *length = strstr(text, "Content-Length: ");
        ck_assert_uint_eq(strtoul(length + 16, NULL, 10), strlen(body));
        ck_assert_ptr_eq(strchr(body, '\n'), NULL);
        json_t *problem = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
        ck_assert_ptr_nonnull(problem);
        ck_assert_uint_eq(json_object_size(problem), 8);
        const char *type = json_string_value(json_object_get(problem, "type"));
        ck_assert_int_eq(strncmp(type, DENY_TYPE, strlen(DENY_TYPE)), 0);
        ck_assert_str_eq(type + strlen(DENY_TYPE), denial_name(deny.denial));
        ck_assert_str_eq(json_string_value(json_object_get(problem, "event_id")), "ab-1");
        json_decref(problem);
        buf_fini(&buf);
        deny.to_head = deny.close = true;
        ck_assert_int_eq(deny_http(&deny, &buf), 0);
        struct str head = buf_str(&buf);
        ck_assert_mem_eq(head.ptr + head.len - 23, "\r\nConnection: close\r\n\r\n", 23);
        buf_fini(&buf);
    }
}
END_TEST

START_TEST(when_it_may_be_sent_again_is_a_field_where_that_is_known)
{
    static const unsigned times[] = {0, 61};

    for (size_t i = 0; i < 2; i++) {
        struct deny deny = about(DENIAL_DLP_BUDGET);
        struct buf buf;
        buf_init(&buf, 65536);
        deny.retry_s = times[i];
        ck_assert_int_eq(deny_http(&deny, &buf), 0);
        ck_assert_int_eq(buf_append(&buf, "", 1), 0);
        const char *text = buf_str(&buf).ptr;
        ck_assert_int_eq(strncmp(text, "HTTP/1.1 429 Too Many Requests\r\n", 32), 0);
        ck_assert_int_eq(strstr(text, "\r\nRetry-After: 61\r\n") != NULL, times[i] == 61);
        ck_assert_int_eq(strstr(text, "Retry-After") != NULL, times[i] == 61);
        buf_fini(&buf);
    }
}
END_TEST

START_TEST(an_ssh_disconnect_is_well_formed_whatever_its_length)
{
    for (int i = 1; i < DENIAL_COUNT; i++) {
        const struct deny deny = about((enum denial)i);
        struct buf buf;
        buf_init(&buf, 4096);
        ck_assert_int_eq(deny_ssh(&deny, &buf), 0);
        struct str bytes = buf_str(&buf);
        ck_assert_mem_eq(bytes.ptr, "SSH-2.0-Stopper\r\n", 17);
        const unsigned char *packet = (const unsigned char *)bytes.ptr + 17;
        size_t len = bytes.len - 17, padding = packet[4], text = (size_t)packet[12] << 8 | packet[13];
        ck_assert_uint_eq(len % 8, 0);
        ck_assert_uint_eq((size_t)packet[2] << 8 | packet[3], len - 4);
        ck_assert_uint_ge(padding, 4);
        ck_assert_uint_eq(len, 5 + 9 + text + 4 + padding);
        ck_assert_int_eq(packet[5], 1);
        ck_assert_mem_eq(packet + 14, denial_sentence(deny.denial), strlen(denial_sentence(deny.denial)));
        buf_fini(&buf);
    }
}
END_TEST

START_TEST(alerts_and_goaway)
{
    struct deny deny = about(DENIAL_HTTP_VERSION);
    struct buf buf;

    buf_init(&buf, 4096);
    ck_assert_int_eq(deny_tls(&deny, &buf), 0);
    ck_assert_mem_eq(buf_str(&buf).ptr, "\x15\3\3\0\2\2\x31", 7);
    buf_fini(&buf);
    deny.denial = DENIAL_TLS_MALFORMED;
    ck_assert_int_eq(deny_tls(&deny, &buf), 0);
    ck_assert_mem_eq(buf_str(&buf).ptr, "\x15\3\3\0\2\2\x32", 7);
    buf_fini(&buf);
    ck_assert_int_eq(deny_h2(&deny, &buf), 0);
    struct str bytes = buf_str(&buf);
    ck_assert_uint_eq((size_t)(unsigned char)bytes.ptr[10] << 8 | (unsigned char)bytes.ptr[11],
                      bytes.len - 18);
    buf_fini(&buf);
}
END_TEST

static const char POLICY[] =
    "{\"protocol\":1,\"dns\":{\"upstreams\":[\"203.0.113.53\"]},\"generation\":1,"
    "\"sidecar\":{\"agent_address\":\"10.7.7.1\",\"own\":[]},\"routes\":[{\"host\":\"plain.test\"},"
    "{\"host\":\"tls.test\",\"tls\":{\"passthrough\":true}},"
    "{\"host\":\"forge.test\",\"ports\":[443,3000]},"
    "{\"host\":\"*.ech.test\",\"tls\":{\"passthrough\":true,\"ech\":\"allow\"}}]}";

START_TEST(names_first_then_ports_then_what_the_route_says)
{
    static const struct {
        const char *host;
        unsigned port, host_port;
        bool ech;
        bool tunnel;
        enum denial tls, http, https; /* a tunnel, a plain request, an opened one */
    } cases[] = {
        {"none.test", 443, 0, false, false, DENIAL_HOST_NOT_ALLOWED, DENIAL_HOST_NOT_ALLOWED,
         DENIAL_HOST_NOT_ALLOWED},
        {"none.test", 8443, 0, true, false, DENIAL_HOST_NOT_ALLOWED, DENIAL_HOST_NOT_ALLOWED,
         DENIAL_HOST_NOT_ALLOWED},
        {"plain.test", 443, 0, false, false, DENIAL_MISDIRECTED, DENIAL_PORT_NOT_ALLOWED, DENIAL_NONE},
        {"plain.test", 443, 443, false, false, DENIAL_MISDIRECTED, DENIAL_PORT_NOT_ALLOWED, DENIAL_NONE},
        {"plain.test", 80, 0, false, false, DENIAL_PORT_NOT_ALLOWED, DENIAL_NONE, DENIAL_PORT_NOT_ALLOWED},
        {"plain.test", 80, 80, false, false, DENIAL_PORT_NOT_ALLOWED, DENIAL_NONE, DENIAL_PORT_NOT_ALLOWED},
        {"plain.test", 80, 81, false, false, DENIAL_PORT_NOT_ALLOWED, DENIAL_PORT_NOT_ALLOWED,
         DENIAL_PORT_NOT_ALLOWED},
        {"plain.test", 3000, 0, false, false, DENIAL_PORT_NOT_ALLOWED, DENIAL_PORT_NOT_ALLOWED,
         DENIAL_PORT_NOT_ALLOWED},
        {"forge.test", 3000, 0, false, false, DENIAL_MISDIRECTED, DENIAL_NONE, DENIAL_NONE},
        {"forge.test", 3000, 3001, false, false, DENIAL_MISDIRECTED, DENIAL_PORT_NOT_ALLOWED,
         DENIAL_PORT_NOT_ALLOWED},
        {"forge.test", 80, 0, false, false, DENIAL_PORT_NOT_ALLOWED, DENIAL_PORT_NOT_ALLOWED,
         DENIAL_PORT_NOT_ALLOWED},
        {"tls.test", 443, 0, false, true, DENIAL_NONE, DENIAL_PORT_NOT_ALLOWED, DENIAL_MISDIRECTED},
        {"tls.test", 443, 0, true, true, DENIAL_TLS_ECH, DENIAL_PORT_NOT_ALLOWED, DENIAL_MISDIRECTED},
        {"tls.test", 80, 0, false, false, DENIAL_PORT_NOT_ALLOWED, DENIAL_TLS_REQUIRED,
         DENIAL_PORT_NOT_ALLOWED},
        {"a.ech.test", 443, 0, true, true, DENIAL_NONE, DENIAL_PORT_NOT_ALLOWED, DENIAL_MISDIRECTED},
        {"ech.test", 443, 0, true, false, DENIAL_HOST_NOT_ALLOWED, DENIAL_HOST_NOT_ALLOWED,
         DENIAL_HOST_NOT_ALLOWED},
    };
    struct policy *policy;
    const struct route *route;
    struct err err;

    ck_assert_int_eq(policy_parse(str_of(POLICY), true, &policy, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(decide_tls(policy, cases[i].host, cases[i].port, cases[i].ech, &route),
                         cases[i].tls);
        ck_assert_int_eq(decide_http(policy, cases[i].host, cases[i].port, cases[i].host_port, false, &route),
                         cases[i].http);
        ck_assert_int_eq(decide_http(policy, cases[i].host, cases[i].port, cases[i].host_port, true, &route),
                         cases[i].https);
        ck_assert_int_eq(decide_tunnel(policy, cases[i].host, cases[i].port), cases[i].tunnel);
    }
    ck_assert_int_eq(decide_tls(NULL, "tls.test", 443, false, &route), DENIAL_NO_POLICY);
    ck_assert_int_eq(decide_http(NULL, "plain.test", 80, 0, false, &route), DENIAL_NO_POLICY);
    ck_assert(!decide_tunnel(NULL, "tls.test", 443));
    policy_unref(policy);
}
END_TEST

SUITE_MAIN("deny", every_denial_is_a_problem_that_parses_and_says_its_length,
           when_it_may_be_sent_again_is_a_field_where_that_is_known,
           an_ssh_disconnect_is_well_formed_whatever_its_length, alerts_and_goaway,
           names_first_then_ports_then_what_the_route_says)
