/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rt_netns_shim: see the header. The shim is ours, but runs beside the agent: what it says is read as bounded
 * lines, and no more descriptors are taken than the one that was asked for.
 */
#include "hostctl/rt_netns_shim.h"
#include "core/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "hostctl/rt_netns_net.h"
#include "hostctl/rt_netns_root.h"

#define SHIM_PROTOCOL 1
#define ANSWER_MAX    1024 /* bytes of a line */
#define ANSWER_MS     10000

static void shut(int *fd)
{
    if (*fd != -1)
        close(*fd);
    *fd = -1;
}

static int pipe_for(int *ours, int *theirs, bool we_read, uid_t uid, gid_t gid, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        return err_set_errno(err, "pipe");
    *ours = ends[!we_read];
    *theirs = ends[we_read];
    return fchown(*theirs, uid, gid) == -1 ? err_set_errno(err, "pipe") : 0;
}

int shim_open(struct shim *shim, const struct command_spec *command, uid_t uid, gid_t gid, struct err *err)
{
    int ends[2];
    *shim = (struct shim){.fds = {-1, -1, -1, -1}};
    session_init(&shim->session);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1)
        return err_set_errno(err, "socketpair");
    shim->session.control = ends[0];
    shim->fds[3] = ends[1];
    if (command->terminal || (pipe_for(&shim->session.in, &shim->fds[0], false, uid, gid, err) == 0 &&
                              pipe_for(&shim->session.out, &shim->fds[1], true, uid, gid, err) == 0 &&
                              pipe_for(&shim->session.err, &shim->fds[2], true, uid, gid, err) == 0))
        return 0;
    shim_close(shim);
    return -1;
}

void shim_started(struct shim *shim)
{
    for (size_t i = 0; i < 4; i++)
        shut(&shim->fds[i]);
}

void shim_close(struct shim *shim)
{
    shim_started(shim);
    session_close(&shim->session);
}

static json_t *environment(const struct command_spec *command, bool defaults)
{
    static const char *const ours[][2] = {
        {"HOME", ROOT_HOME},  {"USER", "agent"},
        {"LOGNAME", "agent"}, {"PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"},
        {"SHELL", "/bin/sh"},
    };
    json_t *object = json_object();
    for (size_t i = 0; defaults && i < sizeof ours / sizeof ours[0]; i++)
        json_object_set_new(object, ours[i][0], json_string(ours[i][1]));
    for (const char *const *entry = command->env; entry && *entry; entry++) {
        const char *equals = strchr(*entry, '=');
        char *name = equals ? strndup(*entry, (size_t)(equals - *entry)) : NULL;
        /* json_string refuses what is no UTF-8: the caller sees the missing member. */
        if (!name || json_object_set_new(object, name, json_string(equals + 1)) == -1) {
            free(name);
            json_decref(object);
            return NULL;
        }
        free(name);
    }
    return object;
}

/* Members of both forms. Takes env over. */
static json_t *overlay(const struct command_spec *command, const char *cwd, json_t *env)
{
    json_t *all = json_pack("{s:o,s:b}", "env", env, "terminal", command->terminal);
    bool failed = !all || (cwd && json_object_set_new(all, "cwd", json_string(cwd)) == -1);
    if (command->rows > 0 && command->columns > 0)
        failed |= json_object_set_new(all, "rows", json_integer(command->rows)) == -1 ||
                  json_object_set_new(all, "columns", json_integer(command->columns)) == -1;
    if (!failed)
        return all;
    json_decref(all);
    return NULL;
}

static json_t *whole(const struct command_spec *command, const struct shim_bottle *bottle)
{
    json_t *all =
        json_pack("{s:i,s:s,s:s,s:s,s:I,s:I,s:b,s:b,s:s,s:s,s:o}", "protocol", SHIM_PROTOCOL, "interface",
                  NET_AGENT_LINK, "gateway", bottle->gateway, "resolver", bottle->gateway, "uid",
                  (json_int_t)command->uid, "gid", (json_int_t)command->gid, "die_with_parent", 1,
                  "user_namespaces", bottle->user_namespaces, "ca", bottle->ca, "ca_subject_hash",
                  bottle->ca_subject_hash, "mounts", mount_places(bottle->mounts, bottle->mount_count));

    if (all && bottle->remotes && json_object_set_new(all, "git", json_deep_copy(bottle->remotes)) == -1) {
        json_decref(all);
        all = NULL;
    }
    return all;
}

static char *configuration(const struct command_spec *command, const struct shim_bottle *bottle, size_t *len)
{
    json_t *env = environment(command, bottle != NULL);
    const char *cwd = command->cwd ? command->cwd : bottle ? ROOT_HOME : NULL;
    json_t *all = env ? overlay(command, cwd, env) : NULL;
    if (all && bottle) {
        json_t *own = whole(command, bottle);
        if (!own || json_object_update_new(all, own) == -1) {
            json_decref(all);
            all = NULL;
        }
    }
    char *text = all ? json_dumps(all, JSON_COMPACT) : NULL;
    json_decref(all);
    if (text) {
        *len = strlen(text);
        text[(*len)++] = '\n'; /* in the place of its NUL */
    }
    return text;
}

static int send_all(int socket, const char *text, size_t len, struct err *err)
{
    while (len > 0) {
        ssize_t sent = send(socket, text, len, MSG_NOSIGNAL);
        if (sent == -1 && errno == EINTR)
            continue;
        if (sent == -1)
            return err_set_errno(err, "telling the shim");
        text += sent;
        len -= (size_t)sent;
    }
    return 0;
}

/* One byte, so that nothing behind the line is taken; a descriptor beside it goes to *fd. Returns 1, 0 at the
 * end, -1. */
static int take_byte(int socket, char *byte, int *fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.room = {0}};
    struct iovec data = {.iov_base = byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    ssize_t len = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (len <= 0)
        return len == 0 ? 0 : -1;
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(int))) {
        shut(fd);
        memcpy(fd, CMSG_DATA(head), sizeof *fd);
    }
    return 1;
}

static int take_line(const struct shim *shim, char line[ANSWER_MAX], int *fd, int interrupt, struct err *err)
{
    for (size_t len = 0; len < ANSWER_MAX - 1;) {
        struct pollfd wait[] = {{.fd = shim->session.control, .events = POLLIN},
                                {.fd = interrupt, .events = POLLIN}};
        int ready = poll(wait, 2, ANSWER_MS);
        if (ready == -1 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready == 0 ? err_set(err, "the shim did not answer within 10 seconds")
                              : err_set_errno(err, "the shim");
        if (!wait[0].revents)
            return err_set(err, "interrupted");
        int got = take_byte(shim->session.control, line + len, fd);
        if (got == 0)
            return err_set(err, "the shim ended without an answer");
        if (got == -1)
            return err_set_errno(err, "the shim");
        if (line[len] == '\n') {
            line[len] = '\0';
            return 0;
        }
        len++;
    }
    return err_set(err, "the shim's answer is too long");
}

static int answer(struct shim *shim, const struct command_spec *command, struct err *err)
{
    char line[ANSWER_MAX];
    if (take_line(shim, line, &shim->session.pty, command->interrupt, err) == -1)
        return -1;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const char *error = json_string_value(json_object_get(object, "error"));
    int result = 0;
    if (!json_is_true(json_object_get(object, "ok")))
        result = err_set(err, "%s", error ? error : "the shim's answer is not understood");
    else if (command->terminal != (shim->session.pty != -1))
        result = err_set(err, "the shim gave %s terminal", command->terminal ? "no" : "an unasked");
    json_decref(object);
    return result;
}

int shim_configure(struct shim *shim, const struct command_spec *command, const struct shim_bottle *bottle,
                   struct err *err)
{
    size_t len;
    char *text = configuration(command, bottle, &len);
    if (!text)
        return err_set(err, "the command's environment or folder, or a mount's place, is not UTF-8");
    int result = send_all(shim->session.control, text, len, err);
    /* The values may be secrets. */
    explicit_bzero(text, len);
    secret_json_free(text);
    return result == 0 ? answer(shim, command, err) : -1;
}
