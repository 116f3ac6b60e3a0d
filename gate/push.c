/* SPDX-License-Identifier: GPL-3.0-or-later */
/* push: see the header. What is said to the agent goes to the hook's stderr, which git sends it on the sideband. */
#define _GNU_SOURCE
#include "gate/push.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "gate/forward.h"
#include "gate/inspect.h"
#include "gate/pkt.h"
#include "gate/refresh.h"

#define LINE_MAX_BYTES (2 * TALK_ID + TALK_REF_MAX + 8)

/* "OLD NEW REF". Returns NULL, or what is wrong. */
static const char *read_command(struct str line, struct update *update)
{
    const char *one = memchr(line.ptr, ' ', line.len);
    const char *two = one != NULL ? memchr(one + 1, ' ', line.len - (size_t)(one + 1 - line.ptr)) : NULL;

    *update = (struct update){.outcome = 0};
    if (two == NULL || one - line.ptr >= TALK_ID || two - one - 1 >= TALK_ID)
        return "a command of the push is malformed";
    size_t ref = line.len - (size_t)(two + 1 - line.ptr);
    if (ref > TALK_REF_MAX)
        return "the name of a ref is too long";
    memcpy(update->old_id, line.ptr, (size_t)(one - line.ptr));
    memcpy(update->new_id, one + 1, (size_t)(two - one - 1));
    memcpy(update->ref, two + 1, ref);
    return NULL;
}

static const char *add_update(struct session *session, struct str line)
{
    if (session->update_count == TALK_REFS_MAX)
        return "it names too many refs; push fewer at a time";
    if (session->update_count % 64 == 0) {
        void *more = realloc(session->updates, (session->update_count + 64) * sizeof *session->updates);
        if (more == NULL)
            return "there is no memory for its refs";
        session->updates = more;
    }
    const char *wrong = read_command(line, &session->updates[session->update_count]);
    if (wrong == NULL)
        session->update_count++;
    return wrong;
}

/* The hook's stdin (githooks(5), pre-receive): one line a ref. */
static const char *read_commands(struct session *session, int fd)
{
    static char room[LINE_MAX_BYTES];
    const char *wrong = NULL;
    int copy = dup(fd); /* the call's own is closed with it */
    FILE *in = copy >= 0 ? fdopen(copy, "r") : NULL;

    if (in == NULL)
        return "its refs cannot be read";
    while (wrong == NULL && fgets(room, sizeof room, in) != NULL) {
        size_t len = strlen(room);
        wrong = len > 0 && room[len - 1] == '\n' ? add_update(session, (struct str){room, len - 1})
                                                 : "the name of a ref is too long";
    }
    if (wrong == NULL && ferror(in))
        wrong = "its refs cannot be read";
    fclose(in);
    return wrong;
}

/* Tells the parent of every ref: the room of its line is reserved. */
static void plan(struct session *session)
{
    for (size_t i = 0; i < session->update_count; i++) {
        const struct update *u = &session->updates[i];
        struct talk_plan plan = {.ref = ""};
        memcpy(plan.old_id, u->old_id, sizeof plan.old_id);
        memcpy(plan.new_id, u->new_id, sizeof plan.new_id);
        snprintf(plan.ref, sizeof plan.ref, "%s", inspect_ref(session, i));
        session_tell(TALK_PLAN, i,
                     (struct str){(const char *)&plan, offsetof(struct talk_plan, ref) + strlen(plan.ref)});
    }
}

static bool refuse(struct session *session, const char *why, int words)
{
    dprintf(words, "git-gate: the push is refused: %s\n", why);
    snprintf(session->refused, sizeof session->refused, "%s", why);
    inspect_refuse(session, DENIAL_GIT_REFUSED, why);
    return false;
}

/* The last thing before a push goes on: whether it still may. */
static bool may_go(struct session *session, int words)
{
    char why[TALK_TEXT_MAX];
    struct str text;
    uint64_t number;

    session_tell(TALK_PLANNED, session->update_count, str_of(NULL));
    if (session_answer(session, &number, &text) == TALK_GO)
        return true;
    snprintf(why, sizeof why, "%.*s", (int)text.len, text.ptr);
    return refuse(session, why, words);
}

/* git sends an option as it came, but takes none with a line end to send on; nobody's options have control characters. */
static bool options_sound(const struct relay_call *call)
{
    for (size_t i = 0; i < call->option_count; i++)
        for (const unsigned char *at = (const unsigned char *)call->options[i]; *at != '\0'; at++)
            if (*at < ' ' || *at == 0x7f)
                return false;
    return true;
}

/* git puts a certificate into the mirror, not into the quarantine, whether it was asked to take one or not. Nothing else there is
 * loose: a push and a fetch leave packs. */
static void forget_certificate(const struct session *session, const char *id)
{
    char path[sizeof session->git_dir + TALK_ID + 16];
    size_t len = strspn(id, "0123456789abcdef");

    if (id[len] != '\0' || len >= TALK_ID || len < 40)
        return;
    snprintf(path, sizeof path, "%s/objects/%.2s/%s", session->git_dir, id, id + 2);
    unlink(path);
    *strrchr(path, '/') = '\0';
    rmdir(path); /* when nothing is left in it */
}

/* Returns NULL, or what is wrong with a push beside its objects. */
static const char *wrong_beside(const struct session *session, const struct relay_call *call)
{
    if (call->certificate[0] != '\0') {
        forget_certificate(session, call->certificate);
        return "it is signed, which the gate does not offer: the upstream would not see the certificate";
    }
    if (call->over)
        return "it has too many push options, or too long ones";
    return options_sound(call) ? NULL : "a push option holds a line end or another control character";
}

static uint8_t pre_receive(struct session *session, struct relay_call *call)
{
    const char *wrong =
        session->updates == NULL ? read_commands(session, call->fds[0]) : "it was called twice";
    int words = call->fds[2];
    struct err err;
    const char *beside = wrong_beside(session, call);

    if (wrong != NULL) {
        refuse(session, wrong, words);
        return 1;
    }
    int looked = beside == NULL ? inspect_look(session, call, &err) : err_set(&err, "%s", beside);
    plan(session);
    if (looked != 0) {
        refuse(session, err.text, words);
        return 1;
    }
    return inspect_judge(session, words) && may_go(session, words) ? 0 : 1;
}

/* What is to be forwarded was looked at, as it is. */
static struct update *find(struct session *session, const struct update *wanted)
{
    for (size_t i = 0; i < session->update_count; i++) {
        struct update *u = &session->updates[i];
        if (strcmp(u->ref, wanted->ref) == 0)
            return u->outcome == 0 && strcmp(u->old_id, wanted->old_id) == 0 &&
                           strcmp(u->new_id, wanted->new_id) == 0
                       ? u
                       : NULL;
    }
    return NULL;
}

/* The hook's stdin (githooks(5), proc-receive): version and features, commands, push options. Marks the refs that go on.
 * Returns 0, or -1 when it is not understood. */
static int read_protocol(struct session *session, struct relay_call *call, struct forward *forward)
{
    static char room[PKT_MAX];
    struct update wanted;
    struct str line;
    enum pkt kind;
    bool options = false;

    while ((kind = pkt_read(call->fds[0], room, sizeof room, &line)) == PKT_LINE) {
        const char *nul = memchr(line.ptr, '\0', line.len);
        struct str features = {nul, nul != NULL ? (size_t)(line.ptr + line.len - nul) : 0};
        forward->atomic |= features.len > 0 && memmem(features.ptr, features.len, "atomic", 6) != NULL;
        options |= features.len > 0 && memmem(features.ptr, features.len, "push-options", 12) != NULL;
    }
    static const char answer[] = "001aversion=1\0push-options0000";
    _Static_assert(sizeof answer - 1 - 4 == 0x1a, "its length is in it");
    if (kind != PKT_FLUSH || write(call->fds[1], answer, sizeof answer - 1) != sizeof answer - 1)
        return -1;
    while ((kind = pkt_read(call->fds[0], room, sizeof room, &line)) == PKT_LINE) {
        if (read_command(line, &wanted) != NULL || forward->count == TALK_REFS_MAX)
            return -1;
        struct update *u = find(session, &wanted);
        if (u == NULL)
            return -1;
        forward->updates[forward->count++] = u;
    }
    while (options && kind == PKT_FLUSH &&
           (kind = pkt_read(call->fds[0], room, sizeof room, &line)) == PKT_LINE) {
        if (forward->option_count == RELAY_OPTIONS || line.len == 0 ||
            memchr(line.ptr, '\0', line.len) != NULL)
            return -1;
        forward->options[forward->option_count] = strndup(line.ptr, line.len);
        if (forward->options[forward->option_count] == NULL)
            return -1;
        forward->option_count++;
        kind = PKT_FLUSH;
    }
    return kind == PKT_FLUSH ? 0 : -1;
}

static int report(struct forward *forward, int fd)
{
    struct buf out;
    int status = 0;

    buf_init(&out, 16 << 20);
    for (size_t i = 0; i < forward->count && status == 0; i++) {
        const struct update *u = forward->updates[i];
        if (u->outcome != TALK_TAKEN)
            status = pkt_add(&out, "ng %s %s", u->ref, u->reason);
        else
            status = pkt_add(&out, "ok %s", u->ref);
        if (status == 0 && u->outcome == TALK_TAKEN && u->told[0] != '\0')
            status = pkt_add(&out, "option refname %s", u->told);
    }
    if (status == 0)
        status = pkt_add_flush(&out);
    for (struct str left = buf_str(&out); status == 0 && left.len > 0; left = buf_str(&out)) {
        ssize_t put = write(fd, left.ptr, left.len);
        if (put <= 0)
            status = -1;
        else
            buf_consume(&out, (size_t)put);
    }
    buf_fini(&out);
    return status;
}

static uint8_t proc_receive(struct session *session, struct relay_call *call)
{
    static struct update *updates[TALK_REFS_MAX];
    struct forward forward = {.updates = updates, .words = call->fds[2]};
    int status = read_protocol(session, call, &forward);

    if (status == 0) {
        forward_push(session, &forward);
        refresh_taken(session);
        status = report(&forward, call->fds[1]);
    } else {
        dprintf(call->fds[2],
                "git-gate: the push is refused: what git hands over is not what was looked at\n");
    }
    for (size_t i = 0; i < forward.option_count; i++)
        free(forward.options[i]);
    return status == 0 ? 0 : 1;
}

void push_hook(void *ctx, struct relay_call *call)
{
    struct session *session = ctx;
    uint8_t status = call->kind == RELAY_IS_PRE ? pre_receive(session, call) : proc_receive(session, call);

    relay_answer(call, status);
}

void push_over(struct session *session)
{
    for (size_t i = 0; i < session->update_count; i++) {
        const struct update *u = &session->updates[i];
        struct talk_ref ref = {.outcome = u->outcome != 0 ? u->outcome : TALK_REFUSED,
                               .reason = u->outcome != 0 ? u->denial : DENIAL_GIT_REFUSED};
        inspect_tell(session, i, &ref);
        snprintf(ref.text, sizeof ref.text, "%s",
                 u->outcome != 0 ? u->reason : "git did not take what was sent for it");
        session_tell(TALK_REF, i,
                     (struct str){(const char *)&ref, offsetof(struct talk_ref, text) + strlen(ref.text)});
    }
}
