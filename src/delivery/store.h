/* Files put on disk so that they survive a crash: written under a name nobody looks at, synced,
 * moved to their place, and their folder synced. All functions block; errors are G_FILE_ERRORs that
 * name the path. */
#pragma once

#include "message/writer.h"

/* Makes `maildir` (not its parents) and its `folders`, a NULL-terminated list, where they are
 * missing; what was made is synced. Any thread may call. */
gboolean delivery_store_prepare (const gchar *maildir, const gchar *const *folders, GError **error);

/* "SECONDS.MmicrosecondsPpidQcounter.HOSTNAME": unique on this host, fit for a file name. Caller
 * frees. */
gchar *delivery_store_unique_name (const gchar *hostname);

/* Writes a new file and syncs it; on failure there is none. The message goes with LF instead of
 * CRLF, as Maildir readers expect it; `size` is what stands in the file. */
gboolean delivery_store_message (const gchar *path, const gchar *prefix, MessageEdits *edits,
                                 MessageSource source, guint64 *size, GError **error);
gboolean delivery_store_bytes (const gchar *path, gconstpointer bytes, gsize length,
                               GError **error);

/* Gives a file its final name, never in place of another one; then syncs the folder `to` stands in.
 * On failure neither `from` nor `to` is left. */
gboolean delivery_store_publish (const gchar *from, const gchar *to, GError **error);
