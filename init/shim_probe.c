/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * shim_probe: see the header. The table says which probe is which; what is not in it fails. A child's answer is one
 * write to a pipe of its own: a byte that says whether the wall stands, then the text.
 */
#include "init/shim_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"

#define REQUEST_MAX 8192 /* bytes of the line */

static const struct {
    shim_probe_fn *run;
} probes[PROBES] = {
    [PROBE_ROUTES] = {probe_routes},
    [PROBE_IPV6] = {probe_ipv6},
    [PROBE_ROUTE_CHANGE] = {probe_route_change},
    [PROBE_RAW_SOCKETS] = {probe_raw_sockets},
    [PROBE_PRIVILEGES] = {probe_privileges},
    [PROBE_NO_NEW_PRIVS] = {probe_no_new_privs},
    [PROBE_SECCOMP] = {probe_seccomp},
    [PROBE_USER_NAMESPACES] = {probe_user_namespaces},
    [PROBE_INIT] = {probe_init},
    [PROBE_PROC_SYS] = {probe_proc_sys},
    [PROBE_HOST_SOCKETS] = {probe_host_sockets},
    [PROBE_RESOLV_CONF] = {probe_resolv_conf},
    [PROBE_ENGINE_RESOLVER] = {probe_engine_resolver},
    [PROBE_DNS] = {probe_dns},
    [PROBE_HTTP] = {probe_http},
    [PROBE_TLS] = {probe_tls},
    [PROBE_METADATA] = {probe_metadata},
    [PROBE_NEIGHBOURS] = {probe_neighbours},
    [PROBE_PORTS] = {probe_ports},
    [PROBE_PROXY_PORT] = {probe_proxy_port},
    [PROBE_SIDECAR_PORTS] = {probe_sidecar_ports},
    [PROBE_UDP] = {probe_udp},
    [PROBE_ICMP] = {probe_icmp},
    [PROBE_CA] = {probe_ca},
};

struct attempt {
    pid_t pid;
    int answer; /* our end of its pipe; -1 = it is known */
    bool stands;
    struct err said;
};

static long long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the request ---- */

static int request_read(char text[REQUEST_MAX], size_t *len)
{
    ssize_t got;

    for (*len = 0; *len < REQUEST_MAX; *len += (size_t)got) {
        do
            got = read(STDIN_FILENO, text + *len, REQUEST_MAX - *len);
        while (got < 0 && errno == EINTR);
        if (got <= 0)
            return got == 0 && *len > 0 ? 0 : -1;
    }
    return -1; /* too long */
}

/* The texts stay the request's. */
static int request_parse(json_t *request, struct shim_probe *probe, struct err *err)
{
    static const char digits[] = "0123456789abcdef";
    const char *sidecar;
    int user_namespaces;
    unsigned byte;
    char nowhere[IP_TEXT];

    if (json_unpack(request, "{s:s, s:s, s:b, s:s !}", "sidecar", &sidecar, "nonce", &probe->nonce,
                    "user_namespaces", &user_namespaces, "ca", &probe->ca) != 0 ||
        ip_parse(str_of(sidecar), &probe->sidecar) != 0 || probe->sidecar.family != 4 ||
        strlen(probe->nonce) != PROBE_NONCE || strspn(probe->nonce, digits) != PROBE_NONCE ||
        sscanf(probe->nonce, "%2x", &byte) != 1)
        return err_set(err, "the request is not understood");
    probe->user_namespaces = user_namespaces;
    snprintf(probe->host, sizeof probe->host, "%s." PROBE_DOMAIN, probe->nonce);
    snprintf(nowhere, sizeof nowhere, PROBE_NOWHERE "%u", byte % 254 + 1);
    return ip_parse(str_of(nowhere), &probe->nowhere) == 0 ? 0
                                                           : err_set(err, "the request is not understood");
}

/* ---- the attempts ---- */

static void __attribute__((noreturn))
attempt_run(enum probe which, const struct shim_probe *probe, int answer)
{
    struct err said = {""};
    char text[1 + sizeof said.text];

    alarm(SHIM_PROBE_MS / 1000 + 1);
    int result = probes[which].run(probe, &said);
    text[0] = result == 0;
    size_t len = strlen(said.text);
    memcpy(text + 1, said.text, len);
    _exit(write(answer, text, len + 1) == (ssize_t)len + 1 ? 0 : 1);
}

static void attempt_start(struct attempt *attempt, enum probe which, const struct shim_probe *probe)
{
    int ends[2];

    *attempt = (struct attempt){.pid = -1, .answer = -1};
    if (probes[which].run == NULL) {
        err_set(&attempt->said, "this shim does not know how");
        return;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        err_set_errno(&attempt->said, "pipe");
        return;
    }
    attempt->pid = fork();
    if (attempt->pid == 0)
        attempt_run(which, probe, ends[1]);
    close(ends[1]);
    attempt->answer = ends[0];
    if (attempt->pid < 0) {
        err_set_errno(&attempt->said, "a process to try it");
        close(ends[0]);
        attempt->answer = -1;
    }
}

static void attempt_take(struct attempt *attempt)
{
    char text[1 + sizeof attempt->said.text];
    ssize_t got = read(attempt->answer, text, sizeof text - 1);

    if (got < 0 && errno == EINTR)
        return;
    close(attempt->answer);
    attempt->answer = -1;
    text[got > 0 ? got : 0] = '\0';
    attempt->stands = got > 0 && text[0] == 1;
    if (got > 0)
        err_set(&attempt->said, "%s", text + 1);
    else
        err_set(&attempt->said, "the attempt broke off");
}

static void attempts_wait(struct attempt attempts[PROBES])
{
    long long end = now_ms() + SHIM_PROBE_MS, left;
    struct pollfd polls[PROBES];
    bool open = true;

    while (open && (left = end - now_ms()) > 0) {
        open = false;
        for (int i = 0; i < PROBES; i++) {
            polls[i] = (struct pollfd){.fd = attempts[i].answer, .events = POLLIN};
            open = open || attempts[i].answer >= 0;
        }
        if (open && poll(polls, PROBES, (int)left) > 0)
            for (int i = 0; i < PROBES; i++)
                if (polls[i].fd >= 0 && polls[i].revents != 0)
                    attempt_take(&attempts[i]);
    }
    for (int i = 0; i < PROBES; i++) {
        if (attempts[i].answer >= 0)
            err_set(&attempts[i].said, "no end within %.1f s", SHIM_PROBE_MS / 1000.0);
        if (attempts[i].pid > 0) {
            kill(attempts[i].pid, SIGKILL); /* our child, not reaped yet */
            while (waitpid(attempts[i].pid, NULL, 0) < 0 && errno == EINTR)
                ;
        }
    }
}

static int answer_print(const struct attempt attempts[PROBES])
{
    json_t *list = json_array();

    for (int i = 0; i < PROBES; i++) {
        json_t *said = json_string(attempts[i].said.text); /* NULL where an upstream's bytes are no UTF-8 */
        json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "name", probe_name((enum probe)i), "ok",
                                              attempts[i].stands, "said",
                                              said != NULL ? said : json_string("bytes that are no text")));
    }
    json_t *answer = json_pack("{s:o}", "probes", list);
    int result = answer != NULL ? json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) : -1;
    json_decref(answer);
    return result == 0 && putchar('\n') != EOF && fflush(stdout) == 0 ? 0 : 1;
}

int shim_probe(void)
{
    static struct attempt attempts[PROBES];
    struct shim_probe probe = {.nonce = NULL};
    char text[REQUEST_MAX];
    struct err err;
    size_t len;

    prctl(PR_SET_DUMPABLE, 0, 0, 0,
          0); /* so that the agent's other processes cannot easily answer in its place */
    signal(SIGPIPE, SIG_IGN);
    json_t *request =
        request_read(text, &len) == 0 ? json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (request_parse(request, &probe, &err) != 0) {
        fprintf(stderr, "stopper-shim: probe: %s\n", err.text);
        json_decref(request);
        return 2;
    }
    for (int i = 0; i < PROBES; i++)
        attempt_start(&attempts[i], (enum probe)i, &probe);
    attempts_wait(attempts);
    int status = answer_print(attempts);
    json_decref(request);
    return status;
}
