/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * audit_sink: the queue between a worker's decisions and init.
 *
 * Theory of operation. A line is put into a byte queue and the queue is sent, as many whole lines as a packet takes,
 * once per loop turn (uv_prepare) and whenever the socket is writable again. Nothing new is reserved
 * while QUEUE_MAX bytes wait or RESERVED_MAX lines are promised; the queue has room for both at once, so an
 * emit of a reserved line always fits. Memory is used only for what waits. Equal denials meet in a small
 * table: the first of a second goes out at once, those behind it only count, and a timer writes one line with
 * the count when their second is over. A denial that finds the table full is counted by its reason alone: an
 * agent that thinks of a new host each time must not fill the stream, and behind it a disk, either. The lines of
 * the counts need room too: while there is none, they keep counting.
 */
#include "sys/audit_sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"

#define QUEUE_MAX       (1u << 20) /* bytes; with more than this waiting nothing new is reserved */
#define RESERVED_MAX    8192       /* lines: a proxy holds one for each tunnel, as long as it lives */
#define QUEUE_CAP       (QUEUE_MAX + (RESERVED_MAX + 1) * AUDIT_LINE_MAX)
#define EQUAL_SLOTS     128
#define OTHERS          DENIAL_COUNT /* slots behind them, one a reason, for all that finds those taken */
#define EQUAL_KEY_MAX   448          /* bytes: host, rule, address, repository, ref, and the numbers */
#define EQUAL_WINDOW_MS 1000

struct equal {
    size_t key_len; /* 0 = free */
    char key[EQUAL_KEY_MAX];
    uint64_t until_ms;
    struct audit audit; /* its texts point into these */
    char host[128], detail[128], rule[192], protocol[16], address[48], pattern[136];
    char repository[72], ref[264], method[8];
    uint64_t count; /* held back since the last line */
};

struct audit_sink {
    uv_loop_t *loop;
    int sock;
    void (*room_again)(void *);
    void *ctx;
    struct buf queue;
    size_t reserved; /* lines */
    bool starved;    /* a reservation failed since room_again was last called */
    bool broken;     /* init is gone: nothing is reserved any more */
    bool polling;
    unsigned open_handles;
    uv_poll_t poll;
    uv_prepare_t flush;
    uv_timer_t timer;
    uint64_t singles; /* denials that were too long to be compared: each has this as its key */
    struct equal equals[EQUAL_SLOTS + OTHERS];
};

static bool has_room(const struct audit_sink *sink)
{
    return !sink->broken && sink->queue.len < QUEUE_MAX && sink->reserved < RESERVED_MAX;
}

static uint64_t wall_us(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

static void put_line(struct audit_sink *sink, const struct audit *audit)
{
    char *line = buf_reserve(&sink->queue, AUDIT_LINE_MAX);

    if (line == NULL)
        sink->broken = true; /* out of memory: take no more traffic */
    else
        buf_commit(&sink->queue, audit_format(audit, wall_us(), line));
}

/* As many of the queued lines as a packet takes: a whole number, and at least one. No line has an LF within. */
static struct str next_packet(const struct audit_sink *sink)
{
    struct str queued = buf_str(&sink->queue);

    if (queued.len <= AUDIT_PACKET_MAX)
        return queued;
    for (queued.len = AUDIT_PACKET_MAX; queued.ptr[queued.len - 1] != '\n';)
        queued.len--;
    return queued;
}

static void on_writable(uv_poll_t *poll, int status, int events);

static void send_queue(struct audit_sink *sink)
{
    while (sink->queue.len > 0 && !sink->broken) {
        struct str packet = next_packet(sink);
        if (send(sink->sock, packet.ptr, packet.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN && errno != ENOBUFS)
                sink->broken = true;
            break;
        }
        buf_consume(&sink->queue, packet.len);
    }
    bool want = sink->queue.len > 0 && !sink->broken;
    if (want && !sink->polling)
        uv_poll_start(&sink->poll, UV_WRITABLE, on_writable);
    else if (!want && sink->polling)
        uv_poll_stop(&sink->poll);
    sink->polling = want;
}

static void tell_room(struct audit_sink *sink)
{
    if (sink->starved && has_room(sink)) {
        sink->starved = false;
        sink->room_again(sink->ctx);
    }
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    struct audit_sink *sink = poll->data;

    (void)status;
    (void)events;
    send_queue(sink);
}

static void on_turn(uv_prepare_t *prepare)
{
    struct audit_sink *sink = prepare->data;

    if (!sink->polling)
        send_queue(sink);
    tell_room(sink);
}

/* Writes the counts whose second is over, while there is room. */
static void on_timer(uv_timer_t *timer)
{
    struct audit_sink *sink = timer->data;
    bool waiting = false;

    for (size_t i = 0; i < EQUAL_SLOTS + OTHERS; i++) {
        struct equal *equal = &sink->equals[i];
        if (equal->key_len == 0)
            continue;
        if (uv_now(sink->loop) < equal->until_ms || (equal->count > 0 && !has_room(sink))) {
            waiting = true;
            continue;
        }
        if (equal->count > 0) {
            equal->audit.count = equal->count;
            audit_id(equal->audit.id);
            put_line(sink, &equal->audit);
        }
        equal->key_len = 0;
    }
    if (!waiting)
        uv_timer_stop(&sink->timer);
}

struct audit_sink *audit_sink_new(uv_loop_t *loop, int sock, void (*room_again)(void *ctx), void *ctx)
{
    struct audit_sink *sink = calloc(1, sizeof *sink);

    if (sink == NULL)
        return NULL;
    *sink = (struct audit_sink){.loop = loop, .sock = sock, .room_again = room_again, .ctx = ctx};
    buf_init(&sink->queue, QUEUE_CAP);
    if (uv_poll_init(loop, &sink->poll, sock) != 0) {
        free(sink);
        return NULL;
    }
    uv_prepare_init(loop, &sink->flush);
    uv_timer_init(loop, &sink->timer);
    sink->poll.data = sink->flush.data = sink->timer.data = sink;
    sink->open_handles = 3;
    uv_prepare_start(&sink->flush, on_turn);
    uv_unref((uv_handle_t *)&sink->flush);
    uv_unref((uv_handle_t *)&sink->timer);
    return sink;
}

static void on_closed(uv_handle_t *handle)
{
    struct audit_sink *sink = handle->data;

    if (--sink->open_handles > 0)
        return;
    buf_fini(&sink->queue);
    close(sink->sock);
    free(sink);
}

static void finish_counts(struct audit_sink *sink)
{
    for (size_t i = 0; i < EQUAL_SLOTS + OTHERS; i++)
        sink->equals[i].until_ms = 0;
    on_timer(&sink->timer);
    send_queue(sink);
}

void audit_sink_close(struct audit_sink *sink)
{
    finish_counts(sink);
    uv_close((uv_handle_t *)&sink->poll, on_closed);
    uv_close((uv_handle_t *)&sink->flush, on_closed);
    uv_close((uv_handle_t *)&sink->timer, on_closed);
}

bool audit_sink_reserve(struct audit_sink *sink)
{
    if (!has_room(sink)) {
        sink->starved = true;
        return false;
    }
    sink->reserved++;
    return true;
}

/* A line without room held for it would put the count below nothing, and then nothing would be reserved ever
 * again: rather a worker that ends and is started again. */
static void give_back(struct audit_sink *sink)
{
    if (sink->reserved == 0)
        abort();
    sink->reserved--;
}

void audit_sink_release(struct audit_sink *sink)
{
    give_back(sink);
}

/* Of an HTTP request it is the agent's: it would make differences. */
static struct str method_of(const struct audit *audit)
{
    return audit->kind == AUDIT_GIT ? audit->method : str_of(NULL);
}

static size_t equal_key(const struct audit *audit, char key[EQUAL_KEY_MAX])
{
    struct {
        unsigned kind, reason, port, status;
    } numbers = {(unsigned)audit->kind, (unsigned)audit->reason, audit->port, audit->status};
    const struct str parts[] = {audit->host,
                                str_of(audit->rule),
                                str_of(audit->address),
                                str_of(audit->protocol),
                                audit->detail,
                                audit->repository,
                                audit->ref,
                                method_of(audit)};
    size_t len = sizeof numbers;

    memcpy(key, &numbers, sizeof numbers);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].len >= EQUAL_KEY_MAX - len)
            return 0; /* too long to be held: no other is equal to it */
        if (parts[i].len > 0)
            memcpy(key + len, parts[i].ptr, parts[i].len);
        len += parts[i].len;
        key[len++] = '\0';
        if (len == EQUAL_KEY_MAX)
            return 0;
    }
    return len;
}

static const char *keep(char *into, size_t size, const char *text)
{
    if (text == NULL)
        return NULL;
    size_t len = strlen(text) < size - 1 ? strlen(text) : size - 1;
    memcpy(into, text, len);
    into[len] = '\0';
    return into;
}

static struct str keep_str(char *into, size_t size, struct str text)
{
    size_t len = text.len < size ? text.len : size;

    if (len > 0)
        memcpy(into, text.ptr, len);
    return (struct str){into, len};
}

/* Keeps what the line with the count needs: the members that make denials equal, and no others. */
static void equal_hold(struct equal *equal, const struct audit *audit)
{
    equal->audit = (struct audit){
        .kind = audit->kind,
        .verdict = audit->verdict,
        .reason = audit->reason,
        .port = audit->port,
        .status = audit->status,
        .generation = audit->generation,
        .detector = audit->detector,
        .pattern = keep(equal->pattern, sizeof equal->pattern, audit->pattern),
        .surface = audit->surface,
        .host = keep_str(equal->host, sizeof equal->host, audit->host),
        .detail = keep_str(equal->detail, sizeof equal->detail, audit->detail),
        .repository = keep_str(equal->repository, sizeof equal->repository, audit->repository),
        .ref = keep_str(equal->ref, sizeof equal->ref, audit->ref),
        .method = keep_str(equal->method, sizeof equal->method, method_of(audit)),
        .rule = keep(equal->rule, sizeof equal->rule, audit->rule),
        .protocol = keep(equal->protocol, sizeof equal->protocol, audit->protocol),
        .address = keep(equal->address, sizeof equal->address, audit->address),
    };
}

/* The slot of this key among `count`, which is taken for it if need be. NULL = all are others'. */
static struct equal *slot_for(struct equal *slots, size_t count, const char *key, size_t len)
{
    struct equal *vacant = NULL;

    for (size_t i = 0; i < count; i++) {
        if (slots[i].key_len == 0)
            vacant = &slots[i];
        else if (slots[i].key_len == len && memcmp(slots[i].key, key, len) == 0)
            return &slots[i];
    }
    if (vacant != NULL)
        memcpy(vacant->key, key, len);
    return vacant;
}

static void slot_take(struct audit_sink *sink, struct equal *slot, size_t key_len, const struct audit *audit)
{
    slot->key_len = key_len;
    slot->until_ms = uv_now(sink->loop) + EQUAL_WINDOW_MS;
    slot->count = 0;
    equal_hold(slot, audit);
    if (!uv_is_active((uv_handle_t *)&sink->timer))
        uv_timer_start(&sink->timer, on_timer, EQUAL_WINDOW_MS, EQUAL_WINDOW_MS / 4);
}

/* Counts one that finds the table full. The kind of the line is that of the first. */
static void count_other(struct audit_sink *sink, const struct audit *audit)
{
    struct equal *slot = &sink->equals[EQUAL_SLOTS + (size_t)audit->reason];
    const struct audit other = {.kind = audit->kind,
                                .verdict = audit->verdict,
                                .reason = audit->reason,
                                .detail = str_of("more different ones in a second than are told apart"),
                                .generation = audit->generation};

    if (slot->key_len == 0)
        slot_take(sink, slot, 1, &other);
    slot->count++;
}

/* Whether this denial is only counted. */
static bool coalesce(struct audit_sink *sink, const struct audit *audit)
{
    char key[EQUAL_KEY_MAX];
    size_t len = equal_key(audit, key);

    if (len == 0) {
        memcpy(key, &sink->singles, sizeof sink->singles);
        len = sizeof sink->singles;
        sink->singles++;
    }
    struct equal *slot = slot_for(sink->equals, EQUAL_SLOTS, key, len);
    if (slot == NULL) {
        count_other(sink, audit);
        return true;
    }
    if (slot->key_len != 0) {
        slot->count++;
        return true;
    }
    slot_take(sink, slot, len, audit);
    return false;
}

void audit_sink_emit(struct audit_sink *sink, const struct audit *audit)
{
    give_back(sink);
    if (audit->verdict != AUDIT_BLOCK || audit->single || !coalesce(sink, audit))
        put_line(sink, audit);
}
