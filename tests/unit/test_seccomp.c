/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sys/seccomp: a libuv loop with all kinds of handles that workers use serves inside the jail: listener,
 * dialled connection, datagrams both ways, timer, signal, poll, pipes, and running out of descriptors. Needs
 * root. */
#include "sys/seccomp.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "tests/unit/suite.h"

#define CLIENTS    40
#define OPEN_FILES 32 /* fewer than the clients: libuv has to give up its spare descriptor */

static char root[] = "/tmp/test_seccomp.XXXXXX";
static int accepted, refused, echoed, ticks, signals, polled;
static uv_loop_t loop;
static uv_tcp_t listener, peers[CLIENTS];
static uv_udp_t server, client;
static uv_timer_t timer;
static uv_signal_t sigusr1;
static uv_poll_t poller;
static char bytes[2 * 65536]; /* libuv fills 64 KiB pieces with recvmmsg and spins on less than one */

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)handle;
    (void)size;
    *buf = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *buf)
{
    (void)buf;
    if (len > 0)
        uv_try_write(stream, &(uv_buf_t){.base = bytes, .len = (size_t)len}, 1);
}

static void on_connection(uv_stream_t *stream, int status)
{
    if (status != 0 || accepted == CLIENTS || uv_tcp_init(&loop, &peers[accepted]) != 0) {
        refused++;
        return;
    }
    if (uv_accept(stream, (uv_stream_t *)&peers[accepted]) != 0)
        return;
    uv_tcp_nodelay(&peers[accepted], 1);
    uv_tcp_keepalive(&peers[accepted], 1, 60);
    uv_read_start((uv_stream_t *)&peers[accepted], on_alloc, on_read);
    accepted++;
}

static void on_datagram(uv_udp_t *handle, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from,
                        unsigned flags)
{
    (void)flags;
    if (len <= 0 || from == NULL)
        return;
    if (handle == &server)
        uv_udp_try_send(handle, &(uv_buf_t){.base = buf->base, .len = (size_t)len}, 1, from);
    else
        echoed++;
}

static void on_closed(uv_handle_t *handle)
{
    (void)handle;
}

static void on_tick(uv_timer_t *handle)
{
    (void)handle;
    if (++ticks < 5)
        return;
    uv_tcp_close_reset(&peers[0], on_closed);
    uv_stop(&loop);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)handle;
    (void)number;
    signals++;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    polled++;
    uv_poll_stop(handle);
}

static void loop_open(int poll_fd, struct sockaddr_in *tcp, struct sockaddr_in *udp)
{
    struct sockaddr_in any;
    int len = sizeof any;

    uv_ip4_addr("127.0.0.1", 0, &any);
    if (uv_loop_init(&loop) != 0 || uv_tcp_init(&loop, &listener) != 0 ||
        uv_tcp_bind(&listener, (struct sockaddr *)&any, 0) != 0 ||
        uv_listen((uv_stream_t *)&listener, CLIENTS, on_connection) != 0)
        _exit(10);
    uv_tcp_getsockname(&listener, (struct sockaddr *)tcp, &len);
    uv_udp_init_ex(&loop, &server, AF_INET | UV_UDP_RECVMMSG);
    if (uv_udp_bind(&server, (struct sockaddr *)&any, 0) != 0)
        _exit(11);
    uv_udp_getsockname(&server, (struct sockaddr *)udp, &len);
    uv_udp_recv_start(&server, on_alloc, on_datagram);
    uv_signal_init(&loop, &sigusr1);
    uv_signal_start(&sigusr1, on_signal, SIGUSR1);
    uv_poll_init(&loop, &poller, poll_fd);
    uv_poll_start(&poller, UV_READABLE, on_poll);
}

static void serve(int poll_fd, int address_fd)
{
    const struct jail jail = {
        .root = root, .uid = 61001, .gid = 61001, .open_files = OPEN_FILES, .profile = JAIL_PROXY};
    struct sockaddr_in addresses[2], to;
    int linger_fd;
    struct err err;

    loop_open(poll_fd, &addresses[0], &addresses[1]);
    if (jail_enter(&jail, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        _exit(12);
    }
    if (write(address_fd, addresses, sizeof addresses) != sizeof addresses)
        _exit(13);
    /* An own socket, as towards an upstream resolver: made, bound and used inside. */
    uv_udp_init(&loop, &client);
    uv_udp_recv_start(&client, on_alloc, on_datagram);
    to = addresses[1];
    uv_udp_try_send(&client, &(uv_buf_t){.base = bytes, .len = 16}, 1, (struct sockaddr *)&to);
    linger_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (linger_fd < 0 || connect(linger_fd, (struct sockaddr *)&addresses[0], sizeof to) != 0)
        _exit(14);
    uv_timer_init(&loop, &timer);
    uv_timer_start(&timer, on_tick, 100, 100);
    uv_run(&loop, UV_RUN_DEFAULT);
    _exit(accepted > 5 && accepted < CLIENTS && echoed == 1 && signals == 1 && polled == 1 ? 0 : 15);
}

START_TEST(a_libuv_loop_serves_in_the_jail)
{
    struct sockaddr_in addresses[2];
    int poll_pipe[2], address_pipe[2], status, clients[CLIENTS];
    char byte = 'x';
    pid_t pid;

    ck_assert_int_eq(pipe(poll_pipe), 0);
    ck_assert_int_eq(pipe(address_pipe), 0);
    pid = fork();
    if (pid == 0)
        serve(poll_pipe[0], address_pipe[1]);
    close(address_pipe[1]);
    ck_assert_int_eq(read(address_pipe[0], addresses, sizeof addresses), sizeof addresses);
    ck_assert_int_eq(write(poll_pipe[1], &byte, 1), 1);
    ck_assert_int_eq(kill(pid, SIGUSR1), 0);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_eq(connect(clients[i], (struct sockaddr *)&addresses[0], sizeof addresses[0]), 0);
        (void)!send(clients[i], &byte, 1, MSG_NOSIGNAL);
        if (i == 2) /* accepted and echoed */
            ck_assert_int_eq(recv(clients[i], &byte, 1, 0), 1);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    for (int i = 0; i < CLIENTS; i++)
        close(clients[i]);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status 0x%x", status);
}
END_TEST

int main(void)
{
    TCase *tcase = tcase_create("loop");

    if (!mkdtemp(root) || chmod(root, 0555) != 0)
        return 1;
    tcase_add_test(tcase, a_libuv_loop_serves_in_the_jail);
    int status = suite_run_case("seccomp", tcase);
    rmdir(root);
    return status;
}
