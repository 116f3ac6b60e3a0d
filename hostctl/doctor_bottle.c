/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * doctor_bottle: see doctor.h. Three witnesses: the sidecar, which says how it is; the shim, which tries from inside what
 * the agent could try (init/shim_probe.h); and the audit, which has to hold what these attempts left. What comes from
 * inside is the agent's word: of its answer a name is looked up, and a text is shown as one.
 */
#include "hostctl/doctor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/policy.h"
#include "core/probe.h"
#include "hostctl/audit_lines.h"
#include "hostctl/random.h"
#include "hostctl/sidecar.h"
#include "hostctl/signals.h"

#define ANSWER_MAX 65536 /* bytes of the shim's answer */
#define ANSWER_MS  15000 /* that it may take; an engine's exec among it */
#define AUDIT_MS   4000  /* for the lines to arrive */
#define AUDIT_STEP 100000000L

#define ANEW "the bottle is not sealed any more: end it (hostctl down) and make it anew"

/* What is to be done. */
static const char *const remedies[PROBES] = {
    [PROBE_ROUTES] = "somebody has changed the agent's routes from outside; " ANEW,
    [PROBE_IPV6] = "somebody has switched IPv6 on in the agent's network; " ANEW,
    [PROBE_ROUTE_CHANGE] = "the shim did not give up its rights; " ANEW " with a shim of this release",
    [PROBE_RAW_SOCKETS] = "the shim did not give up its rights; " ANEW " with a shim of this release",
    [PROBE_PRIVILEGES] =
        "end that process: it came in past hostctl (by the engine's exec, nsenter); use hostctl exec",
    [PROBE_NO_NEW_PRIVS] =
        "end that process: it came in past hostctl (by the engine's exec, nsenter); use hostctl exec",
    [PROBE_SECCOMP] =
        "end that process: it came in past hostctl (by the engine's exec, nsenter); use hostctl exec",
    [PROBE_USER_NAMESPACES] = "make the bottle anew without --allow-userns, or with a shim of this release",
    [PROBE_INIT] = "the bottle's PID 1 is not the shim as it was made; " ANEW,
    [PROBE_PROC_SYS] = "/proc/sys was mounted anew from outside, or the runtime leaves it open; " ANEW,
    [PROBE_HOST_SOCKETS] = "do not --mount a folder of the host's with a daemon's socket in it",
    [PROBE_RESOLV_CONF] = "/etc/resolv.conf was replaced from outside; " ANEW,
    [PROBE_ENGINE_RESOLVER] =
        "something answers at the engine's resolver's address: end it if it is the agent's own; else " ANEW,
    [PROBE_DNS] = "see \"hostctl status\" whether stopper-dns serves and a policy is in force; else " ANEW,
    [PROBE_HTTP] = "see \"hostctl status\" whether stopper-proxy serves and a policy is in force; else " ANEW,
    [PROBE_TLS] = "see \"hostctl status\" whether stopper-proxy serves; else " ANEW,
    [PROBE_METADATA] = "somebody has changed the sidecar's rules or the agent's routes; " ANEW,
    [PROBE_NEIGHBOURS] = "somebody has changed the sidecar's rules or the agent's routes; " ANEW,
    [PROBE_PORTS] = "somebody has changed the sidecar's rules; " ANEW,
    [PROBE_PROXY_PORT] = "somebody has changed the sidecar's rules; " ANEW,
    [PROBE_SIDECAR_PORTS] = "somebody has changed the sidecar's rules; " ANEW,
    [PROBE_UDP] = "somebody has changed the sidecar's rules, or the agent sends so much that rejections are "
                  "held back; " ANEW,
    [PROBE_ICMP] = "somebody has changed the sidecar's rules, or the agent sends so much that rejections are "
                   "held back; " ANEW,
    [PROBE_CA] =
        "programs will not trust the sidecar: somebody has changed /run/stopper-ca; make the bottle anew",
};

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- from inside ---- */

/* The request goes in, the answer comes out, what is written beside it is nobody's. Returns 0, or -1 with err. */
static int converse(struct session *session, struct str request, struct buf *answer, struct err *err)
{
    long long end = now_ms() + ANSWER_MS, left;
    char bytes[4096];

    if (write(session->in, request.ptr, request.len) != (ssize_t)request.len && /* less than a pipe holds */
        errno != EPIPE)                                                         /* then there is no answer */
        return err_set_errno(err, "the shim");
    close(session->in);
    session->in = -1;
    while ((left = end - now_ms()) > 0) {
        struct pollfd wait[] = {{.fd = session->out, .events = POLLIN},
                                {.fd = session->err, .events = POLLIN},
                                {.fd = signals_interrupt_fd(), .events = POLLIN}};
        if (poll(wait, 3, (int)left) <= 0)
            continue;
        if (wait[2].revents != 0)
            return err_set(err, "interrupted");
        if (wait[1].revents != 0 && read(session->err, bytes, sizeof bytes) <= 0) {
            close(session->err);
            session->err = -1;
        }
        ssize_t got = wait[0].revents != 0 ? read(session->out, bytes, sizeof bytes) : 1;
        if (got <= 0)
            return 0;
        if (wait[0].revents != 0 && buf_append(answer, bytes, (size_t)got) != 0)
            return err_set(err, "the shim says too much");
    }
    return err_set(err, "the shim does not answer within %d s", ANSWER_MS / 1000);
}

/* Enters as the agent does; the path leads the shim to itself, wherever a runtime has put it. */
static int enter(const struct runtime *runtime, const struct state *state, struct str request,
                 struct buf *answer, struct err *err)
{
    static char shim[] = "/proc/self/exe", verb[] = "probe";
    static char *const argv[] = {shim, verb, NULL};
    static const char *const env[] = {NULL};
    const struct command_spec spec = {
        .argv = argv, .env = env, .cwd = "/", .interrupt = signals_interrupt_fd()};
    struct session session;

    session_init(&session);
    int result = runtime->exec(&spec, state, &session, err);
    if (result == 0)
        result = converse(&session, request, answer, err);
    session_close(&session);
    return result;
}

/* Returns whether it tells of every probe. */
static bool take_answer(struct doctor *doctor, const json_t *answer)
{
    const json_t *seen[PROBES] = {NULL};
    bool whole = true;
    size_t i;
    json_t *each;

    json_array_foreach(json_object_get(answer, "probes"), i, each) {
        const char *name = json_string_value(json_object_get(each, "name"));
        enum probe probe = probe_find(str_of(name));
        if (probe != PROBES)
            seen[probe] = each;
    }
    for (int probe = 0; probe < PROBES; probe++) {
        const char *said = json_string_value(json_object_get(seen[probe], "said"));
        bool stands = json_is_true(json_object_get(seen[probe], "ok"));
        whole = whole && seen[probe] != NULL;
        doctor_add(doctor, probe_name((enum probe)probe), stands ? DOCTOR_OK : DOCTOR_FAIL,
                   said != NULL ? said : "the shim says nothing of it", remedies[probe]);
    }
    return whole;
}

static int look_inside(struct doctor *doctor, const struct runtime *runtime, const struct state *state,
                       const char *nonce, const char *address, const char *pem, bool *whole, struct err *err)
{
    const char *allowed = state_get(state, "user_namespaces");
    json_t *request = json_pack("{s:s, s:s, s:b, s:s}", "sidecar", address, "nonce", nonce, "user_namespaces",
                                allowed != NULL && strcmp(allowed, "yes") == 0, "ca", pem);
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
    struct buf out;

    buf_init(&out, ANSWER_MAX);
    int result =
        text == NULL ? err_set(err, "out of memory") : enter(runtime, state, str_of(text), &out, err);
    struct str said = buf_str(&out);
    json_t *answer = result == 0 && said.len > 0 ? json_loadb(said.ptr, said.len, 0, NULL) : NULL;
    doctor->area = "bottle";
    if (result == 0)
        *whole = take_answer(doctor, answer);
    json_decref(answer);
    json_decref(request);
    secret_json_free(text);
    buf_fini(&out);
    return result;
}

/* ---- the sidecar ---- */

static long long number_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void look_at_workers(struct doctor *doctor, const json_t *status)
{
    const json_t *workers = json_object_get(status, "workers"), *worker;
    char text[256] = "none is told of";
    bool serving = json_array_size(workers) > 0;
    long long restarts = 0;
    size_t i;

    json_array_foreach(workers, i, worker) {
        const char *state = json_string_value(json_object_get(worker, "state")),
                   *name = json_string_value(json_object_get(worker, "name"));
        restarts += number_of(worker, "restarts");
        if (state != NULL && strcmp(state, "serving") == 0)
            continue;
        serving = false;
        snprintf(text, sizeof text, "%s is %s", name != NULL ? name : "one",
                 state != NULL ? state : "not there");
        break;
    }
    if (serving)
        snprintf(text, sizeof text, "%zu serve; started again %lld times", json_array_size(workers),
                 restarts);
    doctor_add(doctor, "workers", serving ? DOCTOR_OK : DOCTOR_FAIL, text,
               "\"hostctl logs\" tells how it ended; it is started again by itself, and its wall is closed "
               "meanwhile");
}

static void look_at_sidecar(struct doctor *doctor, const json_t *status)
{
    long long generation = number_of(status, "generation"), rules = number_of(status, "ruleset_generation"),
              boot = number_of(status, "ruleset_at_boot");
    const json_t *forwarding = json_object_get(status, "forwarding");
    char text[160];

    doctor->area = "sidecar";
    look_at_workers(doctor, status);
    snprintf(text, sizeof text, "generation %lld", generation);
    doctor_add(doctor, "policy", generation > 0 ? DOCTOR_OK : DOCTOR_FAIL,
               generation > 0 ? text : "none is in force: everything is denied",
               "apply one: hostctl apply NAME");
    doctor_add(doctor, "forwarding", json_is_false(forwarding) ? DOCTOR_OK : DOCTOR_FAIL,
               json_is_false(forwarding)  ? "off, on every interface"
               : json_is_true(forwarding) ? "the sidecar's namespace forwards packets"
                                          : "this sidecar does not tell",
               "somebody has switched it on from outside; " ANEW);
    if (boot > 0 && rules == boot)
        snprintf(text, sizeof text, "as installed at boot");
    else
        snprintf(text, sizeof text, "the rule set was changed since boot (generation %lld, was %lld)", rules,
                 boot);
    doctor_add(doctor, "rules", boot > 0 && rules == boot ? DOCTOR_OK : DOCTOR_FAIL, text,
               "something on this machine changes rules in the sidecar's namespace; " ANEW);
}

/* ---- the audit ---- */

/* Before a line is parsed: a stream may hold millions. */
static bool holds(struct str line, const char *text)
{
    size_t len = strlen(text);

    for (const char *at = line.ptr; line.len >= len; at++) {
        const char *end = line.ptr + line.len - len + 1;
        at = at < end ? memchr(at, text[0], (size_t)(end - at)) : NULL;
        if (at == NULL)
            return false;
        if (memcmp(at, text, len) == 0)
            return true;
    }
    return false;
}

/* Whether the stream, as it is now, has a line of a denial for the host of this run, and one for a packet to the address
 * that it used; each is left once found. */
static int audit_scan(const struct runtime *runtime, const struct state *state, const char *host,
                      const char *nowhere, bool *name, bool *packet, struct err *err)
{
    struct audit_lines lines;
    struct str line;
    int more;

    if (audit_lines_bottle(&lines, state, runtime, false, err) != 0)
        return -1;
    while ((more = audit_lines_next(&lines, &line, err)) > 0) {
        if (!holds(line, host) && !holds(line, nowhere))
            continue;
        json_t *object = json_loadb(line.ptr, line.len, 0, NULL);
        const char *its = json_string_value(json_object_get(object, "host")),
                   *kind = json_string_value(json_object_get(object, "kind")),
                   *address = json_string_value(json_object_get(object, "address"));
        *name = *name || (its != NULL && strcmp(its, host) == 0);
        *packet = *packet || (kind != NULL && strcmp(kind, "packet") == 0 && address != NULL &&
                              strcmp(address, nowhere) == 0);
        json_decref(object);
    }
    audit_lines_close(&lines);
    return more;
}

static void look_at_audit(struct doctor *doctor, const struct runtime *runtime, const struct state *state,
                          const char *nonce, long long patience_ms)
{
    static const char remedy[] = "see \"hostctl logs\": if the agent floods it, these were counted with "
                                 "others; else free the disk that holds the "
                                 "state folder, or see why the engine keeps no log";
    char host[PROBE_NONCE + sizeof PROBE_DOMAIN + 1], nowhere[32];
    long long end = now_ms() + patience_ms;
    bool name = false, packet = false;
    struct err err = {""}, said;
    unsigned byte = 0;

    snprintf(host, sizeof host, "%s." PROBE_DOMAIN, nonce);
    sscanf(nonce, "%2x", &byte);
    snprintf(nowhere, sizeof nowhere, PROBE_NOWHERE "%u", byte % 254 + 1);
    while (audit_scan(runtime, state, host, nowhere, &name, &packet, &err) == 0 && !(name && packet) &&
           now_ms() < end)
        nanosleep(&(struct timespec){.tv_nsec = AUDIT_STEP}, NULL);
    if (name && packet)
        err_set(&said, "it flows: the attempts of this run are in it, under %s", host);
    else
        err_set(&said, "the attempts of this run are not in it (%s)%s%s",
                name     ? "packets"
                : packet ? "names"
                         : "neither names nor packets",
                err.text[0] != '\0' ? ": " : "", err.text);
    doctor->area = "sidecar";
    doctor_add(doctor, "audit", name && packet ? DOCTOR_OK : DOCTOR_FAIL, said.text, remedy);
}

/* ---- all ---- */

int doctor_bottle(struct doctor *doctor, const struct runtime *runtime, const struct state *state,
                  struct err *err)
{
    char nonce[PROBE_NONCE + 1];
    json_t *status = NULL, *ca = NULL;
    bool whole = false;
    int result = random_hex(nonce, PROBE_NONCE / 2, err);

    if (result == 0 && ((ca = sidecar_ca(runtime, state, err)) == NULL ||
                        (status = sidecar_ask(runtime, state, "status", str_of(NULL), err)) == NULL))
        result = -1;
    const char *address = json_string_value(json_object_get(status, "address"));
    if (result == 0)
        result = look_inside(doctor, runtime, state, nonce, address != NULL ? address : "",
                             json_string_value(json_object_get(ca, "pem")), &whole, err);
    json_decref(status);
    status = NULL;
    if (result == 0)
        look_at_audit(doctor, runtime, state, nonce, whole ? AUDIT_MS : 0);
    /* Asked only now: the meter has read the wall since the attempts, whose packets it has told of. */
    if (result == 0 && (status = sidecar_ask(runtime, state, "status", str_of(NULL), err)) == NULL)
        result = -1;
    if (result == 0)
        look_at_sidecar(doctor, status);
    json_decref(status);
    json_decref(ca);
    return result;
}
