/* SPDX-License-Identifier: GPL-3.0-or-later */
/* trial: see trial.h. */
#include "hostctl/trial.h"

#include <jansson.h>

#include "core/policy.h"

int trial_judge(struct str answer, struct err *said)
{
    json_t *object = answer.len > 0 ? json_loadb(answer.ptr, answer.len, 0, NULL) : NULL;
    json_int_t protocol = json_integer_value(json_object_get(object, "protocol"));
    const char *error = json_string_value(json_object_get(object, "error"));
    int result = 0;

    if (!json_is_true(json_object_get(object, "ok")))
        result = err_set(said, "the sidecar's rule set could not be tried: %s",
                         error != NULL ? error : "no answer");
    else if (protocol != POLICY_PROTOCOL)
        result = err_set(said, "the sidecar speaks protocol %lld, this hostctl %d", (long long)protocol,
                         POLICY_PROTOCOL);
    else
        err_set(said, "the kernel takes the sidecar's rule set; protocol %lld", (long long)protocol);
    json_decref(object);
    return result;
}
