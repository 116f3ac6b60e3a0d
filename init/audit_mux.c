/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_mux: sockets in, stdout out. Lines are written when poll(2) says that stdout is writable: a pipe then
 * takes at least PIPE_BUF bytes, which is AUDIT_LINE_MAX, whole and without blocking (pipe(7)); so many whole
 * lines are one write. The flags of
 * stdout are never changed, since it is shared with whoever started us; it is watched through an epoll
 * descriptor of our own.
 */
#include "init/audit_mux.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/audit_seal.h"
#include "core/buf.h"
#include "init/audit_line.h"
#include "init/digest.h"
#include "init/gate_seen.h"

#define QUEUE_MAX                                                                                            \
    (1024u * 1024)         /* bytes of init's own lines and of the lines of one turn that found stdout full */
#define PACKETS_AT_ONCE 16 /* of one socket before the others have a turn, */
#define BYTES_AT_ONCE                                                                                        \
    (QUEUE_MAX / 8) /* and of what has become of them; a packet of the shortest lines makes more */
#define PAUSE_MS 2  /* with readings in shorter succession lines gather in the sockets for as long */
#define POLICIES_KEPT                                                                                        \
    1024 /* digests, of the last generations: an old tunnel's line names the one that let it in */

_Static_assert(AUDIT_LINE_MAX <= PIPE_BUF, "a line has to fit into a pipe at once");

struct source {
    uv_poll_t poll;
    int sock;
    struct audit_mux *mux;
    struct source *next;
};

/* How far the chain has come. */
struct chain {
    uint64_t seq; /* of the last line */
    char boot[AUDIT_BOOT_TEXT + 1], prev[AUDIT_DIGEST_TEXT + 1];
    uint64_t in_force;
    struct known {
        uint64_t generation;
        char digest[AUDIT_POLICY_TEXT + 1];
    } policies[POLICIES_KEPT];
};

struct audit_mux {
    uv_loop_t *loop;
    int out, watch; /* watch: epoll descriptor that holds out; -1 = out never blocks (a file) */
    uv_poll_t writable;
    struct buf queue;
    struct source *sources;
    bool blocked, broken;
    bool gathering;   /* more lines may follow at once: they are written together */
    uv_timer_t pause; /* of reading */
    uint64_t read_ms; /* uv_now of the last reading */
    void (*on_broken)(void *ctx, const char *why);
    void *ctx;
    struct chain chain;
    uint64_t denials[DENIAL_COUNT];
    struct gate_seen seen;
    char packet[AUDIT_PACKET_MAX + 1]; /* scratch; with one byte more than a worker may send */
};

static void on_lines(uv_poll_t *poll, int status, int events);

static void mux_break(struct audit_mux *mux, const char *why)
{
    if (mux->broken)
        return;
    mux->broken = true;
    mux->on_broken(mux->ctx, why);
}

/* ---- stdout ---- */

static void watch_for(struct audit_mux *mux, uint32_t events)
{
    struct epoll_event event = {.events = events}; /* errors are reported whatever is asked for */
    if (mux->watch >= 0)
        epoll_ctl(mux->watch, EPOLL_CTL_MOD, mux->out, &event);
}

static void sources_read(struct audit_mux *mux, bool on)
{
    for (struct source *source = mux->sources; source != NULL; source = source->next) {
        if (on)
            uv_poll_start(&source->poll, UV_READABLE, on_lines);
        else
            uv_poll_stop(&source->poll);
    }
}

static void mux_block(struct audit_mux *mux, bool blocked)
{
    if (mux->blocked == blocked)
        return;
    mux->blocked = blocked;
    watch_for(mux, blocked ? EPOLLOUT : 0);
    sources_read(mux, !blocked);
}

static bool out_takes_a_line(const struct audit_mux *mux, int timeout_ms)
{
    if (mux->watch < 0)
        return true;
    struct pollfd poll_out = {.fd = mux->out, .events = POLLOUT};
    return poll(&poll_out, 1, timeout_ms) != 0;
}

/* As many whole lines as a pipe takes at once, and a file takes all; of a line that was begun, the rest. */
static size_t lines_at_once(const struct audit_mux *mux, struct str queued)
{
    if (mux->watch < 0)
        return queued.len;
    size_t len = queued.len < PIPE_BUF ? queued.len : PIPE_BUF;
    while (len > 0 && queued.ptr[len - 1] != '\n')
        len--;
    return len > 0 ? len : queued.len;
}

/* Writes what is queued, in whole lines, until stdout takes no more. Returns true when all is written. */
static bool queue_write(struct audit_mux *mux, int timeout_ms)
{
    for (;;) {
        struct str queued = buf_str(&mux->queue);
        if (queued.len == 0)
            return true;
        if (mux->broken || !out_takes_a_line(mux, timeout_ms))
            return false;
        ssize_t written = write(mux->out, queued.ptr, lines_at_once(mux, queued));
        if (written < 0 && errno != EINTR && errno != EAGAIN) {
            mux_break(mux, strerror(errno));
            return false;
        }
        if (written > 0)
            buf_consume(&mux->queue, (size_t)written);
    }
}

static void put_done(struct audit_mux *mux)
{
    if (!mux->blocked && !queue_write(mux, 0))
        mux_block(mux, true);
}

static const char *digest_known(const struct chain *chain, uint64_t generation)
{
    const struct known *known = &chain->policies[generation % POLICIES_KEPT];
    return generation != 0 && known->generation == generation ? known->digest : NULL;
}

/* Room for a line in the queue; NULL: it is full. */
static char *line_room(struct audit_mux *mux)
{
    char *line = buf_reserve(&mux->queue, AUDIT_LINE_MAX);
    if (line == NULL)
        mux_break(mux, "nobody has read it for too long");
    return line;
}

/* Seals the line of len bytes, at most AUDIT_UNSEALED_MAX, which is in the room, and puts it into the stream. */
static void line_put(struct audit_mux *mux, char line[AUDIT_LINE_MAX], size_t len, bool end)
{
    struct chain *chain = &mux->chain;
    uint64_t generation = audit_seal_generation((struct str){line, len});
    struct audit_seal seal = {.generation = generation == 0 ? chain->in_force : 0,
                              .boot = chain->seq == 0 ? chain->boot : NULL,
                              .end = end,
                              .seq = ++chain->seq,
                              .prev = chain->prev};
    seal.policy_digest = digest_known(chain, generation == 0 ? chain->in_force : generation);
    struct str sealed = {line, audit_seal_put(&seal, line, len)};
    len = sealed.len;
    if (digest_hex(sealed, AUDIT_DIGEST_TEXT, chain->prev) < 0)
        mux_break(mux, "SHA-256 failed");
    else
        buf_commit(&mux->queue, len);
    if (!mux->gathering)
        put_done(mux);
}

static void on_writable(uv_poll_t *handle, int status, int events)
{
    struct audit_mux *mux = handle->data;
    struct pollfd out = {.fd = mux->out};
    (void)status;
    (void)events;
    if (poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)))
        mux_break(mux, "its reader is gone");
    else if (queue_write(mux, 0))
        mux_block(mux, false);
}

/* ---- the workers' sockets ---- */

static void on_source_closed(uv_handle_t *handle)
{
    struct source *source = handle->data;
    close(source->sock);
    free(source);
}

static void source_remove(struct source *source)
{
    struct source **at = &source->mux->sources;
    while (*at != source)
        at = &(*at)->next;
    *at = source->next;
}

static void source_close(struct source *source)
{
    source_remove(source);
    uv_close((uv_handle_t *)&source->poll, on_source_closed);
}

/* Behind all others. Whenever reading stops, for a pause or for stdout, it stops for those too that had not had their turn; it goes on
 * in the order of the list, so nobody is left out for long, whatever the others say. */
static void source_to_end(struct source *source)
{
    source_remove(source);
    struct source **at = &source->mux->sources;
    while (*at != NULL)
        at = &(*at)->next;
    *at = source;
    source->next = NULL;
}

/* Takes the first line of what a worker has sent. Returns its length, or 0 when it is none that may stand here. */
static size_t take_line(struct audit_mux *mux, struct str sent)
{
    struct audit_tally tally;
    const char *end = memchr(sent.ptr, '\n', sent.len);
    struct str line = {sent.ptr, end != NULL ? (size_t)(end - sent.ptr) + 1 : sent.len};
    if (!audit_line_sound(line, &tally))
        return 0;
    char *room = line_room(mux);
    if (room == NULL)
        return line.len;
    mux->denials[tally.reason] += tally.count;
    gate_seen_note(&mux->seen, &tally);
    memcpy(room, line.ptr, line.len);
    line_put(mux, room, line.len, false);
    return line.len;
}

/* Reads one packet. Returns false when there is none. *ended: the worker is gone. Behind a line that is none the rest
 * is not looked at: one packet is one alarm at most, however many such lines it could hold. */
static bool source_read(struct source *source, bool *ended)
{
    struct audit_mux *mux = source->mux;
    ssize_t len = recv(source->sock, mux->packet, sizeof mux->packet, MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (len <= 0) {
        *ended = true;
        return false;
    }
    struct str sent = {mux->packet, (size_t)len};
    bool sound = sent.len <= AUDIT_PACKET_MAX;
    while (sound && sent.len > 0 && !mux->broken) {
        size_t used = take_line(mux, sent);
        sound = used > 0;
        sent = (struct str){sent.ptr + used, sent.len - used};
    }
    if (!sound) {
        struct audit alarm = {.kind = AUDIT_LIFECYCLE,
                              .verdict = AUDIT_ALARM,
                              .detail = str_of("a worker sent a malformed audit line")};
        audit_mux_emit(mux, &alarm);
    }
    return true;
}

static void on_pause_over(uv_timer_t *timer)
{
    struct audit_mux *mux = timer->data;
    if (!mux->blocked)
        sources_read(mux, true);
}

/* A wake for each turn of a busy worker would take the core from it: what it says in the meantime is safe in its
 * socket. */
static void pause_if_busy(struct audit_mux *mux)
{
    uint64_t now = uv_now(mux->loop), before = mux->read_ms;
    mux->read_ms = now;
    if (mux->blocked || now - before >= PAUSE_MS || uv_is_active((uv_handle_t *)&mux->pause))
        return;
    sources_read(mux, false);
    uv_timer_start(&mux->pause, on_pause_over, PAUSE_MS, 0);
}

static void on_lines(uv_poll_t *poll, int status, int events)
{
    struct source *source = poll->data;
    bool ended = status < 0;
    (void)events;
    struct audit_mux *mux = source->mux;
    mux->gathering = true;
    for (int i = 0; i < PACKETS_AT_ONCE && !ended && !mux->blocked && !mux->broken; i++)
        if (mux->queue.len >= BYTES_AT_ONCE || !source_read(source, &ended))
            break;
    mux->gathering = false;
    source_to_end(source);
    put_done(mux);
    pause_if_busy(mux);
    if (ended)
        source_close(source);
}

int audit_mux_add(struct audit_mux *mux, int sock)
{
    struct source *source = calloc(1, sizeof *source);
    if (source == NULL || uv_poll_init(mux->loop, &source->poll, sock) != 0) {
        free(source);
        close(sock);
        return -1;
    }
    source->poll.data = source;
    source->sock = sock;
    source->mux = mux;
    source->next = mux->sources;
    mux->sources = source;
    if (!mux->blocked)
        uv_poll_start(&source->poll, UV_READABLE, on_lines);
    return 0;
}

/* ---- init's own lines ---- */

static void own_line(struct audit_mux *mux, struct audit *audit, bool end)
{
    char *line = line_room(mux);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    audit_id(audit->id);
    if (line != NULL)
        line_put(mux, line,
                 audit_format(audit, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, line),
                 end);
    mux->denials[audit->reason] += audit->count > 1 ? audit->count : 1;
}

void audit_mux_emit(struct audit_mux *mux, struct audit *audit)
{
    own_line(mux, audit, false);
}

void audit_mux_policy(struct audit_mux *mux, uint64_t generation, const char *digest)
{
    struct known *known = &mux->chain.policies[generation % POLICIES_KEPT];
    known->generation = generation;
    snprintf(known->digest, sizeof known->digest, "%s", digest);
}

void audit_mux_in_force(struct audit_mux *mux, uint64_t generation)
{
    mux->chain.in_force = generation;
}

const uint64_t *audit_mux_denials(const struct audit_mux *mux)
{
    return mux->denials;
}

const struct gate_seen *audit_mux_seen(const struct audit_mux *mux)
{
    return &mux->seen;
}

bool audit_mux_room(const struct audit_mux *mux)
{
    return !mux->broken && mux->queue.len < QUEUE_MAX / 2;
}

static int chain_begin(struct chain *chain)
{
    unsigned char id[AUDIT_BOOT_TEXT / 2];
    if (getrandom(id, sizeof id, 0) != (ssize_t)sizeof id)
        return -1;
    for (size_t i = 0; i < sizeof id; i++)
        snprintf(chain->boot + 2 * i, 3, "%02x", id[i]);
    memcpy(chain->prev, AUDIT_SEAL_BEGIN, sizeof chain->prev);
    return 0;
}

struct audit_mux *audit_mux_new(uv_loop_t *loop, int out, void (*broken)(void *ctx, const char *why),
                                void *ctx)
{
    struct audit_mux *mux = calloc(1, sizeof *mux);
    struct epoll_event event = {0};
    if (mux == NULL)
        return NULL;
    mux->loop = loop;
    mux->out = out;
    mux->on_broken = broken;
    mux->ctx = ctx;
    buf_init(&mux->queue, QUEUE_MAX);
    uv_timer_init(loop, &mux->pause);
    mux->pause.data = mux;
    signal(SIGPIPE, SIG_IGN);
    if (chain_begin(&mux->chain) < 0) {
        free(mux);
        return NULL;
    }
    mux->watch = epoll_create1(EPOLL_CLOEXEC);
    int added = mux->watch >= 0 ? epoll_ctl(mux->watch, EPOLL_CTL_ADD, out, &event) : -1;
    if (mux->watch < 0 || (added < 0 && errno != EPERM)) {
        free(mux);
        return NULL;
    }
    if (added < 0) { /* a file, which never blocks */
        close(mux->watch);
        mux->watch = -1;
    }
    if (mux->watch >= 0) {
        uv_poll_init(loop, &mux->writable, mux->watch);
        mux->writable.data = mux;
        uv_poll_start(&mux->writable, UV_READABLE, on_writable);
    }
    return mux;
}

void audit_mux_end(struct audit_mux *mux, struct audit *last, int timeout_ms)
{
    bool ended;
    for (struct source *source = mux->sources; source != NULL; source = source->next) {
        while (!mux->broken && source_read(source, &ended)) {
            if (mux->blocked && !queue_write(mux, timeout_ms))
                return;
            mux->blocked = false;
        }
    }
    own_line(mux, last, true);
    queue_write(mux, timeout_ms);
}
