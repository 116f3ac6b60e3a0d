/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ctl: one request, one answer, with a deadline. It interprets nothing but "ok". */
#include "init/ctl.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "core/err.h"
#include "core/keys.h"
#include "core/policy.h"
#include "core/secret.h"
#include "init/control.h"

#define ANSWER_MAX        (1024u * 1024) /* bytes */
#define DEFAULT_TIMEOUT_S 10
#define MARGIN_MS         2000 /* that the sidecar has to say itself that time is up */

static const struct verb {
    const char *name, *help;
    bool input; /* the other members of the request are an object on stdin */
    bool named; /* a NAME stands behind it */
} verbs[] = {
    {"hello", "protocol and version", false, false},
    {"apply", "put {\"policy\": …, \"secrets\": {…}, \"keys\": {…}} on stdin in force", true, false},
    {"wait-ready", "wait until everything serves", false, false},
    {"status", "workers, counters, generations", false, false},
    {"deploy-key", "the public half of a new key for the repository NAME; of the same, if there is one",
     false, true},
    {"ca", "the certificate of the bottle's authority (PEM)", false, false},
    {"pending", "requests that are held for the operator", false, false},
    {"approve", "let a held one through: {\"id\": …, \"how\": …, \"by\": …, \"reason\": …} on stdin", true,
     false},
    {"deny", "refuse a held one: {\"id\": …, \"by\": …, \"reason\": …} on stdin", true, false},
    {"reopen", "open an egress that a canary has closed: {\"by\": …, \"reason\": …} on stdin", true, false},
};

struct request {
    const char *verb, *name; /* name: NULL = none */
    bool input, named;
    int timeout_ms;
};

static int usage(FILE *out, int status)
{
    fputs("usage: stopper-init ctl VERB [NAME] [--timeout SECONDS]\n\n", out);
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        fprintf(out, "  %s%-*s %s\n", verbs[i].name, verbs[i].named ? 5 : 15 - (int)strlen(verbs[i].name),
                verbs[i].named ? " NAME" : "", verbs[i].help);
    fputs("\nPrints the answer as JSON; ends with 0 when it says \"ok\": true, with 1 when not.\n", out);
    return status;
}

/* Returns 0; 1 when there is nothing more to do; -1 for a wrong command line. */
static int arguments(int argc, char *const *argv, struct request *request)
{
    *request = (struct request){.timeout_ms = DEFAULT_TIMEOUT_S * 1000};
    for (int i = 1; i < argc; i++) {
        char *end;
        if (strcmp(argv[i], "--help") == 0)
            return usage(stdout, 1);
        if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc) {
            double seconds = strtod(argv[++i], &end);
            if (*end != '\0' || !(seconds >= 0 && seconds <= CONTROL_WAIT_MAX_MS / 1000.0))
                return -1;
            request->timeout_ms = (int)(seconds * 1000);
            continue;
        }
        if (request->verb != NULL && request->named && request->name == NULL) {
            request->name = argv[i];
            continue;
        }
        if (request->verb != NULL || argv[i][0] == '-')
            return -1;
        for (size_t v = 0; v < sizeof verbs / sizeof verbs[0]; v++)
            if (strcmp(verbs[v].name, argv[i]) == 0) {
                request->verb = verbs[v].name;
                request->input = verbs[v].input;
                request->named = verbs[v].named;
            }
        if (request->verb == NULL)
            return -1;
    }
    return request->verb != NULL && request->named == (request->name != NULL) ? 0 : -1;
}

/* The members of a request, such as policy, secrets and keys; the sidecar checks them. */
static json_t *input_read(struct err *err)
{
    size_t size = POLICY_MAX_BYTES + SECRETS_MAX_JSON + KEYS_MAX_JSON + 1, len = 0, got;
    json_error_t where;
    char *text = malloc(size);
    json_t *input = NULL;
    if (text == NULL) {
        err_set(err, "out of memory");
        return NULL;
    }
    while (len < size && (got = fread(text + len, 1, size - len, stdin)) > 0)
        len += got;
    if (len == size)
        err_set(err, "the input is larger than %zu bytes", size - 1);
    else if ((input = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where)) == NULL)
        err_set(err, "the input is not a JSON object: line %d, column %d", where.line,
                where.column); /* no more: secrets */
    secret_wipe(text, len);
    free(text);
    if (input == NULL || (json_is_object(input) && json_object_get(input, "verb") == NULL))
        return input;
    err_set(err, "the input is not an object with the members of the request");
    json_decref(input);
    return NULL;
}

/* The request as a line, to be freed; NULL with err. */
static char *request_line(const struct request *request, struct err *err)
{
    json_t *object = json_pack("{s:s}", "verb", request->verb);
    if (request->input) {
        json_t *input = input_read(err);
        if (input == NULL) {
            json_decref(object);
            return NULL;
        }
        json_object_update(object, input);
        json_decref(input);
    }
    if (request->name != NULL)
        json_object_set_new(object, "name", json_string(request->name));
    if (strcmp(request->verb, "wait-ready") == 0)
        json_object_set_new(object, "timeout_ms", json_integer(request->timeout_ms));
    char *line = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    if (line == NULL)
        err_set(err, "out of memory");
    return line;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits until the socket is ready for this. Returns 0, or -1 with err. */
static int wait_for(int sock, short events, int64_t deadline, struct err *err)
{
    struct pollfd one = {.fd = sock, .events = events};
    int64_t left = deadline - now_ms();
    if (left < 0 || poll(&one, 1, (int)left) == 0)
        return err_set(err, "no answer in time");
    return 0;
}

static int send_all(int sock, const char *bytes, size_t len, int64_t deadline, struct err *err)
{
    while (len > 0) {
        if (wait_for(sock, POLLOUT, deadline, err) < 0)
            return -1;
        ssize_t sent = send(sock, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return err_set_errno(err, "send");
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        }
    }
    return 0;
}

static int read_line(int sock, char *answer, int64_t deadline, struct err *err)
{
    size_t len = 0;
    while (len < ANSWER_MAX) {
        if (wait_for(sock, POLLIN, deadline, err) < 0)
            return -1;
        ssize_t got = recv(sock, answer + len, ANSWER_MAX - len, MSG_DONTWAIT);
        if (got == 0)
            return err_set(err, "the sidecar closed the connection");
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return err_set_errno(err, "receive");
        if (got <= 0)
            continue;
        len += (size_t)got;
        if (answer[len - 1] == '\n') {
            answer[len - 1] = '\0';
            return 0;
        }
    }
    return err_set(err, "the answer is too large");
}

static int exchange(const struct request *request, const char *line, char *answer, struct err *err)
{
    static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CONTROL_SOCKET};
    int64_t deadline = now_ms() + request->timeout_ms + MARGIN_MS;
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int status = -1;
    if (sock < 0)
        return err_set_errno(err, "socket");
    if (connect(sock, (const struct sockaddr *)&address, sizeof address) < 0)
        err_set_errno(err, "%s", CONTROL_SOCKET);
    else if (send_all(sock, line, strlen(line), deadline, err) == 0 &&
             send_all(sock, "\n", 1, deadline, err) == 0)
        status = read_line(sock, answer, deadline, err);
    close(sock);
    return status;
}

int ctl_main(int argc, char *const *argv)
{
    static char answer[ANSWER_MAX];
    struct request request;
    struct err err;
    int status = arguments(argc, argv, &request);
    if (status != 0)
        return status > 0 ? 0 : usage(stderr, 2);

    char *line = request_line(&request, &err);
    status = line == NULL ? -1 : exchange(&request, line, answer, &err);
    secrets_text_free(line);
    json_t *object =
        status < 0 ? json_pack("{s:b, s:s}", "ok", 0, "error", err.text) : json_loads(answer, 0, NULL);
    if (object == NULL)
        object = json_pack("{s:b, s:s}", "ok", 0, "error", "the answer is not JSON");
    json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    putchar('\n');
    status = json_is_true(json_object_get(object, "ok")) && fflush(stdout) == 0 ? 0 : 1;
    json_decref(object);
    return status;
}
