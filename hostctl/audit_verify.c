/* SPDX-License-Identifier: GPL-3.0-or-later */
/* audit_verify: see the header. SHA-256 is libmd's: a library of message digests and nothing else, which every Debian
 * has, since dpkg is built on it, and which builds on macOS too. */
#include "hostctl/audit_verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <sha2.h>

static void digest(struct str line, char text[AUDIT_DIGEST_TEXT + 1])
{
    uint8_t hash[SHA256_DIGEST_LENGTH];
    SHA2_CTX context;

    SHA256Init(&context);
    SHA256Update(&context, (const uint8_t *)line.ptr, line.len);
    SHA256Final(hash, &context);
    for (size_t i = 0; i < sizeof hash; i++)
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
}

/* The first line of all, or of one more stream behind the end of another. */
static int begin(struct audit_verify *verify, const struct audit_seal_read *seal, struct err *err)
{
    bool first = seal->seq == 1;

    if (first != (seal->boot[0] != '\0') || first != (strcmp(seal->prev, AUDIT_SEAL_BEGIN) == 0))
        return err_set(err, "its number and its digest do not say the same about being the first");
    if (verify->lines > 0 && !first)
        return err_set(err, "stands behind the end of the stream");
    verify->first = seal->seq;
    memcpy(verify->boot, seal->boot, sizeof verify->boot);
    return 0;
}

static int follow(const struct audit_verify *verify, const struct audit_seal_read *seal, struct err *err)
{
    if (seal->boot[0] != '\0')
        return err_set(err, "begins another stream, and the end of the one before is missing");
    if (seal->seq > verify->last + 1)
        return err_set(err, "has the number %" PRIu64 " behind %" PRIu64 ": lines between them are missing",
                       seal->seq, verify->last);
    if (seal->seq <= verify->last)
        return err_set(err, "has the number %" PRIu64 " behind %" PRIu64 ": it is not in its place",
                       seal->seq, verify->last);
    if (strcmp(seal->prev, verify->digest) != 0)
        return err_set(err,
                       "does not hold the digest of the line before it: that line or this one was changed");
    return 0;
}

int audit_verify_line(struct audit_verify *verify, struct str line, struct err *err)
{
    struct audit_seal_read seal;
    int status;

    if (line.len == 0 || line.ptr[line.len - 1] != '\n')
        status = err_set(err, "is cut off");
    else if (audit_seal_read(line, &seal) != 0)
        status = err_set(err, "has no number and digest at its end, as every line of a sidecar has");
    else
        status = verify->lines == 0 || verify->ended ? begin(verify, &seal, err) : follow(verify, &seal, err);
    if (status != 0)
        return err_prefix(err, "line %" PRIu64, verify->lines + 1);
    verify->lines++;
    verify->last = seal.seq;
    verify->ended = seal.end;
    digest(line, verify->digest);
    return 0;
}

int audit_verify_end(const struct audit_verify *verify, bool running, struct err *err)
{
    if (verify->lines == 0)
        return err_set(err, "there are no lines");
    if (verify->boot[0] == '\0')
        return err_set(err, "line 1: has the number %" PRIu64 ": the stream's beginning is missing",
                       verify->first);
    if (!verify->ended && !running)
        return err_set(err,
                       "line %" PRIu64
                       ": is not the stream's end: lines are missing behind it, or the sidecar was killed",
                       verify->lines);
    return 0;
}
