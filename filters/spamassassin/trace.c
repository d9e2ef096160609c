/* The trace fields that spamd sees, and nobody else: rules about the client and the envelope have
 * nothing to look at without them. What a client says about itself is cleaned. */
#include "trace.h"

#include <string.h>

/* Nothing that would end a word, a comment or the line; caller frees. */
static char *
harmless (const char *text)
{
  char *clean = g_strndup (text, 255);

  for (char *at = clean; *at != '\0'; at++)
    if (!g_ascii_isgraph (*at) || strchr ("()<>[];,\"\\", *at) != NULL)
      *at = '?';
  return clean;
}

/* In the C locale, whatever ours is (RFC 5322 section 3.3); caller frees. */
static char *
date_now (void)
{
  static const char *const days[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
  static const char *const months[]
      = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
  g_autoptr (GDateTime) now = g_date_time_new_now_utc ();

  return g_strdup_printf (
      "%s, %d %s %04d %02d:%02d:%02d +0000", days[g_date_time_get_day_of_week (now) - 1],
      g_date_time_get_day_of_month (now), months[g_date_time_get_month (now) - 1],
      g_date_time_get_year (now), g_date_time_get_hour (now), g_date_time_get_minute (now),
      g_date_time_get_second (now));
}

static void
append_received (GString *fields, WeirContext *context)
{
  const char *address = weir_client_address (context);
  const char *helo = weir_helo (context);
  g_autofree char *said = harmless (helo == NULL ? "unknown" : helo);
  g_autofree char *name = harmless (weir_client_name (context));
  g_autofree char *user = weir_user (context) == NULL ? NULL : harmless (weir_user (context));
  g_autofree char *date = date_now ();

  g_string_append_printf (fields,
                          "Received: from %s (%s [%s%s])\r\n\tby %s (Mailweir) with ESMTP%s id "
                          "%s;\r\n\t%s\r\n",
                          said, name, strchr (address, ':') == NULL ? "" : "IPv6:", address,
                          weir_hostname (context), user == NULL ? "" : "A",
                          weir_session_id (context), date);
}

char *
trace_fields (WeirContext *context)
{
  GString *fields = g_string_new (NULL);
  g_autofree char *sender = harmless (weir_sender (context));

  g_string_append_printf (fields, "Return-Path: <%s>\r\n", sender);
  if (strcmp (weir_client_address (context), "local") != 0)
    append_received (fields, context);
  return g_string_free (fields, FALSE);
}
