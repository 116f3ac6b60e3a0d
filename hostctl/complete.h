/* SPDX-License-Identifier: GPL-3.0-or-later */
/* complete: what may stand in a word's place on hostctl's command line, from the tables that the commands themselves are read by.
 * It asks no engine and no sidecar: names are those of folders and files of the user's. */
#ifndef HOSTCTL_COMPLETE_H
#define HOSTCTL_COMPLETE_H

#include <stddef.h>
#include <stdio.h>

/* Writes the candidates for the last of the words behind "hostctl", one a line: "WORD" or "WORD<TAB>WHAT IT IS". ":files" stands
 * for the shell's own completion of file names; ":unknown WORD" means that a table names a kind that is not known here. Each candidate
 * begins with that last word, and consists of printable ASCII without blanks. No words: nothing. */
void complete_words(char *const *words, size_t count, FILE *out);

/* The script for a shell, or NULL when there is none for it. */
const char *complete_script(const char *shell);

#endif
