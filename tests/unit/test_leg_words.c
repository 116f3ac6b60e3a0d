/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate/leg_words, gate/leg_stderr: ssh's failures as sentences, and what of its stderr is handed on. The words are OpenSSH 9.2's. */
#include "gate/leg_words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/leg_stderr.h"
#include "tests/unit/suite.h"

static const struct gate_url url = {
    .user = "git", .host = "git.example.com", .port = 2222, .path = "/org/app.git"};

START_TEST(every_failure_has_one_sentence)
{
    static const struct {
        const char *words, *text;
        enum denial reason;
        bool unreached;
    } table[] = {
        {"@@@@@\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n@@@@@\n"
         "The fingerprint for the ED25519 key sent by the remote host is\n"
         "SHA256:LX57XJMCi1DMHpHFIvTUwW4Dw7T+hBRe2GPzSjWvFq0.\nPlease contact your system administrator.\n"
         "Add correct host key in /run/stopper-push/2.hosts to get rid of this message.\n"
         "Host key for [git.example.com]:2222 has changed and you have requested strict checking.\n"
         "Host key verification failed.\n",
         "git.example.com:2222 answers with another host key than the pinned one "
         "(SHA256:LX57XJMCi1DMHpHFIvTUwW4Dw7T+hBRe2GPzSjWvFq0)",
         DENIAL_GATE_HOST_KEY, false},
        {"No RSA host key is known for [git.example.com]:2222 and you have requested strict checking.\r\n"
         "Host key verification failed.\r\n",
         "git.example.com:2222 answers with another host key than the pinned one", DENIAL_GATE_HOST_KEY,
         false},
        {"git@192.0.2.1: Permission denied (publickey).\r\n",
         "git.example.com:2222 does not take this repository's key for the user git", DENIAL_GATE_KEY, false},
        {"Received disconnect from 192.0.2.1 port 2222:2: Too many authentication failures\n",
         "git.example.com:2222 does not take this repository's key for the user git", DENIAL_GATE_KEY, false},
        {"ssh: connect to host 192.0.2.1 port 2222: Connection refused\r\n",
         "git.example.com:2222 refuses connections", DENIAL_UPSTREAM_UNREACHABLE, true},
        {"ssh: connect to host 192.0.2.1 port 2222: Network is unreachable\n",
         "git.example.com:2222 cannot be reached from here", DENIAL_UPSTREAM_UNREACHABLE, true},
        {"ssh: connect to host 192.0.2.1 port 2222: No route to host\n",
         "git.example.com:2222 cannot be reached from here", DENIAL_UPSTREAM_UNREACHABLE, true},
        {"ssh: connect to host 192.0.2.1 port 2222: Connection timed out\n",
         "git.example.com:2222 did not answer within 10 s", DENIAL_UPSTREAM_TIMEOUT, true},
        {"Connection timed out during banner exchange\nConnection to 192.0.2.1 port 2222 timed out\n",
         "git.example.com:2222 did not answer within 10 s", DENIAL_UPSTREAM_TIMEOUT, true},
        {"kex_exchange_identification: Connection closed by remote host\nConnection closed by 192.0.2.1 port "
         "2222\n",
         "git.example.com:2222 closes the connection", DENIAL_UPSTREAM_UNREACHABLE, true},
        {"kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.1 port "
         "2222\n",
         "git.example.com:2222 closes the connection", DENIAL_UPSTREAM_UNREACHABLE, true},
        {"banner exchange: Connection to 192.0.2.1 port 2222: invalid format\n",
         "git.example.com:2222 does not speak SSH", DENIAL_UPSTREAM_MALFORMED, false},
        {"kex_exchange_identification: banner line contains invalid characters\n",
         "git.example.com:2222 does not speak SSH", DENIAL_UPSTREAM_MALFORMED, false},
        {"Unable to negotiate with 192.0.2.1 port 2222: no matching key exchange method found. Their offer: "
         "x\n",
         "git.example.com:2222 and ssh have no method of encryption or signing in common",
         DENIAL_UPSTREAM_MALFORMED, false},
        {"Timeout, server 192.0.2.1 not responding.\n",
         "git.example.com:2222 is silent: the connection is given up", DENIAL_UPSTREAM_TIMEOUT, false},
        {"", "git.example.com:2222: the connection was lost", DENIAL_UPSTREAM_UNREACHABLE, false},
        {"something new\n\x1b[31mof ssh's\nLoad key \"/run/stopper-push/1.key\": invalid format\n",
         "git.example.com:2222: ?[31mof ssh's", DENIAL_UPSTREAM_UNREACHABLE, false},
        {"Load key \"/run/stopper-push/1.key\": invalid format\n",
         "git.example.com:2222: the connection was lost", DENIAL_UPSTREAM_UNREACHABLE, false},
    };
    char text[LEG_TEXT_SIZE];

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        enum denial reason = leg_words_why(str_of(table[i].words), &url, 10, text);
        ck_assert_str_eq(text, table[i].text);
        ck_assert_msg(reason == table[i].reason, "%s: %s", table[i].words, denial_name(reason));
        ck_assert_msg(leg_words_unreached(str_of(table[i].words)) == table[i].unreached, "%s",
                      table[i].words);
    }
}
END_TEST

START_TEST(a_sentence_fits_whatever_ssh_says)
{
    struct gate_url longest = {.port = 65535};
    char text[LEG_TEXT_SIZE], words[2048];

    memset(longest.host, 'h', HOST_MAX);
    memset(longest.user, 'u', GATE_USER_MAX);
    memset(words, 'w', sizeof words);
    leg_words_why((struct str){words, sizeof words}, &longest, 10, text);
    ck_assert_uint_lt(strlen(text), sizeof text);
    memcpy(words, "Permission denied", 17);
    leg_words_why((struct str){words, sizeof words}, &longest, 10, text);
    ck_assert_uint_lt(strlen(text), sizeof text);
    memcpy(words, "Host key verification failed SHA256:", 36);
    leg_words_why((struct str){words, sizeof words}, &longest, 10, text);
    ck_assert_uint_lt(strlen(text), sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "(SHA256:wwww"));
    leg_words_why((struct str){"SHA256:", 7}, &url, 10, text);
    ck_assert_str_eq(text, "git.example.com:2222: SHA256:");
}
END_TEST

static struct leg_stderr words;

static void taken(const char *said, const char *shown)
{
    words.out_len = 0;
    leg_stderr_take(&words, said, strlen(said));
    ck_assert_uint_eq(words.out_len, strlen(shown));
    ck_assert_int_eq(memcmp(words.out, shown, words.out_len), 0);
}

START_TEST(whole_lines_are_handed_on_without_control_characters)
{
    words = (struct leg_stderr){.from = -1, .to = -1};
    taken("fatal: not a re", "");
    taken("pository\r\nmore", "fatal: not a repository\n");
    taken("\n\x1b[2J\tx\x07\x7f\n", "more\n?[2J\tx??\n");
    taken("Gr\xc3\xbc\xc3\x9f Gott\n", "Gr\xc3\xbc\xc3\x9f Gott\n");
    taken("Load key \"/run/stopper-push/1.key\": bad permissions\nnext\n", "next\n");
}
END_TEST

START_TEST(a_line_and_all_of_them_are_bounded)
{
    char line[LEG_LINE_MAX + 2];
    size_t total = 0;

    words = (struct leg_stderr){.from = -1, .to = -1};
    memset(line, 'x', LEG_LINE_MAX);
    for (int i = 0; i < 200; i++) {
        words.out_len = 0;
        leg_stderr_take(&words, line, 512);
        total += words.out_len;
    }
    ck_assert_uint_gt(total, LEG_STDERR_MAX - 2 * LEG_LINE_MAX);
    ck_assert_uint_le(total, LEG_STDERR_MAX);
    ck_assert_uint_eq(words.kept_len, LEG_STDERR_KEPT);
}
END_TEST

static bool is_done, is_closed;

static void on_done(struct leg_stderr *stream)
{
    is_done = true;
    leg_stderr_close(stream);
}

static void on_closed(struct leg_stderr *stream)
{
    (void)stream;
    is_closed = true;
}

/* Runs the loop on what a program says; the caller's descriptor is `to`. */
static void relay(int to, const char *said, size_t len)
{
    uv_loop_t loop;

    is_done = is_closed = false;
    ck_assert_int_eq(uv_loop_init(&loop), 0);
    int end = leg_stderr_open(&words, &loop, to, on_done, on_closed);
    ck_assert_int_ge(end, 0);
    ck_assert_int_gt(fcntl(end, F_SETPIPE_SZ, 1 << 17), 0);
    ck_assert_int_eq((int)write(end, said, len), (int)len);
    close(end);
    uv_run(&loop, UV_RUN_DEFAULT);
    ck_assert(is_done && is_closed);
    ck_assert_int_eq(uv_loop_close(&loop), 0);
}

START_TEST(pipes_and_sockets_get_the_words_and_stay_as_they_are)
{
    char got[100];

    for (int socket = 0; socket < 2; socket++) {
        int ends[2];
        ck_assert_int_eq(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
        relay(dup(ends[1]), "one\ntwo", 7);
        ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
        close(ends[1]);
        ck_assert_int_eq((int)read(ends[0], got, sizeof got), 8);
        ck_assert_int_eq(memcmp(got, "one\ntwo\n", 8), 0);
        ck_assert_int_eq((int)read(ends[0], got, sizeof got), 0);
        close(ends[0]);
    }
}
END_TEST

START_TEST(a_caller_that_takes_nothing_holds_nothing_up)
{
    static char lines[100000];
    int ends[2];

    for (size_t i = 0; i < sizeof lines; i++)
        lines[i] = i % 50 == 49 ? '\n' : 'x';
    for (int socket = 0; socket < 2; socket++) {
        ck_assert_int_eq(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) : pipe(ends), 0);
        if (!socket)
            ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
        else
            ck_assert_int_eq(setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
        relay(dup(ends[1]), lines, sizeof lines); /* it returns */
        close(ends[0]);
        relay(dup(ends[1]), lines, sizeof lines); /* nobody is there */
        close(ends[1]);
    }
    relay(open("/dev/null", O_WRONLY | O_CLOEXEC), lines, sizeof lines);
    relay(-1, lines, sizeof lines);
    ck_assert_uint_eq(words.kept_len, LEG_STDERR_KEPT);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {every_failure_has_one_sentence,
                                  a_sentence_fits_whatever_ssh_says,
                                  whole_lines_are_handed_on_without_control_characters,
                                  a_line_and_all_of_them_are_bounded,
                                  pipes_and_sockets_get_the_words_and_stay_as_they_are,
                                  a_caller_that_takes_nothing_holds_nothing_up};

    signal(SIGPIPE, SIG_IGN);
    return suite_run("leg_words", tests, sizeof tests / sizeof tests[0]);
}
