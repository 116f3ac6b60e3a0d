/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * templates: see templates.h. The agent's program gets a placeholder in the credential's place; the sidecar puts the host's
 * value where it stands. What is matched is the
 * inference API alone, with the paths that lead to nothing else: no files, no batches, no stored responses, no
 * administration.
 */
#include "hostctl/templates.h"

#include <string.h>

static const struct {
    const char *name, *text;
    struct role_shape shape;
} roles[] = {
    {"claude_code_oauth",
     "egress:\n"
     "  routes:\n"
     "    - host: api.anthropic.com\n"
     "      auth: {scheme: Bearer, token_ref: CLAUDE_CODE_OAUTH_TOKEN}\n"
     "      matches:\n"
     "        - methods: [POST]\n"
     "          paths: [{type: exact, value: /v1/messages}, {type: exact, value: "
     "/v1/messages/count_tokens}]\n"
     "        - {methods: [GET], paths: [{value: /v1/models}]}\n"
     "env: {CLAUDE_CODE_OAUTH_TOKEN: {placeholder_for: api.anthropic.com}}\n",
     {"sk-ant-oat01-", 108}},
    {"anthropic_api_key",
     "egress:\n"
     "  routes:\n"
     "    - host: api.anthropic.com\n"
     "      auth: {scheme: raw, token_ref: ANTHROPIC_API_KEY, header: x-api-key}\n"
     "      matches:\n"
     "        - methods: [POST]\n"
     "          paths: [{type: exact, value: /v1/messages}, {type: exact, value: "
     "/v1/messages/count_tokens}]\n"
     "        - {methods: [GET], paths: [{value: /v1/models}]}\n"
     "env: {ANTHROPIC_API_KEY: {placeholder_for: api.anthropic.com}}\n",
     {"sk-ant-api03-", 108}},
    {"openai_api_key",
     "egress:\n"
     "  routes:\n"
     "    - host: api.openai.com\n"
     "      auth: {scheme: Bearer, token_ref: OPENAI_API_KEY}\n"
     "      matches:\n"
     "        - methods: [POST]\n"
     "          paths: [{type: exact, value: /v1/responses}, {type: exact, value: /v1/chat/completions}]\n"
     "        - {methods: [GET], paths: [{value: /v1/models}]}\n"
     "env: {OPENAI_API_KEY: {placeholder_for: api.openai.com}, CODEX_API_KEY: {placeholder_for: "
     "api.openai.com}}\n",
     {"sk-proj-", 92}},
};

static const char *const templates[] = {
    [TEMPLATE_CLAUDE] = "egress:\n"
                        "  routes: [{host: api.anthropic.com, role: claude_code_oauth}]\n"
                        "  ignore: [statsig.anthropic.com, \"*.sentry.io\", \"*.datadoghq.com\"]\n"
                        "env:\n"
                        "  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: \"1\"\n"
                        "  DISABLE_AUTOUPDATER: \"1\"\n"
                        "  DISABLE_TELEMETRY: \"1\"\n"
                        "  DISABLE_ERROR_REPORTING: \"1\"\n",
    [TEMPLATE_CODEX] = "egress:\n"
                       "  routes: [{host: api.openai.com, role: openai_api_key}]\n"
                       "  ignore: [\"*.statsigapi.net\", \"*.sentry.io\"]\n",
};

const char *template_text(enum manifest_template template)
{
    return template <sizeof templates / sizeof templates[0] ? templates[template] : NULL;
}

const char *role_text(const char *role)
{
    for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(roles[i].name, role) == 0)
            return roles[i].text;
    return NULL;
}

struct role_shape role_shape(const char *role)
{
    for (size_t i = 0; role != NULL && i < sizeof roles / sizeof roles[0]; i++)
        if (strcmp(roles[i].name, role) == 0)
            return roles[i].shape;
    return (struct role_shape){"", 0};
}
