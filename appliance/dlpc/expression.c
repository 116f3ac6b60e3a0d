/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * expression: see expression.h. One pass from left to right over atoms: a literal, an escape, a bracket expression, or a
 * parenthesis. An atom's bytes count for `word` wherever it stands. For `digits` it counts only where every match must go
 * through it: outside of parentheses, where there is no '|', and not made optional.
 */
#include "dlpc/expression.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "dlp/classes.h"
#include "dlp/layout.h"

struct reader {
    const char *at;
    bool failed;     /* something that is not understood */
    bool set[256];   /* bytes of the atom that was read last */
    bool zero_width; /* it has none */
};

static void add(struct reader *reader, unsigned first, unsigned last)
{
    for (unsigned c = first; c <= last && c < 256; c++)
        reader->set[c] = true;
}

static void add_class(struct reader *reader, char name)
{
    bool wanted = name == 'd' || name == 'w' || name == 's';

    for (unsigned c = 0; c < 256; c++) {
        bool digit = c >= '0' && c <= '9', letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool in = (name | 0x20) == 'd'   ? digit
                  : (name | 0x20) == 'w' ? digit || letter || c == '_'
                                         : c == ' ' || (c >= '\t' && c <= '\r');
        if (in == wanted)
            reader->set[c] = true;
    }
}

/* Behind a backslash. Returns the byte, or -1 when it was a class. */
static int read_escape(struct reader *reader)
{
    char c = *reader->at;

    if (c == '\0') {
        reader->failed = true;
        return -1;
    }
    reader->at++;
    if (strchr("dDwWsS", c) != NULL) {
        add_class(reader, c);
        return -1;
    }
    if (c == 'r' || c == 'n' || c == 't')
        return c == 'r' ? '\r' : c == 'n' ? '\n' : '\t';
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'))
        reader->failed = true;
    return (unsigned char)c;
}

/* Behind the opening bracket. */
static void read_bracket(struct reader *reader)
{
    bool negated = *reader->at == '^';
    const char *first = reader->at + negated;

    for (reader->at = first; *reader->at != ']' || reader->at == first;) {
        if (*reader->at == '\0' || (reader->at[0] == '[' && reader->at[1] == ':')) {
            reader->failed = true;
            return;
        }
        int low = *reader->at++ == '\\' ? read_escape(reader) : (unsigned char)reader->at[-1], high = low;
        if (low >= 0 && reader->at[0] == '-' && reader->at[1] != ']') {
            reader->at++;
            high = *reader->at++ == '\\' ? read_escape(reader) : (unsigned char)reader->at[-1];
        }
        if (low >= 0)
            add(reader, (unsigned)low, (unsigned)high);
    }
    reader->at++;
    for (unsigned c = 0; negated && c < 256; c++)
        reader->set[c] = !reader->set[c];
}

static void read_atom(struct reader *reader)
{
    char c = *reader->at++;

    memset(reader->set, 0, sizeof reader->set);
    reader->zero_width = false;
    if (c == '[') {
        read_bracket(reader);
    } else if (c == '.') {
        add(reader, 0, 255);
    } else if (c == '\\' && *reader->at == 'b') {
        reader->at++;
        reader->zero_width = true;
    } else if (c == '\\') {
        int byte = read_escape(reader);
        if (byte >= 0)
            add(reader, (unsigned)byte, (unsigned)byte);
    } else {
        reader->failed =
            reader->failed || c == '^' || c == '$' || c == '*' || c == '+' || c == '?' || c == '{';
        add(reader, (unsigned char)c, (unsigned char)c);
    }
}

/* Behind an atom or a parenthesis. Returns how often it has to be there. */
static unsigned long read_quantifier(struct reader *reader)
{
    char c = *reader->at;
    unsigned long least = c == '?' || c == '*' ? 0 : c == '{' ? strtoul(reader->at + 1, NULL, 10) : 1;

    if (c == '{') {
        reader->at += strcspn(reader->at, "}");
        reader->failed = reader->failed || *reader->at == '\0';
        reader->at += *reader->at != '\0';
    } else if (c == '?' || c == '*' || c == '+') {
        reader->at++;
    }
    if (*reader->at == '?' || *reader->at == '+') /* lazy, possessive */
        reader->at++;
    return least;
}

/* Behind "(": the options, if any. A group that captures is fine too. */
static void read_group(struct reader *reader)
{
    if (*reader->at != '?')
        return;
    reader->at++;
    while (*reader->at >= 'a' && *reader->at <= 'z')
        reader->at++;
    reader->failed = reader->failed || *reader->at != ':';
    reader->at += *reader->at != '\0';
}

static bool only(const struct reader *reader, bool is(char c))
{
    for (unsigned c = 0; c < 256; c++)
        if (reader->set[c] && !is((char)c))
            return false;
    return true;
}

static bool any_digit(const struct reader *reader)
{
    for (unsigned c = 0; c < 128; c++)
        if (reader->set[c] &&
            (c == '+' || c == '/' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')))
            return true;
    return false;
}

/* How many bytes of the core alphabet stand in a row at the end of what was read, at least. A group that is not within another
 * counts as its shortest alternative, when all of it is of that alphabet. */
struct row {
    unsigned long here; /* outside of parentheses */
    unsigned long alternative, shortest;
    bool pure; /* the group so far is of the alphabet */
    bool enough;
};

static void row_add(struct row *row, unsigned long count, bool core)
{
    row->here = core ? row->here + count : 0;
    row->enough = row->enough || row->here >= DLP_CORE_MIN;
}

static void row_atom(struct row *row, const struct reader *reader, unsigned long least, unsigned depth)
{
    bool core = only(reader, dlp_is_core);

    if (reader->zero_width)
        return;
    if (depth == 0)
        row_add(row, least, core);
    row->alternative += least;
    row->pure = row->pure && core && depth <= 1;
}

/* An alternative ends. */
static void row_choice(struct row *row)
{
    row->shortest = row->alternative < row->shortest ? row->alternative : row->shortest;
    row->alternative = 0;
}

static void row_group(struct row *row)
{
    *row = (struct row){.here = row->here, .enough = row->enough, .shortest = ULONG_MAX, .pure = true};
}

struct dlpc_expression dlpc_expression_read(const char *expression)
{
    struct reader reader = {.at = expression};
    struct dlpc_expression result = {.word = true, .digits = true};
    struct row row = {.here = 0};
    unsigned depth = 0;
    bool choice = false;

    while (*reader.at != '\0' && !reader.failed) {
        if (*reader.at == '(') {
            reader.at++;
            read_group(&reader);
            if (depth++ == 0)
                row_group(&row);
        } else if (*reader.at == ')') {
            reader.at++;
            reader.failed = depth == 0;
            depth -= depth > 0;
            unsigned long least = read_quantifier(&reader);
            row_choice(&row);
            if (depth == 0)
                row_add(&row, row.shortest * least, row.pure);
        } else if (*reader.at == '|') {
            reader.at++;
            choice = choice || depth == 0;
            row_choice(&row);
        } else {
            read_atom(&reader);
            unsigned long least = read_quantifier(&reader);
            result.word = result.word && only(&reader, dlp_is_word);
            row_atom(&row, &reader, least, depth);
            if (depth == 0 && least > 0 && !reader.zero_width && !any_digit(&reader))
                result.digits = false;
        }
    }
    if (reader.failed || depth != 0)
        return (struct dlpc_expression){.word = false, .digits = true};
    result.digits = result.digits || choice;
    result.core = row.enough && !choice;
    return result;
}
