/* SPDX-License-Identifier: GPL-3.0-or-later */
/* token_check: checksums, structure and placeholders. */
#include "dlp/token_check.h"

#include <stdint.h>
#include <string.h>

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* `word` is in lower case. */
static bool holds_word(struct str s, const char *word)
{
    size_t len = strlen(word);
    for (size_t at = 0; at + len <= s.len; at++) {
        size_t i = 0;
        while (i < len && lower(s.ptr[at + i]) == word[i])
            i++;
        if (i == len)
            return true;
    }
    return false;
}

static bool holds(struct str s, const char *text)
{
    return memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

/* Samples that are printed in documentation: AWS's and Google's, Stripe's, Telegram's, Discord's, GitHub's, and the token
 * that jwt.io opens with (its subject). In pieces, as in the tables, so that no scanner stops at this file. */
static const char *const samples[] = {
    ("4eC39HqLyj"
     "WDarjtT1zdp7dc"),
    ("AAHdqTcvCH1vG"
     "WJxfSeofSAs0K5PALDsaw"),
    ("MTk4NjIyNDgzND"
     "cxOTI1MjQ4"),
    ("16C7e42F292c6912"
     "E7710c838347Ae178B4a"),
    ("DaGmWKa4JsXZ-HjG"
     "w7ISLn_3namBGewQe"),
    ("eyJzdWIiOiIxMjM0"
     "NTY3ODk"),
};

/* No word of these is likely in a random string: the shortest is four letters. */
static const char *const words[] = {"example",   "placeholder", "redacted", "changeme", "change_me",
                                    "change-me", "your_",       "your-",    "dummy",    "foobar",
                                    "replace",   "insert_",     "insert-",  "sample",   "notreal",
                                    "not_real",  "secret_here"};

/* A run of `same` equal bytes, or of `next` bytes each one more or one less than the last. */
static bool runs(struct str s, size_t same, size_t next)
{
    size_t equal = 1, up = 1, down = 1;
    for (size_t i = 1; i < s.len; i++) {
        int step = lower(s.ptr[i]) - lower(s.ptr[i - 1]);
        bool wraps = s.ptr[i] == '0' && s.ptr[i - 1] == '9';
        equal = step == 0 ? equal + 1 : 1;
        up = step == 1 || wraps ? up + 1 : 1;
        down = step == -1 ? down + 1 : 1;
        if (equal >= same || up >= next || down >= next)
            return true;
    }
    return false;
}

/* The same up to eight bytes three times and more, and nothing else. */
static bool repeats(struct str s)
{
    for (size_t period = 1; period <= 8 && 3 * period <= s.len; period++)
        if (memcmp(s.ptr, s.ptr + period, s.len - period) == 0)
            return true;
    return false;
}

static unsigned distinct(struct str s)
{
    bool seen[256] = {false};
    unsigned count = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char byte = (unsigned char)s.ptr[i];
        count += !seen[byte];
        seen[byte] = true;
    }
    return count;
}

bool token_is_crossed_out(struct str value)
{
    return holds(value, "xxxx") || holds(value, "XXXX");
}

bool token_is_placeholder(struct str value)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (holds_word(value, words[i]))
            return true;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (holds(value, samples[i]))
            return true;
    return token_is_crossed_out(value) || runs(value, 6, 8) || repeats(value) ||
           (value.len >= 16 && distinct(value) < 6);
}

/* The CRC-32 of ISO 3309, as in gzip (RFC 1952 section 8), bit by bit: what it is asked for is short. */
static uint32_t crc32_of(struct str s)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < s.len; i++) {
        crc ^= (unsigned char)s.ptr[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1)));
    }
    return ~crc;
}

static struct str tail_of(struct str s, size_t len)
{
    return (struct str){s.ptr + s.len - len, len};
}

/* Whether `sum` is `crc` in base 62, padded with zeros. */
static bool is_base62(struct str sum, uint32_t crc)
{
    static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (size_t i = sum.len; i-- > 0; crc /= 62)
        if (sum.ptr[i] != digits[crc % 62])
            return false;
    return true;
}

bool token_check_crc_base62(struct str match)
{
    if (match.len < 36)
        return false;
    struct str body = tail_of(match, 36);
    return is_base62(tail_of(match, 6), crc32_of((struct str){body.ptr, 30}));
}

bool token_check_matrix(struct str match)
{
    return match.len > 7 && is_base62(tail_of(match, 6), crc32_of((struct str){match.ptr, match.len - 7}));
}

bool token_check_grafana(struct str match)
{
    static const char digits[] = "0123456789abcdef";
    if (match.len < 9)
        return false;
    struct str sum = tail_of(match, 8);
    uint32_t crc = crc32_of((struct str){match.ptr, match.len - 9});
    for (size_t i = 0; i < 4; i++, crc >>= 8)
        if (sum.ptr[2 * i] != digits[crc >> 4 & 15] || sum.ptr[2 * i + 1] != digits[crc & 15])
            return false;
    return true;
}

bool token_check_age(struct str match)
{
    static const char alphabet[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
    static const char prefix[] = "age-secret-key-";
    enum { PREFIX = sizeof prefix - 1, DATA = 58 };
    unsigned char values[2 * PREFIX + 1 + DATA];
    if (match.len != PREFIX + 1 + DATA)
        return false;
    for (size_t i = 0; i < PREFIX; i++) {
        values[i] = (unsigned char)prefix[i] >> 5;
        values[PREFIX + 1 + i] = prefix[i] & 31;
    }
    values[PREFIX] = 0;
    for (size_t i = 0; i < DATA; i++) {
        const char *digit = strchr(alphabet, lower(match.ptr[PREFIX + 1 + i]));
        if (digit == NULL || *digit == '\0')
            return false;
        values[2 * PREFIX + 1 + i] = (unsigned char)(digit - alphabet);
    }
    uint32_t sum = 1;
    for (size_t i = 0; i < sizeof values; i++) {
        uint32_t top = sum >> 25;
        sum = (sum & 0x1ffffff) << 5 ^ values[i];
        for (size_t bit = 0; bit < 5; bit++)
            sum ^= generator[bit] & (0U - (top >> bit & 1));
    }
    return sum == 1;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* The octets of base64 in either alphabet, as many as `out` holds; stops at anything else. */
static size_t base64_decode(struct str s, char *out, size_t size)
{
    uint32_t bits = 0;
    size_t len = 0;
    unsigned held = 0;
    for (size_t i = 0; i < s.len && len < size; i++) {
        int value = base64_value(s.ptr[i]);
        if (value < 0)
            break;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            out[len++] = (char)(bits >> held & 0xff);
        }
    }
    return len;
}

bool token_check_jwt(struct str match)
{
    char header[768];
    const char *dot = memchr(match.ptr, '.', match.len);
    if (dot == NULL)
        return false;
    struct str first = {match.ptr, (size_t)(dot - match.ptr)};
    struct str text = {header, base64_decode(first, header, sizeof header)};
    if (text.len < 2 || text.ptr[0] != '{' || text.ptr[text.len - 1] != '}')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x7f || ((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\n'))
            return false;
    return holds(text, "\"alg\"");
}

/* The last line of a match, which the expression ends in: base64 without anything before it. */
static struct str material(struct str match)
{
    size_t at = match.len;
    while (at > 0 && base64_value(match.ptr[at - 1]) >= 0 && match.ptr[at - 1] != '-')
        at--;
    struct str body = {match.ptr + at, match.len - at};
    /* In a string literal the line ends are written \n, and the n looks like the first digit. */
    if (at > 0 && match.ptr[at - 1] == '\\' && body.len > 0) {
        body.ptr++;
        body.len--;
    }
    return body;
}

bool token_check_pem(struct str match)
{
    static const char openssh[] = "b3BlbnNzaC1rZXktdjEA"; /* openssh-key-v1 and its NUL */
    struct str body = material(match);
    if (holds(match, "ENCRYPTED\r\n") || holds(match, "ENCRYPTED\n") || holds(match, "DEK-Info"))
        return true;
    if (holds(match, "OPENSSH"))
        return body.len >= sizeof openssh - 1 && memcmp(body.ptr, openssh, sizeof openssh - 1) == 0;
    return body.len > 0 && body.ptr[0] == 'M'; /* 0x30, a SEQUENCE, whose length is below 64 or long-form */
}

bool token_check_pgp(struct str match)
{
    char octets[3];
    struct str body = material(match);
    if (base64_decode(body, octets, sizeof octets) < 1)
        return false;
    unsigned tag = (unsigned char)octets[0];
    return (tag & 0xc0) == 0xc0 ? (tag & 0x3f) == 5 : (tag & 0x80) != 0 && (tag >> 2 & 15) == 5;
}

bool token_check_discord(struct str match)
{
    char number[32];
    const char *end = memrchr(match.ptr, '.', match.len);
    const char *dot = end != NULL ? memrchr(match.ptr, '.', (size_t)(end - match.ptr)) : NULL;
    if (dot == NULL)
        return false;
    const char *start = dot;
    while (start > match.ptr && base64_value(start[-1]) >= 0)
        start--;
    size_t len = base64_decode((struct str){start, (size_t)(dot - start)}, number, sizeof number);
    if (len < 17 || len > 20)
        return false;
    for (size_t i = 0; i < len; i++)
        if (number[i] < '0' || number[i] > '9')
            return false;
    return true;
}

struct mix {
    unsigned upper, lower, digits, others;
};

static struct mix mix_of(struct str s)
{
    struct mix mix = {0};
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        mix.upper += c >= 'A' && c <= 'Z';
        mix.lower += c >= 'a' && c <= 'z';
        mix.digits += c >= '0' && c <= '9';
    }
    mix.others = (unsigned)s.len - mix.upper - mix.lower - mix.digits;
    return mix;
}

bool token_check_mixed(struct str match)
{
    struct mix mix = mix_of(match);
    return mix.upper >= 4 && mix.lower >= 4;
}

bool token_check_mixed_digit(struct str match)
{
    return token_check_mixed(match) && mix_of(match).digits >= 1;
}

bool token_check_not_openai(struct str match)
{
    return !holds(match, "T3BlbkFJ") && token_check_mixed_digit(match);
}

/* What documentation writes where a password would be. */
static const char *const no_passwords[] = {"pass",     "secret", "pwd",   "admin", "root",   "user",
                                           "test",     "guest",  "token", "key",   "foo",    "bar",
                                           "postgres", "mysql",  "redis", "mongo", "hunter2"};

static bool is_password(struct str password)
{
    if (password.len < 5 || token_is_placeholder(password) || distinct(password) < 5)
        return false;
    if (strchr("$*([<{", password.ptr[0]) != NULL || holds(password, "${") || holds(password, "%s") ||
        holds(password, "%("))
        return false; /* $VAR, [password], ***, <password> */
    for (size_t i = 0; i < sizeof no_passwords / sizeof no_passwords[0]; i++)
        if (password.len <= 2 * strlen(no_passwords[i]) + 4 && holds_word(password, no_passwords[i]))
            return false; /* it is most of it: no generated one */
    struct mix mix = mix_of(password);
    return mix.digits > 0 && mix.upper + mix.lower > 0;
}

bool token_check_url(struct str match)
{
    const char *at = memrchr(match.ptr, '@', match.len);
    const char *colon = at != NULL ? memrchr(match.ptr, ':', (size_t)(at - match.ptr)) : NULL;
    return colon != NULL && is_password((struct str){colon + 1, (size_t)(at - colon - 1)});
}

bool token_check_sql(struct str match)
{
    const char *equals = memrchr(match.ptr, '=', match.len);
    size_t before = equals != NULL ? (size_t)(equals + 1 - match.ptr) : match.len;
    return before < match.len && is_password((struct str){match.ptr + before, match.len - before - 1});
}

bool token_check_assignment(struct str match)
{
    size_t end = match.len;
    if (end > 0 && (match.ptr[end - 1] == '"' || match.ptr[end - 1] == '\''))
        end--;
    size_t start = end;
    while (start > 0 && strchr("\"' \t=:", match.ptr[start - 1]) == NULL)
        start--;
    struct str value = {match.ptr + start, end - start};
    struct mix mix = mix_of(value);
    return value.len >= 16 && !token_is_placeholder(value) && mix.upper >= 2 && mix.lower >= 2 &&
           mix.digits >= 1 && distinct(value) >= 12;
}
