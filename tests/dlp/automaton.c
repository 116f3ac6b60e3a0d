/* SPDX-License-Identifier: GPL-3.0-or-later */
/* automaton: see automaton.h. Thompson's construction; what is repeated is read as often as it may be there. */
#include "tests/dlp/automaton.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct piece {
    int start, end;
};

struct reader {
    struct automaton *automaton;
    const char *expression, *at;
    bool caseless;
};

static void fail(const struct reader *reader)
{
    fprintf(stderr, "automaton: not understood: %s\n  in %s\n", reader->at, reader->expression);
    abort();
}

static void *memory(void *old, size_t size)
{
    void *block = realloc(old, size);

    if (block == NULL)
        abort();
    return block;
}

static int state(struct automaton *automaton)
{
    if (automaton->count == automaton->room) {
        automaton->room = automaton->room * 2 + 64;
        automaton->states = memory(automaton->states, automaton->room * sizeof *automaton->states);
    }
    automaton->states[automaton->count] = (struct automaton_state){.next = -1, .other = -1};
    return (int)automaton->count++;
}

static struct piece nothing(struct automaton *automaton)
{
    int at = state(automaton);

    return (struct piece){at, at};
}

static struct piece then(struct automaton *automaton, struct piece first, struct piece second)
{
    automaton->states[first.end].next = second.start;
    return (struct piece){first.start, second.end};
}

static struct piece either(struct automaton *automaton, struct piece first, struct piece second)
{
    int start = state(automaton), end = state(automaton);

    automaton->states[start].next = first.start;
    automaton->states[start].other = second.start;
    automaton->states[first.end].next = automaton->states[second.end].next = end;
    return (struct piece){start, end};
}

/* Behind a backslash: what it stands for is added to the set. Returns the byte, or -1. */
static int escape(struct reader *reader, bool *set)
{
    char c = *reader->at++;

    if (c == 's') {
        set[' '] = set['\n'] = true; /* all that plain text has of it */
        return -1;
    }
    if (c == 'x') {
        char digits[3] = {reader->at[0], reader->at[1], '\0'};
        reader->at += 2;
        c = (char)strtol(digits, NULL, 16);
    } else if (c == 'n' || c == 'r') {
        c = c == 'n' ? '\n' : '\r';
    } else if (c == '\0' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')) {
        fail(reader);
    }
    set[(unsigned char)c] = true;
    return c;
}

static void bracket(struct reader *reader, bool *set)
{
    bool negated = *reader->at == '^', first = true;

    for (reader->at += negated; *reader->at != ']' || first; first = false) {
        int low = *reader->at++;
        if (low == '\0')
            fail(reader);
        if (low == '\\')
            low = escape(reader, set);
        int high = low;
        if (low >= 0 && reader->at[0] == '-' && reader->at[1] != ']') {
            high = reader->at[1];
            reader->at += 2;
        }
        for (int c = low; low >= 0 && c <= high; c++)
            set[c] = true;
    }
    reader->at++;
    for (int c = 0; negated && c < AUTOMATON_BYTES; c++) /* of what plain text has */
        set[c] = !set[c] && (c == '\n' || c == 1 || c == 2 || (c >= ' ' && c < 0x7f && (c < 'A' || c > 'Z')));
}

static struct piece choice(struct reader *reader);

/* Behind the opening parenthesis. */
static struct piece group(struct reader *reader)
{
    bool outer = reader->caseless, caseless = strncmp(reader->at, "?i:", 3) == 0;

    if (!caseless && strncmp(reader->at, "?:", 2) != 0)
        fail(reader);
    reader->at += caseless ? 3 : 2;
    reader->caseless = outer || caseless;
    struct piece piece = choice(reader);
    reader->caseless = outer;
    if (*reader->at++ != ')')
        fail(reader);
    return piece;
}

static void add_other_case(bool *set)
{
    for (int c = 'a'; c <= 'z'; c++)
        set[c] = set[c - 32] = set[c] || set[c - 32];
}

static struct piece atom(struct reader *reader)
{
    struct automaton *automaton = reader->automaton;
    char c = *reader->at++;

    if (c == '^' || (c == '\\' && *reader->at == 'b')) {
        reader->at += c == '\\';
        return nothing(automaton);
    }
    if (c == '(')
        return group(reader);
    if (c == '\0' || strchr("*+?{}|)", c) != NULL)
        fail(reader);
    int start = state(automaton), end = state(automaton);
    struct automaton_state *takes = &automaton->states[start];
    takes->takes = true;
    takes->next = end;
    if (c == '[')
        bracket(reader, takes->set);
    else if (c == '\\')
        escape(reader, takes->set);
    else if (c == '.')
        fail(reader);
    else
        takes->set[(unsigned char)c] = true;
    if (reader->caseless)
        add_other_case(takes->set);
    return (struct piece){start, end};
}

static struct piece repeated(struct reader *reader)
{
    struct automaton *automaton = reader->automaton;
    const char *from = reader->at;
    struct piece piece = atom(reader);
    unsigned long least = 1, most = 1;

    if (*reader->at == '?') {
        least = 0;
        reader->at++;
    } else if (*reader->at == '{') {
        char *behind;
        least = most = strtoul(reader->at + 1, &behind, 10);
        if (*behind == ',')
            most = strtoul(behind + 1, &behind, 10);
        if (*behind != '}' || most < least || most == 0)
            fail(reader);
        reader->at = behind + 1;
    } else if (*reader->at == '*' || *reader->at == '+') {
        fail(reader);
    }
    const char *behind = reader->at;
    struct piece all = nothing(automaton);
    int first = -1;
    for (unsigned long i = 0; i < most; i++) {
        reader->at = from;
        piece = i == 0 ? piece : atom(reader);
        if (i >= least) {
            piece = either(automaton, piece, nothing(automaton));
            first = first < 0 ? piece.start : first;
            automaton->states[piece.start].first = first;
            automaton->states[piece.start].left = (int)(most - i);
        }
        all = then(automaton, all, piece);
    }
    reader->at = behind;
    return all;
}

static struct piece row(struct reader *reader)
{
    struct piece piece = nothing(reader->automaton);

    while (*reader->at != '\0' && *reader->at != '|' && *reader->at != ')')
        piece = then(reader->automaton, piece, repeated(reader));
    return piece;
}

static struct piece choice(struct reader *reader)
{
    struct piece piece = row(reader);

    for (int count = 2; *reader->at == '|'; count++) {
        reader->at++;
        piece = either(reader->automaton, piece, row(reader));
        reader->automaton->states[piece.start].odds = count;
    }
    return piece;
}

void automaton_init(struct automaton *automaton, const char *expression)
{
    *automaton = (struct automaton){.count = 0};
    struct reader reader = {.automaton = automaton, .expression = expression, .at = expression};
    struct piece piece = choice(&reader);

    if (*reader.at != '\0')
        fail(&reader);
    automaton->start = piece.start;
    automaton->end = piece.end;
}

void automaton_fini(struct automaton *automaton)
{
    free(automaton->states);
}

/* How many of `most` there will be: often none, all or few. Where a machine counts wrong it is there. */
static int how_many(int most)
{
    switch (rand() % 4) {
    case 0:
        return 0;
    case 1:
        return most;
    case 2:
        return rand() % (most < 8 ? most + 1 : 8);
    default:
        return rand() % (most + 1);
    }
}

static int way_on(const struct automaton *automaton, int at)
{
    struct automaton_state *state = &automaton->states[at];

    if (state->other < 0)
        return state->next;
    if (state->left == 0)
        return rand() % state->odds == 0 ? state->other : state->next;
    if (state->first == at)
        state->without = state->left - how_many(state->left);
    return state->left > automaton->states[state->first].without ? state->next : state->other;
}

size_t automaton_match(const struct automaton *automaton, char *out, size_t size)
{
    size_t len = 0;

    for (int at = automaton->start; at != automaton->end;) {
        const struct automaton_state *state = &automaton->states[at];
        if (!state->takes) {
            at = way_on(automaton, at);
            continue;
        }
        int c = rand() % AUTOMATON_BYTES;
        while (!state->set[c])
            c = (c + 1) % AUTOMATON_BYTES;
        if (len + 1 == size)
            abort();
        out[len++] = (char)c;
        at = state->next;
    }
    out[len] = '\0';
    return len;
}

/* Which places of the anchors a text can have come to: sets of states, numbered as they are met. Set 0: just begun. */
#define SETS_MAX 1024
#define ANCHORED (-1)

struct sets {
    const struct automaton *anchors;
    size_t words, count;
    uint64_t *all;
    int (*to)[AUTOMATON_BYTES]; /* -2: not known yet */
};

static bool has(const uint64_t *set, int at)
{
    return set[at / 64] >> at % 64 & 1;
}

static void reach(const struct automaton *automaton, uint64_t *set, int at)
{
    while (at >= 0 && !has(set, at)) {
        const struct automaton_state *state = &automaton->states[at];
        set[at / 64] |= 1ull << at % 64;
        if (state->takes)
            return;
        if (state->other >= 0)
            reach(automaton, set, state->other);
        at = state->next;
    }
}

static int set_number(struct sets *sets, const uint64_t *set)
{
    for (size_t i = 0; i < sets->count; i++)
        if (memcmp(sets->all + i * sets->words, set, sets->words * sizeof *set) == 0)
            return (int)i;
    if (sets->count == SETS_MAX)
        abort();
    memcpy(sets->all + sets->count * sets->words, set, sets->words * sizeof *set);
    for (int c = 0; c < AUTOMATON_BYTES; c++)
        sets->to[sets->count][c] = -2;
    return (int)sets->count++;
}

static void sets_init(struct sets *sets, const struct automaton *anchors)
{
    sets->anchors = anchors;
    sets->words = anchors->count / 64 + 1;
    sets->count = 0;
    sets->all = memory(NULL, SETS_MAX * sets->words * sizeof *sets->all);
    sets->to = memory(NULL, SETS_MAX * sizeof *sets->to);
    uint64_t *begun = calloc(sets->words, sizeof *begun);
    if (begun == NULL)
        abort();
    reach(anchors, begun, anchors->start);
    set_number(sets, begun);
    free(begun);
}

static void sets_fini(struct sets *sets)
{
    free(sets->all);
    free(sets->to);
}

static int set_after(struct sets *sets, int from, int c)
{
    if (sets->to[from][c] != -2)
        return sets->to[from][c];
    uint64_t *set = calloc(sets->words, sizeof *set);
    if (set == NULL)
        abort();
    reach(sets->anchors, set, sets->anchors->start);
    for (int i = 0; i < (int)sets->anchors->count; i++) {
        const struct automaton_state *state = &sets->anchors->states[i];
        if (has(sets->all + (size_t)from * sets->words, i) && state->takes && state->set[c])
            reach(sets->anchors, set, state->next);
    }
    int to = has(set, sets->anchors->end) ? ANCHORED : set_number(sets, set);
    free(set);
    sets->to[from][c] = to;
    return to;
}

/* What an escape could take of the bytes that come. */
enum takes {
    TAKES_NOTHING = 0,
    /* 1 to 4: so many hexadecimal digits */ TAKES_NAME = 5,
    TAKES_ANY = 6,
    TAKES = 7
};

/* A way to a place: a state of the expression, a set of the anchors', and what could be taken. */
struct way {
    int state, set;
    enum takes takes;
    int from; /* index of the way before; -1: none */
    char byte;
};

struct walk {
    struct way *ways;
    size_t count, room;
    uint8_t *seen; /* a bit for each place */
};

static void go(struct walk *walk, struct way way)
{
    size_t place = ((size_t)way.state * SETS_MAX + (size_t)way.set) * TAKES + way.takes;

    if (walk->seen[place / 8] >> place % 8 & 1)
        return;
    walk->seen[place / 8] |= (uint8_t)(1u << place % 8);
    if (walk->count == walk->room) {
        walk->room = walk->room * 2 + 1024;
        walk->ways = memory(walk->ways, walk->room * sizeof *walk->ways);
    }
    walk->ways[walk->count++] = way;
}

/* One byte further, seen by the anchors or taken. */
static void step(struct walk *walk, struct sets *sets, size_t at, int next, int c)
{
    static const char names[] = "nrtbf\"\\/'", digits[] = "0123456789abcdef";
    enum takes takes = walk->ways[at].takes;
    struct way way = {
        .state = next, .set = set_after(sets, walk->ways[at].set, c), .from = (int)at, .byte = (char)c};

    way.takes = c == '\\' ? TAKES_ANY : TAKES_NOTHING;
    if (way.set != ANCHORED)
        go(walk, way);
    way.set = 0;
    way.takes = TAKES_NOTHING;
    if (takes >= TAKES_NAME && strchr(names, c) != NULL)
        go(walk, way);
    way.takes = takes == TAKES_ANY ? 4 : takes - 1;
    if (takes > TAKES_NOTHING && takes < TAKES_NAME && strchr(digits, c) != NULL)
        go(walk, way);
    if (takes == TAKES_ANY && (c == 'u' || c == 'x'))
        go(walk, way);
}

static void tell(const struct walk *walk, size_t at, char *out, size_t size)
{
    size_t len = 0;

    for (int i = (int)at; i >= 0; i = walk->ways[i].from)
        len += walk->ways[i].byte != '\0';
    if (len >= size)
        abort();
    out[len] = '\0';
    for (int i = (int)at; i >= 0; i = walk->ways[i].from)
        if (walk->ways[i].byte != '\0')
            out[--len] = walk->ways[i].byte;
}

bool automaton_without(const struct automaton *automaton, const struct automaton *anchors, bool at_word,
                       char *out, size_t size)
{
    struct sets sets;
    struct walk walk = {.count = 0};
    bool found = false;

    sets_init(&sets, anchors);
    walk.seen = calloc(automaton->count * SETS_MAX * TAKES / 8 + 1, 1);
    if (walk.seen == NULL)
        abort();
    go(&walk, (struct way){automaton->start, 0, TAKES_ANY, -1, '\0'});
    if (!at_word) /* within the digits of an escape */
        go(&walk, (struct way){automaton->start, 0, 4, -1, '\0'});
    for (size_t at = 0; at < walk.count && !found; at++) {
        struct way way = walk.ways[at];
        const struct automaton_state *state = &automaton->states[way.state];
        found = way.state == automaton->end;
        if (found)
            tell(&walk, at, out, size);
        for (int c = 0; state->takes && c < AUTOMATON_BYTES; c++)
            if (state->set[c])
                step(&walk, &sets, at, state->next, c);
        way.from = (int)at;
        way.byte = '\0';
        for (int i = 0; !state->takes && i < 2; i++) {
            way.state = i == 0 ? state->next : state->other;
            if (way.state >= 0)
                go(&walk, way);
        }
    }
    free(walk.seen);
    free(walk.ways);
    sets_fini(&sets);
    return found;
}
