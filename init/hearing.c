/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hearing: what workers say (slot.h). Whatever is not understood, or is not theirs to say, ends them. */
#include <errno.h>
#include <unistd.h>

#include "init/slot.h"
#include "sys/channel.h"

#define END_LIMIT_MS 1000u /* from closing the channel to its end */

/* Up to a limit, printable. */
static void worker_note(const struct worker_slot *slot, struct str note)
{
    char words[161];
    struct err text;
    size_t len = note.len < sizeof words - 1 ? note.len : sizeof words - 1;

    for (size_t i = 0; i < len; i++)
        words[i] = note.ptr[i] >= 0x20 && note.ptr[i] <= 0x7e ? note.ptr[i] : '?';
    words[len] = '\0';
    err_set(&text, "worker %s: %s", slot->name, words);
    worker_say(slot, AUDIT_ALLOW, text.text);
}

static void worker_heard(struct worker_slot *slot, const struct channel_msg *msg)
{
    const struct supervisor_setup *setup = &slot->supervisor->setup;
    switch (msg->type) {
    case CHANNEL_READY:
        slot->ready = true;
        if (msg->text_len > 0)
            worker_note(slot, (struct str){msg->text, msg->text_len});
        break;
    case CHANNEL_APPLIED:
        slot->applied = msg->generation;
        break;
    case CHANNEL_REFUSED:
        slot->refused = msg->generation;
        err_set(&slot->trouble, "it refused policy generation %llu: %.*s",
                (unsigned long long)msg->generation, msg->text_len > 300 ? 300 : (int)msg->text_len,
                msg->text);
        if (msg->generation == setup->policies->current.generation)
            worker_kill(slot, "it did not take the policy in force");
        break;
    case CHANNEL_COUNTERS:
        if (slot->kind->section == POLICY_FOR_NOBODY)
            setup->on_counters(setup->ctx, (struct str){msg->text, msg->text_len});
        return;
    case CHANNEL_HOLD:
    case CHANNEL_HOLD_END:
        if (!(slot->kind->may & KIND_HOLDS) ||
            setup->on_hold(setup->ctx, worker_ref(slot), msg->type, msg->generation,
                           (struct str){msg->text, msg->text_len}) < 0)
            worker_kill(slot, "it said of a held request what no worker says");
        return;
    case CHANNEL_CANARY:
        if (!(slot->kind->may & KIND_CANARY) ||
            setup->on_canary(setup->ctx, (struct str){msg->text, msg->text_len}) < 0)
            worker_kill(slot, "it said of a canary what no worker says");
        return;
    default:
        worker_kill(slot, "it said what no worker says");
        return;
    }
    worker_check(slot);
}

static void on_still_there(uv_timer_t *timer)
{
    worker_kill(timer->data, "it closed its channel");
}

static void on_channel(uv_poll_t *poll, int status, int events)
{
    static struct channel_msg msg; /* 64 KiB; one loop, never re-entered */
    struct worker_slot *slot = poll->data;
    (void)events;
    int got = status < 0 ? 0 : channel_recv(slot->channel, &msg);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got == 0) { /* mostly the first sign of its end */
        uv_poll_stop(poll);
        uv_timer_start(&slot->timer, on_still_there, END_LIMIT_MS, 0);
        return;
    }
    if (got < 0) {
        uv_poll_stop(poll);
        worker_kill(slot, "its message is malformed");
        return;
    }
    if (msg.fd >= 0) {
        close(msg.fd);
        worker_kill(slot, "it sent a descriptor");
        return;
    }
    worker_heard(slot, &msg);
}

void worker_last_words(struct worker_slot *slot)
{
    static struct channel_msg msg; /* as in on_channel */
    while (channel_recv(slot->channel, &msg) == 1)
        if (msg.fd >= 0)
            close(msg.fd);
        else if (msg.type == CHANNEL_CANARY)
            worker_heard(slot, &msg);
}

void worker_listen(struct worker_slot *slot)
{
    uv_poll_init(slot->supervisor->setup.loop, &slot->channel_poll, slot->channel);
    slot->channel_poll.data = slot;
    uv_poll_start(&slot->channel_poll, UV_READABLE, on_channel);
}
