/* SPDX-License-Identifier: GPL-3.0-or-later */
/* leg_command: see the header. Options are ssh_config(5)'s. Where one is its own default it is here because a default may
 * change, and because of what it would open. */
#include "gate/leg_command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gate/leg_words.h"

static const char *const always[] = {
    "AddKeysToAgent=no",
    "BatchMode=yes",
    "CanonicalizeHostname=no",
    "CheckHostIP=no",
    "ClearAllForwardings=yes",
    "ConnectionAttempts=1",
    "EscapeChar=none",
    "ForkAfterAuthentication=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "GlobalKnownHostsFile=/dev/null",
    "GSSAPIAuthentication=no",
    "HostbasedAuthentication=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "KbdInteractiveAuthentication=no",
    "LogLevel=ERROR",
    "PasswordAuthentication=no",
    "PermitLocalCommand=no",
    "PKCS11Provider=none",
    "PreferredAuthentications=publickey",
    "ProxyCommand=none",
    "SendEnv=GIT_PROTOCOL", /* of a session, and of the connection that it goes over: both ask */
    "ServerAliveCountMax=3",
    "ServerAliveInterval=15",
    "StrictHostKeyChecking=yes",
    "TCPKeepAlive=yes",
    "Tunnel=no",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
};

static void add(struct leg_command *command, const char *word)
{
    command->argv[command->count++] = word;
}

static void option(struct leg_command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void option(struct leg_command *command, const char *format, ...)
{
    char *text = command->text[command->texts++];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof command->text[0], format, arguments);
    va_end(arguments);
    add(command, "-o");
    add(command, text);
}

/* "[host]:port": with an alias ssh looks for it as it is. */
static void known_as(const struct gate_url *url, char out[LEG_HOST_SIZE + 2])
{
    snprintf(out, LEG_HOST_SIZE + 2, "[%s]:%u", url->host, url->port);
}

static void begin(struct leg_command *command, const struct leg_target *target)
{
    char address[IP_TEXT], alias[LEG_HOST_SIZE + 2];

    *command = (struct leg_command){.count = 0};
    ip_format(&target->address, address);
    known_as(target->url, alias);
    add(command, "ssh");
    add(command, "-F");
    add(command, "none");
    add(command, "-T");
    for (size_t i = 0; i < sizeof always / sizeof always[0]; i++) {
        add(command, "-o");
        add(command, always[i]);
    }
    option(command, "HostName=%s", address);
    option(command, "HostKeyAlias=%s", alias);
    option(command, "Port=%u", target->url->port);
    option(command, "User=%s", target->url->user);
    option(command, "ConnectTimeout=%u", target->connect_s);
    option(command, "UserKnownHostsFile=%s", target->hosts);
    option(command, "IdentityFile=%s", target->key);
    option(command, "ControlPath=%s", target->control);
}

void leg_command_master(struct leg_command *command, const struct leg_target *target)
{
    begin(command, target);
    add(command, "-M");
    add(command, "-N");
    add(command, "-o");
    add(command, "ControlPersist=no");
    add(command, "--");
    add(command, target->url->host);
}

/* For the shell on the other side: quoted as git does (quote.c of git: a quote and an exclamation mark leave the quotes). */
static void remote_write(char out[LEG_REMOTE_SIZE], enum leg_service service, const char *path)
{
    size_t len = (size_t)snprintf(out, LEG_REMOTE_SIZE, "%s '",
                                  service == LEG_UPLOAD_PACK ? "git-upload-pack" : "git-receive-pack");

    if (path[0] == '/' && path[1] == '~') /* ssh://host/~user/path: below a home, as git has it */
        path++;
    for (; *path != '\0' && len < LEG_REMOTE_SIZE - 8; path++) {
        if (*path == '\'' || *path == '!') {
            out[len++] = '\'';
            out[len++] = '\\';
            out[len++] = *path;
            out[len++] = '\'';
        } else {
            out[len++] = *path;
        }
    }
    out[len++] = '\'';
    out[len] = '\0';
}

void leg_command_session(struct leg_command *command, const struct leg_target *target,
                         enum leg_service service, uint32_t protocol)
{
    begin(command, target);
    if (protocol != 0) {
        snprintf(command->protocol, sizeof command->protocol, "GIT_PROTOCOL=version=%u", protocol);
        command->environment[0] = command->protocol;
    }
    add(command, "-o");
    add(command, "ControlMaster=no");
    add(command, "--");
    add(command, target->url->host);
    remote_write(command->remote, service, target->url->path);
    add(command, command->remote);
}

size_t leg_command_known(const struct gate_url *url, const char *host_key, char *line, size_t size)
{
    char alias[LEG_HOST_SIZE + 2];

    known_as(url, alias);
    int len = snprintf(line, size, "%s %s\n", alias, host_key);
    return len > 0 && (size_t)len < size ? (size_t)len : 0;
}
