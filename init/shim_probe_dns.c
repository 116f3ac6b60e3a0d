/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_probe_dns: asks for a name that no manifest can mean, wherever the question is sent, and looks whether the answer
 * is Stopper's: its own address and Extended DNS Error "Blocked" (RFC 8914), or REFUSED with that. Nothing else would
 * give that; a resolver of somebody's would know no such name (RFC 6761 section 6.4).
 */
#include "init/shim_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/buf.h"

#define PORT         53
#define MESSAGE_MAX  512 /* bytes: the question says that it takes no more (RFC 6891) */
#define NAME_OFFSET  12  /* behind the header, RFC 1035 section 4.1.1 */
#define RCODE_REFUSE 5
#define TYPE_A       1
#define TYPE_OPT     41
#define OPTION_EDE   15
#define EDE_BLOCKED  15
#define ENGINE       "127.0.0.11" /* where docker's resolver is, in every namespace of its networks */

struct answer {
    unsigned rcode, ede; /* ede: 65535 = none */
    struct ip address;   /* family 0 = none */
};

static void number_add(struct buf *out, unsigned value)
{
    buf_append(out, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

/* One question for A, with an empty OPT record; over TCP with its length in front. */
static void question_make(const struct shim_probe *probe, bool tcp, struct buf *out)
{
    static const uint8_t opt[] = {0, 0, TYPE_OPT, MESSAGE_MAX >> 8, MESSAGE_MAX & 255, 0, 0, 0, 0, 0, 0};
    size_t len = 0;

    buf_init(out, MESSAGE_MAX);
    if (tcp)
        number_add(out, (unsigned)(NAME_OFFSET + strlen(probe->host) + 2 + 4 + sizeof opt));
    buf_append(out, probe->nonce, 2); /* the ID */
    number_add(out, 0x0100);          /* recursion is wanted */
    for (unsigned i = 0; i < 4; i++)  /* one question, one additional record */
        number_add(out, i % 3 == 0);
    for (const char *label = probe->host; *label != '\0'; label += len + (label[len] == '.')) {
        len = strcspn(label, ".");
        buf_append(out, &(uint8_t){(uint8_t)len}, 1);
        buf_append(out, label, len);
    }
    buf_append(out, "\0\0\1\0\1", 5); /* the root; A, IN */
    buf_append(out, opt, sizeof opt);
}

struct reader {
    const uint8_t *at;
    size_t left;
    bool bad;
};

static const uint8_t *reader_take(struct reader *reader, size_t len)
{
    const uint8_t *at = reader->at;

    if (reader->bad || reader->left < len) {
        reader->bad = true;
        return NULL;
    }
    reader->at += len;
    reader->left -= len;
    return at;
}

static unsigned reader_number(struct reader *reader)
{
    const uint8_t *at = reader_take(reader, 2);

    return at == NULL ? 0 : (unsigned)at[0] << 8 | at[1];
}

/* Labels, or a pointer, which ends a name. */
static void reader_name(struct reader *reader)
{
    for (;;) {
        const uint8_t *len = reader_take(reader, 1);
        if (len == NULL || *len == 0)
            return;
        if (*len >= 0xc0) {
            reader_take(reader, 1);
            return;
        }
        reader_take(reader, *len);
    }
}

static void record_read(struct reader *reader, struct answer *answer)
{
    reader_name(reader);
    unsigned type = reader_number(reader);
    reader_take(reader, 6); /* class and TTL */
    unsigned len = reader_number(reader);
    const uint8_t *data = reader_take(reader, len);
    if (data == NULL)
        return;
    if (type == TYPE_A && len == 4 && answer->address.family == 0)
        answer->address = ip_from_v4(data);
    struct reader options = {data, type == TYPE_OPT ? len : 0, false};
    while (options.left > 0 && !options.bad) {
        unsigned code = reader_number(&options), size = reader_number(&options);
        const uint8_t *value = reader_take(&options, size);
        if (value != NULL && code == OPTION_EDE && size >= 2)
            answer->ede = (unsigned)value[0] << 8 | value[1];
    }
}

static bool answer_read(const struct shim_probe *probe, struct str message, struct answer *answer)
{
    struct reader reader = {(const uint8_t *)message.ptr, message.len, false};
    const uint8_t *id = reader_take(&reader, 2);
    unsigned flags = reader_number(&reader), questions = reader_number(&reader), records = 0;

    *answer = (struct answer){.rcode = flags & 15, .ede = 65535};
    for (int i = 0; i < 3; i++)
        records += reader_number(&reader);
    for (unsigned i = 0; i < questions && !reader.bad; i++) {
        reader_name(&reader);
        reader_take(&reader, 4);
    }
    for (unsigned i = 0; i < records && !reader.bad; i++)
        record_read(&reader, answer);
    return !reader.bad && memcmp(id, probe->nonce, 2) == 0 && (flags & 0x8000);
}

static bool answer_is_stoppers(const struct shim_probe *probe, const struct answer *answer)
{
    bool own = answer->rcode == 0 && answer->address.family == 4 &&
               memcmp(answer->address.bytes, probe->sidecar.bytes, 4) == 0;

    return answer->ede == EDE_BLOCKED && (own || answer->rcode == RCODE_REFUSE);
}

bool probe_dns_judge(const struct shim_probe *probe, struct str message)
{
    struct answer answer;

    return answer_read(probe, message, &answer) && answer_is_stoppers(probe, &answer);
}

static bool is_whole(struct str got)
{
    return got.len >= 2 && got.len >= 2 + ((size_t)(uint8_t)got.ptr[0] << 8 | (uint8_t)got.ptr[1]);
}

/* Returns the length of the message in `into`, or -1 with errno. */
static long ask(const struct shim_probe *probe, const struct ip *server, bool tcp, char into[MESSAGE_MAX + 2])
{
    struct buf question;
    long got = -1;

    question_make(probe, tcp, &question);
    if (tcp) {
        got = probe_tcp(server, PORT, buf_str(&question), is_whole, into, MESSAGE_MAX + 2);
        if (got >= 2)
            memmove(into, into + 2, (size_t)(got -= 2));
    } else {
        int sock = probe_socket(IPPROTO_UDP, server, PORT);
        if (sock >= 0) {
            got = probe_datagram(sock, buf_str(&question), into, MESSAGE_MAX);
            int error = errno;
            close(sock);
            errno = error;
        }
    }
    int error = errno;
    buf_fini(&question);
    errno = error;
    return got;
}

int probe_dns(const struct shim_probe *probe, struct err *said)
{
    const struct {
        const struct ip *server;
        bool tcp;
    } ways[] = {{&probe->nowhere, false}, {&probe->nowhere, true}, {&probe->sidecar, false}};
    char message[MESSAGE_MAX + 2], server[IP_TEXT];

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        ip_format(ways[i].server, server);
        long got = ask(probe, ways[i].server, ways[i].tcp, message);
        if (got < 0)
            return err_set_errno(said, "DNS to %s: no answer of Stopper's", server);
        if (!probe_dns_judge(probe, (struct str){message, (size_t)got}))
            return err_set(said, "DNS to %s: the answer for a name that nobody allows is not Stopper's",
                           server);
    }
    err_set(said, "%s is Stopper's to answer, whoever is asked", probe->host);
    return 0;
}

int probe_engine_resolver(const struct shim_probe *probe, struct err *said)
{
    char message[MESSAGE_MAX + 2];
    struct ip engine;

    ip_parse(str_of(ENGINE), &engine);
    long got = ask(probe, &engine, false, message);
    if (got >= 0)
        return err_set(said, ENGINE " answers");
    if (errno == ETIMEDOUT)
        return err_set(said, ENGINE " takes questions");
    err_set_errno(said, ENGINE);
    return 0;
}
