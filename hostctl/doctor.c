/* SPDX-License-Identifier: GPL-3.0-or-later */
/* doctor: see doctor.h. */
#include "hostctl/doctor.h"

#include <string.h>

#define SAID_MAX 400 /* bytes */

static const char *const words[] = {[DOCTOR_OK] = "ok", [DOCTOR_FAIL] = "FAIL", [DOCTOR_ABSENT] = "-"};
static const char *const states[] = {[DOCTOR_OK] = "ok", [DOCTOR_FAIL] = "fail", [DOCTOR_ABSENT] = "absent"};

void doctor_init(struct doctor *doctor)
{
    *doctor = (struct doctor){.area = "host", .lines = json_array()};
}

void doctor_fini(struct doctor *doctor)
{
    json_decref(doctor->lines);
    doctor->lines = NULL;
}

void doctor_add(struct doctor *doctor, const char *name, enum doctor_state state, const char *said,
                const char *remedy)
{
    char text[SAID_MAX];
    size_t len = 0;

    for (; said[len] != '\0' && len < sizeof text - 1; len++)
        text[len] = said[len] >= ' ' && said[len] <= '~' ? said[len] : '?';
    text[len] = '\0';
    json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "area", doctor->area, "name", name, "state",
                             states[state], "said", text);
    if (state != DOCTOR_OK)
        json_object_set_new(line, "remedy", json_string(remedy));
    if (line == NULL || json_array_append_new(doctor->lines, line) != 0)
        doctor->failed++; /* what cannot be shown is not well */
    doctor->failed += state == DOCTOR_FAIL;
}

static const char *text_of(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    return text != NULL ? text : "";
}

static void print_line(const json_t *line, FILE *to)
{
    const char *state = text_of(line, "state"), *word = words[DOCTOR_FAIL];

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++)
        if (strcmp(state, states[i]) == 0)
            word = words[i];
    fprintf(to, "%-4s  %-8s %-16s %s", word, text_of(line, "area"), text_of(line, "name"),
            text_of(line, "said"));
    if (json_object_get(line, "remedy") != NULL)
        fprintf(to, "; remedy: %s", text_of(line, "remedy"));
    fputc('\n', to);
}

void doctor_print(const struct doctor *doctor, const char *bottle, bool json, FILE *to)
{
    size_t i;
    json_t *line;

    if (!json) {
        json_array_foreach(doctor->lines, i, line) {
            print_line(line, to);
        }
        return;
    }
    json_t *all =
        json_pack("{s:b, s:s?, s:O}", "ok", doctor->failed == 0, "bottle", bottle, "checks", doctor->lines);
    json_dumpf(all, to, JSON_INDENT(2) | JSON_ENSURE_ASCII);
    fputc('\n', to);
    json_decref(all);
}
