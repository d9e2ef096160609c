/* Looks at entities: header fields, bodies, and bytes in which entities may hide. Collects
 * findings; all work is counted against a budget, and running out of it is a finding too, so a
 * message that cannot be looked at whole is never taken for a harmless one. */
#pragma once

#include <magic.h>

#include "rules.h"
#include "text.h"

typedef struct
{
  char *name;    /* fit for a reply: ASCII, short */
  char *rule;    /* "extension exe", "type application/x-dosexec" */
  gpointer part; /* the part to strip; NULL: it hides where no part is */
} Finding;

typedef struct
{
  const Rules *rules;
  magic_t magic;       /* NULL: no detection */
  guint64 budget;      /* octets that may still be decoded, detected and scanned */
  guint detections;    /* that may still be made */
  TextWork text;       /* reading names has a budget of its own: it costs more an octet */
  gboolean exhausted;  /* told once */
  gboolean digest;     /* there is a multipart/digest: a part without a type is a message */
  GHashTable *visible; /* fields that belong to known parts → how often they are still to be met */
  GPtrArray *findings; /* of Finding, owned */
  GPtrArray *names;    /* what was seen, fit for a log; owned strings */
  gpointer part;       /* to whom findings belong now */
} Inspection;

/* What the fields of one entity say. Zeroed to begin with; inspect_entity_clear() frees. */
typedef struct
{
  guint encodings; /* of DecodeEncodings; 0: no field */
  guint n_types;
  guint n_encodings; /* fields */
  gboolean nested;   /* message or multipart in one reading */
  gboolean text;     /* text in one reading, or no type at all */
  gboolean typed;    /* a field names a type */
  gboolean pkcs7;    /* S/MIME in one reading */
  gboolean hidden;   /* a field of it belongs to no known part */
  char *name;        /* the first one; NULL */
} Entity;

void inspect_init (Inspection *inspection, const Rules *rules, magic_t magic, guint64 size);
void inspect_clear (Inspection *inspection);
void inspect_entity_clear (Entity *entity);

/* One field: `value` is raw. Others than Content-Type, -Disposition and -Transfer-Encoding are
 * ignored. `known`: it belongs to a part of the parsed message, and is remembered as such. */
void inspect_field (Inspection *inspection, Entity *entity, const char *name, const char *value,
                    gsize length, gboolean known);
/* The raw body of an entity, by every reading of its encoding. */
void inspect_body (Inspection *inspection, const Entity *entity, const guint8 *bytes, gsize length,
                   guint depth);
/* Bytes that belong to no part's body, or whose structure is in doubt: every run of lines that
 * begins with a Content-* field is taken for an entity. */
void inspect_loose (Inspection *inspection, const guint8 *bytes, gsize length, guint depth);
