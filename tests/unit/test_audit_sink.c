/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_audit_sink: no decision without its line, no flood of equal denials, no loss when the reader stalls.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/audit_sink.h"
#include "tests/unit/suite.h"

static uv_loop_t loop;
static int pair[2];
static struct audit_sink *sink;
static unsigned rooms, packets;

static void on_room(void *ctx)
{
    (void)ctx;
    rooms++;
}

static void open_sink(void)
{
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    sink = audit_sink_new(&loop, pair[0], on_room, NULL);
    ck_assert_ptr_nonnull(sink);
    rooms = 0;
}

static void close_sink(void)
{
    audit_sink_close(sink);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    close(pair[1]);
}

static void emit(enum audit_verdict verdict, const char *host)
{
    struct audit audit = {.kind = AUDIT_DNS, .verdict = verdict, .host = str_of(host)};

    ck_assert(audit_sink_reserve(sink));
    audit_sink_emit(sink, &audit);
}

/* The next line that is there, without its LF; NULL when there is none. */
static char *next_line(void)
{
    static char packet[AUDIT_PACKET_MAX + 1];
    static char *at = packet;

    if (*at == '\0') {
        ssize_t got = recv(pair[1], packet, sizeof packet, MSG_DONTWAIT);
        if (got <= 0)
            return NULL;
        ck_assert_int_le(got, AUDIT_PACKET_MAX);
        ck_assert_int_eq(packet[got - 1], '\n');
        packet[got] = '\0';
        at = packet;
        packets++;
    }
    char *line = at, *end = strchr(at, '\n');
    *end = '\0';
    at = end + 1;
    return line;
}

/* Reads the lines that are there; returns how many hold `text`. */
static unsigned lines_with(const char *text)
{
    unsigned found = 0;

    for (const char *line; (line = next_line()) != NULL;)
        found += strstr(line, text) != NULL;
    return found;
}

/* A handle that keeps the loop turning for some milliseconds. */
static void on_wait(uv_timer_t *timer)
{
    uv_close((uv_handle_t *)timer, NULL);
    uv_stop(timer->loop);
}

static void turn(uint64_t ms)
{
    static uv_timer_t timer;

    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_wait, ms, 0);
    uv_run(&loop, UV_RUN_DEFAULT);
}

START_TEST(every_allowed_decision_is_a_line)
{
    open_sink();
    for (int i = 0; i < 20; i++)
        emit(AUDIT_ALLOW, "same.example");
    turn(1);
    ck_assert_uint_eq(lines_with("same.example"), 20);
    close_sink();
}
END_TEST

START_TEST(the_lines_of_one_turn_share_packets)
{
    char host[400];

    open_sink();
    packets = 0;
    for (int i = 0; i < 20; i++)
        emit(AUDIT_ALLOW, "same.example");
    turn(1);
    ck_assert_uint_eq(lines_with("same.example"), 20);
    ck_assert_uint_eq(packets, 1);
    for (int i = 0; i < 20; i++) {
        snprintf(host, sizeof host, "%0399d", i);
        emit(AUDIT_ALLOW, host);
    }
    turn(1);
    ck_assert_uint_eq(lines_with("0000"), 20);
    ck_assert_uint_eq(packets, 1 + 2);
    close_sink();
}
END_TEST

START_TEST(equal_denials_become_one_line_with_their_count)
{
    open_sink();
    for (int i = 0; i < 500; i++)
        emit(AUDIT_BLOCK, "evil.example");
    emit(AUDIT_BLOCK, "other.example");
    turn(1);
    ck_assert_uint_eq(lines_with("\"host\":"), 2);
    turn(1600);
    ck_assert_uint_eq(lines_with("\"host\":\"evil.example\",\"count\":499}"), 1);
    emit(AUDIT_BLOCK, "evil.example");
    turn(1);
    ck_assert_uint_eq(lines_with("evil.example"), 1);
    close_sink();
}
END_TEST

static void emit_git(const char *repository, const char *ref)
{
    struct audit audit = {.kind = AUDIT_GIT,
                          .verdict = AUDIT_BLOCK,
                          .reason = DENIAL_DLP_MATCH,
                          .repository = str_of(repository),
                          .ref = str_of(ref)};

    ck_assert(audit_sink_reserve(sink));
    audit_sink_emit(sink, &audit);
}

START_TEST(refs_are_told_apart_and_so_are_repositories)
{
    open_sink();
    for (int i = 0; i < 3; i++) {
        emit_git("app", "refs/heads/a");
        emit_git("app", "refs/heads/b");
        emit_git("lib", "refs/heads/a");
    }
    turn(1);
    ck_assert_uint_eq(lines_with("\"repository\":"), 3);
    turn(1600);
    ck_assert_uint_eq(lines_with("\"repository\":\"app\",\"ref\":\"refs/heads/b\",\"count\":2}"), 1);
    close_sink();
}
END_TEST

START_TEST(a_flood_of_different_denials_becomes_few_lines_and_hides_nothing_else)
{
    char host[600];
    uint64_t told = 0;
    unsigned lines = 0, alarms = 0;

    open_sink();
    for (int i = 0; i < 20000; i++) {
        snprintf(host, sizeof host, "%0*d.example", i % 2 == 0 ? 8 : 500,
                 i); /* short and too long to be kept */
        emit(AUDIT_BLOCK, host);
        if (i % 5000 == 0)
            emit(AUDIT_ALARM, host);
    }
    turn(1);
    turn(1600);
    for (const char *line; (line = next_line()) != NULL;) {
        const char *count = strstr(line, "\"count\":");
        lines++;
        alarms += strstr(line, "\"alarm\"") != NULL;
        if (strstr(line, "\"block\"") != NULL)
            told += count != NULL ? strtoull(count + 8, NULL, 10) : 1;
    }
    ck_assert_uint_eq(told, 20000);
    ck_assert_uint_eq(alarms, 4);
    ck_assert_uint_eq(lines, 128 + 4 + 1);
    close_sink();
}
END_TEST

START_TEST(denials_by_other_entries_of_a_route_are_not_equal)
{
    static const char *const rules[] = {"a.example deny[0]", "a.example deny[1]", "a.example deny[0]"};

    open_sink();
    for (size_t i = 0; i < 3; i++) {
        const struct audit audit = {
            .kind = AUDIT_HTTP, .verdict = AUDIT_BLOCK, .rule = rules[i], .host = str_of("a.example")};
        ck_assert(audit_sink_reserve(sink));
        audit_sink_emit(sink, &audit);
    }
    turn(1);
    ck_assert_uint_eq(lines_with("deny["), 2);
    close_sink();
}
END_TEST

START_TEST(counts_are_written_at_the_end_too)
{
    open_sink();
    emit(AUDIT_BLOCK, "evil.example");
    emit(AUDIT_BLOCK, "evil.example");
    emit(AUDIT_BLOCK, "evil.example");
    audit_sink_close(sink);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert_uint_eq(lines_with("\"count\":2}"), 1);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
    close(pair[1]);
}
END_TEST

START_TEST(a_stalled_reader_stops_the_reservations_and_loses_nothing)
{
    unsigned emitted = 0, read = 0;
    char host[32];

    open_sink();
    while (audit_sink_reserve(sink)) {
        struct audit audit = {.kind = AUDIT_DNS, .verdict = AUDIT_ALLOW, .host = str_of("n.example")};
        snprintf(host, sizeof host, "n%u.example", emitted++);
        audit.host = str_of(host);
        audit_sink_emit(sink, &audit);
        ck_assert_uint_lt(emitted, 100000);
    }
    ck_assert_uint_gt(emitted, 100);
    turn(1);
    for (int i = 0; i < 1000 && read < emitted; i++) {
        read += lines_with(".example");
        turn(1);
    }
    ck_assert_uint_gt(rooms, 0);
    ck_assert_uint_eq(read, emitted);
    close_sink();
}
END_TEST

START_TEST(reservations_alone_fill_the_queue_and_releases_empty_it)
{
    unsigned held = 0;

    open_sink();
    while (audit_sink_reserve(sink))
        held++;
    ck_assert_uint_gt(held, 200);
    audit_sink_release(sink);
    ck_assert(audit_sink_reserve(sink));
    while (held-- > 0)
        audit_sink_release(sink);
    turn(1);
    ck_assert_uint_eq(rooms, 1);
    close_sink();
}
END_TEST

START_TEST(without_init_nothing_is_reserved)
{
    open_sink();
    close(pair[1]);
    emit(AUDIT_ALLOW, "a.example");
    turn(1);
    ck_assert(!audit_sink_reserve(sink));
    pair[1] = -1;
    close_sink();
}
END_TEST

START_TEST(a_line_without_its_reservation_ends_the_worker)
{
    const struct audit audit = {.kind = AUDIT_DNS, .verdict = AUDIT_ALLOW};

    for (int i = 0; i < 2; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            open_sink();
            emit(AUDIT_ALLOW, "a.example");
            if (i == 0)
                audit_sink_emit(sink, &audit);
            else
                audit_sink_release(sink);
            _exit(0);
        }
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}
END_TEST

SUITE_MAIN("audit_sink", every_allowed_decision_is_a_line, the_lines_of_one_turn_share_packets,
           equal_denials_become_one_line_with_their_count, refs_are_told_apart_and_so_are_repositories,
           a_flood_of_different_denials_becomes_few_lines_and_hides_nothing_else,
           denials_by_other_entries_of_a_route_are_not_equal, counts_are_written_at_the_end_too,
           a_stalled_reader_stops_the_reservations_and_loses_nothing,
           reservations_alone_fill_the_queue_and_releases_empty_it, without_init_nothing_is_reserved,
           a_line_without_its_reservation_ends_the_worker)
