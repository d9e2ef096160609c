/* Setting a message aside, durably: the original in a Maildir, what is known about it in a JSON
 * file of the same name. Blocking: the caller runs it off the event loop. */
#pragma once

#include "delivery/maildir.h"

/* What the JSON file says beside the envelope. NULL: unknown, written as null. All borrowed. */
typedef struct
{
  gint64 time; /* microseconds since 1970 */
  const gchar *message_id;
  const gchar *session_id;
  const gchar *listener;
  const gchar *client_address;
  const gchar *client_name;
  const gchar *helo;
  const gchar *user;
  const gchar *filter;
  const gchar *reason;
  const gchar *notes;
} DeliveryFacts;

/* Writes the original message, without any edit or field of ours, to new/NAME of the Maildir (lines
 * end with LF), and the facts to meta/NAME.json: a folder of its own, so that mail readers that
 * list new/ and cur/ see messages alone. Both files and folders are synced before TRUE; if one
 * fails, both are removed and FALSE comes back with a G_FILE_ERROR. `name_out` (may be NULL) is
 * NAME, freed by the caller. The Maildir (not its parents) is made if it is missing. Any thread may
 * call. */
gboolean delivery_quarantine_write (const gchar *maildir, const gchar *hostname,
                                    const DeliveryEnvelope *envelope, const DeliveryFacts *facts,
                                    MessageSource source, gchar **name_out, GError **error);
