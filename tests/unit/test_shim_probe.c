/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_shim_probe: which answers are Stopper's, and what of others is read: nothing past its end. */
#include <stdlib.h>
#include <string.h>

#include "init/shim_probe.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/dns_wire.h"
#include "tests/unit/suite.h"

#define CA                                                                                                   \
    "-----BEGIN CERTIFICATE-----\nMB4wHKADAgECAgEBMAAwDjEMMAoGA1UEAwwDQm94MAA=\n-----END CERTIFICATE-----\n"
#define EDE "\0\17\0\2\0\17"
#define NAME                                                                                                 \
    "\20"                                                                                                    \
    "0123456789abcdef"                                                                                       \
    "\16stopper-doctor"                                                                                      \
    "\7invalid"

/* A server's first records; their handshake messages are cut in two. Issuer: CN=Box, that of CA; CN=Boy. */
static const char by_the_bottle[] =
    "\x16\x03\x03\x00\x0b\x02\x00\x00\x04\x03\x03\x00\x00\x0b\x00\x00\x16\x03\x03\x00\x25\x24\x00\x00\x21\x00"
    "\x00\x1e\x30\x1c\x30\x1a\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04"
    "\x03\x0c\x03\x42\x6f\x78";
static const char by_another[] =
    "\x16\x03\x03\x00\x0b\x02\x00\x00\x04\x03\x03\x00\x00\x0b\x00\x00\x16\x03\x03\x00\x25\x24\x00\x00\x21\x00"
    "\x00\x1e\x30\x1c\x30\x1a\xa0\x03\x02\x01\x02\x02\x01\x01\x30\x00\x30\x0e\x31\x0c\x30\x0a\x06\x03\x55\x04"
    "\x03\x0c\x03\x42\x6f\x79";

static struct shim_probe probe_new(void)
{
    struct shim_probe probe = {.nonce = "0123456789abcdef", .ca = CA};

    ip_parse(str_of("10.7.7.1"), &probe.sidecar);
    strcpy(probe.host, "0123456789abcdef." PROBE_DOMAIN);
    return probe;
}

/* An answer to the run's question: its ID is the mark's first two letters. address and ede: NULL, none. */
static struct wire answer_new(unsigned flags, const char *address, const char *ede)
{
    struct wire wire = wire_header(flags, 1, address != NULL, 0, 1);

    memcpy(wire.bytes, "01", 2);
    wire_question(&wire, LITERAL(NAME "\0"), 1, 1);
    if (address != NULL)
        wire_record(&wire, LITERAL("\300\14"), 1, 5, (struct str){address, 4});
    wire_add(&wire, LITERAL("\0\0\51\4\320\0\0\0\0\0"));
    wire_add(&wire, ede != NULL ? LITERAL("\6") : LITERAL("\0"));
    if (ede != NULL)
        wire_add(&wire, (struct str){ede, 6});
    return wire;
}

static bool judge(struct wire wire)
{
    const struct shim_probe probe = probe_new();

    return probe_dns_judge(&probe, (struct str){(const char *)wire.bytes, wire.len});
}

START_TEST(an_answer_is_stoppers_by_its_address_and_its_reason_together)
{
    ck_assert(judge(answer_new(0x8180, "\12\7\7\1", EDE)));
    ck_assert(judge(answer_new(0x8185, NULL, EDE)));                     /* REFUSED, where denied names are */
    ck_assert(!judge(answer_new(0x8180, "\12\7\7\1", NULL)));            /* no reason */
    ck_assert(!judge(answer_new(0x8180, "\12\7\7\2", EDE)));             /* somebody else */
    ck_assert(!judge(answer_new(0x8180, NULL, EDE)));                    /* no address */
    ck_assert(!judge(answer_new(0x8183, NULL, EDE)));                    /* NXDOMAIN */
    ck_assert(!judge(answer_new(0x8185, NULL, NULL)));                   /* any resolver's REFUSED */
    ck_assert(!judge(answer_new(0x8180, "\12\7\7\1", "\0\17\0\2\0\4"))); /* Forged Answer */
    ck_assert(!judge(answer_new(0x0180, "\12\7\7\1", EDE)));             /* a question */
    struct wire other = answer_new(0x8180, "\12\7\7\1", EDE);
    other.bytes[0] ^= 1;
    ck_assert(!judge(other));
}
END_TEST

START_TEST(a_cut_answer_is_not_stoppers)
{
    const struct shim_probe probe = probe_new();
    struct wire wire = answer_new(0x8180, "\12\7\7\1", EDE);

    for (size_t len = 0; len < wire.len; len++) {
        char *exact = malloc(len > 0 ? len : 1);
        memcpy(exact, wire.bytes, len);
        ck_assert(!probe_dns_judge(&probe, (struct str){exact, len}));
        free(exact);
    }
}
END_TEST

START_TEST(a_certificate_is_the_bottles_by_its_issuer)
{
    struct shim_probe probe = probe_new();

    ck_assert(probe_tls_judge(&probe, (struct str){by_the_bottle, sizeof by_the_bottle - 1}));
    ck_assert(!probe_tls_judge(&probe, (struct str){by_another, sizeof by_another - 1}));
    ck_assert(!probe_tls_judge(&probe, (struct str){by_the_bottle, sizeof by_the_bottle - 2}));
    ck_assert(!probe_tls_judge(&probe, (struct str){"\x15\x03\x03\0\2\2\x28", 7})); /* an alert */
    probe.ca = "no certificate";
    ck_assert(!probe_tls_judge(&probe, (struct str){by_the_bottle, sizeof by_the_bottle - 1}));
}
END_TEST

static bool tls;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct shim_probe probe = probe_new();
    const struct str bytes = {(const char *)data, size};

    if (tls)
        probe_tls_judge(&probe, bytes);
    else
        probe_dns_judge(&probe, bytes);
    return 0;
}

START_TEST(changed_messages_are_read_within_their_bounds)
{
    struct wire wire = answer_new(0x8180, "\12\7\7\1", EDE);

    tls = false;
    fuzz_mutations(wire.bytes, wire.len, 4000);
}
END_TEST

START_TEST(changed_records_are_read_within_their_bounds)
{
    tls = true;
    fuzz_mutations((const uint8_t *)by_the_bottle, sizeof by_the_bottle - 1, 3000);
}
END_TEST

SUITE_MAIN("shim_probe", an_answer_is_stoppers_by_its_address_and_its_reason_together,
           a_cut_answer_is_not_stoppers, a_certificate_is_the_bottles_by_its_issuer,
           changed_messages_are_read_within_their_bounds, changed_records_are_read_within_their_bounds)
