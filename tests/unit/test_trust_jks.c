/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Certificates out of PEM, and the store that Java reads. */
#include <check.h>
#include <stdint.h>
#include <string.h>

#include "init/trust_jks.h"
#include "tests/unit/suite.h"

#define PEM(bytes) "-----BEGIN CERTIFICATE-----\n" bytes "\n-----END CERTIFICATE-----\n"

START_TEST(blocks_are_found_among_other_text)
{
    struct str text = str_of("# a name with - dashes\n" PEM("QUJD") "words\n" PEM(
                   "REVG") "-----BEGIN CERTIFICATE-----\nQUJ"),
               block;

    ck_assert(pem_next(&text, &block));
    ck_assert(str_equal(block, str_of("-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----")));
    ck_assert(pem_next(&text, &block));
    ck_assert(str_equal(block, str_of("-----BEGIN CERTIFICATE-----\nREVG\n-----END CERTIFICATE-----")));
    ck_assert(!pem_next(&text, &block)); /* cut off */
    text = str_of("-----BEGIN TRUSTED CERTIFICATE-----\nQUJD\n-----END TRUSTED CERTIFICATE-----\n");
    ck_assert(!pem_next(&text, &block));
}
END_TEST

START_TEST(blocks_are_decoded_whole_or_not_at_all)
{
    static const struct {
        const char *pem, *der; /* NULL: refused */
    } cases[] = {
        {PEM("QUJD"), "ABC"},
        {PEM("QUI="), "AB"},
        {PEM("QQ=="), "A"},
        {PEM("QUJD\r\nREVG"), "ABCDEF"},
        {PEM("////"), "\xff\xff\xff"},
        {PEM("QUJ"), NULL},
        {PEM("Q==="), NULL},
        {PEM("QU=D"), NULL},
        {PEM("QU!D"), NULL},
        {PEM(""), NULL},
        {PEM("QUJDQQ"), NULL},
        {PEM("QUJD===="), NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct str text = str_of(cases[i].pem), block;
        struct buf der;
        buf_init(&der, 100);
        ck_assert(pem_next(&text, &block));
        ck_assert_msg((pem_decode(block, &der) == 0) == (cases[i].der != NULL), "%s", cases[i].pem);
        if (cases[i].der)
            ck_assert_msg(str_equal(buf_str(&der), str_of(cases[i].der)), "%s", cases[i].pem);
        buf_fini(&der);
    }
}
END_TEST

START_TEST(a_store_holds_every_certificate_under_a_name_of_its_own)
{
    static const char head[] = "\xfe\xed\xfe\xed\0\0\0\2\0\0\0\2\0\0\0\2\0\5root1",
                      type[] = "\0\5X.509\0\0\0\3ABC", second[] = "\0\0\0\2\0\5root2";
    struct buf store;

    buf_init(&store, 4096);
    ck_assert_int_eq(jks_make(str_of(PEM("QUJD") PEM("!!!!") PEM("REVG")), &store), 2);
    struct str all = buf_str(&store);
    size_t entry = 4 + 2 + 5 + 8 + 2 + 5 + 4 + 3;
    ck_assert_uint_eq(all.len, 12 + 2 * entry + 20);
    ck_assert_int_eq(memcmp(all.ptr, head, sizeof head - 1), 0);
    ck_assert_int_eq(memcmp(all.ptr + sizeof head - 1 + 8, type, sizeof type - 1), 0);
    ck_assert_int_eq(memcmp(all.ptr + 12 + entry, second, sizeof second - 1), 0);
    buf_fini(&store);
    buf_init(&store, 40);
    ck_assert_int_eq(jks_make(str_of(PEM("QUJD") PEM("REVG")), &store), -1);
    buf_fini(&store);
}
END_TEST

SUITE_MAIN("trust_jks", blocks_are_found_among_other_text, blocks_are_decoded_whole_or_not_at_all,
           a_store_holds_every_certificate_under_a_name_of_its_own)
