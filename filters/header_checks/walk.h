/* Goes through a message as Postfix's cleanup does: logical header fields of the message, of its
 * parts and of messages inside, and all other lines as body, boundaries included. Any bytes can be
 * walked. */
#pragma once

#include <glib.h>

typedef enum
{
  WALK_HEADER, /* the message's own, but for those of MIME */
  WALK_MIME,   /* of MIME anywhere, and all of a part */
  WALK_NESTED, /* of a message inside, but for those of MIME */
  WALK_BODY,
  WALK_KINDS
} WalkKind;

typedef struct
{
  WalkKind kind;
  const char *text; /* the field with '\n' between its lines, or (a piece of) a body line */
  gsize length;
  guint field; /* of the message's own header: its number */
  /* Else where it stands, in octets of the body, its last line break included, */
  gsize start;
  gsize end;
  gsize line_break; /* which has so many octets */
  gsize offset;     /* of a body line: within its part's body, line breaks counted as one */
} WalkItem;

/* FALSE ends the walk. The item is the caller's for the call. */
typedef gboolean (*WalkFunc) (const WalkItem *item, gpointer data);

#define WALK_LINE 2048 /* longer lines come in pieces of so many octets: line_length_limit */
#define WALK_BOUNDARY                                                                              \
  2048                 /* octets of a boundary that are compared: mime_boundary_length_limit       \
                        */
#define WALK_DEPTH 100 /* mime_nesting_limit */

typedef struct _Walk Walk;

/* `header_size`: what is behind so many octets of a field is not looked at. */
Walk *walk_new (gsize header_size, WalkFunc func, gpointer data);
void walk_free (Walk *walk); /* NULL is fine */
/* Boundaries stood in each other more than WALK_DEPTH deep: not all was recognised. */
gboolean walk_is_too_deep (const Walk *walk);

/* First the message's own fields, each with its raw value; then, if it is wanted, the body.
 * `blank`: an empty line stood ahead of it. FALSE: `func` has ended it. */
gboolean walk_field (Walk *walk, guint field, const char *name, const char *raw);
gboolean walk_body (Walk *walk, const char *bytes, gsize length, gboolean blank);
