/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate/leg_request: only a request is one, and no descriptor of any other stays open. */
#include "gate/leg_request.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/gate_url.h"
#include "tests/unit/suite.h"

#define NAME offsetof(struct leg_request, repo)

static int pair[2];

static void send_packet(const void *bytes, size_t len, size_t count)
{
    struct iovec part = {(void *)(uintptr_t)bytes, len};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * 32)];
    } control = {0};
    struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};

    if (count > 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        *cmsg = (struct cmsghdr){
            .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * count)};
        for (size_t i = 0; i < count; i++)
            memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &(int){STDERR_FILENO}, sizeof(int));
    }
    ck_assert_int_eq((int)sendmsg(pair[0], &msg, MSG_NOSIGNAL), (int)len);
}

static unsigned open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* What a packet is taken for; everything that came with it is closed again. */
static enum leg_request_read taken(const void *bytes, size_t len, size_t count)
{
    struct leg_request request;
    int fds[LEG_FDS];
    unsigned before = open_files();

    send_packet(bytes, len, count);
    enum leg_request_read outcome = leg_request_read(pair[1], &request, fds);
    for (size_t i = 0; i < LEG_FDS; i++) {
        ck_assert(fds[i] < 0 || (fcntl(fds[i], F_GETFD) & FD_CLOEXEC));
        ck_assert(outcome != LEG_REQUEST_GOOD || fds[i] >= 0);
        if (fds[i] >= 0)
            close(fds[i]);
    }
    ck_assert_uint_eq(open_files(), before);
    if (outcome == LEG_REQUEST_GOOD)
        ck_assert_int_eq(memcmp(&request, bytes, sizeof request), 0);
    return outcome;
}

static const struct leg_request good = {LEG_VERSION, LEG_UPLOAD_PACK, 2, "app", ""};

START_TEST(a_request_has_three_descriptors_and_its_size)
{
    char longer[sizeof good + 1] = "";

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    memcpy(longer, &good, sizeof good);
    ck_assert_int_eq(taken(&good, sizeof good, LEG_FDS), LEG_REQUEST_GOOD);
    for (size_t count = 0; count <= 30; count++)
        ck_assert_int_eq(taken(&good, sizeof good, count),
                         count == LEG_FDS ? LEG_REQUEST_GOOD : LEG_REQUEST_BAD);
    for (size_t len = 1; len < sizeof good; len++)
        ck_assert_int_eq(taken(&good, len, LEG_FDS), LEG_REQUEST_BAD);
    ck_assert_int_eq(taken(longer, sizeof longer, LEG_FDS), LEG_REQUEST_BAD);
}
END_TEST

/* Whether it is a repository's name with nothing behind its NUL. */
static bool is_name(const char *repo)
{
    size_t len = strnlen(repo, LEG_NAME_SIZE), last = LEG_NAME_SIZE;

    while (last > 0 && repo[last - 1] == '\0')
        last--;
    return last == len && len < LEG_NAME_SIZE && gate_is_name((struct str){repo, len});
}

/* Every byte of a good one, in other values: only other names and another service or protocol are left. */
START_TEST(what_is_another_request_is_one_and_nothing_else)
{
    static const unsigned char values[] = {0, 1, 2, 3, ' ', '-', '.', '/', 'a', 'Z', '_', 0x7f, 0x80, 0xff};
    unsigned services = 0, protocols = 0;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (size_t at = 0; at < sizeof good; at++) {
        for (size_t i = 0; i < sizeof values; i++) {
            unsigned char bytes[sizeof good], value = values[i];
            memcpy(bytes, &good, sizeof good);
            if (bytes[at] == value)
                continue;
            bytes[at] = value;
            bool is_good = taken(bytes, sizeof bytes, LEG_FDS) == LEG_REQUEST_GOOD;
            const char *repo = (const char *)bytes + NAME;
            if (at >= NAME && at < NAME + LEG_NAME_SIZE)
                ck_assert_msg(is_good == is_name(repo), "byte %zu as %u", at, value);
            else if (at >= offsetof(struct leg_request, service) &&
                     at < offsetof(struct leg_request, protocol))
                services += is_good;
            else if (at >= offsetof(struct leg_request, protocol) && at < NAME)
                protocols += is_good;
            else
                ck_assert_msg(!is_good, "byte %zu as %u", at, value);
        }
    }
    ck_assert_uint_eq(services, 1);  /* git-receive-pack */
    ck_assert_uint_eq(protocols, 2); /* 0 and 1 */
}
END_TEST

START_TEST(names_are_repositories_and_never_options_or_paths)
{
    static const char *const names[] = {"", ".", "..", "-x", "a/b", "a b", "a\n", "a:b", "\xc3\xa9"};

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct leg_request request = {LEG_VERSION, LEG_RECEIVE_PACK, 0, "", ""};
        memcpy(request.repo, names[i], strlen(names[i]));
        ck_assert_int_eq(taken(&request, sizeof request, LEG_FDS), LEG_REQUEST_BAD);
    }
    struct leg_request request = {LEG_VERSION, LEG_RECEIVE_PACK, 0, "", ""};
    memset(request.repo, 'a', LEG_NAME_SIZE - 1);
    ck_assert_int_eq(taken(&request, sizeof request, LEG_FDS), LEG_REQUEST_GOOD);
    request.repo[LEG_NAME_SIZE - 1] = 'a';
    ck_assert_int_eq(taken(&request, sizeof request, LEG_FDS), LEG_REQUEST_BAD);
}
END_TEST

START_TEST(no_packet_and_no_connection_are_told_apart)
{
    struct leg_request request;
    int fds[LEG_FDS];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(leg_request_read(pair[1], &request, fds), LEG_REQUEST_AGAIN);
    close(pair[0]);
    ck_assert_int_eq(leg_request_read(pair[1], &request, fds), LEG_REQUEST_GONE);
}
END_TEST

SUITE_MAIN("leg_request", a_request_has_three_descriptors_and_its_size,
           what_is_another_request_is_one_and_nothing_else, names_are_repositories_and_never_options_or_paths,
           no_packet_and_no_connection_are_told_apart)
