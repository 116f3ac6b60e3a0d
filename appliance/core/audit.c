/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit: a decision as a line. Agent-controlled text is capped member by member, so that the whole always
 * fits in AUDIT_UNSEALED_MAX: the caps, keys and numbers add up to under 3.5 KiB.
 */
#include "core/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/json_out.h"

#define CAP_TEXT 512 /* escaped bytes of host, path, detail and rule */
#define CAP_REF  256 /* of a ref, and of all findings */
#define CAP_NAME 128 /* of a rule's or a secret's name */
#define CAP_WORD 64  /* of method, protocol, addresses, ids */
#define CAP_RULE 40  /* of a rule in findings */

static const char *const kinds[] = {"http", "tls", "dns", "tcp", "git", "packet", "control", "lifecycle"};
static const char *const verdicts[] = {"allow", "block", "alarm", "redact", "hold"};

const char *audit_kind_name(size_t kind)
{
    return kind < sizeof kinds / sizeof kinds[0] ? kinds[kind] : NULL;
}

const char *audit_verdict_name(size_t verdict)
{
    return verdict < sizeof verdicts / sizeof verdicts[0] ? verdicts[verdict] : NULL;
}

static char *put_hex(char *at, uint64_t value, unsigned digits)
{
    while (digits < 16 && value >> 4 * digits != 0)
        digits++;
    while (digits-- > 0)
        *at++ = "0123456789abcdef"[value >> 4 * digits & 15];
    return at;
}

void audit_id(char out[AUDIT_ID_MAX])
{
    static uint64_t counter;
    static uint32_t process;

    if (process == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        process = (uint32_t)now.tv_nsec * 2654435761u ^ (uint32_t)now.tv_sec ^ (uint32_t)getpid() << 20;
        process |= 1;
    }
    char *at = put_hex(out, process, 8);
    *at++ = '-';
    *put_hex(at, ++counter, 6) = '\0';
}

/* Lines of the same second share its text. (Who writes lines has one thread.) */
static void put_time(struct json_out *out, uint64_t wall_us)
{
    static char text[40];
    static size_t len;
    static time_t of;
    time_t seconds = (time_t)(wall_us / 1000000);
    unsigned ms = (unsigned)(wall_us / 1000 % 1000);
    struct tm tm;

    if (len == 0 || of != seconds) {
        gmtime_r(&seconds, &tm);
        len = strftime(text, sizeof text - sizeof ".000Z", "%Y-%m-%dT%H:%M:%S", &tm);
        of = seconds;
    }
    const char part[] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10), (char)('0' + ms % 10), 'Z'};
    memcpy(text + len, part, sizeof part);
    json_out_str(out, "time", (struct str){text, len + sizeof part}, CAP_WORD);
}

static void put_str(struct json_out *out, const char *key, struct str value, size_t cap)
{
    if (value.len > 0)
        json_out_str(out, key, value, cap);
}

static void put_u64(struct json_out *out, const char *key, uint64_t value)
{
    if (value > 0)
        json_out_u64(out, key, value);
}

/* A rule's name may be an outside scanner's: what is not usual in one becomes '_', so it needs no escapes. */
static size_t rule_name(const char *rule, char name[CAP_RULE + 1])
{
    size_t len = 0;

    for (; rule[len] != '\0' && len < CAP_RULE; len++)
        name[len] =
            strchr("\"\\", rule[len]) == NULL && rule[len] > ' ' && rule[len] <= '~' ? rule[len] : '_';
    name[len] = '\0';
    return len;
}

/* Whether an earlier one is written with this name: a member comes once. */
static bool is_named(const struct audit *audit, size_t before, const char *name)
{
    char earlier[CAP_RULE + 1];

    for (size_t i = 0; i < before; i++) {
        rule_name(audit->findings[i].rule, earlier);
        if (strcmp(earlier, name) == 0)
            return true;
    }
    return strcmp(name, "others") == 0;
}

static void put_findings(struct json_out *out, const struct audit *audit)
{
    char name[CAP_RULE + 1];
    size_t room = CAP_REF - sizeof "{\"others\":18446744073709551615}";
    uint64_t others = 0;

    if (audit->finding_count == 0)
        return;
    json_out_open(out, "findings");
    for (size_t i = 0; i < audit->finding_count; i++) {
        const struct audit_finding *finding = &audit->findings[i];
        size_t need = rule_name(finding->rule, name) + sizeof "\"\":," - 1 +
                      (size_t)snprintf(NULL, 0, "%" PRIu64, finding->count);
        if (need > room || is_named(audit, i, name)) {
            others += finding->count;
            continue;
        }
        room -= need;
        json_out_u64(out, name, finding->count);
    }
    put_u64(out, "others", others);
    json_out_close(out);
}

static void put_git(struct json_out *out, const struct audit *audit)
{
    put_str(out, "repository", audit->repository, CAP_WORD);
    put_str(out, "ref", audit->ref, CAP_REF);
    put_str(out, "old", audit->old_id, CAP_WORD);
    put_str(out, "new", audit->new_id, CAP_WORD);
    put_str(out, "commit", audit->commit, CAP_WORD);
    put_u64(out, "line", audit->line);
    put_u64(out, "commits", audit->commits);
    put_u64(out, "objects", audit->objects);
    put_findings(out, audit);
}

static void put_connection(struct json_out *out, const struct audit *audit)
{
    put_str(out, "protocol", str_of(audit->protocol), CAP_WORD);
    put_str(out, "tls_version", str_of(audit->tls_version), CAP_WORD);
    put_str(out, "alpn", audit->alpn, CAP_WORD);
    put_str(out, "address", str_of(audit->address), CAP_WORD);
}

size_t audit_format(const struct audit *audit, uint64_t wall_us, char line[AUDIT_LINE_MAX])
{
    struct json_out out;
    bool git = audit->repository.len > 0;

    json_out_begin(&out, line, AUDIT_UNSEALED_MAX - 1);
    put_time(&out, wall_us);
    json_out_str(&out, "id", str_of(audit->id), CAP_WORD);
    json_out_str(&out, "kind", str_of(kinds[audit->kind]), CAP_WORD);
    json_out_str(&out, "verdict", str_of(verdicts[audit->verdict]), CAP_WORD);
    put_str(&out, "rule", str_of(audit->rule), CAP_TEXT);
    put_str(&out, "reason", str_of(denial_name(audit->reason)), CAP_WORD);
    put_str(&out, "detail", audit->detail, CAP_TEXT);
    put_str(&out, "detector", str_of(audit->detector), CAP_WORD);
    put_str(&out, "pattern", str_of(audit->pattern), CAP_NAME);
    put_str(&out, "surface", str_of(audit->surface), CAP_WORD);
    put_str(&out, "host", audit->host, git ? CAP_REF : CAP_TEXT);
    put_str(&out, "method", audit->method, CAP_WORD);
    put_str(&out, "path", audit->path, CAP_TEXT);
    if (git)
        put_git(&out, audit);
    else
        put_connection(&out, audit);
    put_u64(&out, "port", audit->port);
    put_str(&out, "upstream", str_of(audit->upstream), CAP_WORD);
    put_u64(&out, "status", audit->status);
    put_u64(&out, "bytes_in", audit->bytes_in);
    put_u64(&out, "bytes_out", audit->bytes_out);
    put_u64(&out, "duration_ms", audit->duration_us / 1000);
    if (audit->count > 1)
        json_out_u64(&out, "count", audit->count);
    put_u64(&out, "generation", audit->generation);
    int len = json_out_end(&out);
    if (len < 0) /* unreachable while the caps hold; a line must come all the same */
        len = snprintf(line, AUDIT_UNSEALED_MAX - 1,
                       "{\"kind\":\"%s\",\"verdict\":\"%s\",\"detail\":\"line too long\"}",
                       kinds[audit->kind], verdicts[audit->verdict]);
    line[len] = '\n';
    return (size_t)len + 1;
}
