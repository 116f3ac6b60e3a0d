/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/gate_prints, dlp/prints, dlp/probe: keys of the gate are found by their fingerprints, whole and in pieces, however they are written. */
#include "init/gate_prints.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "init/gate_keys.h"
#include "init/key_parts.h"
#include "init/prints_read.h"
#include "tests/dlp/keys.h"
#include "tests/dlp/rig.h"
#include "tests/dlp/writing.h"
#include "tests/unit/suite.h"

#define ROOM 262144

static const uint8_t own_key[DLP_PRINT_KEY] = "of this bottle..";
static const struct dlp_message known_only = {.detectors = DLP_KNOWN};
static char text[ROOM], written[ROOM];
static struct err err;

/* What the build makes is made once, before each test has a process of its own. */
__attribute__((constructor)) static void base_make(void)
{
    close(rig_database(NULL, 0, NULL));
}

static struct str text_of(const struct test_key *key)
{
    return (struct str){key->text, key->len};
}

static json_t *prints_of(const uint8_t *with, const struct test_key *const *list, const char *const *names,
                         size_t count)
{
    struct keys *keys = keys_new(count);

    for (size_t i = 0; i < count; i++)
        keys_add(keys, names[i], secret_new(text_of(list[i])));
    json_t *made = gate_prints_make(with, keys, &err);
    keys_free(keys);
    return made;
}

static struct dlp_engine *engine_of_two(const struct test_key *key, const struct test_key *other)
{
    const struct test_key *const list[] = {key, other};
    static const char *const names[] = {"app", "other.lib"};
    json_t *made = prints_of(own_key, list, names, other != NULL ? 2 : 1);
    struct dlp_prints prints;

    ck_assert_msg(made != NULL, "%s", err.text);
    ck_assert_msg(prints_read(made, &prints, &err) == 0, "%s", err.text);
    struct dlp_engine *engine = rig_engine_with(&prints);
    prints_free(&prints);
    json_decref(made);
    return engine;
}

static struct dlp_engine *engine_of(const struct test_key *key)
{
    return engine_of_two(key, NULL);
}

static struct rig_result look(struct dlp_engine *engine, struct str body)
{
    return rig_body(engine, &known_only, body, 10000);
}

static void finds(struct dlp_engine *engine, struct str body, size_t start, size_t end, const char *what,
                  size_t number)
{
    struct rig_result result = look(engine, body);

    ck_assert_msg(rig_covers(engine, &result, "gate_key:app", start, end),
                  "%s, %zu: %zu to %zu not among %zu", what, number, start, end, result.count);
    ck_assert_uint_le(result.left, start);
}

static void finds_nothing(struct dlp_engine *engine, struct str body, const char *what)
{
    struct rig_result result = look(engine, body);

    ck_assert_msg(result.answer == DLP_PASS, "%s", what);
}

/* The private part with this number, or its first 64 bytes. */
static struct str part_of(const struct test_key *key, size_t number, uint8_t bytes[64])
{
    struct key_parts parts;

    ck_assert_ptr_null(key_parts_read(text_of(key), &parts));
    ck_assert_uint_lt(number, parts.count);
    size_t len = parts.list[number].len < 64 ? parts.list[number].len : 64;
    memcpy(bytes, parts.list[number].bytes, len);
    key_parts_free(&parts);
    return (struct str){(const char *)bytes, len};
}

/* Bytes that nothing is found in, of words and lines (`ascii`) or any, with room for a piece at `at`. */
static struct str among(struct str piece, size_t at, size_t len, bool ascii)
{
    uint32_t state = 12345;

    for (size_t i = 0; i < len; i++) {
        state = state * 1664525 + 1013904223;
        text[i] = ascii ? "some words, and more. "[i % 22] : (char)(state >> 24);
    }
    memcpy(text + at, piece.ptr, piece.len);
    return (struct str){text, len};
}

static void whole(const char *options, const char *const *formats)
{
    static struct test_key key, other;
    static uint8_t bytes[8192];

    test_key_make(&key, options);
    struct dlp_engine *engine = engine_of(&key);
    for (; *formats != NULL; formats++) { /* as any of them, whichever the operator has */
        test_key_convert(&key, *formats, "", &other);
        struct rig_result result = look(engine, text_of(&other));
        ck_assert_msg(result.count > 0, "%s in %s", options, *formats);
        struct str raw = {(const char *)bytes, test_key_bytes(text_of(&other), bytes)};
        result = look(engine, raw);
        ck_assert_msg(result.count > 0, "%s in %s, bytes", options, *formats);
        struct dlp_engine *from = engine_of(&other);
        result = look(from, text_of(&key));
        ck_assert_msg(result.count > 0, "%s, the prints from %s", options, *formats);
        dlp_engine_unref(from);
    }
    /* What is public is not found: the control is above. */
    finds_nothing(engine, str_of(key.public), "a public key");
    snprintf(text, sizeof text, "git.example,192.0.2.7 %sx\n[git.example]:22 %s", key.public, key.public);
    finds_nothing(engine, str_of(text), "known_hosts");
    dlp_engine_unref(engine);
}

START_TEST(keys_of_every_kind_and_form_are_found_and_public_ones_are_not)
{
    static const char *const all[] = {"RFC4716", "PEM", "PKCS8", NULL}, *const own[] = {"RFC4716", NULL};

    whole("-t ed25519", own);
    whole("-t rsa -b 2048", all);
    whole("-t rsa -b 4096", all);
    whole("-t ecdsa -b 256", all);
    whole("-t ecdsa -b 384", all);
    whole("-t ecdsa -b 521", all);
}
END_TEST

START_TEST(every_byte_of_a_seed_is_covered_and_none_beside_it)
{
    static struct test_key key;
    uint8_t bytes[8192], seed[64];

    test_key_make(&key, "-t ed25519");
    struct dlp_engine *engine = engine_of(&key);
    struct str raw = {(const char *)bytes, test_key_bytes(text_of(&key), bytes)},
               part = part_of(&key, 0, seed);
    size_t at = (size_t)((const char *)memmem(raw.ptr, raw.len, part.ptr, part.len) - raw.ptr);
    struct rig_result result = look(engine, raw);
    ck_assert_uint_eq(result.count, 1);
    ck_assert_uint_eq(result.findings[0].start, at);
    ck_assert_uint_eq(result.findings[0].end, at + part.len);
    ck_assert_uint_eq(result.findings[0].detector, DLP_KNOWN);
    ck_assert(result.findings[0].redactable);
    const struct dlp_rule *rule = dlp_rules_get(dlp_engine_rules(engine), result.findings[0].rule);
    ck_assert_str_eq(rule->name, "gate_key:app");
    ck_assert_uint_eq(rule->kind, DLP_GATE_KEY);

    /* The same in the file's lines: all digits that have a bit of it, and a byte's more on each side. */
    result = look(engine, text_of(&key));
    ck_assert_uint_eq(result.count, 1);
    size_t line = strlen("-----BEGIN OPENSSH PRIVATE KEY-----\n"), width = strcspn(key.text + line, "\n");
    size_t first = at * 8 / 6, last = (8 * (at + part.len) - 1) / 6;
    first += line + first / width;
    last += line + last / width;
    ck_assert_uint_le(result.findings[0].start, first);
    ck_assert_uint_ge(result.findings[0].end, last + 1);
    ck_assert_uint_ge(result.findings[0].start + 4, first);
    ck_assert_uint_le(result.findings[0].end, last + 5);
    dlp_engine_unref(engine);
}
END_TEST

static bool is_of_tokens(enum writing writing)
{
    return writing < WRITINGS_OF_TOKENS;
}

/* The file in every writing that known secrets are found in, and the bytes of a part in those that a key can be in. */
START_TEST(keys_are_found_in_every_writing)
{
    static const enum writing of_bytes[] = {
        WRITE_RAW,          WRITE_PERCENT,        WRITE_BASE64,        WRITE_BASE64URL,
        WRITE_BASE64_LINES, WRITE_BASE64_ESCAPED, WRITE_BASE32,        WRITE_BASE32_LOWER,
        WRITE_HEX,          WRITE_HEX_UPPER,      WRITE_BASE64_BASE64, WRITE_BASE64_HEX,
        WRITE_HEX_BASE64,   WRITE_PERCENT_BASE64, WRITE_JSON_BASE64,   WRITE_BASE64_PERCENT};
    static struct test_key keys[2];
    uint8_t bytes[64];
    size_t start, end;

    test_key_make(&keys[0], "-t ed25519");
    test_key_make(&keys[1], "-t ecdsa -b 521");
    for (size_t i = 0; i < 2; i++) {
        struct dlp_engine *engine = engine_of(&keys[i]);
        for (enum writing writing = 0; is_of_tokens(writing); writing++)
            for (unsigned place = 0; place < writing_places(writing); place++) {
                size_t len = write_as(writing, place, text_of(&keys[i]), written, &start, &end);
                struct rig_result result = look(engine, (struct str){written, len});
                ck_assert_msg(result.count == 1 && result.findings[0].start >= start &&
                                  result.findings[0].end <= end,
                              "the file, %s, %u: %zu", writing_name(writing), place, result.count);
            }
        struct str part = part_of(&keys[i], 0, bytes);
        for (size_t at = 0; at < sizeof of_bytes / sizeof of_bytes[0]; at++)
            for (unsigned place = 0; place < writing_places(of_bytes[at]); place++) {
                size_t len = write_as(of_bytes[at], place, part, written, &start, &end);
                struct rig_result result = look(engine, (struct str){written, len});
                bool nested =
                    of_bytes[at] >=
                    WRITE_BASE64_BASE64; /* what is told of them is where the text within begins and ends */
                size_t first = nested ? end : start + 1, last = nested ? start + part.len : end - 1;
                ck_assert_msg(result.count == 1 && result.findings[0].start <= first &&
                                  result.findings[0].end >= last,
                              "a part, %s, %u: %zu findings, %zu to %zu of %zu to %zu",
                              writing_name(of_bytes[at]), place, result.count,
                              (size_t)result.findings[0].start, (size_t)result.findings[0].end, start, end);
            }
        dlp_engine_unref(engine);
    }
}
END_TEST

/* Pieces as long as prints.h says, from every place of a part, at every place of eight. */
static void pieces(struct dlp_engine *engine, struct str part, const char *what)
{
    for (size_t from = 0; from + 23 <= part.len; from++)
        for (size_t at = 0; at < 8; at++)
            for (unsigned ascii = 0; ascii < 2; ascii++)
                finds(engine, among((struct str){part.ptr + from, 23}, 40 + at, 200, ascii), 40 + at, 63 + at,
                      what, from);
}

/* The same of digits: `count` of them, with something around that makes a word of 31. */
static void digits(struct dlp_engine *engine, struct str part, enum writing writing, size_t count,
                   size_t bits)
{
    size_t start, end;

    for (unsigned place = 0; place < writing_places(writing); place++) {
        write_as(writing, place, part, written, &start, &end);
        size_t whole_digits = part.len * 8 / bits - 1;
        for (size_t from = start + 1; from + count <= start + whole_digits; from++) {
            size_t len = (size_t)snprintf(text, sizeof text, "a word here.%.*s", (int)(from % 8), "========");
            memcpy(text + len, written + from, count);
            size_t piece = len;
            len += count;
            len += (size_t)snprintf(text + len, sizeof text - len, "==.. and others");
            finds(engine, (struct str){text, len}, piece, piece + 1, writing_name(writing), from);
        }
    }
}

START_TEST(pieces_of_the_length_that_is_said_are_found_wherever_they_are_from)
{
    static struct test_key key;
    uint8_t bytes[64];

    for (unsigned kind = 0; kind < 2; kind++) {
        test_key_make(&key, kind == 0 ? "-t ed25519" : "-t rsa -b 2048");
        struct dlp_engine *engine = engine_of(&key);
        for (size_t number = 0; number < (kind == 0 ? 1 : 4); number += 3) {
            struct str part = part_of(&key, number, bytes);
            pieces(engine, part, "bytes");
            digits(engine, part, WRITE_BASE64, 29, 6);
            digits(engine, part, WRITE_BASE64URL, 29, 6);
            digits(engine, part, WRITE_HEX, 39, 4);
            digits(engine, part, WRITE_HEX_UPPER, 39, 4);
            digits(engine, part, WRITE_BASE32, 34, 5);
            digits(engine, part, WRITE_BASE32_LOWER, 34, 5);
        }
        dlp_engine_unref(engine);
    }
}
END_TEST

/* What is shorter is found where it happens to stand well, and below a window never: this is where the net has its meshes. */
START_TEST(shorter_pieces_pass_now_and_then_and_very_short_ones_always)
{
    static struct test_key key;
    uint8_t bytes[64];
    size_t found = 0;

    test_key_make(&key, "-t ed25519");
    struct dlp_engine *engine = engine_of(&key);
    struct str part = part_of(&key, 0, bytes);
    for (size_t at = 0; at < 8; at++)
        found += look(engine, among((struct str){part.ptr + 3, 16}, 40 + at, 200, true)).count;
    ck_assert_uint_eq(found, 1);
    for (size_t at = 0; at < 8; at++)
        finds_nothing(engine, among((struct str){part.ptr + 3, 15}, 40 + at, 200, true), "15 bytes");
    dlp_engine_unref(engine);
}
END_TEST

/* A seed of ASCII, such as no generator makes but by chance: the windows of text are asked about, too. */
START_TEST(a_key_that_is_text_is_found_in_text)
{
    static const char seed[] = "correct horse battery staples AB";
    static struct test_key key;

    test_key_ed25519((const uint8_t *)seed, &key);
    struct dlp_engine *engine = engine_of(&key);
    pieces(engine, str_of(seed), "text");
    finds_nothing(engine, among((struct str){seed, 15}, 41, 200, true), "15 bytes of text");
    dlp_engine_unref(engine);
}
END_TEST

/* A piece that ends a part of a body, at every byte, with the scanner's steps between. */
START_TEST(cuts_at_every_byte_hide_nothing)
{
    static struct test_key key;
    uint8_t bytes[64];
    static const size_t step = 49152;

    test_key_make(&key, "-t ed25519");
    struct dlp_engine *engine = engine_of(&key);
    struct str part = part_of(&key, 0, bytes);
    for (unsigned ascii = 0; ascii < 2; ascii++)
        for (size_t i = 0; i <= part.len; i++) {
            struct str body = among(part, step - i, step + 17000, ascii);
            struct rig_result result = rig_body(engine, &known_only, body, step);
            ck_assert(rig_covers(engine, &result, "gate_key:app", step - i, step - i + part.len));
            ck_assert_uint_le(result.left, step - i);
        }
    for (size_t i = 0; i <= key.len; i += 3) {
        struct str body = among(text_of(&key), step - i, step + 17000, true);
        struct rig_result result = rig_body(engine, &known_only, body, step);
        ck_assert_msg(result.count == 1, "cut at %zu", i);
        ck_assert_uint_le(result.left, result.findings[0].start);
    }
    /* In a word that is longer than a step, too. */
    size_t start, end, len = write_as(WRITE_BASE64, 0, part, written, &start, &end), body_len = step + 17000;
    struct str digits = {written + start, end - start};
    ck_assert_uint_le(end, len);
    for (size_t i = 0; i <= digits.len; i++) {
        for (size_t at = 0; at < body_len; at++)
            text[at] = "QkFTRTY0bm9pc2VXaXRob3V0QW55U2Vuc2Uv"[(at * 7 + at / 36) % 36];
        memcpy(text + step - i, digits.ptr, digits.len);
        struct rig_result result = rig_body(engine, &known_only, (struct str){text, body_len}, step);
        ck_assert_msg(result.count == 1, "in a word, cut at %zu", i);
        ck_assert_uint_le(result.findings[0].start, step - i + 8);
        ck_assert_uint_ge(result.findings[0].end + 8, step - i + digits.len);
        ck_assert_uint_le(result.left, result.findings[0].start);
    }
    dlp_engine_unref(engine);
}
END_TEST

static enum dlp_answer send(struct dlp_engine *engine, struct dlp_carry *carry, struct str body)
{
    struct dlp_message message = {.detectors = DLP_KNOWN, .carry = carry};
    struct dlp_scan *scan = dlp_scan_begin(engine, &message);
    uint64_t leave;
    enum dlp_answer answer = dlp_scan_body(scan, body, 0, true, &leave);

    dlp_scan_end(scan);
    return answer;
}

START_TEST(a_key_in_two_requests_is_found_wherever_it_is_cut)
{
    static struct test_key key;
    static struct dlp_carry carry;
    uint8_t bytes[64];

    test_key_make(&key, "-t ed25519");
    struct dlp_engine *engine = engine_of(&key);
    struct str part = part_of(&key, 0, bytes);
    for (size_t i = 0; i <= part.len; i++) {
        memset(&carry, 0, sizeof carry);
        bool first = send(engine, &carry, (struct str){part.ptr, i}) == DLP_FOUND;
        bool second = send(engine, &carry, (struct str){part.ptr + i, part.len - i}) == DLP_FOUND;
        ck_assert_msg(first || second, "cut at %zu", i);
        ck_assert(i < 23 || first);
        memset(&carry, 0, sizeof carry);
        ck_assert_int_eq(send(engine, &carry, (struct str){part.ptr, i < 15 ? i : 15}), DLP_PASS);
    }
    dlp_engine_unref(engine);
}
END_TEST

START_TEST(fields_of_a_head_are_searched_too)
{
    static struct test_key key;
    uint8_t bytes[64];
    size_t start, end, count;

    test_key_make(&key, "-t ed25519");
    struct dlp_engine *engine = engine_of(&key);
    size_t len = write_as(WRITE_HEX, 0, part_of(&key, 0, bytes), written, &start, &end);
    for (enum dlp_surface surface = DLP_PATH; surface <= DLP_COOKIE; surface++) {
        if (surface == DLP_NAME)
            continue;
        struct dlp_scan *scan = dlp_scan_begin(engine, &known_only);
        dlp_scan_field(scan, surface, str_of("x"), (struct str){written, len});
        ck_assert_int_eq(dlp_scan_fields(scan), DLP_FOUND);
        ck_assert_uint_eq(dlp_scan_findings(scan, &count)->surface, surface);
        dlp_scan_end(scan);
    }
    dlp_engine_unref(engine);
}
END_TEST

START_TEST(a_finding_names_the_repository_whose_key_it_is)
{
    static struct test_key key, other;
    char line[DEPLOY_LINE_MAX];
    struct secret *made;

    test_key_make(&key, "-t rsa -b 2048");
    ck_assert_int_eq(deploy_key_make("other.lib", &made, line, &err), 0); /* one of init's own */
    other.len = secret_expose(made).len;
    memcpy(other.text, secret_expose(made).ptr, other.len);
    secret_free(made);
    struct dlp_engine *engine = engine_of_two(&key, &other), *alone = engine_of(&key);
    struct rig_result result = look(engine, text_of(&other));
    ck_assert_uint_eq(result.count, 1);
    ck_assert_str_eq(dlp_rules_get(dlp_engine_rules(engine), result.findings[0].rule)->name,
                     "gate_key:other.lib");
    result = look(engine, text_of(&key));
    ck_assert_uint_ge(result.count, 4);
    for (size_t i = 0; i < result.count; i++)
        ck_assert_str_eq(dlp_rules_get(dlp_engine_rules(engine), result.findings[i].rule)->name,
                         "gate_key:app");
    finds_nothing(alone, text_of(&other), "a key that nobody named");
    ck_assert_ptr_null(dlp_rules_get(dlp_engine_rules(alone), dlp_rules_count(dlp_engine_rules(alone))));
    dlp_engine_unref(engine);
    dlp_engine_unref(alone);
}
END_TEST

/* Under another bottle's key no print is the same, and under the same key all are. */
START_TEST(prints_are_a_bottles_own)
{
    static const uint8_t others[DLP_PRINT_KEY] = "of another one..";
    static struct test_key key;
    const struct test_key *const list[] = {&key};
    static const char *const names[] = {"app"};
    struct dlp_prints prints[2];
    size_t same = 0;

    test_key_make(&key, "-t ed25519");
    json_t *one = prints_of(own_key, list, names, 1), *again = prints_of(own_key, list, names, 1),
           *other = prints_of(others, list, names, 1);
    ck_assert(json_equal(one, again));
    ck_assert_int_eq(prints_read(one, &prints[0], &err), 0);
    ck_assert_int_eq(prints_read(other, &prints[1], &err), 0);
    ck_assert_uint_le(prints[0].keys[0].count, 65);
    ck_assert_uint_ge(prints[0].keys[0].count, 57);
    ck_assert_uint_eq(prints[0].keys[0].count, prints[1].keys[0].count);
    for (size_t i = 0; i < prints[0].keys[0].count; i++)
        for (size_t at = 0; at < prints[1].keys[0].count; at++)
            same += prints[0].keys[0].prints[i] == prints[1].keys[0].prints[at];
    ck_assert_uint_eq(same, 0);
    /* Nothing of the key is in what the compiler is given. */
    char *all = json_dumps(one, JSON_COMPACT);
    uint8_t bytes[64];
    size_t start, end;
    struct str part = part_of(&key, 0, bytes);
    for (size_t at = 0; at + 4 <= part.len; at++) {
        write_as(WRITE_HEX, 0, (struct str){part.ptr + at, 4}, written, &start, &end);
        ck_assert(memmem(all, strlen(all), written + start, 8) == NULL);
    }
    secret_json_free(all);
    for (size_t i = 0; i < 2; i++)
        prints_free(&prints[i]);
    json_decref(one);
    json_decref(again);
    json_decref(other);
}
END_TEST

/* AES-128's own example (FIPS 197 appendix B): its decryption of the ciphertext is the plaintext, of which F is the XOR. */
START_TEST(a_print_is_what_is_said_of_it)
{
    static const uint8_t key[] = {0x2b, 0x7e, 0x15, 0x16, 0x28, 0xae, 0xd2, 0xa6,
                                  0xab, 0xf7, 0x15, 0x88, 0x09, 0xcf, 0x4f, 0x3c},
                         cipher[] = {0x39, 0x25, 0x84, 0x1d, 0x02, 0xdc, 0x09, 0xfb,
                                     0xdc, 0x11, 0x85, 0x97, 0x19, 0x6a, 0x0b, 0x32},
                         plain[] = {0x32, 0x43, 0xf6, 0xa8, 0x88, 0x5a, 0x30, 0x8d};
    _Alignas(16) uint8_t windows[DLP_PRINT_BATCH * DLP_PRINT_WINDOW];
    uint64_t prints[DLP_PRINT_BATCH], expected = 0;
    struct dlp_printer *printer = dlp_printer_new(key);

    for (size_t i = 0; i < sizeof plain; i++)
        expected |= (uint64_t)(plain[i] ^ cipher[i]) << 8 * i;
    for (size_t i = 0; i < DLP_PRINT_BATCH; i++)
        memcpy(windows + i * DLP_PRINT_WINDOW, cipher, sizeof cipher);
    for (unsigned again = 0; again < 2; again++) {
        ck_assert_int_eq(dlp_print(printer, windows, DLP_PRINT_BATCH, prints), 0);
        for (size_t i = 0; i < DLP_PRINT_BATCH; i++)
            ck_assert_uint_eq(prints[i], expected);
    }
    ck_assert_int_eq(dlp_print(printer, windows, DLP_PRINT_BATCH + 1, prints), -1);
    dlp_printer_free(printer);
}
END_TEST

START_TEST(a_key_that_is_not_understood_is_refused_by_its_name)
{
    static struct test_key key = {
        .text = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIP7n\n-----END PRIVATE KEY-----\n"};
    const struct test_key *const list[] = {&key};
    static const char *const names[] = {"app"};

    key.len = strlen(key.text);
    ck_assert_ptr_null(prints_of(own_key, list, names, 1));
    ck_assert_str_eq(err.text, "keys: app: the key is damaged");
}
END_TEST

START_TEST(more_keys_than_there_is_room_for_are_refused)
{
    static struct test_key key;
    static const struct test_key *list[200];
    static char names[200][8];
    static const char *each[200];

    test_key_make(&key, "-t rsa -b 4096 -m PEM");
    for (size_t i = 0; i < 200; i++) {
        snprintf(names[i], sizeof names[i], "k%zu", i);
        list[i] = &key;
        each[i] = names[i];
    }
    json_t *made = prints_of(own_key, list, each, 2); /* the control */
    ck_assert_uint_eq(json_object_size(json_object_get(made, "keys")), 2);
    json_decref(made);
    ck_assert_ptr_null(prints_of(own_key, list, each, 200));
    ck_assert_ptr_nonnull(strstr(err.text, "all keys together have more than there is room for"));
}
END_TEST

START_TEST(what_is_no_source_is_refused)
{
    static const char *const sources[] = {
        "{}", "{\"key\":\"00\",\"keys\":{}}", "{\"key\":\"000102030405060708090a0b0c0d0e0x\",\"keys\":{}}",
        "{\"key\":\"000102030405060708090a0b0c0d0e0f\",\"keys\":{\"a\":\"000102030405060g\"}}"};
    struct dlp_prints prints;

    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        json_t *source = json_loads(sources[i], 0, NULL);
        ck_assert_int_eq(prints_read(source, &prints, &err), -1);
        prints_free(&prints);
        json_decref(source);
    }
    ck_assert_int_eq(prints_read(NULL, &prints, &err), 0);
    ck_assert_uint_eq(prints.count, 0);
}
END_TEST

SUITE_MAIN("prints", keys_of_every_kind_and_form_are_found_and_public_ones_are_not,
           every_byte_of_a_seed_is_covered_and_none_beside_it, keys_are_found_in_every_writing,
           pieces_of_the_length_that_is_said_are_found_wherever_they_are_from,
           shorter_pieces_pass_now_and_then_and_very_short_ones_always, a_key_that_is_text_is_found_in_text,
           cuts_at_every_byte_hide_nothing, a_key_in_two_requests_is_found_wherever_it_is_cut,
           fields_of_a_head_are_searched_too, a_finding_names_the_repository_whose_key_it_is,
           prints_are_a_bottles_own, a_print_is_what_is_said_of_it,
           a_key_that_is_not_understood_is_refused_by_its_name, more_keys_than_there_is_room_for_are_refused,
           what_is_no_source_is_refused)
