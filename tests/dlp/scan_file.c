/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan_file: the scanner on a command line, as the proxy uses it, with no secrets known. Tells what fires in files, or in
 * records of a body each.
 *
 *   scan_file [OPTION…] < LIST      a path a line: prints "PATH<TAB>RULE" for each rule that fired, then "N files, M fired, B bytes"
 *   scan_file --tokens              the names of the table of tokens, one a line
 *   scan_file --records [OPTION…]   records of a length (32 bits, this machine's order) and so many bytes: for each a line of
 *                                   the rules that fired, between blanks
 *
 *   --inbound TYPE   as a response with this Content-Type, for phrases
 *   --encoding NAME  the Content-Encoding of all of it
 *   --entropy        the detector entropy, too
 *   --piece N        bytes come N at a time (16384)
 *   --heads          a record is a surface as dlp_surface_name has it, and behind a line end what stands there (of a name: the field's);
 *                    each further line is another field of the same surface
 *   --gunzip         what begins like gzip is unpacked (RFC 1952)
 *
 * What is violated is told like a rule that fired, with its name behind an exclamation mark.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dlp/rules.h"
#include "dlp/scan.h"
#include "dlp/tokens.h"
#include "dlpc/compile.h"

#define LARGEST (256u << 20) /* bytes of a body */

struct options {
    struct dlp_message message;
    size_t piece;
    bool records, gunzip, heads;
};

struct outcome {
    const char *names[DLP_FINDINGS_MAX + 1];
    size_t count;
    bool violation;
};

static void die(const char *what)
{
    fprintf(stderr, "scan_file: %s\n", what);
    exit(2);
}

static struct dlp_engine *engine_for_tests(void)
{
    struct err err = {0};
    int fd = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || dlp_compile(NULL, 0, NULL, (struct str){NULL, 0}, fd, &err) != 0)
        die(fd < 0 ? "no memory file" : err.text);
    struct dlp_engine *engine = dlp_engine_new(fd, &err);
    if (engine == NULL)
        die(err.text);
    close(fd);
    return engine;
}

static void note(struct outcome *outcome, const char *name)
{
    for (size_t i = 0; i < outcome->count; i++)
        if (strcmp(outcome->names[i], name) == 0)
            return;
    outcome->names[outcome->count++] = name;
}

/* Hands the body over piece by piece, and keeps of it what a caller has to keep. */
static struct outcome look_through(struct dlp_engine *engine, const struct options *options, struct str body)
{
    struct outcome outcome = {.count = 0};
    struct dlp_message message = options->message;
    if (options->gunzip && body.len > 2 && memcmp(body.ptr, "\x1f\x8b", 2) == 0)
        message.content_encoding = str_of("gzip");
    struct dlp_scan *scan = dlp_scan_begin(engine, &message);
    uint64_t left = 0;
    size_t end = 0;
    if (scan == NULL)
        die("memory is out");
    do {
        end = body.len - end < options->piece ? body.len : end + options->piece;
        uint64_t leave = left;
        struct str window = {body.ptr + left, end - (size_t)left};
        enum dlp_answer answer = dlp_scan_body(scan, window, left, end == body.len, &leave);
        if (answer == DLP_VIOLATION) {
            outcome.violation = true;
            break;
        }
        if (leave < left || leave > end || (end == body.len && leave != end))
            die("the scanner lets go of what it was not given, or not of all");
        left = leave;
    } while (end < body.len);
    size_t count;
    const struct dlp_finding *findings = dlp_scan_findings(scan, &count);
    for (size_t i = 0; i < count; i++)
        note(&outcome, dlp_rules_get(dlp_engine_rules(engine), findings[i].rule)->name);
    if (outcome.violation)
        note(&outcome, dlp_violation_name(dlp_scan_violation(scan)));
    dlp_scan_end(scan);
    return outcome;
}

/* The surface that a record begins with. */
static enum dlp_surface surface_of(struct str *record)
{
    for (int surface = DLP_METHOD; surface < DLP_BODY; surface++) {
        const char *name = dlp_surface_name((enum dlp_surface)surface);
        size_t len = strlen(name);
        if (record->len > len && record->ptr[len] == '\n' && memcmp(record->ptr, name, len) == 0) {
            *record = (struct str){record->ptr + len + 1, record->len - len - 1};
            return (enum dlp_surface)surface;
        }
    }
    die("a record without its surface");
    return DLP_BODY;
}

/* The same of a part of a head. */
static struct outcome look_at_field(struct dlp_engine *engine, const struct options *options, struct str text)
{
    struct outcome outcome = {.count = 0};
    struct dlp_scan *scan = dlp_scan_begin(engine, &options->message);
    enum dlp_surface surface = surface_of(&text);
    size_t count;
    if (scan == NULL)
        die("memory is out");
    for (bool more = true; more;) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct str part = {text.ptr, end != NULL ? (size_t)(end - text.ptr) : text.len};
        more = end != NULL;
        text = (struct str){text.ptr + part.len + more, text.len - part.len - more};
        if (surface == DLP_NAME)
            dlp_scan_field(scan, DLP_VALUE, part, str_of("a"));
        else
            dlp_scan_field(scan, surface, str_of("X-Note"), part);
    }
    outcome.violation = dlp_scan_fields(scan) == DLP_VIOLATION;
    const struct dlp_finding *findings = dlp_scan_findings(scan, &count);
    for (size_t i = 0; i < count; i++)
        note(&outcome, dlp_rules_get(dlp_engine_rules(engine), findings[i].rule)->name);
    if (outcome.violation)
        note(&outcome, dlp_violation_name(dlp_scan_violation(scan)));
    dlp_scan_end(scan);
    return outcome;
}

static void print(const struct outcome *outcome, size_t i)
{
    bool violation = outcome->violation && i + 1 == outcome->count;
    printf("%s%s", violation ? "!" : "", outcome->names[i]);
}

static char *room(size_t len)
{
    char *bytes = malloc(len > 0 ? len : 1);
    if (bytes == NULL)
        die("memory is out");
    return bytes;
}

static void records(struct dlp_engine *engine, const struct options *options)
{
    uint32_t len;
    while (fread(&len, sizeof len, 1, stdin) == 1) {
        if (len > LARGEST)
            die("a record is too long");
        char *bytes = room(len);
        if (fread(bytes, 1, len, stdin) != len)
            die("a record is cut short");
        struct outcome outcome =
            (options->heads ? look_at_field : look_through)(engine, options, (struct str){bytes, len});
        for (size_t i = 0; i < outcome.count; i++) {
            print(&outcome, i);
            putchar(' ');
        }
        putchar('\n');
        free(bytes);
    }
}

/* The bytes of a file, or what fits of them; false when it cannot be read. */
static bool read_file(const char *path, struct str *body)
{
    FILE *file = fopen(path, "rb");
    struct str none = {NULL, 0};
    *body = none;
    if (file == NULL)
        return false;
    char *bytes = NULL;
    size_t size = 0, len = 0;
    do {
        size = size > 0 ? 2 * size : 65536;
        bytes = realloc(bytes, size);
        if (bytes == NULL)
            die("memory is out");
        len += fread(bytes + len, 1, size - len, file);
    } while (len == size && size < LARGEST);
    bool whole = ferror(file) == 0;
    fclose(file);
    *body = (struct str){bytes, len};
    return whole;
}

static void files(struct dlp_engine *engine, const struct options *options)
{
    char path[4096];
    unsigned long seen = 0, fired = 0;
    unsigned long long bytes = 0;
    while (fgets(path, sizeof path, stdin) != NULL) {
        struct str body;
        path[strcspn(path, "\n")] = '\0';
        if (read_file(path, &body)) {
            struct outcome outcome = look_through(engine, options, body);
            seen++;
            bytes += body.len;
            fired += outcome.count > 0;
            for (size_t i = 0; i < outcome.count; i++) {
                printf("%s\t", path);
                print(&outcome, i);
                putchar('\n');
            }
        }
        free((char *)body.ptr);
    }
    printf("%lu files, %lu fired, %llu bytes\n", seen, fired, bytes);
}

static struct options options_of(char **words)
{
    struct options options = {.message.detectors = DLP_TOKENS, .piece = 16384};
    for (char **word = words; *word != NULL; word++) {
        const char *value = word[1];
        if (strcmp(*word, "--records") == 0)
            options.records = true;
        else if (strcmp(*word, "--gunzip") == 0)
            options.gunzip = true;
        else if (strcmp(*word, "--heads") == 0)
            options.heads = true;
        else if (strcmp(*word, "--entropy") == 0)
            options.message.detectors |= DLP_ENTROPY;
        else if (value == NULL)
            die("an unknown option, or one without its value");
        else if (strcmp(*word, "--inbound") == 0 && word++) {
            options.message.inbound = true;
            options.message.detectors = DLP_PHRASES;
            options.message.content_type = str_of(value);
        } else if (strcmp(*word, "--encoding") == 0 && word++)
            options.message.content_encoding = str_of(value);
        else if (strcmp(*word, "--piece") == 0 && word++)
            options.piece = (size_t)strtoul(value, NULL, 10);
        else
            die("an unknown option");
    }
    if (options.piece == 0)
        die("a piece has a byte at least");
    return options;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--tokens") == 0) {
        for (size_t i = 0; i < dlp_token_count; i++)
            puts(dlp_tokens[i].name);
        return 0;
    }
    struct options options = options_of(argv + 1);
    struct dlp_engine *engine = engine_for_tests();
    (options.records ? records : files)(engine, &options);
    dlp_engine_unref(engine);
    return ferror(stdout) || fflush(stdout) != 0 ? 2 : 0;
}
