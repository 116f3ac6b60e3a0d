/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_scan: whatever a message holds, in whatever coding and pieces, the scanner reads nothing outside of it, keeps its own
 * rules (tests/dlp/rig.c asks), and says the same of the whole as of its pieces where nothing is let go in between.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/dlp/rig.h"
#include "tests/fuzz/fuzz.h"

static struct dlp_engine *engine;

static void fields(const struct dlp_message *message, struct str text)
{
    struct dlp_scan *scan = dlp_scan_begin(engine, message);
    size_t at = 0;

    if (scan == NULL)
        abort();
    for (unsigned i = 0; at < text.len; i++) {
        size_t len = text.len - at < 40 ? text.len - at : 1u + (unsigned char)text.ptr[at] % 40;
        struct str part = {text.ptr + at, len}, name = {text.ptr + at, len / 4};
        dlp_scan_field(scan,
                       (enum dlp_surface)(i % (DLP_BODY + 1)) == DLP_BODY ? DLP_VALUE
                                                                          : (enum dlp_surface)(i % DLP_BODY),
                       name, part);
        at += len;
    }
    enum dlp_answer answer = dlp_scan_fields(scan);
    size_t count;
    const struct dlp_finding *findings = dlp_scan_findings(scan, &count);
    if (answer == DLP_FOUND && count == 0)
        abort();
    for (size_t i = 0; i < count; i++)
        if (findings[i].end < findings[i].start || findings[i].end > 40)
            abort();
    dlp_scan_end(scan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const codings[] = {"", "", "", "gzip", "deflate", "br", "zstd", "gzip, br"};
    static struct dlp_carry carry;

    if (engine == NULL)
        engine = rig_engine_key();
    if (size < 2)
        return 0;
    struct str text = {(const char *)data + 2, size - 2};
    struct dlp_message message = {.detectors = DLP_TOKENS | DLP_KNOWN | (data[0] & 0x80 ? DLP_ENTROPY : 0),
                                  .content_encoding = str_of(codings[data[0] % 8]),
                                  .carry = data[0] & 0x40 ? &carry : NULL};
    if (data[0] & 0x20) {
        message.inbound = true;
        message.detectors |= DLP_PHRASES;
    }
    struct rig_result whole = rig_body(engine, &message, text, text.len + 1);
    message.carry = NULL;
    struct rig_result pieces = rig_body(engine, &message, text, 1 + data[1] % 64);
    if (whole.violation == DLP_FAILED || pieces.violation != whole.violation)
        abort();
    if (!(data[0] & 0x40) &&
        (whole.count != pieces.count ||
         memcmp(whole.findings, pieces.findings, whole.count * sizeof whole.findings[0]) != 0))
        abort();
    message.content_encoding = (struct str){NULL, 0};
    message.carry = &carry;
    fields(&message, text);
    return 0;
}
