/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervise: what is started, with what, is the table `kinds`. A process goes down -> starting -> serving and
 * back to down, those of the gate from and to unused; every end passes through one function, worker_ended. A worker is
 * never told READY-like things by init: it gets policies, and answers (hearing.c).
 */
#include "init/slot.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/handover.h"
#include "init/outfit.h"
#include "sys/channel.h"
#include "sys/spawn.h"

#define BACKOFF_FIRST_MS 100u
#define BACKOFF_LAST_MS  5000u
#define START_LIMIT_MS   20000u /* from exec to READY */
#define SERVED_WELL_MS   10000u /* who served that long starts again without much back-off */
#define STOP_LIMIT_MS    2000u

static const char *const state_names[] = {
    [UNUSED] = "unused", [DOWN] = "down", [STARTING] = "starting", [SERVING] = "serving"};

static void worker_start(struct worker_slot *slot);

static void on_start_due(uv_timer_t *timer)
{
    worker_start(timer->data);
}

/* ---- saying what happens ---- */

static void changed(struct supervisor *supervisor)
{
    supervisor->setup.on_change(supervisor->setup.ctx);
}

static void audit(struct supervisor *supervisor, enum audit_verdict verdict, const char *detail)
{
    struct audit line = {.kind = AUDIT_LIFECYCLE, .verdict = verdict, .detail = str_of(detail)};
    audit_mux_emit(supervisor->setup.audit, &line);
}

void worker_say(const struct worker_slot *slot, enum audit_verdict verdict, const char *detail)
{
    audit(slot->supervisor, verdict, detail);
}

/* ---- one process ---- */

/* Whether the policy in force, or the one that is offered, has it serve. */
static bool worker_wanted(const struct worker_slot *slot)
{
    const struct policy_store *policies = slot->supervisor->setup.policies;

    return !slot->kind->gates || policies->current.gates || policies->next.gates;
}

void worker_kill(struct worker_slot *slot, const char *why)
{
    if (slot->pid == 0)
        return;
    slot->killed_for = why;
    kill(slot->pid, SIGKILL);
}

static void worker_send(struct worker_slot *slot, const struct policy_version *version)
{
    if (slot->kind->section == POLICY_FOR_NOBODY || slot->pid == 0 || slot->dismissed ||
        version->generation == 0 || (slot->supervisor->setup.policies->closed && !version->closed) ||
        !policy_version_ready(version) || slot->offered == version->generation)
        return;
    if (handover_belongings(slot->channel, version, slot->kind->may) < 0) {
        worker_kill(slot, "what belongs to its policy cannot be handed over");
        return;
    }
    if (channel_send(slot->channel, CHANNEL_POLICY, version->generation, version->fds[slot->kind->section],
                     str_of("")) < 0)
        worker_kill(slot, "it does not read its channel");
    else
        slot->offered = version->generation;
}

/* The authority goes to whoever forges with it, before any policy. */
static void worker_give_ca(struct worker_slot *slot)
{
    if (!(slot->kind->may & KIND_CA))
        return;
    int fd = ca_memfd(slot->supervisor->setup.ca);
    if (fd < 0 || channel_send(slot->channel, CHANNEL_CA, 0, fd, str_of("")) < 0)
        worker_kill(slot, "the certificate authority could not be given to it");
    if (fd >= 0)
        close(fd);
}

/* Serving means: ready, and with the policy in force. */
void worker_check(struct worker_slot *slot)
{
    struct supervisor *supervisor = slot->supervisor;
    char text[80];
    uint64_t current = supervisor->setup.policies->current.generation;
    bool has_policy = slot->kind->section == POLICY_FOR_NOBODY || slot->applied >= current;
    if (slot->state == STARTING && slot->ready && has_policy) {
        slot->state = SERVING;
        slot->trouble.text[0] = '\0';
        uv_timer_stop(&slot->timer);
        if (slot->restarts > 0) {
            snprintf(text, sizeof text, "worker %s serves again", slot->name);
            audit(supervisor, AUDIT_ALLOW, text);
        }
    }
    changed(supervisor);
}

struct worker_ref worker_ref(const struct worker_slot *slot)
{
    return (struct worker_ref){(unsigned)(slot - slot->supervisor->slots), slot->life};
}

void supervisor_tell(struct supervisor *supervisor, struct worker_ref worker, uint64_t number,
                     struct str text)
{
    struct worker_slot *slot = &supervisor->slots[worker.slot];

    if (slot->pid != 0 && slot->life == worker.life &&
        channel_send(slot->channel, CHANNEL_VERDICT, number, -1, text) < 0)
        worker_kill(slot, "it does not read its channel");
}

static void on_channel_closed(uv_handle_t *handle)
{
    struct worker_slot *slot = handle->data;
    close(slot->channel);
    slot->channel = -1;
}

static void on_start_limit(uv_timer_t *timer)
{
    worker_kill(timer->data, "it did not get ready in time");
}

static pid_t worker_exec(const struct worker_slot *slot, const struct outfit *outfit, struct err *err)
{
    const char *executable = slot->supervisor->setup.executable;
    bool meter = slot->kind->section == POLICY_FOR_NOBODY;
    const char *const meter_argv[] = {"stopper-init", "meter", NULL};
    const char *const worker_argv[] = {slot->kind->name, NULL};
    char path[4096];
    int directory = (int)(strrchr(executable, '/') - executable);

    snprintf(path, sizeof path, "%.*s/%s", directory, executable, slot->kind->name);
    struct spawn spawn = {.path = meter ? executable : path,
                          .argv = meter ? meter_argv : worker_argv,
                          .fds = outfit->fds,
                          .fd_count = outfit->fd_count};
    return spawn_start(&spawn, err);
}

/* One attempt. Returns 0, or -1 with the slot's trouble. */
static int worker_try(struct worker_slot *slot)
{
    struct supervisor *supervisor = slot->supervisor;
    struct outfit outfit;
    const struct listener *listeners =
        slot->kind->section == POLICY_FOR_NOBODY ? NULL : slot->kind->listeners;
    if (outfit_open(&outfit, listeners, &supervisor->setup.net->agent_address, &slot->trouble) < 0)
        return -1;
    pid_t pid = worker_exec(slot, &outfit, &slot->trouble);
    outfit_close(&outfit, pid < 0);
    if (pid < 0)
        return -1;
    slot->pid = pid;
    slot->state = STARTING;
    slot->life++;
    slot->ready = slot->dismissed = false;
    slot->killed_for = NULL;
    slot->offered = slot->applied = slot->refused = 0;
    slot->started_ms = uv_now(supervisor->setup.loop);
    slot->channel = outfit.channel;
    slot->words = words_new(supervisor->setup.loop, outfit.words);
    worker_listen(slot);
    if (outfit.audit >= 0 && audit_mux_add(supervisor->setup.audit, outfit.audit) < 0)
        worker_kill(slot, "out of memory");
    uv_timer_start(&slot->timer, on_start_limit, START_LIMIT_MS, 0);
    worker_give_ca(slot);
    worker_send(slot, &supervisor->setup.policies->current);
    worker_send(slot, &supervisor->setup.policies->next);
    return 0;
}

static void worker_later(struct worker_slot *slot)
{
    slot->state = DOWN;
    slot->restarts++;
    uv_timer_start(&slot->timer, on_start_due, slot->backoff_ms, 0);
    slot->backoff_ms = slot->backoff_ms * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : slot->backoff_ms * 2;
}

static void worker_start(struct worker_slot *slot)
{
    struct err text;
    slot->state = worker_wanted(slot) ? DOWN : UNUSED;
    if (slot->state == UNUSED)
        return;
    if (slot->channel >= 0) { /* the handle of the last life is still being closed */
        uv_timer_start(&slot->timer, on_start_due, 1, 0);
        return;
    }
    if (worker_try(slot) == 0)
        return;
    err_set(&text, "worker %s cannot be started: %s", slot->name, slot->trouble.text);
    audit(slot->supervisor, AUDIT_ALARM, text.text);
    worker_later(slot);
    changed(slot->supervisor);
}

/* ---- ends ---- */

static void stop_check(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->slot_count; i++)
        if (supervisor->slots[i].pid != 0)
            return;
    if (supervisor->stopped)
        return;
    supervisor->stopped = true;
    uv_timer_stop(&supervisor->stop_timer);
    supervisor->setup.on_stopped(supervisor->setup.ctx, supervisor->stop_status);
}

/* How it ended, and why: what init had against it, or its last words. */
static void worker_epitaph(const struct worker_slot *slot, int status, struct err *text)
{
    const char *words = slot->words != NULL ? words_last(slot->words) : "";
    bool by_signal = WIFSIGNALED(status);
    if (by_signal)
        err_set(text, "ended by signal %d", WTERMSIG(status));
    else
        err_set(text, "ended with status %d", WEXITSTATUS(status));
    struct err how = *text;
    if (slot->killed_for != NULL)
        err_set(text, "%s: %s", how.text, slot->killed_for);
    else if (words[0] != '\0' && slot->state != SERVING)
        err_set(text, "%s: %s", how.text, words);
}

static void worker_ended(struct worker_slot *slot, int status)
{
    struct supervisor *supervisor = slot->supervisor;
    struct err why, text;

    if (slot->words != NULL)
        words_read(slot->words);
    worker_epitaph(slot, status, &why);
    if (slot->words != NULL)
        words_close(slot->words);
    slot->words = NULL;
    slot->pid = 0;
    uv_timer_stop(&slot->timer);
    uv_close((uv_handle_t *)&slot->channel_poll, on_channel_closed);
    if (supervisor->stopping) {
        slot->state = DOWN;
        stop_check(supervisor);
        return;
    }
    worker_last_words(slot);
    supervisor->setup.on_gone(supervisor->setup.ctx, worker_ref(slot));
    if (slot->dismissed) {
        worker_start(slot);
        changed(supervisor);
        return;
    }
    err_set(&text, "%s %s %s", slot->kind->vital ? "the" : "worker", slot->name, why.text);
    audit(supervisor, AUDIT_ALARM, text.text);
    err_set(&slot->trouble, "it %s", why.text);
    if (slot->kind->vital) {
        slot->state = DOWN;
        fprintf(stderr, "stopper-init: %s: the sidecar ends\n", text.text);
        supervisor_stop(supervisor, 1);
        return;
    }
    if (uv_now(supervisor->setup.loop) - slot->started_ms >= SERVED_WELL_MS)
        slot->backoff_ms = BACKOFF_FIRST_MS;
    worker_later(slot);
    changed(supervisor);
}

/* Everything whose parent has died is PID 1's child: it is reaped without a word. */
static void on_child(uv_signal_t *signal, int number)
{
    struct supervisor *supervisor = signal->data;
    int status;
    pid_t pid;
    (void)number;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < supervisor->slot_count; i++)
            if (supervisor->slots[i].pid == pid) {
                worker_ended(&supervisor->slots[i], status);
                break;
            }
}

static void kill_all(struct supervisor *supervisor, int number)
{
    for (size_t i = 0; i < supervisor->slot_count; i++)
        if (supervisor->slots[i].pid != 0)
            kill(supervisor->slots[i].pid, supervisor->slots[i].kind->vital ? SIGKILL : number);
}

static void on_stop_limit(uv_timer_t *timer)
{
    kill_all(timer->data, SIGKILL);
}

void supervisor_stop(struct supervisor *supervisor, int status)
{
    if (supervisor->stopping && (status == 0 || supervisor->stop_status != 0))
        return;
    supervisor->stopping = true;
    supervisor->stop_status = status;
    for (size_t i = 0; i < supervisor->slot_count; i++)
        uv_timer_stop(&supervisor->slots[i].timer);
    kill_all(supervisor, status == 0 ? SIGTERM : SIGKILL);
    uv_timer_start(&supervisor->stop_timer, on_stop_limit, STOP_LIMIT_MS, STOP_LIMIT_MS);
    stop_check(supervisor);
}

/* ---- policies ---- */

void supervisor_current(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->slot_count; i++)
        worker_send(&supervisor->slots[i], &supervisor->setup.policies->current);
}

bool supervisor_offer(struct supervisor *supervisor)
{
    bool starting = false;

    for (size_t i = 0; i < supervisor->slot_count; i++) {
        struct worker_slot *slot = &supervisor->slots[i];
        if (slot->state == UNUSED)
            worker_start(slot);
        worker_send(slot, &supervisor->setup.policies->next);
        starting = starting || slot->state == STARTING;
    }
    return starting;
}

static void on_dismissed_limit(uv_timer_t *timer)
{
    worker_kill(timer->data, "it did not end");
}

void supervisor_settle(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->slot_count; i++) {
        struct worker_slot *slot = &supervisor->slots[i];
        if (slot->pid == 0 || slot->dismissed || worker_wanted(slot))
            continue;
        slot->dismissed = true;
        kill(slot->pid, SIGTERM);
        uv_timer_start(&slot->timer, on_dismissed_limit, STOP_LIMIT_MS, 0);
    }
}

enum offer supervisor_offered(const struct supervisor *supervisor, struct err *why)
{
    uint64_t next = supervisor->setup.policies->next.generation;
    enum offer offer = OFFER_TAKEN;
    for (size_t i = 0; i < supervisor->slot_count; i++) {
        const struct worker_slot *slot = &supervisor->slots[i];
        if (slot->kind->section == POLICY_FOR_NOBODY || slot->pid == 0 || slot->dismissed)
            continue;
        if (slot->refused == next) {
            err_set(why, "worker %s: %s", slot->name, slot->trouble.text);
            return OFFER_REFUSED;
        }
        if (slot->applied != next) {
            err_set(why, "worker %s has not answered", slot->name);
            offer = OFFER_PENDING;
        }
    }
    return offer;
}

void supervisor_revoke(struct supervisor *supervisor, uint64_t generation)
{
    for (size_t i = 0; i < supervisor->slot_count; i++)
        if (supervisor->slots[i].offered == generation && supervisor->slots[i].refused != generation)
            worker_kill(&supervisor->slots[i], "a policy that others did not take had to be taken back");
}

void supervisor_enforce(struct supervisor *supervisor, uint64_t generation)
{
    for (size_t i = 0; i < supervisor->slot_count; i++)
        if (supervisor->slots[i].kind->section != POLICY_FOR_NOBODY &&
            supervisor->slots[i].applied != generation)
            worker_kill(&supervisor->slots[i], "it did not close the egress");
}

bool supervisor_is_gate(const struct supervisor *supervisor, struct worker_ref worker)
{
    return supervisor->slots[worker.slot].kind->section == POLICY_FOR_GATE;
}

/* ---- as a whole ---- */

bool supervisor_serving(const struct supervisor *supervisor, struct err *why)
{
    for (size_t i = 0; i < supervisor->slot_count; i++) {
        const struct worker_slot *slot = &supervisor->slots[i];
        if (slot->state != SERVING && slot->state != UNUSED) {
            err_set(why, "worker %s: %s", slot->name,
                    slot->trouble.text[0] != '\0' ? slot->trouble.text : "it is not ready yet");
            return false;
        }
    }
    return !supervisor->stopping;
}

/* Resident memory of a worker; 0 where there is none, or no /proc. */
static json_int_t resident_kib(pid_t pid)
{
    char path[40];
    unsigned long long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    FILE *statm = pid > 0 ? fopen(path, "re") : NULL;
    if (statm == NULL)
        return 0;
    if (fscanf(statm, "%*u %20llu", &pages) != 1)
        pages = 0;
    fclose(statm);
    return (json_int_t)(pages * (unsigned long long)sysconf(_SC_PAGESIZE) / 1024);
}

json_t *supervisor_describe(const struct supervisor *supervisor)
{
    json_t *array = json_array();
    for (size_t i = 0; i < supervisor->slot_count; i++) {
        const struct worker_slot *slot = &supervisor->slots[i];
        if (slot->state == UNUSED)
            continue;
        json_array_append_new(array,
                              json_pack("{s:s, s:i, s:s, s:I, s:I}", "name", slot->name, "pid",
                                        (int)slot->pid, "state", state_names[slot->state], "restarts",
                                        (json_int_t)slot->restarts, "memory_kib", resident_kib(slot->pid)));
    }
    return array;
}

static void slot_init(struct supervisor *supervisor, struct worker_slot *slot, const struct kind *kind,
                      unsigned number, unsigned count)
{
    *slot = (struct worker_slot){
        .supervisor = supervisor, .kind = kind, .state = DOWN, .channel = -1, .backoff_ms = BACKOFF_FIRST_MS};
    if (count > 1)
        snprintf(slot->name, sizeof slot->name, "%s.%u", kind->name, number + 1);
    else
        snprintf(slot->name, sizeof slot->name, "%s", kind->name);
    uv_timer_init(supervisor->setup.loop, &slot->timer);
    slot->timer.data = slot;
}

struct supervisor *supervisor_new(const struct supervisor_setup *setup)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    if (supervisor == NULL)
        return NULL;
    supervisor->setup = *setup;
    supervisor->slots = calloc(KINDS + setup->proxies, sizeof *supervisor->slots);
    if (supervisor->slots == NULL) {
        free(supervisor);
        return NULL;
    }
    for (size_t i = 0; i < KINDS; i++) {
        unsigned count = kinds[i].many ? setup->proxies : 1;
        for (unsigned number = 0; number < count; number++)
            slot_init(supervisor, &supervisor->slots[supervisor->slot_count++], &kinds[i], number, count);
    }
    uv_timer_init(setup->loop, &supervisor->stop_timer);
    supervisor->stop_timer.data = supervisor;
    uv_signal_init(setup->loop, &supervisor->child);
    supervisor->child.data = supervisor;
    uv_signal_start(&supervisor->child, on_child, SIGCHLD);
    return supervisor;
}

int supervisor_start_meter(struct supervisor *supervisor, struct err *err)
{
    struct worker_slot *meter = &supervisor->slots[0];
    if (worker_try(meter) < 0) {
        *err = meter->trouble;
        return err_prefix(err, "meter");
    }
    return 0;
}

void supervisor_start_workers(struct supervisor *supervisor)
{
    for (size_t i = 1; i < supervisor->slot_count; i++)
        worker_start(&supervisor->slots[i]);
}
