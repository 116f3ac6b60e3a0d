/* SPDX-License-Identifier: GPL-3.0-or-later */
/* resolvconf: which resolvers are taken from the host's files, and when the user is asked instead. */
#include "hostctl/resolvconf.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"

#define ASK "; name the upstream resolvers in the manifest, as egress.dns: [ADDRESS]"
#define LOOPBACK                                                                                             \
    "/etc/resolv.conf: the host's resolver listens on a loopback address, which a sidecar cannot reach" ASK
#define IPV6 "/etc/resolv.conf: the host's resolvers have IPv6 addresses only" ASK
#define NONE "/etc/resolv.conf: it names no usable resolver" ASK

static const struct {
    const char *main, *systemd, *wanted; /* addresses with blanks between, or the error */
} cases[] = {
    {"nameserver 192.0.2.1\n", "", "192.0.2.1"},
    {"nameserver 192.0.2.1", "nameserver 192.0.2.2\n", "192.0.2.1"},
    {"# words\nsearch example.com\n; more\nnameserver\t 192.0.2.1 \r\nnameserver 192.0.2.2 # why\noptions "
     "edns0\n",
     "", "192.0.2.1 192.0.2.2"},
    {"nameserver 192.0.2.1\nnameserver 192.0.2.1\n", "", "192.0.2.1"},
    {"nameserver 10.0.0.53\nnameserver 127.0.0.1\nnameserver 2001:db8::1\n", "", "10.0.0.53"},
    {"nameserver 1.0.0.1\nnameserver 1.0.0.2\nnameserver 1.0.0.3\nnameserver 1.0.0.4\nnameserver 1.0.0.5\n"
     "nameserver 1.0.0.6\nnameserver 1.0.0.7\nnameserver 1.0.0.8\nnameserver 1.0.0.9\n",
     "", "1.0.0.1 1.0.0.2 1.0.0.3 1.0.0.4 1.0.0.5 1.0.0.6 1.0.0.7 1.0.0.8"},
    /* systemd-resolved */
    {"nameserver 127.0.0.53\n", "nameserver 192.0.2.2\n", "192.0.2.2"},
    {"nameserver 127.0.0.53\n", "nameserver 127.0.0.1\nnameserver 192.0.2.3\n", "192.0.2.3"},
    {"nameserver 127.0.0.53\n", "nameserver 127.0.0.1\n", LOOPBACK},
    {"nameserver 127.0.0.53\n", "nameserver fe80::1%eth0\n", LOOPBACK},
    {"nameserver 127.0.0.1\n", "", LOOPBACK},
    {"nameserver 0.0.0.0\n", "", LOOPBACK},
    {"nameserver ::1\n", "nameserver 192.0.2.2\n", "192.0.2.2"},
    /* not usable */
    {"nameserver 2001:db8::1\nnameserver fe80::1%eth0\n", "", IPV6},
    {"", "nameserver 192.0.2.2\n", NONE},
    {"search example.com\n", "", NONE},
    {"nameserver 169.254.169.253\nnameserver 224.0.0.1\n", "", NONE},
    {"nameserver\nnameserver dns.example\nnameservers 192.0.2.1\n#nameserver 192.0.2.1\nNAMESERVER "
     "192.0.2.1\n",
     "", NONE},
};

START_TEST(resolvers_are_the_hosts_or_the_user_is_asked)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ip upstreams[POLICY_MAX_UPSTREAMS];
        char text[1024] = "", one[IP_TEXT];
        struct err err = {""};
        int count = resolvconf_choose(str_of(cases[i].main), str_of(cases[i].systemd), upstreams, &err);
        for (int j = 0; j < count; j++) {
            ip_format(&upstreams[j], one);
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", j > 0 ? " " : "", one);
        }
        ck_assert_str_eq(count > 0 ? text : err.text, cases[i].wanted);
    }
}
END_TEST

SUITE_MAIN("resolvconf", resolvers_are_the_hosts_or_the_user_is_asked)
