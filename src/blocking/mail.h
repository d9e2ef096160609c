/* The inside of WeirMail, for sessions and relays. */
#pragma once

#include <mailweir/smtp.h>

#include "base/path.h"
#include "message/spool.h"

struct _WeirMail
{
  gint references;
  BasePath *sender;
  GPtrArray *recipients; /* of BasePath */
  MessageSpool *spool;
  gchar *directory; /* of the spool's files */
  guint8 *bytes;    /* the content as it was last asked for; NULL: not yet */
  gsize mapped;     /* octets of `bytes` that are a mapping; 0: `bytes` belongs to the spool */
};

/* `directory` NULL: the folder for temporary files; copied. */
WeirMail *blocking_mail_new (const BasePath *sender, gsize memory, const gchar *directory);
void blocking_mail_add (WeirMail *mail, const BasePath *recipient);
