/* SPDX-License-Identifier: GPL-3.0-or-later */
/* init/policy_store: validation, generations and sections. */
#include "init/policy_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "suite.h"
#include "sys/channel.h"

#define POLICY                                                                                               \
    "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[{\"host\":\"a.example\","          \
    "\"allow_private\":[\"10.0.0.0/8\"],\"tls\":{\"passthrough\":true}}]}"
#define PEM                                                                                                  \
    "-----BEGIN PRIVATE "                                                                                    \
    "KEY-----\nMC4CAQAwBQYDK2VwBCIEIDWAH1Qcut/1aIK9OCYu9D+h0rVnEp8MGud4a+Etv9fT\n-----END PRIVATE "          \
    "KEY-----\n"
#define KEY     "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
#define SIDECAR "\"sidecar\":{\"agent_address\":\"10.7.7.1\",\"own\":[\"10.7.7.0/30\",\"192.0.2.7/32\"]}"

static struct net net;
static struct policy_store store;
static struct err err;

static void set_up(void)
{
    net = (struct net){.agent_address = {4, {10, 7, 7, 1}}, .own_count = 2};
    net.own[0] = (struct cidr){{4, {10, 7, 7, 0}}, 30};
    net.own[1] = (struct cidr){{4, {192, 0, 2, 7}}, 32};
    policy_store_init(&store, &net, 1);
}

static int stage(const char *text)
{
    json_t *policy = json_loads(text, JSON_DECODE_ANY, NULL);
    ck_assert_ptr_nonnull(policy);
    json_t *keys = json_object_get(policy, "gate") != NULL ? json_pack("{s:s}", "app", PEM) : NULL;
    int status = policy_store_stage(&store, policy, NULL, keys, &err);
    json_decref(keys);
    json_decref(policy);
    return status;
}

static void section_is(int fd, const char *expected)
{
    struct str bytes;
    ck_assert_int_eq(channel_map(fd, POLICY_MAX_BYTES, &bytes), 0);
    ck_assert_uint_eq(bytes.len, strlen(expected));
    ck_assert_mem_eq(bytes.ptr, expected, bytes.len);
    munmap((void *)bytes.ptr, bytes.len);
}

START_TEST(each_kind_of_worker_gets_its_own_section)
{
    set_up();
    ck_assert_msg(stage(POLICY) == 0, "%s", err.text);
    section_is(store.next.fds[POLICY_FOR_DNS],
               "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[{\"host\":\"a.example\","
               "\"allow_private\":[\"10.0.0.0/8\"]}],\"generation\":1," SIDECAR "}");
    section_is(store.next.fds[POLICY_FOR_PROXY],
               "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"allow_private\":[\"10.0.0.0/8\"],"
               "\"tls\":{\"passthrough\":true}}],\"generation\":1," SIDECAR "}");
    policy_store_drop(&store);
}
END_TEST

START_TEST(each_proxy_gets_its_part_of_a_budget_and_status_tells_the_whole)
{
    static const char policy[] =
        "{\"protocol\":1,\"routes\":[{\"host\":\"*.a.example\",\"dlp\":{\"inbound\":[],\"budget\":10000}},"
        "{\"host\":\"b.example\",\"dlp\":{\"inbound\":[]}}]}";
    static const struct {
        unsigned proxies;
        const char *part;
    } cases[] = {{1, "10000"}, {3, "3333"}, {64, "156"}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[512];
        set_up();
        policy_store_init(&store, &net, cases[i].proxies);
        ck_assert_msg(stage(policy) == 0, "%s", err.text);
        snprintf(
            expected, sizeof expected,
            "{\"protocol\":1,\"routes\":[{\"host\":\"*.a.example\",\"dlp\":{\"inbound\":[],\"budget\":%s}},"
            "{\"host\":\"b.example\",\"dlp\":{\"inbound\":[]}}],\"generation\":1," SIDECAR "}",
            cases[i].part);
        section_is(store.next.fds[POLICY_FOR_PROXY], expected);
        char *told = json_dumps(store.next.budgets, JSON_COMPACT);
        ck_assert_str_eq(told, "[{\"host\":\"*.a.example\",\"bytes\":10000}]");
        free(told);
        policy_store_drop(&store);
    }
}
END_TEST

#define HOST_KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJp2Z0hNnAqRVlrvNWbAgQwZcGWdyDoLSbLyUnyIRHHi"
#define REPO     "{\"name\":\"app\",\"url\":\"ssh://git@h.example/app\",\"host_key\":\"" HOST_KEY "\""

/* Where the repositories are is for those that lead there, what may be pushed for the gate alone, and no route for either. */
START_TEST(the_gate_and_its_leg_get_repositories_and_no_routes)
{
    static const char gate[] =
        "\"gate\":{\"repos\":[" REPO
        ",\"push\":{\"deny\":[\"refs/heads/main\"]}}],\"on_finding\":\"supervise\",\"scanner\":\"/s\"}";
    char policy[1024], expected[1024];

    set_up();
    store.keeps = true;
    strcpy(store.value_key, KEY);
    snprintf(policy, sizeof policy,
             "{\"protocol\":1,\"hold\":{},\"on_canary\":\"stop\",\"routes\":[{\"host\":\"a.example\"}],%s}",
             gate);
    ck_assert_msg(stage(policy) == 0, "%s", err.text);
    ck_assert(store.next.gates && store.next.searches);
    snprintf(
        expected, sizeof expected,
        "{\"protocol\":1,%s,\"hold\":{},\"on_canary\":\"stop\",\"routes\":[],\"base\":1,\"value_key\":\"" KEY
        "\",\"generation\":1," SIDECAR "}",
        gate);
    section_is(store.next.fds[POLICY_FOR_GATE], expected);
    section_is(store.next.fds[POLICY_FOR_PUSH], "{\"protocol\":1,\"routes\":[],\"gate\":{\"repos\":[" REPO
                                                "}]},\"generation\":1," SIDECAR "}");
    section_is(store.next.fds[POLICY_FOR_DNS],
               "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\"}],\"gate\":{"
               "\"repos\":[" REPO "}]},\"generation\":1," SIDECAR "}");
    section_is(
        store.next.fds[POLICY_FOR_PROXY],
        "{\"protocol\":1,\"hold\":{},\"on_canary\":\"stop\",\"routes\":[{\"host\":\"a.example\"}],\"base\":1,"
        "\"value_key\":\"" KEY "\",\"generation\":1," SIDECAR "}");
    policy_store_drop(&store);
    ck_assert(!store.next.gates);
    ck_assert_int_eq(stage("{\"protocol\":1,\"routes\":[],\"gate\":{\"repos\":[]}}"), -1);
    ck_assert_str_eq(err.text, "policy: gate: repos: expected an array of 1 to 1000 repositories");
    store.keeps = false;
    ck_assert_int_eq(stage(policy), -1);
    ck_assert_str_eq(err.text, "policy: gate: this sidecar was started without a place for repositories");
}
END_TEST

/* Else they would not compute the same addresses. */
START_TEST(raw_ports_go_to_all_that_have_routes)
{
    set_up();
    ck_assert_int_eq(stage("{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"tcp\":[5432]}]}"), 0);
    for (int i = POLICY_FOR_DNS; i <= POLICY_FOR_PROXY; i++)
        section_is(store.next.fds[i], "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"tcp\":[5432]}],"
                                      "\"generation\":1," SIDECAR "}");
    policy_store_drop(&store);
}
END_TEST

START_TEST(where_the_host_is_goes_to_all)
{
    set_up();
    net.host = (struct ip){4, {192, 0, 2, 1}};
    ck_assert_msg(stage(POLICY) == 0, "%s", err.text);
    for (int i = 0; i < POLICY_SECTIONS; i++) {
        struct str bytes;
        ck_assert_int_eq(channel_map(store.next.fds[i], POLICY_MAX_BYTES, &bytes), 0);
        ck_assert_ptr_nonnull(memmem(bytes.ptr, bytes.len, ",\"host\":\"192.0.2.1\"}}", 21));
        munmap((void *)bytes.ptr, bytes.len);
    }
    policy_store_drop(&store);
}
END_TEST

START_TEST(a_section_cannot_be_written)
{
    set_up();
    ck_assert_int_eq(stage(POLICY), 0);
    ck_assert_int_eq((int)write(store.next.fds[0], "x", 1), -1);
    ck_assert_int_eq(ftruncate(store.next.fds[0], 0), -1);
    policy_store_drop(&store);
}
END_TEST

START_TEST(generations_rise_and_none_is_used_twice)
{
    set_up();
    ck_assert_uint_eq(store.current.generation, 0);
    ck_assert_int_eq(stage(POLICY), 0);
    policy_store_commit(&store);
    ck_assert_uint_eq(store.current.generation, 1);
    ck_assert_uint_eq(store.next.generation, 0);
    ck_assert_int_eq(stage(POLICY), 0);
    policy_store_drop(&store);
    ck_assert_uint_eq(store.current.generation, 1);
    ck_assert_int_eq(stage(POLICY), 0);
    policy_store_commit(&store);
    ck_assert_uint_eq(store.current.generation, 3);
    policy_store_commit(&store);
}
END_TEST

START_TEST(one_policy_at_a_time)
{
    set_up();
    ck_assert_int_eq(stage(POLICY), 0);
    ck_assert_int_eq(stage(POLICY), -1);
    ck_assert_str_eq(err.text, "another policy is being applied");
    ck_assert_uint_eq(store.next.generation, 1);
    policy_store_drop(&store);
}
END_TEST

START_TEST(what_only_the_sidecar_may_say_is_refused_from_outside)
{
    static const char *const wrong[] = {
        "{\"protocol\":1,\"routes\":[],\"generation\":9}",
        "{\"protocol\":1,\"routes\":[]," SIDECAR "}",
        "{\"protocol\":2,\"routes\":[]}",
        "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"secret\":1}]}",
        "{\"protocol\":1}",
        "[]",
        "\"policy\"",
        "null",
    };
    set_up();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(stage(wrong[i]) == -1, "%s", wrong[i]);
    ck_assert_uint_eq(store.last, 0);
    ck_assert_uint_eq(store.next.generation, 0);
}
END_TEST

#define RULES "\"matches\":[{\"methods\":[\"GET\"]}],\"deny\":[{\"paths\":[{\"value\":\"/x\"}]}]"

START_TEST(secrets_stay_with_their_version_and_out_of_the_sections)
{
    static const char policy[] =
        "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"ports\":[443],\"auth\":{"
        "\"scheme\":\"Bearer\",\"secret\":\"A_TOKEN\"},\"cookies\":true,\"git_fetch\":true," RULES "}],"
        "\"extra_ca\":\"PEM\"}";
    json_t *object = json_loads(policy, 0, NULL), *secrets = json_pack("{s:s}", "A_TOKEN", "value-of-a");

    set_up();
    ck_assert_int_eq(policy_store_stage(&store, object, NULL, NULL, &err), -1);
    ck_assert_str_eq(err.text, "policy: routes[0]: auth: the secret A_TOKEN is missing");
    ck_assert_int_eq(policy_store_stage(&store, object, secrets, NULL, &err), 0);
    section_is(
        store.next.fds[POLICY_FOR_DNS],
        "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"ports\":[443]}],\"generation\":1," SIDECAR
        "}");
    section_is(
        store.next.fds[POLICY_FOR_PROXY],
        "{\"protocol\":1,\"extra_ca\":\"PEM\",\"routes\":[{\"host\":\"a.example\",\"ports\":[443],\"auth\":{"
        "\"scheme\":\"Bearer\",\"secret\":\"A_TOKEN\"},\"cookies\":true,\"git_fetch\":true," RULES "}],"
        "\"generation\":1," SIDECAR "}");
    int fd = policy_version_secrets(&store.next);
    section_is(fd, "{\"A_TOKEN\":\"value-of-a\"}");
    close(fd);
    policy_store_drop(&store);
    json_decref(secrets);
    secrets = json_pack("{s:s}", "A_TOKEN", "value of a");
    ck_assert_int_eq(policy_store_stage(&store, object, secrets, NULL, &err), -1);
    ck_assert_str_eq(err.text, "secrets: A_TOKEN: the value holds a space");
    ck_assert_uint_eq(store.next.generation, 0);
    json_decref(secrets);
    json_decref(object);
}
END_TEST

START_TEST(an_empty_policy_allows_nothing_and_is_a_policy)
{
    set_up();
    ck_assert_int_eq(stage("{\"protocol\":1,\"routes\":[]}"), 0);
    section_is(store.next.fds[POLICY_FOR_PROXY],
               "{\"protocol\":1,\"routes\":[],\"generation\":1," SIDECAR "}");
    policy_store_drop(&store);
}
END_TEST

#define WITH(dlp, more)                                                                                      \
    "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\"," dlp                                               \
    "\"auth\":{\"scheme\":\"basic\",\"secret\":\"LOGIN\"}}" more "]}"
#define NOTHING "\"dlp\":{\"outbound\":[],\"inbound\":[]},"

static void stage_with(const char *text)
{
    json_t *policy = json_loads(text, 0, NULL);
    json_t *secrets = json_pack("{s:s,s:s}", "TOKEN", "tok-3f9A77c1", "LOGIN", "user:pa55word");
    ck_assert_msg(policy_store_stage(&store, policy, secrets, NULL, &err) == 0, "%s", err.text);
    json_decref(policy);
    json_decref(secrets);
}

START_TEST(what_is_searched_for_is_compiled_once_for_equal_secrets)
{
    set_up();
    stage_with(WITH("", ""));
    section_is(store.next.source, "{\"secrets\":{\"LOGIN\":\"pa55word\",\"TOKEN\":\"tok-3f9A77c1\"}}");
    ck_assert(!policy_version_ready(&store.next) && !policy_version_share(&store.next, &store.current));
    policy_version_database(&store.next, channel_memfd("database", str_of("x")));
    ck_assert(policy_version_ready(&store.next));
    policy_store_commit(&store);
    stage_with(WITH("", ",{\"host\":\"b.example\"}"));
    ck_assert(policy_version_share(&store.next, &store.current) && policy_version_ready(&store.next));
    ck_assert_int_ne(store.next.database, store.current.database);
    policy_store_commit(&store);
    /* The value as a whole is a secret where it is used as one. */
    stage_with(WITH("", ",{\"host\":\"b.example\",\"auth\":{\"scheme\":\"raw\",\"secret\":\"LOGIN\"}}"));
    section_is(store.next.source, "{\"secrets\":{\"LOGIN\":\"user:pa55word\",\"TOKEN\":\"tok-3f9A77c1\"}}");
    ck_assert(!policy_version_share(&store.next, &store.current));
    policy_store_drop(&store);
    stage_with(WITH(NOTHING, ""));
    ck_assert_int_eq(store.next.source, -1);
    ck_assert(policy_version_ready(&store.next) && !policy_version_share(&store.next, &store.current));
    policy_store_drop(&store);
}
END_TEST

/* The source of the version that is staged: of keys there are prints, and nothing else. */
static json_t *source(void)
{
    struct str bytes;

    ck_assert_int_eq(channel_map(store.next.source, 1 << 20, &bytes), 0);
    ck_assert_ptr_null(memmem(bytes.ptr, bytes.len, "NYAfVBy63", 9)); /* of the key's own text */
    json_t *made = json_loadb(bytes.ptr, bytes.len, 0, NULL);
    munmap((void *)bytes.ptr, bytes.len);
    ck_assert_ptr_nonnull(made);
    return made;
}

START_TEST(keys_of_repositories_are_searched_for_by_their_prints)
{
    static const char policy[] =
        "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[],\"gate\":{\"repos\":[" REPO
        "}]}}";
    char digest[sizeof store.next.source_digest];

    set_up();
    store.keeps = true;
    ck_assert(store.has_print_key);
    ck_assert_msg(stage(policy) == 0, "%s", err.text);
    json_t *one = source(), *prints = json_object_get(one, "prints");
    const char *of_app = json_string_value(json_object_get(json_object_get(prints, "keys"), "app"));
    ck_assert_uint_eq(strlen(json_string_value(json_object_get(prints, "key"))), 32);
    ck_assert_uint_eq(strlen(of_app), 65 * 16); /* a seed of 256 bits has 65 windows of 128 */
    ck_assert_uint_eq(strspn(of_app, "0123456789abcdef"), 65 * 16);
    strcpy(digest, store.next.source_digest);
    policy_store_commit(&store);
    ck_assert_int_eq(stage(policy), 0);
    ck_assert_str_eq(store.next.source_digest, digest); /* so that nothing is compiled again */
    policy_store_drop(&store);

    policy_store_commit(&store); /* nothing is current any more */
    set_up();                    /* another bottle */
    store.keeps = true;
    ck_assert_int_eq(stage(policy), 0);
    json_t *other = source();
    ck_assert(!json_equal(json_object_get(other, "prints"), prints));
    policy_store_drop(&store);
    json_decref(one);
    json_decref(other);

    store.has_print_key = false;
    ck_assert_int_eq(stage(policy), -1);
    ck_assert_str_eq(err.text, "there is no randomness for fingerprints of keys");
}
END_TEST

#define HELD                                                                                                 \
    "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[{\"host\":\"a.example\"}],"        \
    "\"hold\":{\"denied\":true},\"ignore\":[\"t.example\"]}"
#define APPROVAL                                                                                             \
    "{\"id\":7,\"host\":\"n.example\",\"port\":80,\"tls\":false,\"method\":\"GET\",\"path\":\"/"             \
    "\",\"once\":true}"

static int approve(const char *text)
{
    json_t *approvals = json_loads(text, 0, NULL);
    ck_assert_ptr_nonnull(approvals);
    int status = policy_store_stage_approvals(&store, approvals, &err);
    json_decref(approvals);
    return status;
}

START_TEST(approvals_lie_over_the_policy_in_force)
{
    char digest[sizeof store.current.digest];

    set_up();
    ck_assert_uint_eq(strspn(store.value_key, "0123456789abcdef"), 2 * APPROVAL_KEY);
    strcpy(store.value_key, KEY);
    ck_assert_int_eq(approve("[]"), -1);
    ck_assert_str_eq(err.text, "the policy has nothing held for the operator");
    ck_assert_int_eq(stage(HELD), 0);
    section_is(store.next.fds[POLICY_FOR_PROXY],
               "{\"protocol\":1,\"hold\":{\"denied\":true},\"ignore\":[\"t.example\"],\"routes\":[{\"host\":"
               "\"a.example\"}],\"base\":1,\"value_key\":\"" KEY "\",\"generation\":1," SIDECAR "}");
    ck_assert_int_eq(approve("[" APPROVAL "]"), -1);
    ck_assert_str_eq(err.text, "the policy has nothing held for the operator"); /* none is current yet */
    policy_store_commit(&store);
    strcpy(digest, store.current.digest);
    ck_assert_msg(approve("[" APPROVAL "]") == 0, "%s", err.text);
    section_is(store.next.fds[POLICY_FOR_PROXY],
               "{\"protocol\":1,\"hold\":{\"denied\":true},\"ignore\":[\"t.example\"],\"routes\":[{\"host\":"
               "\"a.example\"}],\"approvals\":[" APPROVAL "],\"base\":1,\"value_key\":\"" KEY
               "\",\"generation\":2," SIDECAR "}");
    section_is(
        store.next.fds[POLICY_FOR_DNS],
        "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[{\"host\":\"a.example\"}],"
        "\"approvals\":[{\"host\":\"n.example\"}],\"generation\":2," SIDECAR "}");
    policy_store_commit(&store);
    ck_assert_str_eq(store.current.digest, digest); /* of what the operator sent */
    ck_assert_uint_eq(store.current.base, 1);
    ck_assert_int_eq(approve("[{\"id\":1}]"), -1);
    policy_store_commit(&store);
}
END_TEST

START_TEST(a_new_policy_keeps_the_approvals_that_it_leaves_room_for)
{
    static const struct {
        const char *policy;
        size_t kept;
    } table[] = {
        {HELD, 1},
        {"{\"protocol\":1,\"routes\":[]}", 0},
        {"{\"protocol\":1,\"routes\":[],\"hold\":{\"denied\":false}}", 0},
        {"{\"protocol\":1,\"routes\":[{\"host\":\"n.example\"}],\"hold\":{\"denied\":true}}", 0},
        {"{\"protocol\":1,\"routes\":[{\"host\":\"*.example\"}],\"hold\":{\"denied\":true}}", 0},
        {"{\"protocol\":1,\"routes\":[],\"hold\":{\"denied\":true},\"ignore\":[\"*.example\"]}", 0},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        set_up();
        ck_assert_int_eq(stage(HELD), 0);
        policy_store_commit(&store);
        ck_assert_int_eq(approve("[" APPROVAL "]"), 0);
        policy_store_commit(&store);
        ck_assert_msg(stage(table[i].policy) == 0, "%s", err.text);
        policy_store_commit(&store);
        ck_assert_msg(json_array_size(store.current.approvals) == table[i].kept, "%s", table[i].policy);
        ck_assert_uint_eq(store.current.base, 3);
        policy_store_commit(&store);
    }
}
END_TEST

#define VALUE                                                                                                \
    "{\"id\":8,\"host\":\"a.example\",\"port\":443,\"tls\":true,\"value\":"                                  \
    "\"00112233445566778899aabbccddeeff\","                                                                  \
    "\"surface\":\"body\",\"once\":false}"
#define ASKS(dlp)                                                                                            \
    "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"dlp\":{" dlp "}}],\"hold\":{\"denied\":false}}"
#define SUPERVISE "\"outbound_on_match\":\"supervise\""

START_TEST(approvals_of_values_are_for_the_proxy_and_last_while_the_route_asks)
{
    static const struct {
        const char *policy;
        size_t kept;
    } table[] = {
        {ASKS(SUPERVISE), 1},
        {ASKS(""), 0},
        {ASKS(SUPERVISE ",\"outbound\":[]"), 0},
        {"{\"protocol\":1,\"routes\":[{\"host\":\"*.example\",\"dlp\":{" SUPERVISE "}}],\"hold\":{}}", 1},
        {"{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"dlp\":{" SUPERVISE "}}]}",
         0}, /* nobody can be asked */
        {"{\"protocol\":1,\"routes\":[],\"hold\":{\"denied\":true}}", 0},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        set_up();
        strcpy(store.value_key, KEY);
        ck_assert_msg(stage(ASKS(SUPERVISE)) == 0, "%s", err.text);
        policy_store_commit(&store);
        ck_assert_msg(approve("[" VALUE "]") == 0, "%s", err.text);
        section_is(store.next.fds[POLICY_FOR_PROXY],
                   "{\"protocol\":1,\"hold\":{\"denied\":false},\"routes\":[{\"host\":\"a.example\",\"dlp\":"
                   "{" SUPERVISE "}}],\"approvals\":[" VALUE "],\"base\":1,\"value_key\":\"" KEY
                   "\",\"generation\":2," SIDECAR "}");
        section_is(store.next.fds[POLICY_FOR_DNS],
                   "{\"protocol\":1,\"routes\":[{\"host\":\"a.example\"}],\"approvals\":[],"
                   "\"generation\":2," SIDECAR "}");
        policy_store_commit(&store);
        ck_assert_msg(stage(table[i].policy) == 0, "%s", err.text);
        policy_store_commit(&store);
        ck_assert_msg(json_array_size(store.current.approvals) == table[i].kept, "%s", table[i].policy);
        policy_store_commit(&store);
    }
}
END_TEST

START_TEST(approvals_keep_the_secrets)
{
    json_t *policy =
               json_loads("{\"protocol\":1,\"routes\":[{\"host\":\"a.example\",\"auth\":{\"scheme\":\"raw\","
                          "\"secret\":\"A\"}}],\"hold\":{\"denied\":true}}",
                          0, NULL),
           *secrets = json_pack("{s:s}", "A", "value-of-a");

    set_up();
    ck_assert_int_eq(policy_store_stage(&store, policy, secrets, NULL, &err), 0);
    json_decref(policy);
    json_decref(secrets);
    policy_store_commit(&store);
    ck_assert_int_eq(approve("[" APPROVAL "]"), 0);
    policy_store_commit(&store);
    int fd = policy_version_secrets(&store.current);
    section_is(fd, "{\"A\":\"value-of-a\"}");
    close(fd);
    policy_store_commit(&store);
}
END_TEST

START_TEST(closed_is_what_is_staged_and_nothing_else_changes)
{
    set_up();
    strcpy(store.value_key, KEY);
    ck_assert_int_eq(policy_store_stage_egress(&store, &err), -1);
    ck_assert_str_eq(err.text, "no policy is in force");
    ck_assert_int_eq(stage(HELD), 0);
    policy_store_commit(&store);
    ck_assert_int_eq(approve("[" APPROVAL "]"), 0);
    policy_store_commit(&store);
    store.closed = true;
    ck_assert_int_eq(policy_store_stage_egress(&store, &err), 0);
    section_is(store.next.fds[POLICY_FOR_PROXY],
               "{\"protocol\":1,\"hold\":{\"denied\":true},\"ignore\":[\"t.example\"],\"routes\":[{\"host\":"
               "\"a.example\"}],\"approvals\":[" APPROVAL "],\"closed\":true,\"base\":1,\"value_key\":\"" KEY
               "\",\"generation\":3," SIDECAR "}");
    section_is(
        store.next.fds[POLICY_FOR_DNS],
        "{\"protocol\":1,\"dns\":{\"upstreams\":[\"192.0.2.53\"]},\"routes\":[{\"host\":\"a.example\"}],"
        "\"approvals\":[{\"host\":\"n.example\"}],\"closed\":true,\"generation\":3," SIDECAR "}");
    policy_store_commit(&store);
    ck_assert_int_eq(stage("{\"protocol\":1,\"routes\":[],\"on_canary\":\"stop\"}"),
                     0); /* so is what is applied */
    section_is(store.next.fds[POLICY_FOR_PROXY],
               "{\"protocol\":1,\"on_canary\":\"stop\",\"routes\":[],\"closed\":true,"
               "\"generation\":4," SIDECAR "}");
    policy_store_commit(&store);
    ck_assert(store.current.closed);
    store.closed = false;
    ck_assert_int_eq(policy_store_stage_egress(&store, &err), 0);
    section_is(store.next.fds[POLICY_FOR_DNS], "{\"protocol\":1,\"routes\":[],\"generation\":5," SIDECAR "}");
    policy_store_commit(&store);
    ck_assert(!store.current.closed && store.current.base == 4);
    policy_store_commit(&store);
}
END_TEST

SUITE_MAIN("policy_store", closed_is_what_is_staged_and_nothing_else_changes,
           what_is_searched_for_is_compiled_once_for_equal_secrets,
           keys_of_repositories_are_searched_for_by_their_prints, each_kind_of_worker_gets_its_own_section,
           each_proxy_gets_its_part_of_a_budget_and_status_tells_the_whole,
           raw_ports_go_to_all_that_have_routes, the_gate_and_its_leg_get_repositories_and_no_routes,
           where_the_host_is_goes_to_all, a_section_cannot_be_written,
           generations_rise_and_none_is_used_twice, one_policy_at_a_time,
           what_only_the_sidecar_may_say_is_refused_from_outside,
           secrets_stay_with_their_version_and_out_of_the_sections,
           an_empty_policy_allows_nothing_and_is_a_policy, approvals_lie_over_the_policy_in_force,
           a_new_policy_keeps_the_approvals_that_it_leaves_room_for,
           approvals_of_values_are_for_the_proxy_and_last_while_the_route_asks, approvals_keep_the_secrets)
