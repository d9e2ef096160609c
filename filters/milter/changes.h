/* What a milter wants changed, collected while it speaks, and what that comes to: for the envelope,
 * and for places in the header. No sockets. */
#pragma once

#include "answer.h"

#define CHANGES_MAX 1000                   /* of fields, and of the envelope, together */
#define CHANGES_MAX_TEXT (4 * 1024 * 1024) /* octets of all their texts */

typedef struct
{
  AnswerKind kind;
  guint32 index;
  char *name; /* a field's name, or an address without brackets */
  char *text; /* as in Answer */
} Change;

typedef struct
{
  GPtrArray *list;  /* of Change, in their order; the last sender alone counts */
  GByteArray *body; /* NULL: not replaced */
  char *quarantine; /* NULL: no */
  gsize text;       /* octets so far */
  gsize max_body;
} Changes;

void changes_init (Changes *changes, gsize max_body);
void changes_clear (Changes *changes);
/* FALSE: error, it is over a limit. `answer` is a change. */
gboolean changes_take (Changes *changes, const Answer *answer, GError **error);

/* ---- The envelope ---- */

/* What has to be done to a list of recipients so that all changes, in their order, are made. */
typedef struct
{
  GPtrArray *add;    /* of const Change */
  GPtrArray *remove; /* of char, owned: addresses as the list has them */
  gboolean none_left;
} ChangesRecipients;

void changes_recipients (const Changes *changes, const char *const *recipients,
                         ChangesRecipients *result);
void changes_recipients_clear (ChangesRecipients *result);
/* "A=1 B=2" as a list; `text` may be NULL. Caller frees with g_strfreev(). */
char **changes_parameters (const char *text);
/* The old ones, but for those that are given anew (keywords in any case). Caller frees. */
char **changes_merge (const char *const *old, const char *text);

/* ---- The header ----
 *
 * Places are those of a list in which our Received, which the milter was not shown, stands at
 * `received`: 0 until something is put above it. */

/* Where in our list a field goes that shall stand at `index`; moves `received` if it is above. */
guint changes_place (guint32 index, guint count, guint *received);
/* A value for filter.h, with CRLF in folds: a line break that would end the field becomes a fold.
 * Without `exact` one space goes ahead. Caller frees. */
char *changes_value (const char *text, gboolean exact);
