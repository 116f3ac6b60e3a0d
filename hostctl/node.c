/* SPDX-License-Identifier: GPL-3.0-or-later */
/* node: libyaml's events to a tree; see node.h. Second stage of a manifest. It must not resolve anything: no
 * alias is followed, no tag applied, no scalar converted. */
#include "hostctl/node.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct builder {
    yaml_parser_t parser;
    struct report *report;
    unsigned first_line;
    size_t nodes;
};

static struct node *build(struct builder *builder, const yaml_event_t *event, unsigned depth);

static unsigned line_of(const struct builder *builder, yaml_mark_t mark)
{
    return builder->first_line + (unsigned)mark.line;
}

/* Returns 0 with an event to be deleted, or -1 with the error in the report. */
static int next_event(struct builder *builder, yaml_event_t *event)
{
    const yaml_parser_t *parser = &builder->parser;

    if (yaml_parser_parse(&builder->parser, event))
        return 0;
    report_add(builder->report, line_of(builder, parser->problem_mark), "", "not YAML: %s%s%s",
               parser->context != NULL ? parser->context : "", parser->context != NULL ? ": " : "",
               parser->problem != NULL ? parser->problem : "out of memory");
    return -1;
}

static struct node *fail(struct builder *builder, struct node *node, unsigned line, const char *what)
{
    report_add(builder->report, line, "", "%s", what);
    node_free(node);
    return NULL;
}

static char *copy(const yaml_char_t *text, size_t len)
{
    char *out = malloc(len + 1);

    if (out != NULL) {
        memcpy(out, text, len);
        out[len] = '\0';
    }
    return out;
}

static void append(struct node *parent, struct node *child)
{
    if (parent->last != NULL)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->count++;
}

/* The children up to the end of this list or map. */
static int fill(struct builder *builder, struct node *node, unsigned depth)
{
    struct node *key = NULL;

    for (;;) {
        yaml_event_t event;
        if (next_event(builder, &event) != 0)
            break;
        if (event.type == YAML_SEQUENCE_END_EVENT || event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        struct node *child = build(builder, &event, depth + 1);
        yaml_event_delete(&event);
        if (child == NULL)
            break;
        if (node->kind == NODE_MAP && key == NULL) {
            key = child;
            continue;
        }
        append(node, child);
        if (node->kind == NODE_LIST)
            continue;
        child->key_line = key->line;
        child->odd_key = key->kind != NODE_SCALAR || key->anchor || key->tag;
        child->key = child->odd_key ? copy((const yaml_char_t *)"", 0) : key->text;
        child->key_len = child->odd_key ? 0 : key->len;
        if (!child->odd_key)
            key->text = NULL;
        node_free(key);
        key = NULL;
        if (child->key == NULL) {
            report_add(builder->report, 0, "", "out of memory");
            break;
        }
    }
    node_free(key);
    return -1;
}

/* What kind of node an event begins, and where its anchor and tag are. */
static void describe(struct node *node, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (event->type == YAML_SCALAR_EVENT) {
        node->kind = NODE_SCALAR;
        node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        node->kind = NODE_LIST;
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        node->kind = NODE_MAP;
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    } else {
        node->kind = NODE_ALIAS;
    }
    node->anchor = anchor != NULL;
    node->tag = tag != NULL;
}

static struct node *build(struct builder *builder, const yaml_event_t *event, unsigned depth)
{
    unsigned line = line_of(builder, event->start_mark);

    if (depth > NODE_DEPTH_MAX)
        return fail(builder, NULL, line, "nested too deeply");
    if (++builder->nodes > NODE_MAX)
        return fail(builder, NULL, line, "too many entries");
    struct node *node = calloc(1, sizeof *node);
    if (node == NULL)
        return fail(builder, NULL, 0, "out of memory");
    describe(node, event);
    node->line = node->key_line = line;
    if (node->kind == NODE_SCALAR) {
        node->len = event->data.scalar.length;
        node->text = copy(event->data.scalar.value, node->len);
        if (node->text == NULL)
            return fail(builder, node, 0, "out of memory");
    } else if (node->kind != NODE_ALIAS && fill(builder, node, depth) != 0) {
        node_free(node);
        return NULL;
    }
    return node;
}

/* Stream start, document start, the tree, document end, stream end: nothing else. */
static struct node *build_document(struct builder *builder)
{
    struct node *root = NULL;
    yaml_event_t event;

    for (;;) {
        if (next_event(builder, &event) != 0) {
            node_free(root);
            return NULL;
        }
        yaml_event_type_t type = event.type;
        unsigned line = line_of(builder, event.start_mark);
        bool second = type == YAML_DOCUMENT_START_EVENT && root != NULL;
        bool node = type != YAML_STREAM_START_EVENT && type != YAML_DOCUMENT_START_EVENT &&
                    type != YAML_DOCUMENT_END_EVENT && type != YAML_STREAM_END_EVENT;
        if (node)
            root = build(builder, &event, 0);
        yaml_event_delete(&event);
        if (second)
            return fail(builder, root, line, "a second document begins; a manifest is one");
        if (type == YAML_STREAM_END_EVENT && root == NULL)
            return fail(builder, NULL, builder->first_line, "the manifest is empty");
        if (type == YAML_STREAM_END_EVENT || (node && root == NULL))
            return root;
    }
}

struct node *node_parse(struct str yaml, unsigned first_line, struct report *report)
{
    struct builder builder = {.report = report, .first_line = first_line};

    if (!yaml_parser_initialize(&builder.parser)) {
        report_add(report, 0, "", "out of memory");
        return NULL;
    }
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)yaml.ptr, yaml.len);
    struct node *root = build_document(&builder);
    yaml_parser_delete(&builder.parser);
    return root;
}

void node_free(struct node *node)
{
    if (node == NULL)
        return;
    for (struct node *child = node->first, *next; child != NULL; child = next) {
        next = child->next;
        node_free(child);
    }
    free(node->text);
    free(node->key);
    free(node);
}
