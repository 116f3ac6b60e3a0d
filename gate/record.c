/* SPDX-License-Identifier: GPL-3.0-or-later */
/* record: the audit lines of the gate. One for a fetch, one for each ref that a push names; a connection that comes to neither
 * has one too. */
#include <string.h>

#include "gate/conn.h"

static struct audit line_of(const struct conn *conn)
{
    const struct policy *policy = conn->server->worker->policy;
    const struct gate_repo *repo =
        conn->place != NULL && policy != NULL ? gate_find(policy->gate, str_of(conn->place->name)) : NULL;
    struct audit audit = {
        .kind = AUDIT_GIT,
        .method = str_of(conn->request.name[0] == '\0'           ? NULL
                         : conn->request.service == REQUEST_PUSH ? "push"
                                                                 : "fetch"),
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
    if (conn->planned_count > 0) { /* its refs have lines of their own */
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

void record_ref(struct conn *conn, struct planned *planned, enum talk_outcome outcome, struct str words)
{
    static const enum denial reasons[] = {
        [TALK_TAKEN] = DENIAL_NONE,
        [TALK_DECLINED] = DENIAL_GIT_DECLINED,
        [TALK_REFUSED] = DENIAL_GIT_REFUSED,
        [TALK_UNKNOWN] = DENIAL_UPSTREAM_MALFORMED,
    };
    struct audit audit = line_of(conn);

    if (planned->told)
        return;
    planned->told = true;
    conn->told_count++;
    audit_id(audit.id);
    audit.reason = reasons[outcome];
    audit.verdict = audit.reason == DENIAL_NONE ? AUDIT_ALLOW : AUDIT_BLOCK;
    audit.single = true;
    audit.detail = words;
    audit.ref = str_of(planned->ref);
    audit.old_id = str_of(planned->old_id);
    audit.new_id = str_of(planned->new_id);
    audit_sink_emit(conn->server->worker->audit, &audit);
}
