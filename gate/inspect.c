/* SPDX-License-Identifier: GPL-3.0-or-later */
/* inspect: see the header. */
#include "gate/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/hold.h"
#include "gate/push_check.h"

#define SAY_AGAIN_MS                                                                                         \
    15000 /* how often the agent is told that it waits: its connection lives, and it knows why */

_Static_assert(sizeof(((struct push_finding *)0)->path) == sizeof(((struct talk_ref *)0)->path) &&
                   sizeof(((struct push_finding *)0)->rule) == sizeof(((struct talk_count *)0)->rule) &&
                   PUSH_ID == TALK_ID,
               "what is found is told whole");

/* ---- looking */

static int search(struct session *session, const struct push_check_input *input, struct err *err)
{
    session->check = push_check(input);
    if (session->check == NULL)
        return err_set(err, "there is no memory to look through it");
    if (session->check->answer == PUSH_FAILED)
        return err_set(err, "it could not be looked through: %.512s", session->check->error.text);
    return 0;
}

int inspect_look(struct session *session, const struct relay_call *call, struct err *err)
{
    struct push_update *updates = calloc(session->update_count + 1, sizeof *updates);
    struct dlp_engine *engine = dlp_engine_new(SESSION_FD_DATABASE, err);
    struct push_check_input input = {
        .git = GATE_GIT,
        .git_dir = session->git_dir,
        .quarantine = call->quarantine,
        .gate = session->policy.gate,
        .repo = session->repo,
        .asks = session->task.asks,
        .updates = updates,
        .update_count = session->update_count,
        .options = call->options,
        .option_count = call->option_count,
        .engine = engine,
        .key = session->task.has_key ? session->task.key : NULL,
    };

    if (engine != NULL && updates == NULL)
        err_set(err, "there is no memory to look through it");
    for (size_t i = 0; updates != NULL && i < session->update_count; i++)
        updates[i] = (struct push_update){.ref = session->updates[i].ref,
                                          .old_id = session->updates[i].old_id,
                                          .new_id = session->updates[i].new_id};
    int status = engine != NULL && updates != NULL ? search(session, &input, err) : -1;
    dlp_engine_unref(engine);
    free(updates);
    return status;
}

const char *inspect_ref(const struct session *session, size_t update)
{
    bool shown =
        session->check != NULL && session->check->refs != NULL && session->check->refs[update][0] != '\0';

    return shown ? session->check->refs[update] : "(not looked at)";
}

/* ---- what was found, by ref */

/* A find that no ref leads to concerns all of them. */
static bool concerns(const struct session *session, const struct push_finding *finding, size_t update)
{
    return finding->ref[0] == '\0' || strcmp(finding->ref, inspect_ref(session, update)) == 0;
}

static const struct push_finding *first_of(const struct session *session, size_t update, bool refused)
{
    const struct push_check *check = session->check;

    for (size_t i = 0; check != NULL && i < check->count; i++)
        if (concerns(session, &check->findings[i], update) &&
            (!refused || check->findings[i].verdict == PUSH_TO_REFUSE))
            return &check->findings[i];
    return NULL;
}

static void count(struct talk_ref *ref, const char *rule)
{
    size_t i = 0;

    while (i < ref->counted && strcmp(ref->counts[i].rule, rule) != 0)
        i++;
    if (i == TALK_RULES_MAX) /* the last one has the rest */
        snprintf(ref->counts[--i].rule, sizeof ref->counts[i].rule, "others");
    else if (i == ref->counted)
        snprintf(ref->counts[ref->counted++].rule, sizeof ref->counts[i].rule, "%s", rule);
    ref->counts[i].count++;
}

void inspect_tell(const struct session *session, size_t update, struct talk_ref *ref)
{
    const struct push_check *check = session->check;
    const struct push_finding *first = first_of(session, update, false);

    if (check == NULL)
        return;
    ref->commits = check->commits;
    ref->objects = check->objects;
    for (size_t i = 0; i < check->count; i++) {
        if (!concerns(session, &check->findings[i], update))
            continue;
        count(ref, check->findings[i].rule);
        ref->canary |= check->findings[i].canary;
    }
    if (first == NULL)
        return;
    ref->line = first->line;
    snprintf(ref->detector, sizeof ref->detector, "%s", first->detector);
    snprintf(ref->pattern, sizeof ref->pattern, "%s", first->rule);
    snprintf(ref->surface, sizeof ref->surface, "%s", first->surface);
    snprintf(ref->commit, sizeof ref->commit, "%s", first->commit);
    snprintf(ref->path, sizeof ref->path, "%s", first->path);
}

/* ---- judging */

static void refuse(struct update *update, enum denial denial, const char *why)
{
    update->outcome = TALK_REFUSED;
    update->denial = denial;
    snprintf(update->reason, sizeof update->reason, "%s", why);
}

void inspect_refuse(struct session *session, enum denial denial, const char *why)
{
    for (size_t i = 0; i < session->update_count; i++)
        refuse(&session->updates[i], denial, why);
}

static enum denial denial_of(const struct push_finding *finding)
{
    if (finding->kind == PUSH_SECRET || finding->kind == PUSH_SCANNER)
        return DENIAL_DLP_MATCH;
    return finding->kind == PUSH_ARCHIVE ? DENIAL_DLP_STRUCTURE : DENIAL_GIT_REFUSED;
}

static void refuse_found(struct session *session)
{
    for (size_t i = 0; i < session->update_count; i++) {
        const struct push_finding *finding = first_of(session, i, true);
        if (finding != NULL)
            refuse(&session->updates[i], denial_of(finding), finding->text);
        else
            refuse(&session->updates[i], DENIAL_GIT_REFUSED, "another ref of the same push was refused");
    }
}

static void show(const struct push_check *check, int words)
{
    for (size_t i = 0; i < check->count; i++)
        dprintf(words, "git-gate: %s\n", check->findings[i].text);
    if (check->more)
        dprintf(words, "git-gate: there may be more; the search ended here\n");
}

/* ---- asking */

static void fill(struct hold_request *request, const struct session *session,
                 const struct push_finding *finding, size_t update)
{
    struct hold_push *push = &request->push;

    memset(request, 0, sizeof *request);
    request->kind = HOLD_PUSH;
    request->seconds = session->task.seconds;
    snprintf(request->rule, sizeof request->rule, "%s", finding->rule);
    snprintf(request->detector, sizeof request->detector, "%s", finding->detector);
    snprintf(request->surface, sizeof request->surface, "%s", finding->surface);
    snprintf(request->value, sizeof request->value, "%s", finding->hash);
    snprintf(request->path, sizeof request->path, "%s", finding->path);
    snprintf(push->repository, sizeof push->repository, "%s", session->repo->name);
    snprintf(push->commit, sizeof push->commit, "%s",
             finding->commit[0] != '\0' ? finding->commit : finding->object);
    push->line = finding->line;
    push->allow_comment = finding->allow_comment;
    if (finding->ref[0] == '\0')
        return;
    snprintf(push->ref, sizeof push->ref, "%s", finding->ref);
    snprintf(push->old_id, sizeof push->old_id, "%s", session->updates[update].old_id);
    snprintf(push->new_id, sizeof push->new_id, "%s", session->updates[update].new_id);
}

/* Waits for the operator's word. Returns DENIAL_NONE when he approves, else why not. */
static enum denial wait_verdict(struct session *session, int words)
{
    static const enum denial denials[] = {
        [HOLD_APPROVED] = DENIAL_NONE,
        [HOLD_REFUSED] = DENIAL_HELD_DENIED,
        [HOLD_REFUSED_OFTEN] = DENIAL_HELD_DENIED,
        [HOLD_CROWDED] = DENIAL_HELD_CROWDED,
        [HOLD_UNHEARD] = DENIAL_HELD_ENDED,
        [HOLD_STALE] = DENIAL_HELD_ENDED,
    };
    uint64_t end = session_now_ms() + session->task.seconds * UINT64_C(1000), now;
    struct hold_verdict verdict;
    struct str text;
    uint64_t number;
    enum denial ended = DENIAL_HELD_TIMEOUT;

    while ((now = session_now_ms()) < end) {
        if (dprintf(words, "git-gate: waiting for approval (the operator sees it in hostctl watch)\n") < 0) {
            ended = DENIAL_HELD_ENDED; /* the client has gone */
            break;
        }
        int wait_ms = end - now < SAY_AGAIN_MS ? (int)(end - now) : SAY_AGAIN_MS;
        if (session_hear(session, wait_ms, &number, &text) != TALK_VERDICT)
            continue;
        if (text.len != sizeof verdict)
            return DENIAL_HELD_ENDED;
        memcpy(&verdict, text.ptr, sizeof verdict);
        return verdict.outcome >= HOLD_APPROVED && verdict.outcome < sizeof denials / sizeof denials[0]
                   ? denials[verdict.outcome]
                   : DENIAL_HELD_ENDED;
    }
    session_tell(TALK_HOLD_END, 0, str_of(NULL));
    return ended;
}

static size_t ref_of(const struct session *session, const struct push_finding *finding)
{
    for (size_t i = 0; i < session->update_count; i++)
        if (strcmp(finding->ref, inspect_ref(session, i)) == 0)
            return i;
    return 0;
}

static unsigned questions_of(const struct push_check *check)
{
    unsigned total = 0;

    for (size_t i = 0; i < check->count; i++)
        total += check->findings[i].verdict == PUSH_TO_ASK;
    return total;
}

/* One question after the other: what a person decides has to stand before him in one line. */
static enum denial ask(struct session *session, int words)
{
    struct push_check *check = session->check;
    unsigned total = questions_of(check), number = 0;
    enum denial denial = total <= HOLD_FINDINGS_MAX ? DENIAL_NONE : DENIAL_HELD_CROWDED;

    for (size_t i = 0; i < check->count && denial == DENIAL_NONE; i++) {
        struct push_finding *finding = &check->findings[i];
        struct hold_request request;
        if (finding->verdict != PUSH_TO_ASK)
            continue;
        size_t update = ref_of(session, finding);
        fill(&request, session, finding, update);
        request.push.finding = ++number;
        request.push.findings = total;
        session_tell(TALK_HOLD, update, (struct str){(const char *)&request, sizeof request});
        denial = wait_verdict(session, words);
        if (denial == DENIAL_NONE)
            finding->verdict = PUSH_APPROVED;
    }
    return denial;
}

static bool ask_and_tell(struct session *session, int words)
{
    enum denial denial = ask(session, words);

    if (denial == DENIAL_NONE) {
        dprintf(words, "git-gate: approved\n");
        return true;
    }
    inspect_refuse(session, denial, denial_sentence(denial));
    dprintf(words, "git-gate: the push is refused: %s\n", denial_sentence(denial));
    return false;
}

bool inspect_judge(struct session *session, int words)
{
    show(session->check, words);
    switch (session->check->answer) {
    case PUSH_CLEAN:
        return true;
    case PUSH_ASK:
        return ask_and_tell(session, words);
    default:
        refuse_found(session);
        return false;
    }
}
