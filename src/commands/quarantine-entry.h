/* What stands in a quarantine: a message each, and the JSON file that src/delivery wrote beside it.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "base/path.h"

#define QUARANTINE_MAX_FACTS (4 * 1024 * 1024) /* octets of a JSON file */

typedef struct
{
  gchar *facts_path;   /* meta/NAME.json */
  gchar *message_path; /* new/NAME, or where a mail reader has moved it; NULL: it is gone */
  JsonNode *root;      /* an object; owned */
  JsonObject *facts;   /* of `root` */
  BasePath *sender;
  GPtrArray *recipients; /* of BasePath */
  gchar *subject;        /* of the message, unfolded; NULL: it has none */
} QuarantineEntry;

/* Opens one; NULL: its JSON file can not be read, or is none of ours. */
QuarantineEntry *quarantine_entry_read (const gchar *maildir, const gchar *facts_name,
                                        GError **error);
void quarantine_entry_free (QuarantineEntry *entry); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (QuarantineEntry, quarantine_entry_free)

/* All of them, the oldest first; what can not be read is said on standard error and left out. NULL:
 * there is no such quarantine; one that was never used is empty. */
GPtrArray *quarantine_entries_read (const gchar *maildir, GError **error);

/* A text of the facts ("id", "time", "filter", …); "" where it is unknown. As long as the entry. */
const gchar *quarantine_entry_text (const QuarantineEntry *entry, const gchar *name);
/* Whether the word, in any case, stands in one of the facts, an address or the subject. */
gboolean quarantine_entry_has (const QuarantineEntry *entry, const gchar *word);

/* From here to close() of the descriptor nobody else releases or deletes it, and what the entry
 * says is what its JSON file says now. It is the message that is locked: the other file is replaced
 * by each change. -1: somebody else is at it, or it is gone. */
gint quarantine_entry_lock (QuarantineEntry *entry, GError **error);
/* Both files go, the message first. */
gboolean quarantine_entry_delete (QuarantineEntry *entry, GError **error);
/* From now on the message is for these recipients alone; they become the entry's. Durable. */
gboolean quarantine_entry_set_recipients (QuarantineEntry *entry, GPtrArray *recipients,
                                          GError **error);
