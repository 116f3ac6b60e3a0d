/* SPDX-License-Identifier: GPL-3.0-or-later */
/* record: the audit lines of the gate. One for a fetch, one for each ref that a push names; a connection that comes to neither
 * has one too, and so has what the gate fetches by itself. */
#include <string.h>

#include "gate/conn.h"

static struct audit line_of(const struct conn *conn)
{
    static const char *const methods[] = {[REQUEST_FETCH] = "fetch",
                                          [REQUEST_PUSH] = "push",
                                          [REQUEST_PREFETCH] = "prefetch",
                                          [REQUEST_UPKEEP] = "upkeep"};
    const struct policy *policy = conn->server->worker->policy;
    const struct gate_repo *repo =
        conn->place != NULL && policy != NULL ? gate_find(policy->gate, str_of(conn->place->name)) : NULL;
    struct audit audit = {
        .kind = AUDIT_GIT,
        .method = str_of(conn->request.name[0] != '\0' ? methods[conn->request.service] : NULL),
        .repository = str_of(conn->request.name),
        .host = str_of(repo != NULL ? repo->from.host : NULL),
        .generation = conn->generation,
        .duration_us = (uv_hrtime() - conn->start_ns) / 1000,
    };
    return audit;
}

void record_conn(struct conn *conn, enum denial reason, struct str detail)
{
    struct audit audit = line_of(conn);

    if (!conn->line_due)
        return;
    conn->line_due = false;
    /* A push's refs have lines of their own; and upkeep, which nothing leaves by, has one when it could not be done. */
    if (conn->planned_count > 0 ||
        (conn->request.service == REQUEST_UPKEEP && (!conn->ended || conn->end.reason == DENIAL_NONE))) {
        audit_sink_release(conn->server->worker->audit);
        return;
    }
    memcpy(audit.id, conn->id, sizeof audit.id);
    audit.verdict = reason == DENIAL_NONE ? AUDIT_ALLOW : AUDIT_BLOCK;
    audit.reason = reason;
    audit.detail = detail;
    if (conn->ended) {
        audit.bytes_in = conn->end.bytes_in;
        audit.bytes_out = conn->end.bytes_out;
    }
    audit_sink_emit(conn->server->worker->audit, &audit);
}

/* A ref that was refused has what its session says; a reason it has in any case. */
static enum denial reason_of(const struct talk_ref *ref)
{
    switch (ref->outcome) {
    case TALK_TAKEN:
        return DENIAL_NONE;
    case TALK_DECLINED:
        return DENIAL_GIT_DECLINED;
    case TALK_REFUSED:
        return ref->reason > DENIAL_NONE && ref->reason < DENIAL_COUNT ? (enum denial)ref->reason
                                                                       : DENIAL_GIT_REFUSED;
    default:
        return DENIAL_UPSTREAM_MALFORMED;
    }
}

static void emit(struct conn *conn, struct planned *planned, struct audit *audit)
{
    planned->told = true;
    conn->told_count++;
    memcpy(audit->id, planned->id, sizeof audit->id);
    audit->single = true;
    audit->ref = str_of(planned->ref);
    audit->old_id = str_of(planned->old_id);
    audit->new_id = str_of(planned->new_id);
    audit_sink_emit(conn->server->worker->audit, audit);
}

void record_ref(struct conn *conn, struct planned *planned, const struct talk_ref *ref)
{
    struct audit audit = line_of(conn);
    struct audit_finding findings[TALK_RULES_MAX];

    if (planned->told)
        return;
    audit.reason = reason_of(ref);
    audit.verdict = ref->canary ? AUDIT_ALARM : audit.reason == DENIAL_NONE ? AUDIT_ALLOW : AUDIT_BLOCK;
    audit.detail = str_of(ref->text);
    audit.detector = ref->detector;
    audit.pattern = ref->pattern;
    audit.surface = ref->surface;
    audit.commit = str_of(ref->commit);
    audit.path = str_of(ref->path);
    audit.line = ref->line;
    audit.commits = ref->commits;
    audit.objects = ref->objects;
    for (; audit.finding_count < ref->counted && audit.finding_count < TALK_RULES_MAX; audit.finding_count++)
        findings[audit.finding_count] = (struct audit_finding){ref->counts[audit.finding_count].rule,
                                                               ref->counts[audit.finding_count].count};
    audit.findings = findings;
    emit(conn, planned, &audit);
    if (ref->canary)
        server_canary(conn->server, planned->id);
}

void record_lost(struct conn *conn, struct planned *planned)
{
    struct audit audit = line_of(conn);

    if (planned->told)
        return;
    audit.reason = DENIAL_GIT_INTERRUPTED;
    audit.verdict = AUDIT_BLOCK;
    audit.detail = str_of("the session ended early: the upstream may have taken it");
    emit(conn, planned, &audit);
}
