/* SPDX-License-Identifier: GPL-3.0-or-later */
/* places: where a user's bottles, agents and skills are, and where a repository's agents are. A repository may ship
 * agents, never bottles. */
#ifndef HOSTCTL_PLACES_H
#define HOSTCTL_PLACES_H

#include <limits.h>
#include <stdbool.h>

#include "core/err.h"

#define PLACES_REPOSITORY ".stopper" /* in the current folder */

/* The folder $XDG_CONFIG_HOME/stopper, if that is an absolute path; else ~/.config/stopper of the user who called
 * sudo, else of HOME. It need not exist. Returns 0, or -1 with err. */
int places_config(char path[PATH_MAX], struct err *err);

/* The file FOLDER/KIND/NAME.md, e.g. of kind "bottles". Returns 0, or -1 with err when the path is too long. */
int places_file(const char *folder, const char *kind, const char *name, char path[PATH_MAX], struct err *err);

/* A path of the user's: absolute, or "~/…" below the home of the user who called sudo, else below HOME. Returns 0, or -1 with
 * err. */
int places_user_file(const char *path, char out[PATH_MAX], struct err *err);

/* Whether the program is on PATH, as execvp(3) would look, an empty part of it aside. */
bool places_program(const char *name);

/* Whether something is there. */
bool places_exists(const char *path);

#endif
