/* See recipients.h. Whether the next server knows DSN (RFC 3461) is seen by what it was offered to
 * the client and used. */
#include "common/recipients.h"

#include <string.h>

static gboolean
has_parameter (const char *const *parameters, const char *keyword)
{
  for (; parameters != NULL && *parameters != NULL; parameters++)
    if (g_ascii_strncasecmp (*parameters, keyword, strlen (keyword)) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
uses_dsn (WeirContext *context)
{
  const char *const *sender = weir_sender_parameters (context);

  if (has_parameter (sender, "RET=") || has_parameter (sender, "ENVID="))
    return TRUE;
  for (guint i = 0; i < weir_recipient_count (context); i++)
    {
      const char *const *parameters = weir_recipient_parameters (context, i);

      if (has_parameter (parameters, "NOTIFY=") || has_parameter (parameters, "ORCPT="))
        return TRUE;
    }
  return FALSE;
}

static gboolean
is_there (WeirContext *context, const char *address)
{
  for (guint i = 0; i < weir_recipient_count (context); i++)
    if (g_ascii_strcasecmp (weir_recipient (context, i), address) == 0)
      return TRUE;
  return FALSE;
}

gboolean
common_recipients_add_quietly (WeirContext *context, const char *address, GError **error)
{
  static const char *const never[] = { "NOTIFY=NEVER", NULL };

  return is_there (context, address)
         || weir_add_recipient (context, address, uses_dsn (context) ? never : NULL, error);
}

gboolean
common_recipients_set (WeirContext *context, const char *address, GError **error)
{
  g_autoptr (GHashTable) others = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  GHashTableIter iter;
  gpointer other;

  for (guint i = 0; i < weir_recipient_count (context); i++)
    if (g_ascii_strcasecmp (weir_recipient (context, i), address) != 0)
      g_hash_table_add (others, g_ascii_strdown (weir_recipient (context, i), -1));
  if (!is_there (context, address) && !weir_add_recipient (context, address, NULL, error))
    return FALSE;
  g_hash_table_iter_init (&iter, others);
  while (g_hash_table_iter_next (&iter, &other, NULL))
    if (!weir_remove_recipient (context, other, error))
      return FALSE;
  return TRUE;
}
