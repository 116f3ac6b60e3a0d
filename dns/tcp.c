/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tcp: connections of the agent around server_take. A connection holds one message's room for reading and at
 * most TCP_OUTSTANDING answers; it is closed when no whole query has come and no answer has been taken for
 * TCP_IDLE_MS, when it announces a message that is too long, or when it ends. Its memory goes after both of
 * its handles are closed and the last answer that is on its way to it has been given up.
 */
#include "dns/tcp.h"

#include <stdlib.h>
#include <string.h>

#define BACKLOG 64

struct tcp {
    struct server *server;
    uv_tcp_t listener;
    unsigned count;
    struct tcp_connection *connections; /* doubly linked */
};

struct tcp_connection {
    struct tcp *tcp;
    struct tcp_connection *next, *previous;
    uv_tcp_t stream;
    uv_timer_t idle;
    unsigned holds;       /* handles, queries and writes that still refer to this memory */
    unsigned outstanding; /* queries without answer and writes not done */
    bool closing, reading, ended, taking;
    size_t got;
    uint8_t in[2 + QUERY_MAX];
};

struct answer_write {
    uv_write_t request;
    struct tcp_connection *connection;
    uint8_t wire[];
};

static void release(struct tcp_connection *connection)
{
    if (--connection->holds == 0)
        free(connection);
}

static void on_closed(uv_handle_t *handle)
{
    release(handle->data);
}

static void connection_close(struct tcp_connection *connection)
{
    struct tcp *tcp = connection->tcp;

    if (connection->closing)
        return;
    connection->closing = true;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        tcp->connections = connection->next;
    tcp->count--;
    uv_close((uv_handle_t *)&connection->stream, on_closed);
    uv_close((uv_handle_t *)&connection->idle, on_closed);
}

static void on_idle(uv_timer_t *timer)
{
    connection_close(timer->data);
}

static void restart_idle(struct tcp_connection *connection)
{
    if (!connection->closing)
        uv_timer_start(&connection->idle, on_idle, TCP_IDLE_MS, 0);
}

static void connection_continue(struct tcp_connection *connection);

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tcp_connection *connection = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)connection->in + connection->got,
                       (unsigned)(sizeof connection->in - connection->got));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct tcp_connection *connection = stream->data;

    (void)buf;
    if (got < 0) {
        /* After its FIN a client may still wait for answers. */
        connection->ended = true;
        if (got != UV_EOF || connection->outstanding == 0)
            connection_close(connection);
        return;
    }
    connection->got += (size_t)got;
    connection_continue(connection);
}

static void set_reading(struct tcp_connection *connection, bool reading)
{
    if (connection->closing || connection->reading == reading)
        return;
    connection->reading = reading;
    if (reading)
        uv_read_start((uv_stream_t *)&connection->stream, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&connection->stream);
}

/* Takes the first message out of the buffer. Returns false when there is none that can be taken now. */
static bool take_message(struct tcp_connection *connection, bool *starved)
{
    struct client client = {.side = SIDE_AGENT, .connection = connection};

    if (connection->got < 2 || connection->outstanding >= TCP_OUTSTANDING)
        return false;
    size_t len = (size_t)connection->in[0] << 8 | connection->in[1];
    if (len < QUERY_HEADER || len > QUERY_MAX) {
        server_refused(connection->tcp->server, DENIAL_DNS_MALFORMED);
        connection_close(connection);
        return false;
    }
    if (connection->got < 2 + len)
        return false;
    connection->outstanding++; /* before: the answer may come from inside */
    connection->holds++;
    if (!server_take(connection->tcp->server, &client, connection->in + 2, len)) {
        connection->outstanding--;
        connection->holds--;
        *starved = true;
        return false;
    }
    connection->got -= 2 + len;
    memmove(connection->in, connection->in + 2 + len, connection->got);
    restart_idle(connection);
    return true;
}

/* Takes what the buffer holds, then reads on if it may. */
static void connection_continue(struct tcp_connection *connection)
{
    bool starved = false;

    if (connection->closing || connection->taking)
        return;
    connection->taking = true; /* answers given from inside come back here */
    connection->holds++;
    while (!connection->closing && take_message(connection, &starved))
        ;
    connection->taking = false;
    if (connection->ended && connection->outstanding == 0)
        connection_close(connection);
    set_reading(connection, !starved && !connection->ended && connection->outstanding < TCP_OUTSTANDING);
    release(connection);
}

static void answered(struct tcp_connection *connection)
{
    connection->outstanding--;
    restart_idle(connection);
    connection_continue(connection);
    release(connection);
}

static void on_written(uv_write_t *request, int status)
{
    struct answer_write *write = request->data;
    struct tcp_connection *connection = write->connection;

    free(write);
    if (status != 0)
        connection_close(connection);
    answered(connection);
}

void tcp_send(struct tcp_connection *connection, const uint8_t *wire, size_t len)
{
    uint8_t head[2] = {(uint8_t)(len >> 8), (uint8_t)len};
    struct answer_write *write = len > 0 && !connection->closing ? malloc(sizeof *write + 2 + len) : NULL;

    if (write == NULL) {
        if (len > 0)
            connection_close(connection);
        answered(connection);
        return;
    }
    memcpy(write->wire, head, 2);
    memcpy(write->wire + 2, wire, len);
    write->connection = connection;
    write->request.data = write;
    uv_buf_t part = uv_buf_init((char *)write->wire, (unsigned)(2 + len));
    if (uv_write(&write->request, (uv_stream_t *)&connection->stream, &part, 1, on_written) != 0) {
        free(write);
        connection_close(connection);
        answered(connection);
    }
}

void tcp_resume(struct tcp *tcp)
{
    for (struct tcp_connection *connection = tcp->connections, *next; connection != NULL; connection = next) {
        next = connection->next;
        connection_continue(connection);
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct tcp *tcp = listener->data;
    struct tcp_connection *connection = status == 0 ? calloc(1, sizeof *connection) : NULL;

    if (connection == NULL)
        return;
    connection->tcp = tcp;
    connection->holds = 2;
    connection->next = tcp->connections;
    if (tcp->connections != NULL)
        tcp->connections->previous = connection;
    tcp->connections = connection;
    tcp->count++;
    uv_tcp_init(listener->loop, &connection->stream);
    uv_timer_init(listener->loop, &connection->idle);
    connection->stream.data = connection->idle.data = connection;
    if (uv_accept(listener, (uv_stream_t *)&connection->stream) != 0) {
        connection_close(connection);
    } else if (tcp->count > TCP_CONNECTIONS) {
        server_refused(tcp->server, DENIAL_OVERLOADED);
        connection_close(connection);
    } else {
        restart_idle(connection);
        set_reading(connection, true);
    }
}

struct tcp *tcp_new(struct server *server, uv_loop_t *loop, int sock)
{
    struct tcp *tcp = calloc(1, sizeof *tcp);

    if (tcp == NULL)
        return NULL;
    tcp->server = server;
    tcp->listener.data = tcp;
    if (uv_tcp_init(loop, &tcp->listener) != 0 || uv_tcp_open(&tcp->listener, sock) != 0 ||
        uv_listen((uv_stream_t *)&tcp->listener, BACKLOG, on_connection) != 0) {
        free(tcp);
        return NULL;
    }
    tcp->listener.data = tcp;
    return tcp;
}
