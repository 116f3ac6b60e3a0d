/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * duct: a TCP connection through one duct, with the test at the framed pair, and through two of them with the
 * test at both sockets. The test turns the ducts itself, so that nothing here waits for time.
 */
#include "core/duct.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/suite.h"

/* A duct with everything that is on its other sides. */
struct rig {
    struct duct duct;
    int peer;         /* of the socket */
    int feed, output; /* the far ends of in and out */
    enum duct_state state;
};

static void tcp_pair(int *one, int *other)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    *one = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(connect(*one, (const struct sockaddr *)&address, len), 0);
    *other = accept(listener, NULL, NULL);
    ck_assert_int_ge(*other, 0);
    close(listener);
    fcntl(*other, F_SETFL, O_NONBLOCK);
}

static void open_rig(struct rig *rig, bool hangup_ends)
{
    int in[2], out[2], sock;

    signal(SIGPIPE, SIG_IGN);
    ck_assert(pipe(in) == 0 && pipe(out) == 0);
    tcp_pair(&sock, &rig->peer);
    rig->feed = in[1];
    rig->output = out[0];
    fcntl(rig->output, F_SETFL, O_NONBLOCK);
    rig->state = DUCT_MORE;
    ck_assert_int_eq(duct_init(&rig->duct, sock, in[0], out[1], hangup_ends), 0);
}

static void shut(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* What its owner does at the end. */
static void settle(struct rig *rig)
{
    if (rig->state == DUCT_BROKEN)
        duct_reset(rig->duct.sock);
    else
        close(rig->duct.sock);
    shut(&rig->duct.in);
    shut(&rig->duct.out);
}

static void close_rig(struct rig *rig)
{
    shut(&rig->peer);
    shut(&rig->feed);
    shut(&rig->output);
}

/* Turns until nothing moves for a moment, which loopback sockets need to tell. */
static void turn(struct rig *rig)
{
    struct pollfd polls[DUCT_POLLS];

    while (rig->state == DUCT_MORE) {
        duct_polls(&rig->duct, polls);
        if (poll(polls, DUCT_POLLS, 20) <= 0)
            return;
        rig->state = duct_turn(&rig->duct, polls);
    }
    settle(rig);
}

static void put(int fd, const char *bytes, size_t len)
{
    ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
}

/* All that is there; -1 when the first read fails. */
static ssize_t take(int fd, char *bytes, size_t size)
{
    size_t have = 0;
    ssize_t got = -1;

    while (have < size && (got = read(fd, bytes + have, size - have)) > 0)
        have += (size_t)got;
    return have > 0 ? (ssize_t)have : got;
}

START_TEST(bytes_of_the_socket_become_frames_and_its_end_the_mark)
{
    struct rig rig;
    char got[64];

    open_rig(&rig, false);
    put(rig.peer, "hello", 5);
    turn(&rig);
    ck_assert_int_eq(take(rig.output, got, sizeof got), 7);
    ck_assert_mem_eq(got, "\0\5hello", 7);
    shutdown(rig.peer, SHUT_WR);
    turn(&rig);
    ck_assert_int_eq(take(rig.output, got, sizeof got), 2);
    ck_assert_mem_eq(got, "\0\0", 2);
    put(rig.feed, "\0\3abc", 5); /* the other direction goes on */
    turn(&rig);
    ck_assert_int_eq(take(rig.peer, got, sizeof got), 3);
    ck_assert_int_eq(rig.state, DUCT_MORE);
    put(rig.feed, "\0\0", 2);
    turn(&rig);
    ck_assert_int_eq(rig.state, DUCT_DONE);
    ck_assert_int_eq(read(rig.peer, got, 1), 0);
    close_rig(&rig);
}
END_TEST

START_TEST(frames_are_read_however_they_are_cut)
{
    static const char frames[] = "\0\1a\0\3bcd\0\0";
    struct rig rig;
    char got[16];

    for (size_t cut = 1; cut < sizeof frames - 2; cut++) {
        open_rig(&rig, false);
        put(rig.feed, frames, cut);
        turn(&rig);
        put(rig.feed, frames + cut, sizeof frames - 1 - cut);
        turn(&rig);
        ck_assert_int_eq(take(rig.peer, got, sizeof got), 4);
        ck_assert_mem_eq(got, "abcd", 4);
        ck_assert_int_eq(read(rig.peer, got, 1), 0);
        ck_assert_int_eq(rig.state, DUCT_MORE); /* the peer still may speak */
        settle(&rig);
        close_rig(&rig);
    }
}
END_TEST

START_TEST(an_end_without_the_mark_is_a_reset)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {{"", 0}, {"\0", 1}, {"\0\3ab", 4}, {"\0\1a", 3}, {"\0\1a\0\0", 5}};
    struct rig rig;
    char got[16];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        open_rig(&rig, false);
        put(rig.feed, cases[i].bytes, cases[i].len);
        shut(&rig.feed);
        turn(&rig);
        ck_assert_int_eq(rig.state, DUCT_BROKEN);
        ssize_t last;
        while ((last = read(rig.peer, got, sizeof got)) > 0)
            ;
        if (i < 4)
            ck_assert(last < 0 && errno == ECONNRESET);
        else
            ck_assert_int_eq(last, 0); /* the mark was read first */
        close_rig(&rig);
    }
}
END_TEST

START_TEST(bytes_behind_the_mark_break_it)
{
    struct rig rig;

    open_rig(&rig, false);
    put(rig.feed, "\0\0\0\1a", 5);
    turn(&rig);
    ck_assert_int_eq(rig.state, DUCT_BROKEN);
    close_rig(&rig);
    open_rig(&rig, false); /* also where both streams have ended with the same bytes */
    shutdown(rig.peer, SHUT_WR);
    turn(&rig);
    put(rig.feed, "\0\0\0\1a", 5);
    turn(&rig);
    ck_assert_int_eq(rig.state, DUCT_BROKEN);
    close_rig(&rig);
}
END_TEST

START_TEST(a_peers_reset_is_no_end)
{
    struct rig rig;
    char got[64];

    open_rig(&rig, false);
    put(rig.peer, "abc", 3);
    turn(&rig);
    duct_reset(rig.peer);
    rig.peer = -1;
    turn(&rig);
    ck_assert_int_eq(rig.state, DUCT_BROKEN);
    ck_assert_int_eq(take(rig.output, got, sizeof got), 5); /* and no mark */
    close_rig(&rig);
}
END_TEST

START_TEST(what_was_said_before_a_peer_left_still_arrives)
{
    static char flood[DUCT_PIECE + 2];
    struct rig rig;
    char got[64];

    open_rig(&rig, false);
    put(rig.peer, "answer", 6);
    shut(&rig.peer); /* it has read nothing of what comes now, and will reset */
    flood[0] = (char)(DUCT_PIECE >> 8);
    flood[1] = (char)(DUCT_PIECE & 255);
    for (int i = 0; i < 3 && rig.state == DUCT_MORE; i++) {
        ck_assert_int_gt(write(rig.feed, flood, sizeof flood), 0);
        turn(&rig);
    }
    ck_assert_int_eq(rig.state, DUCT_BROKEN);
    ck_assert_int_eq(take(rig.output, got, sizeof got), 10);
    ck_assert_mem_eq(got, "\0\6answer\0\0", 10);
    close_rig(&rig);
}
END_TEST

START_TEST(nothing_is_read_on_while_the_other_side_is_full)
{
    static char bytes[1 << 20];
    struct rig rig;
    ssize_t total = 0, put_now;

    open_rig(&rig, false);
    for (int idle = 0; idle < 3;) { /* nobody reads rig.output */
        put_now = write(rig.peer, bytes, sizeof bytes);
        idle = put_now > 0 ? 0 : idle + 1;
        total += put_now > 0 ? put_now : 0;
        turn(&rig);
        ck_assert_int_lt(total, 64 << 20);
    }
    ck_assert_int_eq(rig.state, DUCT_MORE);
    put(rig.feed, "\0\1a", 3); /* that direction is not held up */
    turn(&rig);
    ck_assert_int_eq(read(rig.peer, bytes, 1), 1);
    settle(&rig);
    close_rig(&rig);
}
END_TEST

START_TEST(a_hangup_is_seen_while_nothing_can_move)
{
    static char frame[DUCT_PIECE + 2];

    for (int hangup_ends = 0; hangup_ends < 2; hangup_ends++) {
        struct rig rig;
        int small = 4096;
        size_t at = 0;

        open_rig(&rig, hangup_ends);
        frame[0] = (char)(DUCT_PIECE >> 8);
        frame[1] = (char)(DUCT_PIECE & 255);
        fcntl(rig.feed, F_SETFL, O_NONBLOCK);
        setsockopt(rig.duct.sock, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
        setsockopt(rig.peer, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        for (int idle = 0; idle < 3;) { /* the peer does not read */
            ssize_t put_now = write(rig.feed, frame + at, sizeof frame - at);
            at = put_now > 0 ? (at + (size_t)put_now) % sizeof frame : at;
            idle = put_now > 0 ? 0 : idle + 1;
            turn(&rig);
        }
        shut(&rig.feed);
        turn(&rig);
        ck_assert_int_eq(rig.state, hangup_ends ? DUCT_BROKEN : DUCT_MORE);
        if (!hangup_ends)
            settle(&rig);
        close_rig(&rig);
    }
}
END_TEST

/* Two ducts on each other's pairs, as on the host and in the bottle. */
START_TEST(two_ducts_are_one_connection)
{
    static char sent[2][300000], got[2][300001];
    size_t at[2] = {0, 0}, have[2] = {0, 0};
    struct rig rigs[2];
    bool ended[2] = {false, false};

    open_rig(&rigs[0], false);
    open_rig(&rigs[1], false);
    for (int i = 0; i < 2; i++) {
        shut(&rigs[i].duct.in);
        shut(&rigs[i].output);
        rigs[i].duct.in = rigs[1 - i].feed; /* to be replaced below; a number that is open */
    }
    for (int i = 0; i < 2; i++) {
        int ends[2];
        shut(&rigs[i].feed);
        shut(&rigs[i].duct.out);
        ck_assert_int_eq(pipe(ends), 0);
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
        rigs[i].duct.out = ends[1];
        rigs[1 - i].duct.in = ends[0];
        for (size_t j = 0; j < sizeof sent[i]; j++)
            sent[i][j] = (char)(j * 31 + j / 251 + (size_t)i);
    }
    while (!ended[0] || !ended[1])
        for (int i = 0; i < 2; i++) {
            ssize_t moved = write(rigs[i].peer, sent[i] + at[i], sizeof sent[i] - at[i]);
            at[i] += moved > 0 ? (size_t)moved : 0;
            if (at[i] == sizeof sent[i])
                shutdown(rigs[i].peer, SHUT_WR);
            struct pollfd polls[DUCT_POLLS];
            duct_polls(&rigs[i].duct, polls);
            if (rigs[i].state == DUCT_MORE && poll(polls, DUCT_POLLS, 1) > 0)
                rigs[i].state = duct_turn(&rigs[i].duct, polls);
            ck_assert_int_ne(rigs[i].state, DUCT_BROKEN);
            moved = read(rigs[i].peer, got[i] + have[i], sizeof got[i] - have[i]);
            have[i] += moved > 0 ? (size_t)moved : 0;
            ended[i] = ended[i] || moved == 0;
        }
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(have[i], sizeof sent[i]);
        ck_assert_mem_eq(got[i], sent[1 - i], sizeof sent[i]);
        ck_assert_int_eq(rigs[i].state, DUCT_DONE);
    }
    for (int i = 0; i < 2; i++) {
        settle(&rigs[i]);
        close_rig(&rigs[i]);
    }
}
END_TEST

SUITE_MAIN("duct", bytes_of_the_socket_become_frames_and_its_end_the_mark,
           frames_are_read_however_they_are_cut, an_end_without_the_mark_is_a_reset,
           bytes_behind_the_mark_break_it, a_peers_reset_is_no_end,
           what_was_said_before_a_peer_left_still_arrives, nothing_is_read_on_while_the_other_side_is_full,
           a_hangup_is_seen_while_nothing_can_move, two_ducts_are_one_connection)
