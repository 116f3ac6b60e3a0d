/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/deploy_key, init/gate_keys: what is made here is what ssh-keygen reads, and what a policy needs is what it gets. */
#include "init/gate_keys.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/channel.h"
#include "tests/unit/suite.h"

#define POLICY                                                                                               \
    "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[],\"gate\":{\"repos\":[{\"name\":" \
    "\"app\","                                                                                               \
    "\"url\":\"ssh://git@h.example/app.git\",\"host_key\":\"" HOST_KEY "\"}]}}"
#define HOST_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBHk3Z0k3fF4qkq7gWwFqJqWJm5hvqFh4k0s5cV5Wc9u"

static struct err err;
static bool made;

/* What a program says on its stdout, which has to end with 0. */
static void say(const char *command, char *out, size_t size)
{
    FILE *pipe = popen(command, "re");

    ck_assert_ptr_nonnull(pipe);
    size_t len = fread(out, 1, size - 1, pipe);
    out[len] = '\0';
    ck_assert_msg(pclose(pipe) == 0, "%s (ssh-keygen is in Debian's openssh-client)", command);
    out[strcspn(out, "\n")] = '\0';
}

static struct policy *policy_of(const char *text)
{
    struct policy *policy;

    ck_assert_msg(policy_parse(str_of(text), false, &policy, &err) == 0, "%s", err.text);
    return policy;
}

START_TEST(ssh_keygen_reads_the_key_back)
{
    char folder[] = "/tmp/stopper-deploy-XXXXXX", path[64], command[200], out[300], line[DEPLOY_LINE_MAX];
    char print[DEPLOY_PRINT_MAX];
    char longest[GATE_NAME_MAX + 1];
    struct secret *text;

    memset(longest, 'n', GATE_NAME_MAX);
    longest[GATE_NAME_MAX] = '\0';
    const char *const names[] = {"app", "a", "ap", longest}; /* several paddings */
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_msg(deploy_key_make(names[i], &text, line, &err) == 0, "%s", err.text);
        struct str bytes = secret_expose(text);
        ck_assert_ptr_null(keys_problem(bytes));
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ck_assert_int_eq((int)write(fd, bytes.ptr, bytes.len), (int)bytes.len);
        close(fd);
        snprintf(command, sizeof command, "ssh-keygen -y -P '' -f %s", path);
        say(command, out, sizeof out);
        ck_assert_str_eq(out, line);
        ck_assert_int_eq(strncmp(line, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI", 37), 0);
        snprintf(command, sizeof command, "ssh-keygen -l -f %s | cut -d' ' -f2", path);
        say(command, out, sizeof out);
        ck_assert_int_eq(deploy_key_print(line, print), 0);
        ck_assert_str_eq(print, out);
        /* That the two halves belong together: what one signs the other verifies. */
        snprintf(command, sizeof command,
                 "cd %s && echo x >data && rm -f data.sig && ssh-keygen -q -Y sign -f key -n t data "
                 "2>/dev/null && "
                 "ssh-keygen -q -Y check-novalidate -n t -s data.sig <data",
                 folder);
        ck_assert_int_eq(system(command), 0);
        secret_free(text);
    }
    snprintf(command, sizeof command, "rm -r %s", folder);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

START_TEST(a_name_has_one_key_for_life)
{
    struct gate_keys keys = {0};
    char first[DEPLOY_LINE_MAX];
    const char *line = gate_keys_deploy(&keys, "app", &made, &err);

    ck_assert_msg(line != NULL && made, "%s", err.text);
    ck_assert_str_eq(line + strlen(line) - strlen(" stopper:app"), " stopper:app");
    snprintf(first, sizeof first, "%s", line);
    ck_assert_str_ne(gate_keys_deploy(&keys, "other", &made, &err), first);
    ck_assert_str_eq(gate_keys_deploy(&keys, "app", &made, &err), first);
    ck_assert(!made);
    ck_assert_uint_eq(keys.made->count, 2);
    ck_assert_ptr_null(gate_keys_deploy(&keys, "-x", &made, &err));
    ck_assert_str_eq(err.text, "the name is not a repository's");
    gate_keys_fini(&keys);
    ck_assert_str_ne(gate_keys_deploy(&keys, "app", &made, &err), first);
    gate_keys_fini(&keys);
}
END_TEST

/* Taken and checked. */
static int taken(const struct gate_keys *keys, const char *json, const struct policy *policy)
{
    json_t *member = json != NULL ? json_loads(json, 0, NULL) : NULL;
    struct keys *set;
    int status = gate_keys_take(keys, member, &set, &err);

    json_decref(member);
    if (status == 0)
        status = gate_keys_check(set, policy, &err);
    keys_free(set);
    return status;
}

START_TEST(keys_and_repositories_are_each_others)
{
    struct policy *policy = policy_of(POLICY), *none = policy_of("{\"protocol\":1,\"routes\":[]}");
    struct gate_keys keys = {0};

    ck_assert_int_eq(taken(&keys, NULL, policy), -1);
    ck_assert_str_eq(err.text, "keys: the key of the repository app is missing");
    ck_assert_int_eq(taken(&keys, "{}", policy), -1);
    ck_assert_int_eq(taken(&keys, "{\"app\":null}", policy), -1);
    ck_assert_str_eq(err.text, "keys: app: no key was made with this name (deploy-key)");
    ck_assert_ptr_nonnull(gate_keys_deploy(&keys, "app", &made, &err));
    ck_assert_ptr_nonnull(gate_keys_deploy(&keys, "other", &made, &err));
    ck_assert_int_eq(taken(&keys, "{\"app\":null}", policy), 0);
    ck_assert_int_eq(taken(&keys, "{\"app\":null,\"other\":null}", policy), -1);
    ck_assert_str_eq(err.text, "keys: other: no repository of the policy has this name");
    ck_assert_int_eq(taken(&keys, "{\"app\":null}", none), -1);
    ck_assert_str_eq(err.text, "keys: app: no repository of the policy has this name");
    ck_assert_int_eq(taken(&keys, NULL, none), 0);
    ck_assert_int_eq(taken(&keys, "{}", none), 0);
    gate_keys_fini(&keys);
    policy_unref(policy);
    policy_unref(none);
}
END_TEST

START_TEST(what_stopper_push_gets_is_what_there_was)
{
    struct gate_keys keys = {0};
    struct keys *got;
    struct str text;

    ck_assert_ptr_nonnull(gate_keys_deploy(&keys, "app", &made, &err));
    int fd = gate_keys_memfd(keys.made);
    ck_assert_int_eq(channel_map(fd, KEYS_MAX_JSON, &text), 0);
    ck_assert_int_eq(keys_parse(text, &got, &err), 0);
    ck_assert_uint_eq(got->count, 1);
    ck_assert(str_equal(secret_expose(got->list[0].text), secret_expose(keys.made->list[0].text)));
    keys_free(got);
    munmap((void *)text.ptr, text.len);
    close(fd);
    gate_keys_fini(&keys);
}
END_TEST

SUITE_MAIN("deploy_key", ssh_keygen_reads_the_key_back, a_name_has_one_key_for_life,
           keys_and_repositories_are_each_others, what_stopper_push_gets_is_what_there_was)
