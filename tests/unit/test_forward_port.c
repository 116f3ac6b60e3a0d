/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward_port: which words are ports, and which are refused. */
#include "hostctl/forward_port.h"

#include <stddef.h>
#include <stdio.h>

#include "tests/unit/suite.h"

static const struct {
    const char *text;
    int host, agent; /* -1: refused */
} cases[] = {
    {"80", 80, 80},         {"1:65535", 1, 65535}, {"65535:1", 65535, 1}, {"8080:3000", 8080, 3000},
    {"0:3000", 0, 3000},    {"10:20", 10, 20},     {"0", -1, -1},         {"0:0", -1, -1},
    {"80:0", -1, -1},       {"65536", -1, -1},     {"80:65536", -1, -1},  {"99999", -1, -1},
    {"100000", -1, -1},     {"", -1, -1},          {":", -1, -1},         {":80", -1, -1},
    {"80:", -1, -1},        {"80:90:", -1, -1},    {"1:2:3", -1, -1},     {"080", -1, -1},
    {"80:0090", -1, -1},    {"+80", -1, -1},       {"-1", -1, -1},        {" 80", -1, -1},
    {"80 ", -1, -1},        {"0x50", -1, -1},      {"http", -1, -1},      {"127.0.0.1:80", -1, -1},
    {"4294967376", -1, -1}, {"80:8o", -1, -1},
};

START_TEST(ports_mean_what_they_say)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct forward_port port = {0, 0};
        struct err err = {""};
        char wanted[200];
        int result = forward_port_parse(cases[i].text, &port, &err);

        ck_assert_msg(result == (cases[i].host < 0 ? -1 : 0), "%s", cases[i].text);
        if (result == 0) {
            ck_assert_int_eq(port.host, cases[i].host);
            ck_assert_int_eq(port.agent, cases[i].agent);
            continue;
        }
        snprintf(wanted, sizeof wanted,
                 "\"%s\" is not PORT[:AGENTPORT], each from 1 to 65535 (and 0:AGENTPORT for any free port)",
                 cases[i].text);
        ck_assert_str_eq(err.text, wanted);
    }
}
END_TEST

SUITE_MAIN("forward_port", ports_mean_what_they_say)
