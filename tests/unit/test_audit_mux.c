/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/audit_mux: every worker's lines come through, however much the others have to say. */
#include "init/audit_mux.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/suite.h"

#define WORKERS    4
#define TURNS_MAX  400
#define PACKET_MAX 4096

static uv_loop_t loop;

static void on_broken(void *ctx, const char *why)
{
    (void)ctx;
    ck_abort_msg("the stream has broken: %s", why);
}

/* Fills a worker's socket with lines that name it. */
static void flood(int sock, unsigned worker)
{
    char packet[PACKET_MAX];
    size_t len = 0;

    while (len + 64 < sizeof packet)
        len += (size_t)snprintf(packet + len, sizeof packet - len, "{\"kind\":\"http\",\"host\":\"of-%u\"}\n",
                                worker);
    while (send(sock, packet, len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        continue;
}

/* What has been written to the stream; it is read here, so that it never blocks. */
static bool told_of(int stream, unsigned worker)
{
    static char text[1 << 20];
    char wanted[32];
    ssize_t len = read(stream, text, sizeof text - 1);

    text[len > 0 ? len : 0] = '\0';
    snprintf(wanted, sizeof wanted, "\"host\":\"of-%u\"", worker);
    return strstr(text, wanted) != NULL;
}

/* All but `quiet` never stop; that one says one thing. */
static void hears(int stream, const int socks[WORKERS], unsigned quiet)
{
    static const char line[] = "{\"kind\":\"dns\",\"host\":\"of-%u\"}\n";
    char text[64];
    bool told = false;

    int len = snprintf(text, sizeof text, line, quiet);
    ck_assert_int_eq(send(socks[quiet], text, (size_t)len, 0), len);
    for (unsigned turn = 0; turn < TURNS_MAX && !told; turn++) {
        for (unsigned i = 0; i < WORKERS; i++)
            if (i != quiet)
                flood(socks[i], i);
        uv_run(&loop, UV_RUN_ONCE);
        told = told_of(stream, quiet);
    }
    ck_assert_msg(told, "worker %u is not heard", quiet);
}

static void try(unsigned quiet)
{
    int out[2], pair[2], socks[WORKERS];

    ck_assert_int_eq(uv_loop_init(&loop), 0);
    ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
    ck_assert_int_eq(fcntl(out[0], F_SETFL, O_NONBLOCK), 0);
    struct audit_mux *mux = audit_mux_new(&loop, out[1], on_broken, NULL);
    ck_assert_ptr_nonnull(mux);
    for (unsigned i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        ck_assert_int_eq(audit_mux_add(mux, pair[0]), 0);
        socks[i] = pair[1];
    }
    hears(out[0], socks, quiet);
}

START_TEST(a_quiet_worker_is_heard_among_loud_ones)
{
    try((unsigned)_i);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("audit_mux");

    tcase_add_loop_test(tcase, a_quiet_worker_is_heard_among_loud_ones, 0, WORKERS);
    return suite_run_case("audit_mux", tcase);
}
