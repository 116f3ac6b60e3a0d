/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hello: recorded ClientHellos in every possible split; built ones, up to the largest; and what must not
 * pass. Inputs end at the end of their allocation, so that the sanitizer sees a byte read too much. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "hellos.h"
#include "proxy/hello.h"
#include "proxy/limits.h"
#include "suite.h"

static char *unhex(const char *hex, size_t *len)
{
    *len = strlen(hex) / 2;
    char *bytes = malloc(*len);
    for (size_t i = 0; i < *len; i++) {
        const char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        bytes[i] = (char)strtol(digits, NULL, 16);
    }
    return bytes;
}

static enum hello_result parse(struct hello *hello, const char *bytes, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    if (len > 0)
        memcpy(copy, bytes, len);
    enum hello_result result = hello_parse(hello, copy, len);
    free(copy);
    return result;
}

static enum hello_result once(struct hello *hello, const char *bytes, size_t len)
{
    hello_init(hello);
    return parse(hello, bytes, len);
}

static const struct {
    const char *client, *hex, *name, *alpn, *version;
} RECORDED[] = {
    {"openssl", HELLO_OPENSSL, "api.example.com", "h2,http/1.1", "1.3"},
    {"openssl -tls1_2", HELLO_OPENSSL_12, "api.example.com", "", "1.2"},
    {"openssl -noservername", HELLO_OPENSSL_NO_NAME, "", "", "1.3"},
    {"curl", HELLO_CURL, "api.example.com", "h2,http/1.1", "1.3"},
    {"python", HELLO_PYTHON, "api.example.com", "", "1.3"},
    {"git with GnuTLS", HELLO_GIT_GNUTLS, "api.example.com", "h2,http/1.1", "1.3"},
    {"node", HELLO_NODE, "api.example.com", "http/1.1", "1.3"},
};
#define RECORDED_COUNT (sizeof RECORDED / sizeof RECORDED[0])

START_TEST(real_clients_are_understood_however_their_bytes_arrive)
{
    for (size_t i = 0; i < RECORDED_COUNT; i++) {
        size_t len;
        char *bytes = unhex(RECORDED[i].hex, &len);
        struct hello hello;
        for (size_t split = 0; split < len; split++) {
            ck_assert_msg(once(&hello, bytes, split) == HELLO_MORE, "%s at %zu", RECORDED[i].client, split);
            ck_assert_msg(parse(&hello, bytes, len) == HELLO_OK, "%s at %zu", RECORDED[i].client, split);
            ck_assert_str_eq(hello.name, RECORDED[i].name);
            ck_assert_uint_eq(hello.name_len, strlen(RECORDED[i].name));
            ck_assert_str_eq(hello.alpn, RECORDED[i].alpn);
            ck_assert_str_eq(hello.version, RECORDED[i].version);
            ck_assert(!hello.ech);
        }
        hello_init(&hello);
        for (size_t n = 0; n < len; n++)
            ck_assert_int_eq(parse(&hello, bytes, n), HELLO_MORE);
        ck_assert_int_eq(parse(&hello, bytes, len), HELLO_OK);
        free(bytes);
    }
}
END_TEST

START_TEST(a_mutated_byte_never_makes_another_name_of_another_length)
{
    struct hello hello;
    size_t len;
    char *bytes = unhex(HELLO_CURL, &len);

    for (size_t i = 0; i < len; i++) {
        for (unsigned flip = 1; flip < 256; flip <<= 1) {
            bytes[i] = (char)((unsigned char)bytes[i] ^ flip);
            enum hello_result result = once(&hello, bytes, len);
            if (result == HELLO_OK)
                ck_assert(hello.name_len == 0 || hello.name_len == strlen("api.example.com"));
            bytes[i] = (char)((unsigned char)bytes[i] ^ flip);
        }
    }
    free(bytes);
}
END_TEST

/* A builder: a message of any shape, cut into records of any size. */

static uint8_t message[2 * HELLO_MAX], wire[8 * HELLO_MAX];
static size_t message_len, wire_len, extensions_at;

static void put(unsigned number, unsigned bytes)
{
    while (bytes-- > 0)
        message[message_len++] = (uint8_t)(number >> (8 * bytes));
}

static void put_bytes(const void *bytes, size_t len)
{
    memcpy(message + message_len, bytes, len);
    message_len += len;
}

static void begin(void)
{
    message_len = 0;
    put(1, 1);
    put(0, 3);
    put(0x0303, 2);
    message_len += 32;
    put(0, 1); /* session id */
    put(2, 2); /* cipher suites */
    put(0x1301, 2);
    put(1, 1); /* compression */
    put(0, 1);
    extensions_at = message_len;
    put(0, 2);
}

static void extension(unsigned type, const void *data, size_t len)
{
    put(type, 2);
    put((unsigned)len, 2);
    put_bytes(data, len);
}

static void server_name(const char *name)
{
    size_t len = strlen(name);

    put(0, 2);
    put((unsigned)len + 5, 2);
    put((unsigned)len + 3, 2);
    put(0, 1);
    put((unsigned)len, 2);
    put_bytes(name, len);
}

static void finish(void)
{
    size_t body = message_len - 4, extensions = message_len - extensions_at - 2;

    message[1] = (uint8_t)(body >> 16);
    message[2] = (uint8_t)(body >> 8);
    message[3] = (uint8_t)body;
    message[extensions_at] = (uint8_t)(extensions >> 8);
    message[extensions_at + 1] = (uint8_t)extensions;
}

static void records(size_t size)
{
    wire_len = 0;
    for (size_t at = 0; at < message_len; at += size) {
        size_t len = message_len - at < size ? message_len - at : size;
        const uint8_t head[] = {22, 3, 1, (uint8_t)(len >> 8), (uint8_t)len};
        memcpy(wire + wire_len, head, sizeof head);
        memcpy(wire + wire_len + sizeof head, message + at, len);
        wire_len += sizeof head + len;
    }
}

static enum hello_result built(struct hello *hello, size_t record)
{
    finish();
    records(record);
    return once(hello, (const char *)wire, wire_len);
}

START_TEST(any_number_of_records_and_post_quantum_sizes)
{
    static const uint8_t share[2 + 4 + 1216 + 4 + 32] = {0x04, 0xe8,           0x11, 0xec, 0x04,
                                                         0xc0, [6 + 1216] = 0, 0x1d, 0,    0x20};
    static const size_t sizes[] = {1, 2, 3, 4, 5, 7, 100, 512, 16384};
    struct hello hello;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        begin();
        extension(51, share, sizeof share);
        server_name("pq.example.com");
        ck_assert_int_eq(built(&hello, sizes[i]), HELLO_OK);
        ck_assert_str_eq(hello.name, "pq.example.com");
        hello_init(&hello);
        for (size_t n = 0; n < wire_len; n++)
            ck_assert_int_eq(parse(&hello, (const char *)wire, n), HELLO_MORE);
        ck_assert_int_eq(parse(&hello, (const char *)wire, wire_len), HELLO_OK);
    }
}
END_TEST

START_TEST(any_records_become_as_few_as_the_message_needs)
{
    static const uint8_t padding[30000];
    static const size_t sizes[] = {1, 3, 4, 100, 8000, 16384};
    static uint8_t wanted[sizeof wire];

    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++) {
        struct hello hello;
        struct buf in;
        begin();
        server_name("a.example.com");
        if (i % 2 == 1 && i > 5) /* 30 KB in records of few bytes are more than is taken */
            extension(21, padding, sizeof padding);
        finish();
        records(16384);
        size_t wanted_len = wire_len;
        memcpy(wanted, wire, wire_len);
        ck_assert_int_eq(built(&hello, sizes[i / 2]), HELLO_OK);
        buf_init(&in, sizeof wire + 5);
        ck_assert_int_eq(buf_append(&in, wire, wire_len), 0);
        ck_assert_int_eq(buf_append(&in, "later", 5), 0);
        hello_reframe(&hello, &in);
        ck_assert_uint_eq(in.len, wanted_len + 5);
        ck_assert_mem_eq(buf_str(&in).ptr, wanted, wanted_len);
        ck_assert_mem_eq(buf_str(&in).ptr + wanted_len, "later", 5);
        ck_assert_int_eq(once(&hello, buf_str(&in).ptr, wanted_len), HELLO_OK);
        ck_assert_str_eq(hello.name, "a.example.com");
        buf_fini(&in);
    }
}
END_TEST

START_TEST(up_to_the_bound_and_no_further)
{
    static const uint8_t padding[30000];
    struct hello hello;

    begin();
    extension(21, padding, sizeof padding);
    extension(0x5a5a, padding, sizeof padding);
    server_name("big.example.com");
    ck_assert_int_eq(built(&hello, 16384), HELLO_OK);
    ck_assert_str_eq(hello.name, "big.example.com");
    begin();
    extension(21, padding, sizeof padding);
    extension(0x5a5a, padding, sizeof padding);
    extension(0x6a6a, padding, 5500);
    ck_assert_int_eq(built(&hello, 16384), HELLO_BAD);
    begin();
    server_name("a.example.com");
    message[1] = 1; /* a message of 64 KiB and more is refused at its head, not after the wait for it */
    records(16384);
    ck_assert_int_eq(once(&hello, (const char *)wire, wire_len), HELLO_BAD);
}
END_TEST

START_TEST(the_encrypted_hello_is_seen)
{
    struct hello hello;

    begin();
    server_name("public.example.com");
    extension(0xfe0d, "\0\0\1\0\1", 5);
    ck_assert_int_eq(built(&hello, 16384), HELLO_OK);
    ck_assert(hello.ech);
    begin();
    extension(0xffce, "", 0);
    ck_assert_int_eq(built(&hello, 16384), HELLO_OK);
    ck_assert(hello.ech);
}
END_TEST

/* Each makes one thing wrong; `ok` are the twins that must pass. */
static const struct {
    const char *what;
    enum hello_result want;
    unsigned type;
    const char *data;
    size_t len;
    unsigned type2;
    const char *data2;
    size_t len2;
} SHAPES[] = {
#define E(bytes) bytes, sizeof(bytes) - 1
    {"one name", HELLO_OK, 0, E("\0\4\0\0\1a"), 21, E("")},
    {"two names", HELLO_BAD, 0, E("\0\x8\0\0\1a\0\0\1b"), 21, E("")},
    {"empty name list", HELLO_BAD, 0, E("\0\0"), 21, E("")},
    {"empty server_name", HELLO_BAD, 0, E(""), 21, E("")},
    {"empty name", HELLO_BAD, 0, E("\0\3\0\0\0"), 21, E("")},
    {"name of another type", HELLO_BAD, 0, E("\0\4\1\0\1a"), 21, E("")},
    {"list longer than its extension", HELLO_BAD, 0, E("\0\5\0\0\1a"), 21, E("")},
    {"list shorter than its extension", HELLO_BAD, 0, E("\0\4\0\0\1aX"), 21, E("")},
    {"name longer than its list", HELLO_BAD, 0, E("\0\4\0\0\2a"), 21, E("")},
    {"NUL in the name", HELLO_BAD, 0, E("\0\6\0\0\3a\0b"), 21, E("")},
    {"server_name twice", HELLO_BAD, 0, E("\0\4\0\0\1a"), 0, E("\0\4\0\0\1b")},
    {"unknown extension twice", HELLO_BAD, 0x1234, E(""), 0x1234, E("")},
    {"two unknown extensions", HELLO_OK, 0x1234, E(""), 0x1235, E("")},
    {"protocols", HELLO_OK, 16, E("\0\3\2h2"), 21, E("")},
    {"empty protocol list", HELLO_BAD, 16, E("\0\0"), 21, E("")},
    {"empty protocol", HELLO_BAD, 16, E("\0\4\0\2h2"), 21, E("")},
    {"protocol past its list", HELLO_BAD, 16, E("\0\3\3h2"), 21, E("")},
    {"versions", HELLO_OK, 43, E("\4\3\4\3\3"), 21, E("")},
    {"odd versions", HELLO_BAD, 43, E("\3\3\4\3"), 21, E("")},
    {"no versions", HELLO_BAD, 43, E("\0"), 21, E("")},
    {"two shares", HELLO_OK, 51, E("\0\xa\0\x1d\0\1a\0\x17\0\1b"), 21, E("")},
    {"two shares of one group", HELLO_BAD, 51, E("\0\xa\0\x1d\0\1a\0\x1d\0\1b"), 21, E("")},
    {"share past its list", HELLO_BAD, 51, E("\0\5\0\x1d\0\2a"), 21, E("")},
    {"empty share", HELLO_BAD, 51, E("\0\4\0\x1d\0\0"), 21, E("")},
    {"no shares", HELLO_OK, 51, E("\0\0"), 21, E("")},
    {"pre_shared_key last", HELLO_OK, 21, E(""), 41, E("x")},
    {"pre_shared_key first", HELLO_BAD, 41, E("x"), 21, E("")},
#undef E
};

START_TEST(what_two_parsers_could_read_differently_is_refused)
{
    struct hello hello;

    for (size_t i = 0; i < sizeof SHAPES / sizeof SHAPES[0]; i++) {
        begin();
        extension(SHAPES[i].type, SHAPES[i].data, SHAPES[i].len);
        extension(SHAPES[i].type2, SHAPES[i].data2, SHAPES[i].len2);
        ck_assert_msg(built(&hello, 16384) == SHAPES[i].want, "%s", SHAPES[i].what);
    }
}
END_TEST

START_TEST(records_and_messages_that_do_not_add_up_are_refused)
{
    struct hello hello;

    begin();
    server_name("a.example.com");
    finish();
    message[message_len++] = 0; /* a byte behind the message, in its record */
    records(16384);
    ck_assert_int_eq(once(&hello, (const char *)wire, wire_len), HELLO_BAD);
    message_len--;
    records(16384);
    memcpy(wire + wire_len, "\x14\3\3\0\1\1", 6); /* another record behind it is early data's business */
    ck_assert_int_eq(once(&hello, (const char *)wire, wire_len + 6), HELLO_OK);
    message[3]--; /* shorter than its extensions */
    records(16384);
    ck_assert_int_eq(once(&hello, (const char *)wire, wire_len), HELLO_BAD);
    finish();
    message[extensions_at + 1]--; /* bytes behind the extensions */
    records(16384);
    ck_assert_int_eq(once(&hello, (const char *)wire, wire_len), HELLO_BAD);
    static const char *const heads[] = {"\x16\2\0\0\5\1", "\x17\3\1\0\5\1", "\x16\3\1\0\0",
                                        "\x16\3\1\x40\1\1", "\x16\3\1\0\5\2"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        ck_assert_int_eq(once(&hello, heads[i], i == 2 ? 5 : 6), HELLO_BAD);
}
END_TEST

SUITE_MAIN("hello", real_clients_are_understood_however_their_bytes_arrive,
           a_mutated_byte_never_makes_another_name_of_another_length,
           any_number_of_records_and_post_quantum_sizes, any_records_become_as_few_as_the_message_needs,
           up_to_the_bound_and_no_further, the_encrypted_hello_is_seen,
           what_two_parsers_could_read_differently_is_refused,
           records_and_messages_that_do_not_add_up_are_refused)
