/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * glob: patterns over refs and paths, with the meaning that git's own have (gitglossary(7), "pathspec", and gitignore(5)):
 *
 *   *        any run of bytes; with GLOB_PATH none of them is a '/'
 *   ?        any byte; with GLOB_PATH not '/'
 *   [a-z]    one of a set, [!a-z] or [^a-z] none of it, with classes such as [[:digit:]]; with GLOB_PATH never '/'
 *   \x       the byte x itself
 *   **       with GLOB_PATH, as a whole component: any number of folders ("**" + "/a", "a/" + "**" + "/b"), or all that is
 *            below ("a/" + "**"). Elsewhere it is a '*'
 *
 * Refs are matched without GLOB_PATH, as the '*' of a refspec is, and as git branch --list does: refs/heads/agent/<star> is
 * also refs/heads/agent/a/b. Paths are matched with it, as ":(glob)" is. The time is bounded: pattern times text, squared
 * at worst in "**" alone.
 */
#ifndef CORE_GLOB_H
#define CORE_GLOB_H

#include <stdbool.h>

#include "core/str.h"

#define GLOB_PATH 1u
#define GLOB_FOLD 2u /* ASCII letters are the same in both cases */

/* Whether all of the text is what the pattern says. A set that does not end, and a '\' at the end, match nothing. */
bool glob_match(struct str pattern, struct str text, unsigned flags);

/* Whether it matches the path or a folder that the path is in: what is below a protected folder is protected. */
bool glob_covers(struct str pattern, struct str path, unsigned flags);

#endif
