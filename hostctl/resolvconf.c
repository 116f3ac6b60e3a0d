/* SPDX-License-Identifier: GPL-3.0-or-later */
/* resolvconf: see resolvconf.h. It must never invent a resolver: without a usable one the user is asked for
 * egress.dns. */
#include "hostctl/resolvconf.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX 65536 /* bytes read of a file */

struct found {
    size_t loopback, ipv6, other; /* name servers that cannot be used */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct str take_word(struct str *line)
{
    size_t start = 0, end;

    while (start < line->len && is_blank(line->ptr[start]))
        start++;
    for (end = start; end < line->len && !is_blank(line->ptr[end]); end++)
        ;
    struct str word = {line->ptr + start, end - start};
    *line = (struct str){line->ptr + end, line->len - end};
    return word;
}

/* This host itself, to the C library: 127.0.0.0/8, 0.0.0.0, ::1 and ::. */
static bool is_loopback(const struct ip *ip)
{
    static const struct ip v6 = {.family = 6};

    if (ip->family == 4)
        return ip->bytes[0] == 127 || ip->bytes[0] == 0;
    return memcmp(ip->bytes, v6.bytes, 15) == 0 && ip->bytes[15] <= 1;
}

static size_t add(struct str address, struct ip *upstreams, size_t count, struct found *found)
{
    const char *zone = memchr(address.ptr, '%', address.len);
    struct ip ip;

    if (zone != NULL) /* fe80::1%eth0 */
        address.len = (size_t)(zone - address.ptr);
    if (ip_parse(address, &ip) != 0) {
        found->other++;
    } else if (is_loopback(&ip)) {
        found->loopback++;
    } else if (ip.family == 6) {
        found->ipv6++;
    } else if (ip_classify(&ip) == IP_FORBIDDEN) {
        found->other++;
    } else {
        for (size_t i = 0; i < count; i++)
            if (memcmp(&upstreams[i], &ip, sizeof ip) == 0)
                return count;
        if (count < POLICY_MAX_UPSTREAMS)
            upstreams[count++] = ip;
    }
    return count;
}

static size_t parse(struct str text, struct ip *upstreams, struct found *found)
{
    size_t count = 0;

    while (text.len > 0) {
        const char *lf = memchr(text.ptr, '\n', text.len);
        struct str line = {text.ptr, lf != NULL ? (size_t)(lf - text.ptr) : text.len};
        size_t used = line.len + (lf != NULL);
        if (str_equal(take_word(&line), str_of("nameserver")))
            count = add(take_word(&line), upstreams, count, found);
        text = (struct str){text.ptr + used, text.len - used};
    }
    return count;
}

int resolvconf_choose(struct str main, struct str systemd, struct ip upstreams[POLICY_MAX_UPSTREAMS],
                      struct err *err)
{
    struct found in_main = {0}, in_systemd = {0};
    size_t count = parse(main, upstreams, &in_main);

    if (count == 0 && in_main.loopback > 0)
        count = parse(systemd, upstreams, &in_systemd);
    if (count > 0)
        return (int)count;
    const char *why = in_main.loopback > 0
                          ? "the host's resolver listens on a loopback address, which a sidecar cannot reach"
                      : in_main.ipv6 > 0 ? "the host's resolvers have IPv6 addresses only"
                                         : "it names no usable resolver";
    return err_set(err, "%s: %s; name the upstream resolvers in the manifest, as egress.dns: [ADDRESS]",
                   RESOLVCONF_PATH, why);
}

static struct str read_file(const char *path, char *into)
{
    FILE *file = fopen(path, "re");
    size_t len = file != NULL ? fread(into, 1, FILE_MAX, file) : 0;

    if (file != NULL)
        fclose(file);
    return (struct str){into, len};
}

int resolvconf_read(struct ip upstreams[POLICY_MAX_UPSTREAMS], struct err *err)
{
    static char main[FILE_MAX], systemd[FILE_MAX];

    return resolvconf_choose(read_file(RESOLVCONF_PATH, main), read_file(RESOLVCONF_SYSTEMD_PATH, systemd),
                             upstreams, err);
}
