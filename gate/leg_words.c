/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_words: a table from OpenSSH's messages (ssh.c, sshconnect.c, sshconnect2.c, kex.c; in the C locale) to sentences. The
 * first row that is found in the words wins. */
#include "gate/leg_words.h"

#include <stdio.h>
#include <string.h>

#include "gate/leg_files.h"

#define FINGERPRINT "SHA256:"

enum row_form { PLAIN, WITH_USER, WITH_FINGERPRINT, WITH_SECONDS };

static const struct row {
    const char *words;
    enum denial reason;
    bool unreached;
    enum row_form form;
    const char *sentence; /* behind the host */
} rows[] = {
    {"Host key verification failed", DENIAL_GATE_HOST_KEY, false, WITH_FINGERPRINT,
     "answers with another host key than the pinned one"},
    {"no matching ", DENIAL_UPSTREAM_MALFORMED, false, PLAIN,
     "and ssh have no method of encryption or signing in common"},
    {"Permission denied", DENIAL_GATE_KEY, false, WITH_USER, "does not take this repository's key"},
    {"Too many authentication failures", DENIAL_GATE_KEY, false, WITH_USER,
     "does not take this repository's key"},
    {"Connection refused", DENIAL_UPSTREAM_UNREACHABLE, true, PLAIN, "refuses connections"},
    {"Network is unreachable", DENIAL_UPSTREAM_UNREACHABLE, true, PLAIN, "cannot be reached from here"},
    {"No route to host", DENIAL_UPSTREAM_UNREACHABLE, true, PLAIN, "cannot be reached from here"},
    {"timed out", DENIAL_UPSTREAM_TIMEOUT, true, WITH_SECONDS, "did not answer"},
    {"Connection closed by", DENIAL_UPSTREAM_UNREACHABLE, true, PLAIN, "closes the connection"},
    {"Connection reset", DENIAL_UPSTREAM_UNREACHABLE, true, PLAIN, "closes the connection"},
    {"Broken pipe", DENIAL_UPSTREAM_UNREACHABLE, false, PLAIN, "closes the connection"},
    {"banner exchange", DENIAL_UPSTREAM_MALFORMED, false, PLAIN, "does not speak SSH"},
    {"banner line contains", DENIAL_UPSTREAM_MALFORMED, false, PLAIN, "does not speak SSH"},
    {"not responding", DENIAL_UPSTREAM_TIMEOUT, false, PLAIN, "is silent: the connection is given up"},
};

static const char *find(struct str words, const char *what)
{
    return words.len > 0 ? memmem(words.ptr, words.len, what, strlen(what)) : NULL;
}

static const struct row *row_of(struct str words)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (find(words, rows[i].words) != NULL)
            return &rows[i];
    return NULL;
}

bool leg_words_unreached(struct str words)
{
    const struct row *row = row_of(words);

    return row != NULL && row->unreached;
}

bool leg_words_private(struct str line)
{
    return find(line, LEG_FOLDER) != NULL;
}

void leg_words_host(const struct gate_url *url, char out[LEG_HOST_SIZE])
{
    bool brackets = url->address.family == 6;

    snprintf(out, LEG_HOST_SIZE, "%s%s%s:%u", brackets ? "[" : "", url->host, brackets ? "]" : "", url->port);
}

/* The fingerprint that ssh has seen, printable and bounded; "" when it says none. */
static void fingerprint(struct str words, char out[64])
{
    const char *at = find(words, FINGERPRINT);
    size_t len = 0;

    while (at != NULL && at + len < words.ptr + words.len && len < 50 && at[len] > ' ' && at[len] <= '~')
        len++;
    if (len > 0 && at[len - 1] == '.') /* the sentence's end */
        len--;
    snprintf(out, 64, "%s%.*s%s", len > 0 ? " (" : "", (int)len, len > 0 ? at : "", len > 0 ? ")" : "");
}

/* The last line that may be shown, printable. */
static void last_line(struct str words, char *out, size_t size)
{
    size_t end = words.len, from, len = 0;

    out[0] = '\0';
    while (end > 0 && out[0] == '\0') {
        while (end > 0 && (words.ptr[end - 1] == '\n' || words.ptr[end - 1] == '\r'))
            end--;
        for (from = end; from > 0 && words.ptr[from - 1] != '\n';)
            from--;
        struct str line = {words.ptr + from, end - from};
        for (size_t i = 0; !leg_words_private(line) && i < line.len && len < size - 1; i++)
            out[len++] = line.ptr[i] >= ' ' && line.ptr[i] <= '~' ? line.ptr[i] : '?';
        out[len] = '\0';
        end = from;
    }
}

enum denial leg_words_why(struct str words, const struct gate_url *url, unsigned seconds,
                          char text[LEG_TEXT_SIZE])
{
    const struct row *row = row_of(words);
    char host[LEG_HOST_SIZE], more[160] = "";

    leg_words_host(url, host);
    if (row == NULL) {
        last_line(words, more, sizeof more - 4);
        snprintf(text, LEG_TEXT_SIZE, "%.90s: %.160s", host,
                 more[0] != '\0' ? more : "the connection was lost");
        return DENIAL_UPSTREAM_UNREACHABLE;
    }
    if (row->form == WITH_FINGERPRINT)
        fingerprint(words, more);
    if (row->form == WITH_USER)
        snprintf(more, sizeof more, " for the user %s", url->user);
    if (row->form == WITH_SECONDS)
        snprintf(more, sizeof more, " within %u s", seconds);
    snprintf(text, LEG_TEXT_SIZE, "%.100s %s%.90s", host, row->sentence, more);
    return row->reason;
}
