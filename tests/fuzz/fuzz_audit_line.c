/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_audit_line: whatever a worker sends, what is let into the stream is never, to a reader of JSON, an event of
 * init's or a seal, and the seal behind it is the one that is read. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/audit_seal.h"
#include "init/audit_line.h"
#include "tests/fuzz/fuzz.h"

static void require(int holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const others[] = {"seq", "prev", "boot", "end", "policy_digest"};
    struct audit_seal seal = {.seq = 7, .prev = AUDIT_SEAL_BEGIN};
    struct str line = {(const char *)data, size};
    struct audit_seal_read read;
    struct audit_tally tally;
    char sealed[AUDIT_LINE_MAX];

    if (!audit_line_sound(line, &tally))
        return 0;
    json_t *object = json_loadb(line.ptr, line.len, 0, NULL);
    if (object != NULL) {
        const char *kind = json_string_value(json_object_get(object, "kind"));
        require(kind != NULL && strcmp(kind, "lifecycle") != 0 && strcmp(kind, "control") != 0 &&
                strcmp(kind, "packet") != 0);
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
            require(json_object_get(object, others[i]) == NULL);
        require(tally.count > 0 && tally.reason < DENIAL_COUNT);
    }
    json_decref(object);
    memcpy(sealed, data, size);
    struct str whole = {sealed, audit_seal_put(&seal, sealed, size)};
    require(audit_seal_read(whole, &read) == 0 && read.seq == 7 && read.boot[0] == '\0' && !read.end);
    return 0;
}
