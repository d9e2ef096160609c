/* The entities that a message consists of, as places in its bytes: what a filter needs to know that
 * looks at all parts and changes none. It comes from the guard's scan where no program can read the
 * message otherwise (mime_guard_check()), else from GMime's tree (mime_view_outline()); what they
 * say of one message is the same. */
#pragma once

#include <glib.h>

#define MIME_NO_ENTITY G_MAXUINT

typedef enum
{
  MIME_ENTITY_LEAF,
  MIME_ENTITY_MULTIPART,
  MIME_ENTITY_MESSAGE /* around another message */
} MimeEntityKind;

typedef struct
{
  MimeEntityKind kind;
  guint parent; /* the multipart or the message around it; MIME_NO_ENTITY: the message's own root */
  guint first;  /* of its fields */
  guint n_fields;
  gboolean has_body; /* a leaf's */
  gsize start, end;  /* of it, in the message, still encoded */
} MimeEntity;

/* A Content-* field. None of the strings ends with a NUL. */
typedef struct
{
  const gchar *name;
  gsize name_length;
  const gchar *value; /* all behind the colon, with folds and line end */
  gsize length;
} MimeEntityField;

typedef struct
{
  GArray *entities; /* of MimeEntity, in the order in which they begin */
  GArray *fields;   /* of MimeEntityField, in their order */
} MimeOutline;

MimeOutline *mime_outline_new (void);
void mime_outline_free (MimeOutline *outline); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MimeOutline, mime_outline_free)

/* Appends one without a body, whose fields are those that are added next. Returns its index. */
guint mime_outline_add (MimeOutline *outline, guint parent);
void mime_outline_add_field (MimeOutline *outline, const gchar *name, gsize name_length,
                             const gchar *value, gsize length);
MimeEntity *mime_outline_nth (const MimeOutline *outline, guint index);
const MimeEntityField *mime_outline_field (const MimeOutline *outline, guint index, guint nth);
