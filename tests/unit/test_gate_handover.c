/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gate handover: a session reads the policy's gate as the server did. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/policy.h"
#include "gate/handover.h"
#include "suite.h"
#include "sys/channel.h"

#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJp2Z0hNnAqRVlrvNWbAgQwZcGWdyDoLSbLyUnyIRHHi"

static const char whole[] =
    "{\"repos\":[{\"name\":\"app\",\"url\":\"ssh://git@h.test:2222/org/app.git\",\"host_key\":\"" KEY
    "\",\"push\":{\"allow\":"
    "[\"refs/heads/agent/*\"],\"deny\":[\"refs/heads/main\",\"refs/tags/"
    "*\"],\"force\":false,\"delete\":false,\"protect_paths\":"
    "[\".gitmodules\"],\"max_pack_mb\":7}},{\"name\":\"b\",\"url\":\"ssh://git@h.test/b\",\"host_key\":\"" KEY
    "\"}],"
    "\"on_finding\":\"supervise\",\"scanner\":\"/usr/bin/gitleaks\",\"prefetch\":false,\"storage_mb\":7}";

static void read_text(struct str text, struct policy *policy)
{
    struct err err = {.text = ""};
    json_t *json = json_loadb(text.ptr, text.len, 0, NULL);

    *policy = (struct policy){.gate = NULL};
    ck_assert_ptr_nonnull(json);
    ck_assert_msg(gate_read(json, policy, &err) == 0, "%s", err.text);
    json_decref(json);
}

static void read_back(const struct gate *gate, struct policy *policy)
{
    struct str text;
    int fd = handover_memfd(gate);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(channel_map(fd, POLICY_MAX_BYTES, &text), 0);
    read_text(text, policy);
    munmap((void *)(uintptr_t)text.ptr, text.len);
    close(fd);
}

static void same_patterns(const struct gate_patterns *one, const struct gate_patterns *other)
{
    ck_assert_uint_eq(one->count, other->count);
    for (size_t i = 0; i < one->count; i++)
        ck_assert_str_eq(one->list[i], other->list[i]);
}

START_TEST(all_of_it_arrives)
{
    struct policy before, after;

    read_text(str_of(whole), &before);
    read_back(before.gate, &after);
    ck_assert_uint_eq(after.gate->repo_count, 2);
    ck_assert(after.gate->supervise && after.gate->no_prefetch);
    ck_assert_uint_eq(after.gate->storage_mb, 7);
    ck_assert_str_eq(after.gate->scanner, "/usr/bin/gitleaks");
    for (size_t i = 0; i < 2; i++) {
        const struct gate_repo *one = &before.gate->repos[i], *other = &after.gate->repos[i];
        ck_assert_str_eq(one->name, other->name);
        ck_assert_str_eq(one->url, other->url);
        ck_assert_str_eq(one->host_key, other->host_key);
        same_patterns(&one->push.allow, &other->push.allow);
        same_patterns(&one->push.deny, &other->push.deny);
        same_patterns(&one->push.protect_paths, &other->push.protect_paths);
        ck_assert_int_eq(one->push.no_force, other->push.no_force);
        ck_assert_int_eq(one->push.no_delete, other->push.no_delete);
        ck_assert_uint_eq(one->push.max_pack_mb, other->push.max_pack_mb);
    }
    ck_assert(after.gate->repos[0].push.no_force && !after.gate->repos[1].push.no_force);
    gate_free(before.gate);
    gate_free(after.gate);
}
END_TEST

START_TEST(what_is_not_the_same_is_seen)
{
    static const struct {
        const char *what, *with;
        bool app, b;
    } changes[] = {
        {"2222", "2222", true, true},
        {"2222", "2223", false, true},
        {"agent/*", "agent2/*", false, true},
        {"main", "next", false, true},
        {"\"force\":false", "\"force\":true", false, true},
        {"\"delete\":false", "\"delete\":true", false, true},
        {".gitmodules", ".github", false, true},
        {":7}", ":8}", false, true},
        {"h.test/b", "h.test/c", true, false},
        {"\"supervise\"", "\"block\"", false, false},
        {"bin/gitleaks", "bin/other", false, false},
        {"\"b\"", "\"c\"", true, false},
    };
    struct policy before, after;
    char text[sizeof whole + 8];

    read_text(str_of(whole), &before);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        const char *at = strstr(whole, changes[i].what);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, changes[i].with,
                 at + strlen(changes[i].what));
        read_text(str_of(text), &after);
        ck_assert_msg(handover_same(before.gate, after.gate, str_of("app")) == changes[i].app, "%s",
                      changes[i].with);
        ck_assert_msg(handover_same(before.gate, after.gate, str_of("b")) == changes[i].b, "%s",
                      changes[i].with);
        gate_free(after.gate);
    }
    ck_assert(!handover_same(before.gate, NULL, str_of("app")) &&
              !handover_same(NULL, before.gate, str_of("app")));
    gate_free(before.gate);
}
END_TEST

SUITE_MAIN("gate_handover", all_of_it_arrives, what_is_not_the_same_is_seen)
