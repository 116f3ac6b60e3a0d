/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_stderr: see the header. Only as much is read as can be kept, so that ssh waits when the caller does. */
#include "gate/leg_stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate/leg_words.h"

#define READ_SIZE 512u
#define RETRY_MS  20u
#define RETRIES   50u /* a caller that takes nothing for a second gets no more */

/* Whoever writes waits for nobody: bytes go through a pipe of our own, from which they are moved without waiting. Returns how
 * many were, or -1 with errno. */
static ssize_t pipe_write(int to, const char *bytes, size_t len)
{
    static int own[2] = {-1, -1};
    char rest[2 * LEG_LINE_MAX];

    if (own[0] < 0 && pipe2(own, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    ssize_t put = write(own[1], bytes, len);
    if (put < 0)
        return -1;
    ssize_t moved = splice(own[0], NULL, to, NULL, (size_t)put, SPLICE_F_NONBLOCK);
    int reason = errno;
    if (moved < put && read(own[0], rest, sizeof rest) < 0 && errno != EAGAIN)
        return -1;
    errno = reason;
    return moved;
}

static ssize_t caller_write(int to, const char *bytes, size_t len)
{
    struct stat found;

    if (fstat(to, &found) != 0)
        return -1;
    if (S_ISFIFO(found.st_mode))
        return pipe_write(to, bytes, len);
    if (S_ISSOCK(found.st_mode))
        return send(to, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    errno = EINVAL; /* what is neither may make a writer wait */
    return -1;
}

/* A line, or a piece of one, goes into `out`, if it is to be shown. */
static void line_end(struct leg_stderr *words, const char *end)
{
    struct str line = {words->line, words->line_len};
    size_t end_len = strlen(end);

    words->line_len = 0;
    if (leg_words_private(line) || words->total + line.len + end_len > LEG_STDERR_MAX)
        return;
    memcpy(words->out + words->out_len, line.ptr, line.len);
    memcpy(words->out + words->out_len + line.len, end, end_len);
    words->out_len += line.len + end_len;
    words->total += line.len + end_len;
}

void leg_stderr_take(struct leg_stderr *words, const char *bytes, size_t len)
{
    size_t room = sizeof words->kept - words->kept_len, kept = len < room ? len : room;

    memcpy(words->kept + words->kept_len, bytes, kept);
    words->kept_len += kept;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n') {
            line_end(words, "\n");
            continue;
        }
        if (c == '\r') /* terminals' lines: ssh's own end so */
            continue;
        words->line[words->line_len++] = (char)((c < ' ' && c != '\t') || c == 0x7f ? '?' : c);
        if (words->line_len == sizeof words->line)
            line_end(words, "\n");
    }
}

static void finish(struct leg_stderr *words)
{
    if (words->ended)
        return;
    words->ended = true;
    words->done(words);
}

static void on_readable(uv_poll_t *poll, int status, int events);

/* Gives the caller what there is. Then goes on to read, or waits a moment; or it was the last. */
static void flush(struct leg_stderr *words)
{
    while (words->out_at < words->out_len && words->to >= 0) {
        ssize_t gone = caller_write(words->to, words->out + words->out_at, words->out_len - words->out_at);
        if (gone > 0) {
            words->out_at += (size_t)gone;
            words->retries = 0;
            continue;
        }
        if (gone < 0 && errno != EAGAIN && errno != EINTR) { /* gone, or of no kind that can be written to */
            close(words->to);
            words->to = -1;
        } else {
            return; /* the timer tries again */
        }
    }
    words->out_at = words->out_len = 0;
    uv_timer_stop(&words->retry);
    if (words->from >= 0)
        uv_poll_start(&words->poll, UV_READABLE, on_readable);
    else
        finish(words);
}

static void on_retry(uv_timer_t *timer)
{
    struct leg_stderr *words = timer->data;

    if (++words->retries > RETRIES && words->to >= 0) {
        close(words->to);
        words->to = -1;
    }
    flush(words);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct leg_stderr *words = poll->data;
    char bytes[READ_SIZE];
    ssize_t got = read(words->from, bytes, sizeof bytes);

    (void)status;
    (void)events;
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    uv_poll_stop(&words->poll);
    if (got > 0) {
        leg_stderr_take(words, bytes, (size_t)got);
    } else {
        close(words->from);
        words->from = -1;
        if (words->line_len > 0)
            line_end(words, "\n");
    }
    words->retries = 0;
    uv_timer_start(&words->retry, on_retry, RETRY_MS, RETRY_MS); /* flush stops it when all is gone */
    flush(words);
}

static void on_closed(uv_handle_t *handle)
{
    struct leg_stderr *words = handle->data;

    if (--words->handles == 0)
        words->closed(words);
}

int leg_stderr_open(struct leg_stderr *words, uv_loop_t *loop, int to, void (*done)(struct leg_stderr *words),
                    void (*closed)(struct leg_stderr *words))
{
    int ends[2] = {-1, -1};

    *words = (struct leg_stderr){.from = -1, .to = to, .done = done, .closed = closed};
    if (pipe2(ends, O_CLOEXEC) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0 ||
        uv_poll_init(loop, &words->poll, ends[0]) != 0) {
        int reason = errno;
        for (int i = 0; i < 2; i++)
            if (ends[i] >= 0)
                close(ends[i]);
        if (to >= 0)
            close(to);
        words->to = -1;
        errno = reason;
        return -1;
    }
    uv_timer_init(loop, &words->retry);
    words->from = ends[0];
    words->handles = 2;
    words->poll.data = words->retry.data = words;
    uv_poll_start(&words->poll, UV_READABLE, on_readable);
    return ends[1];
}

void leg_stderr_close(struct leg_stderr *words)
{
    words->ended = true;
    uv_poll_stop(&words->poll);
    if (words->from >= 0)
        close(words->from);
    if (words->to >= 0)
        close(words->to);
    words->from = words->to = -1;
    uv_close((uv_handle_t *)&words->poll, on_closed);
    uv_close((uv_handle_t *)&words->retry, on_closed);
}
