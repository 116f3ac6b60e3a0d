/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/gate_seen: what is noted of lines as workers write them, and how much of it. */
#include "init/gate_seen.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/audit.h"
#include "core/gate.h"
#include "tests/unit/suite.h"

/* Notes this line, as it is read from a worker. */
static void note(struct gate_seen *seen, struct audit audit, uint64_t wall_us)
{
    char line[AUDIT_LINE_MAX];
    struct audit_tally tally;

    snprintf(audit.id, sizeof audit.id, "id-%u", (unsigned)(wall_us / 1000000));
    size_t len = audit_format(&audit, wall_us, line);
    ck_assert(audit_line_sound((struct str){line, len}, &tally));
    gate_seen_note(seen, &tally);
}

static void is(const struct gate_seen *seen, const char *name, const char *wanted)
{
    json_t *object = json_object();
    gate_seen_describe(seen, name, object);
    char *text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    ck_assert_str_eq(text, wanted);
    free(text);
    json_decref(object);
}

static struct audit of(const char *method, const char *repository, enum denial reason)
{
    return (struct audit){.kind = AUDIT_GIT,
                          .verdict = reason == DENIAL_NONE ? AUDIT_ALLOW : AUDIT_BLOCK,
                          .method = str_of(method),
                          .repository = str_of(repository),
                          .host = str_of("git.example"),
                          .reason = reason};
}

#define AT(second) "\"time\":\"1970-01-01T00:00:0" #second ".000Z\""

START_TEST(the_last_of_each_is_kept)
{
    struct gate_seen seen = {NULL, 0};

    is(&seen, "app", "{}");
    note(&seen, of("prefetch", "app", DENIAL_NONE), 5000000);
    is(&seen, "app", "{\"fetch\":{\"by\":\"gate\",\"event_id\":\"id-5\"," AT(5) ",\"verdict\":\"allow\"}}");
    note(&seen, of("fetch", "app", DENIAL_NONE), 1000000); /* what is told last is the last */
    is(&seen, "app", "{\"fetch\":{\"event_id\":\"id-1\"," AT(1) ",\"verdict\":\"allow\"}}");
    note(&seen, of("fetch", "app", DENIAL_UPSTREAM_UNREACHABLE), 2000000);
    note(&seen, of("push", "app", DENIAL_NONE), 3000000);
    note(&seen, of("push", "other", DENIAL_GIT_REFUSED), 4000000);
    is(&seen, "app",
       "{\"fetch\":{\"event_id\":\"id-2\",\"reason\":\"upstream-unreachable\"," AT(
           2) ",\"verdict\":\"block\"},"
              "\"push\":{\"event_id\":\"id-3\"," AT(3) ",\"verdict\":\"allow\"}}");
    is(&seen, "other",
       "{\"push\":{\"event_id\":\"id-4\",\"reason\":\"git-refused\"," AT(4) ",\"verdict\":\"block\"}}");
    free(seen.of);
}
END_TEST

START_TEST(what_is_not_the_gates_is_not)
{
    struct gate_seen seen = {NULL, 0};
    struct audit http = of("fetch", "app", DENIAL_NONE), other = of("clone", "app", DENIAL_NONE),
                 unknown = of("fetch", "app", DENIAL_GIT_REPOSITORY);

    http.kind = AUDIT_HTTP;
    note(&seen, http, 1000000);
    note(&seen, other, 1000000);
    unknown.host = str_of(NULL); /* the gate knows none of it */
    note(&seen, unknown, 1000000);
    note(&seen, of("fetch", "", DENIAL_NONE), 1000000);
    note(&seen, of("fetch", "../app", DENIAL_NONE), 1000000);
    note(&seen, of("fetch", "a\"b", DENIAL_NONE), 1000000);
    ck_assert_uint_eq(seen.count, 0);
}
END_TEST

START_TEST(no_more_names_are_kept_than_a_policy_may_have)
{
    struct gate_seen seen = {NULL, 0};
    char name[16];

    for (int i = 0; i < GATE_REPOS_MAX + 10; i++) {
        snprintf(name, sizeof name, "r%d", i);
        note(&seen, of("fetch", name, DENIAL_NONE), 1000000);
    }
    ck_assert_uint_eq(seen.count, GATE_REPOS_MAX);
    is(&seen, name, "{}");
    note(&seen, of("fetch", "r7", DENIAL_NONE), 2000000); /* one that is known has its last */
    is(&seen, "r7", "{\"fetch\":{\"event_id\":\"id-2\"," AT(2) ",\"verdict\":\"allow\"}}");
    free(seen.of);
}
END_TEST

SUITE_MAIN("gate_seen", the_last_of_each_is_kept, what_is_not_the_gates_is_not,
           no_more_names_are_kept_than_a_policy_may_have)
