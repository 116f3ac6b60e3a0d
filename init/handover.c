/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handover: see handover.h. */
#include "init/handover.h"

#include <unistd.h>

#include "init/kinds.h"
#include "sys/channel.h"

/* Immediately before their policy. */
static int secrets_send(int channel, const struct policy_version *version)
{
    if (version->secrets == NULL)
        return 0;
    int fd = policy_version_secrets(version);
    if (fd < 0)
        return -1;
    int status = channel_send(channel, CHANNEL_SECRETS, version->generation, fd, str_of(""));
    close(fd);
    return status;
}

static int keys_send(int channel, const struct policy_version *version)
{
    if (version->keys == NULL)
        return 0;
    int fd = gate_keys_memfd(version->keys);
    if (fd < 0)
        return -1;
    int status = channel_send(channel, CHANNEL_KEYS, version->generation, fd, str_of(""));
    close(fd);
    return status;
}

int handover_belongings(int channel, const struct policy_version *version, unsigned may)
{
    if (may & KIND_DATABASE && version->database >= 0 &&
        channel_send(channel, CHANNEL_DATABASE, version->generation, version->database, str_of("")) < 0)
        return -1;
    if (may & KIND_SECRETS && secrets_send(channel, version) < 0)
        return -1;
    return may & KIND_KEYS ? keys_send(channel, version) : 0;
}
