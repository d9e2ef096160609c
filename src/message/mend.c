/* Edits that leave a header block in the form that readers agree about. Can not fail. */
#include "message/mend.h"

#include <string.h>

#include "message/headers-private.h"

static void
add (MessageEdits **mends, gsize offset, gsize removed, const gchar *text)
{
  g_autoptr (GBytes) bytes = text == NULL ? NULL : g_bytes_new_static (text, strlen (text));

  if (*mends == NULL)
    *mends = message_edits_new ();
  g_assert (message_edits_add (*mends, offset, removed, bytes));
}

MessageEdits *
message_mend (const MessageHeaders *headers)
{
  MessageEdits *mends = NULL;

  for (guint i = 0; i < headers->fields->len; i++)
    {
      const MessageField *field = message_headers_nth (headers, i);
      gsize name_end = field->start + field->name_length;
      gsize colon = field->value - 1;

      if (name_end < colon)
        add (&mends, name_end, colon - name_end, NULL);
    }
  if (message_headers_is_cut (headers))
    add (&mends, headers->end, 0, "\r\n");
  return mends;
}
