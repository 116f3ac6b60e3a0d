/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rig: see rig.h. */
#include "tests/dlp/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MUST(condition)                                                                                      \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "rig: %s (%s)\n", #condition, err.text);                                         \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* What the build makes, once for the process. */
static struct str base(void)
{
    static char *bytes;
    static size_t len;
    struct err err = {""};

    if (bytes == NULL) {
        FILE *to = open_memstream(&bytes, &len);
        MUST(to != NULL && dlp_base_write(to, &err) == 0 && fclose(to) == 0);
    }
    return (struct str){bytes, len};
}

/* As stopper-dlpc has it: on a processor that the base is not for, all is compiled. */
int rig_database(const struct dlp_known *known, size_t count, const struct dlp_prints *prints)
{
    struct err err = {""};
    int fd = memfd_create("rules", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    MUST(fd >= 0);
    MUST(dlp_compile(known, count, prints, base(), fd, &err) == 0 ||
         dlp_compile(known, count, prints, (struct str){NULL, 0}, fd, &err) == 0);
    return fd;
}

struct dlp_engine *rig_engine_with(const struct dlp_prints *prints)
{
    static const struct dlp_known known[] = {
        {"TOKEN", STR(RIG_TOKEN), DLP_INJECTED},
        {"PHRASE", STR(RIG_PHRASE), DLP_ENV},
        {"CANARY", STR(RIG_CANARY), DLP_CANARY},
        {"DATABASE", STR(RIG_DATABASE), DLP_HOSTS},
    };
    struct err err = {""};
    int fd = rig_database(known, sizeof known / sizeof known[0], prints);
    struct dlp_engine *engine = dlp_engine_new(fd, &err);

    MUST(engine != NULL);
    close(fd);
    return engine;
}

const uint8_t rig_key[RIG_KEY_LEN] = {0xd0, 0x95, 0x4e, 0x31, 0x0f, 0xa3, 0xe6, 0x3a, 0xd7, 0x55, 0xdf, 0xbd,
                                      0x3f, 0xe6, 0x9b, 0xf6, 0xd6, 0xd6, 0x2d, 0xf3, 0x07, 0x4e, 0xa5, 0x54,
                                      0xda, 0x24, 0x8e, 0xcf, 0x9f, 0xcd, 0x56, 0x37, 0x7a, 0x91, 0x8b, 0x20,
                                      0x59, 0x9e, 0xe5, 0x1e, 0x58, 0x7c, 0x62, 0x46, 0x5f, 0xf3, 0xf0, 0x09};

struct dlp_engine *rig_engine_key(void)
{
    enum { COUNT = (8 * (RIG_KEY_LEN - DLP_PRINT_WINDOW)) / DLP_PRINT_STEP + 1 };
    static uint64_t made[COUNT];
    struct dlp_prints_key key = {.name = "rig", .prints = made, .count = COUNT};
    struct dlp_prints prints = {.key = "a key of the rig", .count = 1, .keys = &key};
    struct dlp_printer *printer = dlp_printer_new(prints.key);
    struct err err = {""};

    MUST(printer != NULL);
    for (size_t i = 0; i < COUNT; i++) {
        size_t from = i * DLP_PRINT_STEP / 8, turn = i * DLP_PRINT_STEP % 8;
        uint8_t window[DLP_PRINT_WINDOW];
        for (size_t at = 0; at < sizeof window; at++)
            window[at] = (uint8_t)((rig_key[from + at] << 8 |
                                    (from + at + 1 < RIG_KEY_LEN ? rig_key[from + at + 1] : 0)) >>
                                   (8 - turn));
        MUST(dlp_print(printer, window, 1, &made[i]) == 0);
    }
    dlp_printer_free(printer);
    return rig_engine_with(&prints);
}

struct dlp_engine *rig_engine(void)
{
    return rig_engine_with(NULL);
}

/* The window is a block of its own for each call, so that a sanitizer sees a byte read outside of it. */
static char *window_of(struct str body, uint64_t from, uint64_t to)
{
    struct err err = {""};
    char *window = malloc((size_t)(to - from) + (to == from));

    MUST(window != NULL);
    if (to > from)
        memcpy(window, body.ptr + from, (size_t)(to - from));
    return window;
}

struct rig_result rig_body(struct dlp_engine *engine, const struct dlp_message *message, struct str body,
                           size_t step)
{
    struct rig_result result = {.answer = DLP_PASS};
    struct dlp_scan *scan = dlp_scan_begin(engine, message);
    struct err err = {""};
    uint64_t gone = 0, end = 0;
    bool known = false;

    MUST(scan != NULL);
    do {
        uint64_t leave = 0;
        end = body.len - end > step ? end + step : body.len;
        char *window = window_of(body, gone, end);
        enum dlp_answer answer =
            dlp_scan_body(scan, (struct str){window, (size_t)(end - gone)}, gone, end == body.len, &leave);
        free(window);
        if (answer != DLP_PASS)
            result.answer = answer;
        known = known || answer != DLP_PASS;
        MUST(leave >= gone && leave <= end);
        gone = leave;
        if (!known)
            result.left = leave;
        if (end - gone > result.held_max)
            result.held_max = (size_t)(end - gone);
    } while (end < body.len && result.answer != DLP_VIOLATION);
    size_t count;
    const struct dlp_finding *findings = dlp_scan_findings(scan, &count);
    memcpy(result.findings, findings, count * sizeof *findings);
    result.count = count;
    result.violation = dlp_scan_violation(scan);
    dlp_scan_end(scan);
    return result;
}

bool rig_covers(struct dlp_engine *engine, const struct rig_result *result, const char *rule, uint64_t start,
                uint64_t end)
{
    for (size_t i = 0; i < result->count; i++) {
        const struct dlp_finding *finding = &result->findings[i];
        if (strcmp(dlp_rules_get(dlp_engine_rules(engine), finding->rule)->name, rule) == 0 &&
            finding->start <= start && finding->end >= end)
            return true;
    }
    return false;
}
