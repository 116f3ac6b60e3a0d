/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ask: see ask.h. HMAC (RFC 2104) with wolfCrypt's SHA-256; the key is the sidecar's own (core/policy.h, "value_key"). */
#include "proxy/ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <wolfssl/wolfcrypt/hmac.h>

#include "dlp/rules.h"
#include "proxy/search.h"
#include "proxy/session.h"

bool ask_may(const struct dlp_rules *rules, const struct dlp_finding *finding)
{
    return rules->outbound_on_match == DLP_RULES_SUPERVISE && finding->redactable && !finding->across &&
           finding->detector != DLP_KNOWN && finding->surface != DLP_HOST &&
           !(rules->transcript && finding->surface == DLP_BODY);
}

/* Returns 0, or -1: there is no key, or the hash failed. */
static int hash(const struct approvals *approvals, struct str value, char text[HOLD_VALUE + 1])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[WC_SHA256_DIGEST_SIZE];
    Hmac hmac;

    if (!approvals->has_key || wc_HmacInit(&hmac, NULL, INVALID_DEVID) != 0)
        return -1;
    int status = wc_HmacSetKey(&hmac, WC_SHA256, approvals->key, sizeof approvals->key);
    if (status == 0)
        status = wc_HmacUpdate(&hmac, (const unsigned char *)value.ptr, (word32)value.len);
    if (status == 0)
        status = wc_HmacFinal(&hmac, digest);
    wc_HmacFree(&hmac);
    for (size_t i = 0; i < HOLD_VALUE; i++)
        text[i] = hex[i % 2 == 0 ? digest[i / 2] >> 4 : digest[i / 2] & 15];
    text[HOLD_VALUE] = '\0';
    return status == 0 ? 0 : -1;
}

static bool is_permitted(const struct exchange *x, const char *surface, const char *value)
{
    for (size_t i = 0; i < x->permitted_count; i++)
        if (strcmp(x->permitted[i].surface, surface) == 0 && strcmp(x->permitted[i].value, value) == 0)
            return true;
    return false;
}

/* What was approved for this request stays so while it lasts, though the approval leaves the policy when the next one is asked for.
 * Returns whether there is room for it. */
static bool permit(struct exchange *x, const char *surface, const char *value)
{
    if (x->permitted_count == ASK_MAX)
        return false;
    x->permitted[x->permitted_count].surface = surface;
    memcpy(x->permitted[x->permitted_count++].value, value, HOLD_VALUE + 1);
    return true;
}

/* For the audit and, when it is refused, for the agent. */
static void tell(struct exchange *x, const struct dlp_engine *engine, const struct dlp_finding *finding)
{
    const struct dlp_rule *rule = dlp_rules_get(dlp_engine_rules(engine), finding->rule);

    x->detector = dlp_rules_detector_name(finding->detector);
    x->surface = dlp_surface_name(finding->surface);
    snprintf(x->pattern, sizeof x->pattern, "%s", rule != NULL ? rule->name : "");
    search_describe(engine, finding, x->found, sizeof x->found);
    x->reason = x->found;
}

static void tell_approved(struct exchange *x, uint64_t id)
{
    size_t len = strlen(x->found);

    if (id != 0)
        snprintf(x->found + len, sizeof x->found - len, ", by approval %" PRIu64, id);
    else
        snprintf(x->found + len, sizeof x->found - len, ", as approved");
}

bool ask_approved(struct session *session, const struct dlp_engine *engine, const struct dlp_finding *finding,
                  struct str value)
{
    struct exchange *x = &session->exchange;
    const struct approvals *approvals = &session->proxy->worker.policy->approvals;
    const char *surface = dlp_surface_name(finding->surface);
    char text[HOLD_VALUE + 1];

    x->asked[0] = '\0';
    tell(x, engine, finding);
    if (value.len == 0 || hash(approvals, value, text) != 0)
        return false;
    if (is_permitted(x, surface, text)) {
        tell_approved(x, 0);
        return true;
    }
    const struct approval *approval =
        approvals_find_value(approvals, x->host, session->port, session->opened, surface, text, x->approved);
    if (approval != NULL && (!approval->once || permit(x, surface, text))) {
        tell_approved(x, approval->id);
        return true;
    }
    if (approvals->base != 0 && x->questions < ASK_MAX)
        memcpy(x->asked, text, sizeof text);
    return false;
}

void ask_cover_path(struct session *session, const struct dlp_finding *finding)
{
    char *path = session->exchange.path;

    for (uint64_t i = finding->start; i < finding->end && i < strlen(path); i++)
        path[i] = '*';
}
