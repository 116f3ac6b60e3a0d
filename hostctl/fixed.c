/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fixed: see fixed.h. The record is one value, the digests in the order of the parts. */
#include "hostctl/fixed.h"

#include <string.h>

#include "core/buf.h"

#define RECORD_KEY "fixed"
#define BYTES_MAX  (64u << 20) /* of all variables together */

static const char *const part_names[FIXED_PARTS] = {
    [FIXED_ENV] = "env",
    [FIXED_USER] = "git-gate.user",
    [FIXED_SKILLS] = "skills",
    [FIXED_IMAGE] = "image",
    [FIXED_RUNTIME] = "runtime",
    [FIXED_PROMPT] = "prompt",
    [FIXED_HOST] = "ports of host.stopper.internal",
    [FIXED_REPOS] = "URLs of git-gate.repos",
};

static size_t add_ports(const uint16_t *from, size_t from_count, uint16_t *ports, size_t count)
{
    for (size_t i = 0; i < from_count; i++) {
        bool known = false;
        for (size_t j = 0; j < count; j++)
            known = known || ports[j] == from[i];
        if (!known)
            ports[count++] = from[i];
    }
    return count;
}

size_t fixed_host_ports(const struct manifest *manifest, uint16_t ports[MANIFEST_HOST_PORTS])
{
    uint16_t gate[POLICY_MAX_PORTS];
    size_t count = 0, gate_count = manifest_gate_host_ports(manifest, gate);

    for (size_t i = 0; i < manifest->route_count; i++) {
        const struct manifest_route *route = &manifest->routes[i];
        if (strcmp(route->host, POLICY_HOST_SERVICE) != 0)
            continue;
        count = add_ports(route->ports, route->port_count, ports, count);
        count = add_ports(route->tcp, route->tcp_count, ports, count);
    }
    return add_ports(gate, gate_count < POLICY_MAX_PORTS ? gate_count : POLICY_MAX_PORTS, ports, count);
}

/* A text with its NUL, so that no two lists run together alike. One that is not there differs from an empty one. */
static int add(struct buf *buf, const char *text)
{
    return text == NULL ? buf_append(buf, "\1", 1) : buf_append(buf, text, strlen(text) + 1);
}

static int add_part(struct buf *buf, const struct manifest *manifest, struct str prompt, int part)
{
    uint16_t ports[MANIFEST_HOST_PORTS];
    size_t count;
    int status = 0;

    switch (part) {
    case FIXED_ENV:
        for (size_t i = 0; i < manifest->env_count && status == 0; i++)
            status = add(buf, manifest->env[i]);
        for (size_t i = 0; i < manifest->form_count && status == 0; i++) { /* no value of a secret */
            const struct manifest_env *form = &manifest->forms[i];
            status = add(buf, form->name.text) != 0 || add(buf, form->ref) != 0 || add(buf, form->held) != 0
                         ? -1
                         : 0;
        }
        return status;
    case FIXED_USER:
        return add(buf, manifest->user_name) != 0 ? -1 : add(buf, manifest->user_email);
    case FIXED_SKILLS:
        for (size_t i = 0; i < manifest->skill_count && status == 0; i++)
            status = add(buf, manifest->skills[i].text);
        return status;
    case FIXED_IMAGE:
        return add(buf, manifest->image.text);
    case FIXED_RUNTIME:
        return add(buf, manifest->runtime.text);
    case FIXED_HOST:
        count = fixed_host_ports(manifest, ports);
        return count > 0 ? buf_append(buf, ports, count * sizeof ports[0]) : 0;
    case FIXED_REPOS:
        for (size_t i = 0; i < manifest->repo_count && status == 0; i++)
            status = add(buf, manifest->repos[i].name.text) != 0 ? -1 : add(buf, manifest->repos[i].url);
        return status;
    default:
        return prompt.len > 0 ? buf_append(buf, prompt.ptr, prompt.len) : 0;
    }
}

int fixed_take(const struct manifest *manifest, struct str prompt, struct fixed *fixed)
{
    int status = 0;

    for (int part = 0; part < FIXED_PARTS && status == 0; part++) {
        struct buf buf;
        buf_init(&buf, BYTES_MAX);
        status = add_part(&buf, manifest, prompt, part);
        sha256_hex(buf_str(&buf), fixed->digest[part]);
        buf_fini(&buf);
    }
    return status;
}

int fixed_record(const struct fixed *fixed, struct state *state, struct err *err)
{
    char text[FIXED_PARTS * SHA256_HEX];

    for (int part = 0; part < FIXED_PARTS; part++) {
        char *at = text + (size_t)part * SHA256_HEX;
        memcpy(at, fixed->digest[part], SHA256_HEX - 1);
        at[SHA256_HEX - 1] = part < FIXED_PARTS - 1 ? ' ' : '\0';
    }
    return state_set(state, RECORD_KEY, text, err);
}

int fixed_changed(const struct fixed *fixed, const struct state *state, bool host,
                  const char *names[FIXED_PARTS])
{
    const char *text = state_get(state, RECORD_KEY);
    int count = 0;

    if (text == NULL || strlen(text) != FIXED_PARTS * SHA256_HEX - 1)
        return -1;
    for (int part = 0; part < FIXED_PARTS; part++)
        if ((part != FIXED_HOST || host) &&
            memcmp(text + (size_t)part * SHA256_HEX, fixed->digest[part], SHA256_HEX - 1) != 0)
            names[count++] = part_names[part];
    return count;
}
