/* What the answer to EHLO says besides what is offered: its first line, and lines that a filter's
 * reply adds. A line that is no keyword line, or would speak for what is ours to offer, is left
 * out: a client must be able to believe the list. */
#include "gateway/private.h"

#include <string.h>

/* RFC 5321 section 4.1.1.1: ehlo-greet is any text behind the domain, which is ours. */
gchar *
hello_greeting (const GatewaySession *session, const BaseReply *text)
{
  const gchar *hostname = session->listener->config->hostname;
  gsize length = strlen (hostname);
  const gchar *words = text != NULL && text->text != NULL ? text->text : "";
  g_autofree gchar *line = g_strndup (words, strcspn (words, "\n"));
  const BaseEndpoint client = session_client (session);
  g_autofree gchar *address = base_endpoint_address (&client);
  if (g_str_has_prefix (line, hostname) && line[length] == ' ')
    return g_steal_pointer (&line);
  if (*line != '\0' && !g_str_equal (line, hostname))
    return g_strconcat (hostname, " ", line, NULL);
  return g_strconcat (hostname, " Hello ",
                      session->client_name != NULL ? session->client_name : "unknown", " [",
                      address, "]", NULL);
}

static gsize
keyword_length (const gchar *line)
{
  gsize length = 0;
  while (g_ascii_isalnum (line[length]) || (length > 0 && line[length] == '-'))
    length++;
  return length;
}

static gboolean
is_keyword_line (const gchar *line)
{
  gsize length = keyword_length (line);
  if (length == 0 || (line[length] != '\0' && line[length] != ' '))
    return FALSE;
  for (; *line != '\0'; line++)
    if (*line < ' ' || *line > '~')
      return FALSE;
  return TRUE;
}

static gboolean
has_keyword (gchar **lines, const gchar *line)
{
  gsize length = keyword_length (line);
  for (; *lines != NULL; lines++)
    if (keyword_length (*lines) == length && g_ascii_strncasecmp (*lines, line, length) == 0)
      return TRUE;
  return FALSE;
}

gchar *
hello_extra (const GatewaySession *session, const BaseReply *text)
{
  const gchar *announced = session->listener->announced;
  const gchar *more = text != NULL && text->text != NULL ? strchr (text->text, '\n') : NULL;
  g_auto (GStrv) lines = g_strsplit (more != NULL ? more + 1 : "", "\n", -1);
  g_auto (GStrv) known = g_strsplit (announced != NULL ? announced : "", "\n", -1);
  g_autoptr (GString) extra = g_string_new (announced);
  for (gchar **line = lines; *line != NULL; line++)
    if (is_keyword_line (*line) && !smtp_capabilities_own (*line) && !has_keyword (known, *line))
      g_string_append_printf (extra, "%s%s", extra->len > 0 ? "\n" : "", *line);
    else if (**line != '\0')
      base_log (BASE_LOG_NOTICE, "session=%s a filter's line of EHLO is left out: %s", session->id,
                *line);
  return g_string_free (g_steal_pointer (&extra), FALSE);
}
