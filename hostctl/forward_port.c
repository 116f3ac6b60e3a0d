/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forward_port: see forward_port.h. */
#include "hostctl/forward_port.h"

#include <stddef.h>
#include <string.h>

/* Returns what stands behind the number, or NULL when there is none or it is too large. */
static const char *take(const char *text, unsigned short *number)
{
    unsigned long value = 0;
    size_t len = strspn(text, "0123456789");

    if (len == 0 || len > 5 || (len > 1 && text[0] == '0'))
        return NULL;
    for (size_t i = 0; i < len; i++)
        value = value * 10 + (unsigned long)(text[i] - '0');
    *number = (unsigned short)value;
    return value <= 65535 ? text + len : NULL;
}

int forward_port_parse(const char *text, struct forward_port *port, struct err *err)
{
    const char *rest = take(text, &port->host);

    if (rest != NULL && *rest == ':')
        rest = take(rest + 1, &port->agent);
    else
        port->agent = port->host;
    if (rest == NULL || *rest != '\0' || port->agent == 0)
        return err_set(err,
                       "\"%.40s\" is not PORT[:AGENTPORT], each from 1 to 65535 (and 0:AGENTPORT for any "
                       "free port)",
                       text);
    return 0;
}
