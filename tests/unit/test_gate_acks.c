/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate acks: what a client says in pieces is acknowledged before the kernel would. */
#include "gate/acks.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"

#define TURNS 20

/* One connection over loopback: ends[0] is the client's. */
static void connect_both(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, len), 0);
    ends[1] = accept(listener, NULL, NULL);
    ck_assert_int_ge(ends[1], 0);
    close(listener);
}

static void disconnect(int ends[2])
{
    close(ends[0]);
    close(ends[1]);
}

static bool has_come(int watch)
{
    struct pollfd readable = {watch, POLLIN, 0};

    return poll(&readable, 1, 0) == 1;
}

enum hurry { NOT, BEFORE_IT_IS_READ, AFTERWARDS };

/* Talks as git does: the server says something, the client answers with a piece, the server reads it. Returns how often that was
 * acknowledged then, at once. */
static unsigned talk(enum hurry hurry)
{
    int ends[2], left;
    unsigned acknowledged = 0;
    char byte = 'x';

    connect_both(ends);
    int watch = acks_watch(ends[1]);
    ck_assert_int_ge(watch, 0);
    for (int i = 0; i < TURNS; i++) {
        struct pollfd come[] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
        ck_assert_int_eq(write(ends[1], &byte, 1), 1);
        ck_assert_int_eq(poll(&come[0], 1, 10000), 1);
        ck_assert_int_eq(read(ends[0], &byte, 1), 1);
        ck_assert_int_eq(write(ends[0], &byte, 1), 1);
        ck_assert_int_eq(poll(&come[1], 1, 10000), 1);
        if (hurry == BEFORE_IT_IS_READ)
            acks_now(watch, ends[1]);
        ck_assert_int_eq(read(ends[1], &byte, 1), 1);
        if (hurry == AFTERWARDS) {
            ck_assert(has_come(watch)); /* the other one was faster, and it is told all the same */
            acks_now(watch, ends[1]);
        }
        ck_assert_int_eq(ioctl(ends[0], SIOCOUTQ, &left), 0);
        acknowledged += left == 0;
    }
    close(watch);
    disconnect(ends);
    return acknowledged;
}

/* By counts and not by a clock: a kernel that is busy may be late once, and not twenty times. */
START_TEST(a_piece_that_was_read_is_acknowledged_at_once)
{
    unsigned before = talk(BEFORE_IT_IS_READ), afterwards = talk(AFTERWARDS), without = talk(NOT);

    ck_assert_msg(before > without && afterwards > without, "%u and %u of %d, and %u without it", before,
                  afterwards, TURNS, without);
}
END_TEST

START_TEST(it_is_told_once_of_what_has_come_and_nothing_is_read)
{
    int ends[2], nodelay = 0;
    socklen_t len = sizeof nodelay;
    char bytes[3];

    connect_both(ends);
    int watch = acks_watch(ends[1]);
    ck_assert(!has_come(watch));
    for (int i = 0; i < 2; i++) {
        struct pollfd come = {watch, POLLIN, 0};
        ck_assert_int_eq(write(ends[0], "x", 1), 1);
        ck_assert_int_eq(poll(&come, 1, 10000), 1);
        acks_now(watch, ends[1]);
        ck_assert(!has_come(watch)); /* whoever polls it does not spin until the other one reads */
    }
    ck_assert_int_eq(read(ends[1], bytes, sizeof bytes), 2);
    ck_assert_int_eq(getsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &nodelay, &len), 0);
    ck_assert_int_ne(nodelay, 0);
    close(watch);
    disconnect(ends);
}
END_TEST

START_TEST(what_is_no_tcp_has_none)
{
    int ends[2];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    ck_assert_int_eq(acks_watch(ends[1]), -1);
    disconnect(ends);
}
END_TEST

SUITE_MAIN("gate_acks", a_piece_that_was_read_is_acknowledged_at_once,
           it_is_told_once_of_what_has_come_and_nothing_is_read, what_is_no_tcp_has_none)
