/* Delivery into a Maildir, durably: once TRUE comes back, the message and its folder are on disk.
 * Blocking: the caller runs it off the event loop. */
#pragma once

#include "base/path.h"
#include "message/edits.h"
#include "message/source.h"

typedef struct
{
  const BasePath *sender;
  const GPtrArray *recipients; /* of BasePath */
} DeliveryEnvelope;

/* Writes the edited message to tmp/, syncs it, moves it to new/ and syncs that; makes the Maildir
 * (not its parents) if it is missing. The file starts with Return-Path (RFC 5321 section 4.4) and
 * `prefix` (our trace field, CRLF; may be NULL); its lines end with LF, as Maildir readers expect.
 * `name_out` (may be NULL): its name in new/, "TIME.MusecPpidQcounter.HOSTNAME,S=SIZE"; caller
 * frees. FALSE: a G_FILE_ERROR that names the path, and nothing is left behind. Any thread may
 * call. */
gboolean delivery_maildir_write (const gchar *maildir, const gchar *hostname,
                                 const DeliveryEnvelope *envelope, const gchar *prefix,
                                 MessageEdits *edits, MessageSource source, gchar **name_out,
                                 GError **error);
