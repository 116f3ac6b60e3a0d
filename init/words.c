/* SPDX-License-Identifier: GPL-3.0-or-later */
/* words: a pipe read into the air after its limit, so that a worker gone bad can neither block on it nor fill
 * a disk. */
#include "init/words.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS_LIMIT 65536u /* bytes that are passed on in one life */
#define LAST_MAX    200u

struct words {
    uv_poll_t poll;
    int fd;
    size_t passed;
    char last[LAST_MAX];
    size_t last_len;
    bool line_ended;
};

static void last_add(struct words *words, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '\n') {
            words->line_ended = true;
            continue;
        }
        if (words->line_ended)
            words->last_len = 0;
        words->line_ended = false;
        if (words->last_len < LAST_MAX - 1)
            words->last[words->last_len++] = bytes[i] >= 0x20 && bytes[i] <= 0x7e ? bytes[i] : '?';
    }
    words->last[words->last_len] = '\0';
}

void words_read(struct words *words)
{
    char bytes[4096];
    ssize_t len = read(words->fd, bytes, sizeof bytes);
    if (len == 0)
        uv_poll_stop(&words->poll);
    if (len <= 0)
        return;
    last_add(words, bytes, (size_t)len);
    size_t pass = words->passed >= WORDS_LIMIT ? 0 : (size_t)len;
    words->passed += pass;
    if (pass > 0 && write(STDERR_FILENO, bytes, pass) < 0)
        words->passed = WORDS_LIMIT; /* nobody listens */
}

static void on_words(uv_poll_t *poll, int status, int events)
{
    (void)events;
    if (status < 0)
        uv_poll_stop(poll);
    else
        words_read(poll->data);
}

struct words *words_new(uv_loop_t *loop, int fd)
{
    struct words *words = calloc(1, sizeof *words);
    if (words == NULL || uv_poll_init(loop, &words->poll, fd) != 0) {
        free(words);
        close(fd);
        return NULL;
    }
    words->fd = fd;
    words->poll.data = words;
    uv_poll_start(&words->poll, UV_READABLE, on_words);
    return words;
}

const char *words_last(const struct words *words)
{
    return words->last;
}

static void on_closed(uv_handle_t *handle)
{
    struct words *words = handle->data;
    close(words->fd);
    free(words);
}

void words_close(struct words *words)
{
    uv_close((uv_handle_t *)&words->poll, on_closed);
}
