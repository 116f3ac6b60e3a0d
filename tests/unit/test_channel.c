/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_channel: messages arrive whole or are refused; a policy is read only from sealed memory. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys/channel.h"
#include "tests/unit/suite.h"

static int pair[2];
static struct channel_msg msg;

static void open_pair(void)
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

START_TEST(a_message_arrives_with_its_text_and_descriptor)
{
    struct str map;

    open_pair();
    int fd = channel_memfd("policy", str_of("{}"));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(channel_send(pair[0], CHANNEL_POLICY, 42, fd, str_of("hello")), 0);
    ck_assert_int_eq(channel_recv(pair[1], &msg), 1);
    ck_assert_uint_eq(msg.type, CHANNEL_POLICY);
    ck_assert_uint_eq(msg.generation, 42);
    ck_assert(str_equal((struct str){msg.text, msg.text_len}, str_of("hello")));
    ck_assert_int_eq(channel_map(msg.fd, 100, &map), 0);
    ck_assert(str_equal(map, str_of("{}")));
    munmap((void *)map.ptr, map.len);
    ck_assert_int_eq(channel_map(msg.fd, 1, &map), -1);
    close(msg.fd);
    close(fd);
    close(pair[0]);
    ck_assert_int_eq(channel_recv(pair[1], &msg), 0);
    close(pair[1]);
}
END_TEST

START_TEST(the_largest_text_fits_and_a_larger_one_is_refused)
{
    static char text[CHANNEL_TEXT_MAX + 1];

    open_pair();
    ck_assert_int_eq(channel_send(pair[0], CHANNEL_COUNTERS, 0, -1, (struct str){text, CHANNEL_TEXT_MAX}), 0);
    ck_assert_int_eq(channel_recv(pair[1], &msg), 1);
    ck_assert_uint_eq(msg.text_len, CHANNEL_TEXT_MAX);
    ck_assert_int_eq(msg.fd, -1);
    ck_assert_int_eq(channel_send(pair[0], CHANNEL_COUNTERS, 0, -1, (struct str){text, CHANNEL_TEXT_MAX + 1}),
                     -1);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

START_TEST(a_packet_that_lies_about_its_length_is_refused)
{
    char packet[17] = {0};

    open_pair();
    packet[4] = 9;
    ck_assert_int_eq(send(pair[0], packet, sizeof packet, 0), sizeof packet);
    ck_assert_int_eq(channel_recv(pair[1], &msg), -1);
    ck_assert_int_eq(errno, EBADMSG);
    ck_assert_int_eq(send(pair[0], packet, 3, 0), 3);
    ck_assert_int_eq(channel_recv(pair[1], &msg), -1);
    close(pair[0]);
    close(pair[1]);
}
END_TEST

START_TEST(memory_that_its_sender_can_still_change_is_refused)
{
    struct str map;
    int fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_eq(write(fd, "{}", 2), 2);
    ck_assert_int_eq(channel_map(fd, 100, &map), -1);
    ck_assert_int_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    ck_assert_int_eq(channel_map(fd, 100, &map), 0);
    munmap((void *)map.ptr, map.len);
    close(fd);
}
END_TEST

SUITE_MAIN("channel", a_message_arrives_with_its_text_and_descriptor,
           the_largest_text_fits_and_a_larger_one_is_refused, a_packet_that_lies_about_its_length_is_refused,
           memory_that_its_sender_can_still_change_is_refused)
