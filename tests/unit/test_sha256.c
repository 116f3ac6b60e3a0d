/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sha256: the vectors of FIPS 180-4's examples, and every length around a block. */
#include "hostctl/sha256.h"

#include <string.h>

#include "tests/unit/suite.h"

START_TEST(the_standards_examples_come_out)
{
    static const struct {
        const char *text, *digest;
    } examples[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char digest[SHA256_HEX];

    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        sha256_hex(str_of(examples[i].text), digest);
        ck_assert_str_eq(digest, examples[i].digest);
    }
}
END_TEST

START_TEST(lengths_around_blocks_come_out)
{
    static const struct {
        size_t len;
        const char *digest;
    } examples[] = {
#define D(len, digest) {len, digest}
        D(55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318"),
        D(56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a"),
        D(63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34"),
        D(64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb"),
        D(65, "635361c48bb9eab14198e76ea8ab7f1a41685d6ad62aa9146d301d4f17eb0ae0"),
        D(1000, "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3"),
    };
    char text[1000], digest[SHA256_HEX];

    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        sha256_hex((struct str){text, examples[i].len}, digest);
        ck_assert_str_eq(digest, examples[i].digest);
    }
}
END_TEST

SUITE_MAIN("sha256", the_standards_examples_come_out, lengths_around_blocks_come_out)
