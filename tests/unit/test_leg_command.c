/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate/leg_command: ssh is told everything, and only that. */
#include "gate/leg_command.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/suite.h"

static struct gate_url url;
static struct leg_command command;

static void made(const char *text, enum leg_service service, uint32_t protocol)
{
    struct leg_target target = {.url = &url,
                                .address = {4, {192, 0, 2, 1}},
                                .hosts = "/run/stopper-push/1.hosts",
                                .key = "/run/stopper-push/1.key",
                                .control = "/run/stopper-push/1.control",
                                .connect_s = 10};
    const char *problem = gate_url_take(str_of(text), &url);

    ck_assert_msg(problem == NULL, "%s", problem);
    if (service == 0)
        leg_command_master(&command, &target);
    else
        leg_command_session(&command, &target, service, protocol);
}

/* How often a word is on the command line. */
static unsigned count(const char *word)
{
    unsigned number = 0;

    for (size_t i = 0; command.argv[i] != NULL; i++)
        number += strcmp(command.argv[i], word) == 0;
    return number;
}

static const char *last(size_t behind)
{
    return command.argv[command.count - 1 - behind];
}

START_TEST(both_know_one_key_one_host_key_and_no_configuration)
{
    static const char *const said[] = {"BatchMode=yes",
                                       "StrictHostKeyChecking=yes",
                                       "IdentitiesOnly=yes",
                                       "IdentityAgent=none",
                                       "ForwardAgent=no",
                                       "ClearAllForwardings=yes",
                                       "PermitLocalCommand=no",
                                       "UpdateHostKeys=no",
                                       "ProxyCommand=none",
                                       "GlobalKnownHostsFile=/dev/null",
                                       "SendEnv=GIT_PROTOCOL",
                                       "PreferredAuthentications=publickey",
                                       "HostName=192.0.2.1",
                                       "HostKeyAlias=[h.example]:22",
                                       "Port=22",
                                       "User=git",
                                       "ConnectTimeout=10",
                                       "UserKnownHostsFile=/run/stopper-push/1.hosts",
                                       "IdentityFile=/run/stopper-push/1.key",
                                       "ControlPath=/run/stopper-push/1.control"};

    for (int session = 0; session < 2; session++) {
        made("ssh://git@h.example/app.git", session ? LEG_RECEIVE_PACK : 0, 0);
        for (size_t i = 0; i < sizeof said / sizeof said[0]; i++)
            ck_assert_msg(count(said[i]) == 1, "%s", said[i]);
        ck_assert_str_eq(command.argv[0], "ssh");
        ck_assert_str_eq(command.argv[1], "-F");
        ck_assert_str_eq(command.argv[2], "none");
        ck_assert_ptr_null(command.environment[0]);
        ck_assert_uint_eq(count("-M"), session ? 0 : 1);
        ck_assert_uint_eq(count("ControlMaster=no"), session ? 1 : 0);
    }
    ck_assert_str_eq(last(0), "git-receive-pack '/app.git'");
    ck_assert_str_eq(last(1), "h.example");
    ck_assert_str_eq(last(2), "--");
    made("ssh://git@h.example:2222/app.git", 0, 0);
    ck_assert_str_eq(last(0), "h.example");
    ck_assert_str_eq(last(1), "--");
    ck_assert_uint_eq(count("HostKeyAlias=[h.example]:2222"), 1);
    ck_assert_uint_eq(count("Port=2222"), 1);
}
END_TEST

START_TEST(the_protocols_version_is_sent_where_there_is_one)
{
    made("ssh://git@h.example/app.git", LEG_UPLOAD_PACK, 2);
    ck_assert_str_eq(command.environment[0], "GIT_PROTOCOL=version=2");
    ck_assert_ptr_null(command.environment[1]);
    ck_assert_str_eq(last(0), "git-upload-pack '/app.git'");
    made("ssh://git@h.example/app.git", LEG_UPLOAD_PACK, 0);
    ck_assert_ptr_null(command.environment[0]);
}
END_TEST

START_TEST(a_path_is_one_word_for_the_shell_behind)
{
    static const struct {
        const char *url, *remote;
    } table[] = {
        {"ssh://git@h.example/~joe/a.git", "git-upload-pack '~joe/a.git'"},
        {"ssh://git@h.example/$(id)`id`;&|<>a", "git-upload-pack '/$(id)`id`;&|<>a'"},
        {"ssh://git@h.example/a!b!", "git-upload-pack '/a'\\!'b'\\!''"},
        {"ssh://git@h.example/--upload-pack=x", "git-upload-pack '/--upload-pack=x'"},
    };
    char longest[GATE_URL_MAX + 1] = "ssh://git@h.example/";

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        made(table[i].url, LEG_UPLOAD_PACK, 0);
        ck_assert_str_eq(last(0), table[i].remote);
    }
    memset(longest + strlen(longest), '!', GATE_URL_MAX - strlen(longest));
    made(longest, LEG_UPLOAD_PACK, 0);
    ck_assert_uint_eq(strlen(last(0)), strlen("git-upload-pack '/'") + 4 * (GATE_URL_MAX - 20));
}
END_TEST

START_TEST(a_host_is_known_by_name_and_port)
{
    char line[300];

    made("ssh://git@h.example:2222/app.git", 0, 0);
    ck_assert_uint_eq(leg_command_known(&url, "ssh-ed25519 AAAA", line, sizeof line), strlen(line));
    ck_assert_str_eq(line, "[h.example]:2222 ssh-ed25519 AAAA\n");
    made("ssh://git@10.9.0.5/app.git", 0, 0);
    leg_command_known(&url, "ssh-ed25519 AAAA", line, sizeof line);
    ck_assert_str_eq(line, "[10.9.0.5]:22 ssh-ed25519 AAAA\n");
    ck_assert_uint_eq(leg_command_known(&url, "ssh-ed25519 AAAA", line, 10), 0);
}
END_TEST

SUITE_MAIN("leg_command", both_know_one_key_one_host_key_and_no_configuration,
           the_protocols_version_is_sent_where_there_is_one, a_path_is_one_word_for_the_shell_behind,
           a_host_is_known_by_name_and_port)
