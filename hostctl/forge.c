/* SPDX-License-Identifier: GPL-3.0-or-later */
/* forge: see forge.h. Errors name variables, never what is in them. */
#include "hostctl/forge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/deploy_key.h"
#include "hostctl/state.h"

void forge_init(struct forge *forge, const char *command)
{
    *forge = (struct forge){.command = command};
}

void forge_fini(struct forge *forge)
{
    for (size_t i = 0; i < forge->count; i++)
        secret_free(forge->tokens[i].value);
    free(forge->tokens);
    *forge = (struct forge){.command = forge->command};
}

const struct secret *forge_token(const struct forge *forge, const char *variable)
{
    for (size_t i = 0; i < forge->count; i++)
        if (strcmp(forge->tokens[i].name, variable) == 0)
            return forge->tokens[i].value;
    return NULL;
}

const struct secret *forge_take(struct forge *forge, const char *variable, struct err *err)
{
    const char *value = getenv(variable), *problem;
    const char *advice = getenv("SUDO_UID") != NULL ? "; sudo passes it on with --preserve-env=" : "";
    const struct secret *known = forge_token(forge, variable);

    if (known != NULL)
        return known;
    if (value == NULL) {
        err_set(err, "the environment variable %s is not set%s%s", variable, advice,
                advice[0] != '\0' ? variable : "");
        return NULL;
    }
    if ((problem = secret_problem(str_of(value))) != NULL || strlen(variable) > SECRET_NAME_MAX) {
        err_set(err, "the value of the environment variable %s %s", variable,
                problem != NULL ? problem : "has too long a name");
        return NULL;
    }
    struct forge_token *tokens = realloc(forge->tokens, (forge->count + 1) * sizeof *tokens);
    if (tokens == NULL) {
        err_set(err, "out of memory");
        return NULL;
    }
    forge->tokens = tokens;
    struct forge_token *made = &tokens[forge->count];
    if ((made->value = secret_new(str_of(value))) == NULL) {
        err_set(err, "no locked memory is left for the value of %s (RLIMIT_MEMLOCK)", variable);
        return NULL;
    }
    snprintf(made->name, sizeof made->name, "%s", variable);
    forge->count++;
    return made->value;
}

static int take_bottle(void *ctx, const char *name)
{
    struct forge *forge = ctx;
    struct state state;
    struct err ignored;
    const char *repo;
    json_t *key;

    if (state_open(&state, name, STATE_READ, 0, &ignored) != STATE_OK)
        return 0;
    json_object_foreach((json_t *)state_deploy_keys(&state), repo, key) {
        const char *variable = json_string_value(json_object_get(key, DEPLOY_KEY_VARIABLE));
        if (variable != NULL && secret_is_name(str_of(variable)))
            forge_take(forge, variable, &ignored); /* who needs it says that it is missing */
    }
    state_close(&state);
    return 0;
}

void forge_take_recorded(struct forge *forge)
{
    struct err ignored;

    state_each(take_bottle, forge, &ignored);
}

void forge_wipe(const struct forge *forge)
{
    for (size_t i = 0; i < forge->count; i++) {
        char *value = getenv(forge->tokens[i].name);
        if (value == NULL)
            continue;
        secret_wipe(value, strlen(value));
        unsetenv(forge->tokens[i].name);
    }
}
