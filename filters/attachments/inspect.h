/* Looks at entities: header fields, bodies, and bytes in which entities may hide. Collects
 * findings; all work is counted against a budget, and running out of it is a finding too, so a
 * message that cannot be looked at whole is never taken for a harmless one. */
#pragma once

#include <mailweir/filter.h>
#include <magic.h>

#include "conditions.h"
#include "decode.h"
#include "rules.h"
#include "text.h"

typedef struct
{
  Condition condition;
  char *name; /* fit for a reply: ASCII, short */
  char *rule; /* "extension exe", "encrypted: a.txt in it"; fit for a reply */
  guint part; /* the entity to strip; WEIR_NO_ENTITY: it hides where none is */
} Finding;

/* What all archives of one message have used up. */
typedef struct
{
  gint64 members;
  guint64 size;
  gint64 deadline; /* monotonic, microseconds; 0: none was opened yet */
  gboolean over;   /* told once; no further archive is opened */
} ArchiveUse;

typedef struct
{
  WeirContext *context; /* NULL until walk_message() */
  const guint8 *message;
  gsize length; /* of it */
  const Rules *rules;
  const Limits *limits;
  guint conditions;    /* a bit for each Condition that is of interest */
  magic_t magic;       /* NULL: no detection */
  guint64 budget;      /* octets that may still be decoded, detected and scanned */
  guint detections;    /* that may still be made */
  TextWork text;       /* reading names has a budget of its own: it costs more an octet */
  gboolean exhausted;  /* told once */
  gboolean digest;     /* there is a multipart/digest: a part without a type is a message */
  GHashTable *visible; /* fields that belong to known parts, and how often they are to be met */
  GPtrArray *findings; /* of Finding, owned */
  GPtrArray *names;    /* what was seen, fit for a log; owned strings */
  guint part;          /* to whom findings belong now */
  ArchiveUse archives;
  gint64 attachments; /* so far */
} Inspection;

/* What the fields of one entity say. Zeroed to begin with; inspect_entity_clear() frees. */
typedef struct
{
  guint encodings; /* of DecodeEncodings; 0: no field */
  guint n_types;
  guint n_encodings; /* fields */
  guint n_dispositions;
  gboolean nested;     /* message or multipart in one reading */
  gboolean text;       /* text in one reading, or no type at all */
  gboolean typed;      /* a field names a type */
  gboolean pkcs7;      /* S/MIME in one reading */
  gboolean hidden;     /* a field of it belongs to no known part */
  gboolean attachment; /* a disposition says so */
  char *type;          /* the first one, in lower case; NULL */
  char *name;          /* the first one; NULL */
  GPtrArray *names;    /* all readings; NULL: none */
} Entity;

/* `conditions` has a bit for each Condition; findings of others are dropped. */
void inspect_init (Inspection *inspection, const Rules *rules, const Limits *limits,
                   guint conditions, magic_t magic, guint64 size);
void inspect_clear (Inspection *inspection);
void inspect_entity_clear (Entity *entity);

/* A long look at bytes, of the message or not, has come to this place: see weir_message_passed().
 */
void inspect_passed (Inspection *inspection, const guint8 *at);

/* One field: `value` is raw. Others than Content-Type, -Disposition and -Transfer-Encoding are
 * ignored. `known`: it belongs to a part of the parsed message, and is remembered as such. */
void inspect_field (Inspection *inspection, Entity *entity, const char *name, gsize name_length,
                    const char *value, gsize length, gboolean known);
/* The raw body of an entity, by every reading of its encoding. */
void inspect_body (Inspection *inspection, const Entity *entity, const guint8 *bytes, gsize length,
                   guint depth);
/* Bytes that belong to no part's body, or whose structure is in doubt: every run of lines that
 * begins with a Content-* field is taken for an entity. */
void inspect_loose (Inspection *inspection, const guint8 *bytes, gsize length, guint depth);

/* Whether a mail program would show it as one. */
gboolean inspect_is_attachment (const Entity *entity);

/* ---- For who looks into bodies ---- */

gboolean inspect_wants (const Inspection *inspection, Condition condition);
/* `name` may be NULL. Nothing happens for a condition that is not of interest. */
void inspect_find (Inspection *inspection, Condition condition, const char *name,
                   const char *format, ...) G_GNUC_PRINTF (4, 5);
/* FALSE: that much work is not left, which is a finding by itself. */
gboolean inspect_spend (Inspection *inspection, gsize octets);
/* Readings of one name that `entity` has; those of `whole` must be on the list of what is allowed,
 * if there is one. */
void inspect_names (Inspection *inspection, Entity *entity, GPtrArray *names, GPtrArray *whole);
/* A name from inside of `entity`: of an archive's member, of a file in TNEF. `allow`: it must be on
 * the list of what is allowed, if there is one. */
void inspect_member (Inspection *inspection, const Entity *entity, const char *name,
                     gboolean allow);
/* libmagic's word on decoded bytes, held against the rules; NULL: it was not asked. Borrowed until
 * the next call. */
const char *inspect_detect (Inspection *inspection, const Entity *entity, const guint8 *bytes,
                            gsize length);
