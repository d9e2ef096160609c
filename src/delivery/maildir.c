/* Delivery into a Maildir. Every failure removes what was written and comes back as a G_FILE_ERROR;
 * success means that a crash of the machine the next moment loses nothing. */
#include "delivery/maildir.h"

#include "delivery/store.h"

/* What the final delivery puts in front of a message. The address comes from an envelope and was
 * checked there; a line break in it must not get out all the same. */
static gchar *
make_prefix (const DeliveryEnvelope *envelope, const gchar *trace)
{
  g_autofree gchar *address = g_strdup (envelope->sender->address);

  for (gchar *p = address; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = '?';
  return g_strdup_printf ("Return-Path: <%s>\r\n%s", address, trace == NULL ? "" : trace);
}

gboolean
delivery_maildir_write (const gchar *maildir, const gchar *hostname,
                        const DeliveryEnvelope *envelope, const gchar *prefix, MessageEdits *edits,
                        MessageSource source, gchar **name_out, GError **error)
{
  static const gchar *const folders[] = { "tmp", "new", "cur", NULL };
  g_autofree gchar *unique = delivery_store_unique_name (hostname);
  g_autofree gchar *from = g_build_filename (maildir, "tmp", unique, NULL);
  g_autofree gchar *whole_prefix = make_prefix (envelope, prefix);
  guint64 size;

  if (!delivery_store_prepare (maildir, folders, error)
      || !delivery_store_message (from, whole_prefix, edits, source, &size, error))
    return FALSE;
  g_autofree gchar *name = g_strdup_printf ("%s,S=%" G_GUINT64_FORMAT, unique, size);
  g_autofree gchar *to = g_build_filename (maildir, "new", name, NULL);
  if (!delivery_store_publish (from, to, error))
    return FALSE;
  if (name_out != NULL)
    *name_out = g_steal_pointer (&name);
  return TRUE;
}
