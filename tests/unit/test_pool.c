/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pool: a connection serves its key only, and leaves when its server, its time or the bound says so. */
#include "proxy/pool.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/limits.h"
#include "tests/unit/suite.h"

static uv_loop_t loop;
static struct pool *pool;
static const struct pool_key key = {.host = "a.test", .port = 443, .secure = true, .generation = 7};
static struct pooled taken;

static void never(void *ctx, int events)
{
    ck_abort_msg("an owner of before is told of events");
}

static void start(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    pool = pool_new(&loop);
    ck_assert_ptr_nonnull(pool);
}

/* Puts a new connection under the key; returns its server's end. */
static int put(const struct pool_key *under, bool proven, uint64_t idle_ms)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    struct stream *stream = stream_new(&loop, ends[0], never, NULL);
    ck_assert_ptr_nonnull(stream);
    pool_put(pool, under,
             &(struct pooled){.stream = stream,
                              .ip = ip_from_v4((const uint8_t[]){192, 0, 2, 1}),
                              .proven = proven,
                              .idle_ms = idle_ms});
    return ends[1];
}

static bool take(const struct pool_key *of)
{
    bool there = pool_take(pool, of, false, &taken);

    if (there)
        stream_close(taken.stream, false);
    return there;
}

/* Whether the server's end sees that the connection was closed, after some turns of the loop. */
static bool closed(int server, int turns)
{
    char byte;

    for (int i = 0; i < turns; i++) {
        ssize_t got = read(server, &byte, 1);
        if (got == 0)
            return true;
        uv_run(&loop, UV_RUN_ONCE);
    }
    return read(server, &byte, 1) == 0;
}

START_TEST(a_connection_serves_its_key_only)
{
    struct pool_key others[] = {key, key, key, key};

    start();
    others[0].host = "b.test";
    others[1].port = 8443;
    others[2].secure = false;
    others[3].generation = 8;
    int server = put(&key, false, 60000);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        ck_assert(!take(&others[i]));
    ck_assert(!pool_take(pool, &key, true, &taken)); /* not proven */
    ck_assert(take(&key));
    ck_assert_uint_eq(taken.ip.bytes[0], 192);
    ck_assert(!take(&key)); /* once */
    close(server);
}
END_TEST

START_TEST(the_last_one_comes_first_and_a_proven_one_where_it_is_asked_for)
{
    start();
    int first = put(&key, true, 60000), second = put(&key, false, 60000);
    ck_assert(pool_take(pool, &key, true, &taken));
    ck_assert(taken.proven);
    stream_close(taken.stream, false);
    ck_assert(closed(first, 0) && !closed(second, 0));
    int third = put(&key, false, 60000);
    ck_assert(take(&key));
    ck_assert(closed(third, 0) && !closed(second, 0));
    pool_clear(pool);
    ck_assert(closed(second, 0));
    close(first);
    close(second);
    close(third);
}
END_TEST

START_TEST(an_end_and_unasked_bytes_end_it)
{
    start();
    int ended = put(&key, false, 60000);
    shutdown(ended, SHUT_WR);
    int speaks = put(&key, false, 60000);
    ck_assert_int_eq(write(speaks, "HTTP/1.1 200 OK\r\n", 17), 17);
    int silent = put(&key, false, 60000);
    ck_assert(closed(ended, 3) && closed(speaks, 3) && !closed(silent, 0));
    ck_assert(take(&key));
    ck_assert(closed(silent, 0));
    ck_assert(!take(&key));
    close(ended);
    close(speaks);
    close(silent);
}
END_TEST

START_TEST(its_time_ends)
{
    start();
    int server = put(&key, false, 1), lasting = put(&key, false, 60000);
    usleep(2000);
    uv_update_time(&loop);
    ck_assert(take(&key)); /* the other one */
    ck_assert(closed(lasting, 0));
    ck_assert(!take(&key) && !closed(server, 0)); /* it is still there, but not given out */
    ck_assert(closed(server, 3));                 /* until the sweep */
    close(server);
    close(lasting);
}
END_TEST

START_TEST(the_oldest_makes_room)
{
    int servers[POOL_MAX + 2];

    start();
    for (size_t i = 0; i < POOL_MAX + 2; i++)
        servers[i] = put(&key, false, 60000);
    ck_assert(closed(servers[0], 0) && closed(servers[1], 0) && !closed(servers[2], 0));
    for (size_t i = 0; i < POOL_MAX; i++)
        ck_assert(take(&key));
    ck_assert(!take(&key));
    for (size_t i = 0; i < POOL_MAX + 2; i++)
        close(servers[i]);
}
END_TEST

SUITE_MAIN("pool", a_connection_serves_its_key_only,
           the_last_one_comes_first_and_a_proven_one_where_it_is_asked_for, an_end_and_unasked_bytes_end_it,
           its_time_ends, the_oldest_makes_room)
