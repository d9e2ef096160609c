/* The archive on disk: a Maildir, and beside it a file for each message that says what became of
 * it. All is synced before a function returns TRUE. Blocking; several processes may work on one
 * archive at once. Errors are G_FILE_ERRORs that name the path. */
#pragma once

#include <glib.h>

#define STORE_KEY 64 /* characters of a key: a SHA-256 in hexadecimal */

/* Octets of the message from `offset` on; 0: its end; -1: it can not be read. */
typedef gssize (*StoreRead) (guint64 offset, gpointer buffer, gsize length, gpointer data);

typedef struct
{
  const char *message_id; /* as in its header; NULL: none */
  const char *name;       /* as in the gateway's log; NULL */
  const char *sender;
  const char *const *recipients;
} StoreFacts;

/* Puts the message into new/ under its key, with LF line ends, and notes that its outcome is not
 * known. One that is there already, by a try before, is left, and its note says how often. */
gboolean store_put (const char *maildir, const char *key, const StoreFacts *facts, StoreRead read,
                    gpointer data, GError **error);
/* What became of one try. */
typedef struct
{
  const char *outcome; /* in one word or two */
  gboolean accepted;   /* the client, or some recipient, has been told that it is */
  guint code;          /* of the answer; 0: there was none */
  const char *reply;
} StoreOutcome;

/* Notes it. A message that was not accepted is taken away again, unless `keep`, or another try was
 * accepted or goes on. */
gboolean store_over (const char *maildir, const char *key, const StoreOutcome *outcome,
                     gboolean keep, GError **error);
