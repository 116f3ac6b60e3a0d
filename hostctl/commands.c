/* SPDX-License-Identifier: GPL-3.0-or-later */
/* commands: which there are, in the order of --help. */
#include "hostctl/command.h"

const struct command *const commands[] = {
    &cmd_up,      &cmd_attach,   &cmd_down,    &cmd_ps,          &cmd_exec,    &cmd_shell,
    &cmd_forward, &cmd_logs,     &cmd_watch,   &cmd_pending,     &cmd_approve, &cmd_deny,
    &cmd_reopen,  &cmd_apply,    &cmd_status,  &cmd_doctor,      &cmd_gc,      &cmd_ca,
    &cmd_init,    &cmd_validate, &cmd_explain, &cmd_completions, &cmd_version, NULL};
