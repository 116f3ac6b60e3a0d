/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_dlp: what looking through a body and a head costs, with the detectors that outbound messages have by default, and
 * through an answer for phrases, in CPU time; beside PCRE2's JIT with the same expressions, one after the other. Bodies are made from files that are on the machine.
 * Usage: bench_dlp [SECONDS a case [NAME of one case]]
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <glob.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "dlp/tokens.h"
#include "tests/dlp/rig.h"
#include "tests/dlp/writing.h"

#define SIZE  (8u << 20) /* bytes of a body */
#define CHUNK 40960      /* bytes that arrive at once */

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *memory(size_t size)
{
    void *block = malloc(size);

    if (block == NULL)
        abort();
    return block;
}

/* Text of the machine's own documents, unpacked. */
static char *documents(void)
{
    glob_t files;
    char *text = memory(SIZE);
    size_t len = 0;

    if (glob("/usr/share/doc/*/changelog*.gz", 0, NULL, &files) != 0) {
        fputs("bench_dlp: no documents in /usr/share/doc\n", stderr);
        exit(1);
    }
    for (size_t i = 0; len < SIZE; i = (i + 1) % files.gl_pathc) {
        gzFile file = gzopen(files.gl_pathv[i], "rb");
        unsigned left = SIZE - len < 65536 ? (unsigned)(SIZE - len) : 65536;
        int got = file != NULL ? gzread(file, text + len, left) : 0;
        len += got > 0 ? (size_t)got : 0;
        if (file != NULL)
            gzclose(file);
    }
    globfree(&files);
    return text;
}

/* A file's bytes over and over. */
static char *repeated(const char *path)
{
    char *bytes = memory(SIZE);
    FILE *file = fopen(path, "rb");
    size_t len = file != NULL ? fread(bytes, 1, SIZE, file) : 0;

    if (len == 0) {
        fprintf(stderr, "bench_dlp: %s cannot be read\n", path);
        exit(1);
    }
    fclose(file);
    for (size_t i = len; i < SIZE; i++)
        bytes[i] = bytes[i - len];
    return bytes;
}

static char *noise(void)
{
    char *bytes = memory(SIZE);
    uint64_t state = 88172645463325252u;

    for (size_t i = 0; i < SIZE; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(bytes + i, &state, 8);
    }
    return bytes;
}

/* A conversation with a model: the text in JSON strings. */
static char *conversation(const char *text)
{
    char *out = memory(SIZE + 8192);
    size_t len = 0;

    for (size_t at = 0; len < SIZE;) {
        len += (size_t)sprintf(out + len,
                               "{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"");
        for (size_t i = 0; i < 1500; i++, at = (at + 1) % SIZE) {
            char c = text[at];
            if (c == '\n' || c == '"' || c == '\\')
                out[len++] = '\\';
            out[len++] = c == '\n' ? 'n' : (unsigned char)c < ' ' ? ' ' : c;
        }
        len += (size_t)sprintf(out + len, "\"}]}, ");
    }
    return out;
}

static char *base64(const char *bytes)
{
    char *out = memory(SIZE + 8);

    write_base64((struct str){bytes, SIZE / 4 * 3}, "+/", out);
    return out;
}

static size_t one_body(struct dlp_engine *engine, const struct dlp_message *message, struct str body)
{
    struct dlp_scan *scan = dlp_scan_begin(engine, message);
    uint64_t leave = 0;
    size_t count;

    for (size_t end = 0; end < body.len;) {
        end = body.len - end > CHUNK ? end + CHUNK : body.len;
        if (dlp_scan_body(scan, (struct str){body.ptr + leave, end - leave}, leave, end == body.len,
                          &leave) == DLP_VIOLATION) {
            fprintf(stderr, "bench_dlp: %s\n", dlp_violation_name(dlp_scan_violation(scan)));
            exit(1);
        }
    }
    dlp_scan_findings(scan, &count);
    dlp_scan_end(scan);
    return count;
}

static void bench_message(struct dlp_engine *engine, double seconds, const char *name,
                          const struct dlp_message *message, struct str body, size_t unpacked)
{
    size_t rounds = 0, found = one_body(engine, message, body);
    double start = now(), took;

    do {
        one_body(engine, message, body);
        rounds++;
    } while ((took = now() - start) < seconds);
    printf("%-28s %8.0f MiB/s %9.3f ms/MiB   %zu found\n", name, (double)(rounds * unpacked) / took / 1048576,
           1e3 * took * 1048576 / (double)(rounds * unpacked), found);
}

static void bench_body(struct dlp_engine *engine, double seconds, const char *name, const char *coding,
                       struct str body, size_t unpacked)
{
    bench_message(
        engine, seconds, name,
        &(struct dlp_message){.detectors = DLP_TOKENS | DLP_KNOWN, .content_encoding = str_of(coding)}, body,
        unpacked);
}

/* What an answer is searched for: phrases that address an agent. */
static void bench_answer(struct dlp_engine *engine, double seconds, const char *name, const char *type,
                         const char *text)
{
    bench_message(
        engine, seconds, name,
        &(struct dlp_message){.detectors = DLP_PHRASES, .inbound = true, .content_type = str_of(type)},
        (struct str){text, SIZE}, SIZE);
}

/* The request of the goal: a kilobyte of head and four of JSON. */
static void bench_request(struct dlp_engine *engine, double seconds, const char *name, const char *json)
{
    static const struct {
        enum dlp_surface surface;
        const char *name, *value;
    } fields[] = {
        {DLP_METHOD, "", "POST"},
        {DLP_PATH, "", "/v1/messages"},
        {DLP_QUERY, "", "beta=true"},
        {DLP_HOST, "", "api.example.com"},
        {DLP_VALUE, "host", "api.example.com"},
        {DLP_VALUE, "accept", "application/json"},
        {DLP_VALUE, "accept-encoding", "gzip, deflate, br, zstd"},
        {DLP_VALUE, "accept-language", "en-US,en;q=0.9,de;q=0.8"},
        {DLP_VALUE, "content-type", "application/json"},
        {DLP_VALUE, "content-length", "4096"},
        {DLP_VALUE, "user-agent",
         "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 "
         "Safari/537.36"},
        {DLP_VALUE, "x-stainless-package-version", "0.70.0"},
        {DLP_VALUE, "x-stainless-runtime-version", "v22.11.0"},
        {DLP_VALUE, "x-stainless-os", "Linux"},
        {DLP_VALUE, "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
        {DLP_VALUE, "referer", "https://console.example.com/projects/42/runs?filter=active&page=3"},
        {DLP_VALUE, "sec-ch-ua",
         "\"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\", \"Google Chrome\";v=\"126\""},
        {DLP_VALUE, "cache-control", "no-cache"},
        {DLP_VALUE, "if-none-match", "W/\"5f3c-18c2a7b9d40\""},
    };
    struct dlp_message message = {.detectors = DLP_TOKENS | DLP_KNOWN};
    static struct dlp_carry carry;
    char id[] =
        "7b6f0a52-91c4-4a7e-8f53-0d1c2b3a4e5f"; /* as one has that is no other's: equal heads are known */
    size_t rounds = 0, bytes = sizeof "x-request-id: " + sizeof id;
    double start = now(), took = 0;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        bytes += strlen(fields[i].name) + strlen(fields[i].value) + 4;
    message.carry = &carry;
    do {
        struct dlp_scan *scan = dlp_scan_begin(engine, &message);
        uint64_t leave;
        for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
            dlp_scan_field(scan, fields[i].surface, str_of(fields[i].name), str_of(fields[i].value));
        for (size_t i = 0; i < 4; i++)
            id[i] = "0123456789abcdef"[rounds >> 4 * i & 15];
        dlp_scan_field(scan, DLP_VALUE, str_of("x-request-id"), str_of(id));
        dlp_scan_fields(scan);
        dlp_scan_body(scan, (struct str){json + rounds % 1024 * 4096, 4096}, 0, true, &leave);
        dlp_scan_end(scan);
        rounds++;
    } while (rounds % 64 != 0 ||
             (took = now() - start) < seconds); /* asking for the time takes as long as much of this */
    printf("%-28s %8.1f us (head of %zu bytes, body of 4096)\n", name, 1e6 * took / (double)rounds, bytes);
}

static void bench_pcre2(double seconds, const char *name, struct str body)
{
    pcre2_code **codes = memory(dlp_token_count * sizeof *codes);
    pcre2_match_data *data = pcre2_match_data_create(16, NULL);
    size_t bytes = 0;

    for (size_t i = 0; i < dlp_token_count; i++) {
        int error;
        PCRE2_SIZE offset;
        codes[i] = pcre2_compile((PCRE2_SPTR)dlp_tokens[i].expression, PCRE2_ZERO_TERMINATED,
                                 dlp_tokens[i].flags & DLP_TOKEN_CASELESS ? PCRE2_CASELESS : 0, &error,
                                 &offset, NULL);
        if (codes[i] == NULL || pcre2_jit_compile(codes[i], PCRE2_JIT_COMPLETE) != 0)
            abort();
    }
    double start = now(), took;
    do {
        for (size_t i = 0; i < dlp_token_count; i++)
            for (size_t at = 0; at < CHUNK;) {
                if (pcre2_match(codes[i], (PCRE2_SPTR)body.ptr + bytes % (SIZE - CHUNK), CHUNK, at,
                                PCRE2_NO_UTF_CHECK, data, NULL) < 0)
                    break;
                at = pcre2_get_ovector_pointer(data)[1];
            }
        bytes += CHUNK;
    } while ((took = now() - start) < seconds);
    printf("%-28s %8.0f MiB/s %9.3f ms/MiB   (tokens as they are written, and nothing else)\n", name,
           (double)bytes / took / 1048576, 1e3 * took * 1048576 / (double)bytes);
    for (size_t i = 0; i < dlp_token_count; i++)
        pcre2_code_free(codes[i]);
    pcre2_match_data_free(data);
    free(codes);
}

/* With as many fingerprints of the gate's keys (dlp/prints.h) as one of Ed25519 has; RSA with 4096 bits has 5,000. Any will do. */
#define KEY_PRINTS 65
static struct dlp_engine *engine_with_keys(const char *random)
{
    static uint64_t prints[KEY_PRINTS];
    struct dlp_prints_key key = {.name = "app", .prints = prints, .count = KEY_PRINTS};
    struct dlp_prints all = {.count = 1, .keys = &key};

    memcpy(prints, random + SIZE / 2, sizeof prints);
    return rig_engine_with(&all);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    const char *only = argc > 2 ? argv[2] : NULL;
    struct dlp_engine *engine = rig_engine();
    char *random = noise(), *text = documents();
    struct {
        const char *name;
        char *body;
    } bodies[] = {
        {"random bytes", random},   {"a program", repeated("/usr/bin/python3.11")},
        {"documents", text},        {"conversation (JSON)", conversation(text)},
        {"base64", base64(random)},
    };

    struct dlp_engine *with_keys = engine_with_keys(random);

    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        if (only == NULL || strcmp(only, bodies[i].name) == 0) {
            bench_body(engine, seconds, bodies[i].name, "", (struct str){bodies[i].body, SIZE}, SIZE);
            bench_body(with_keys, seconds, "  with keys of the gate", "", (struct str){bodies[i].body, SIZE},
                       SIZE);
        }
    if (only == NULL || strcmp(only, "gzip") == 0) {
        uLongf len = compressBound(SIZE);
        char *zipped = memory(len);
        if (compress2((Bytef *)zipped, &len, (Bytef *)text, SIZE, 6) != Z_OK)
            abort();
        bench_body(engine, seconds, "documents, deflate", "deflate", (struct str){zipped, len}, SIZE);
        len = compressBound(SIZE);
        if (compress2((Bytef *)zipped, &len, (Bytef *)random, SIZE, 6) != Z_OK)
            abort();
        bench_body(engine, seconds, "random bytes, deflate", "deflate", (struct str){zipped, len}, SIZE);
        free(zipped);
    }
    if (only == NULL || strcmp(only, "inbound") == 0) {
        bench_answer(engine, seconds, "documents, inbound", "text/plain", text);
        bench_answer(engine, seconds, "conversation, inbound", "application/json", bodies[3].body);
        bench_answer(engine, seconds, "documents as HTML, inbound", "text/html", text);
    }
    if (only == NULL || strcmp(only, "request") == 0)
        bench_request(engine, seconds, "a request", bodies[3].body);
    if (only == NULL || strcmp(only, "request") == 0)
        bench_request(with_keys, seconds, "  with keys of the gate", bodies[3].body);
    if (only == NULL || strcmp(only, "pcre2") == 0) {
        bench_pcre2(seconds, "PCRE2-JIT, documents", (struct str){text, SIZE});
        bench_pcre2(seconds, "PCRE2-JIT, conversation", (struct str){bodies[3].body, SIZE});
    }
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        free(bodies[i].body);
    dlp_engine_unref(with_keys);
    dlp_engine_unref(engine);
    return 0;
}
